/** @file params.h  Query parameters of Register and Update (Core "Register", Transport table 6.4.3-1). Pure.
 */
#pragma once
#include "coap/message.h"
#include "moonwire.h"

enum { MW_ENDPOINT_MAX = 255, MW_PARAMS_EXTRA_MAX = 1024, MW_PARAM_SMS_MAX = 64 };

/** What one request said; only members whose has_ flag is set. Strings borrow from the message. */
struct mw_params {
	bool has_endpoint, has_lifetime, has_version, has_binding, queue_flag, has_sms, has_profile;
	struct mw_bytes endpoint;
	uint32_t lifetime_s; /**< 0 = infinite */
	uint8_t version;     /**< enum mw_lwm2m_version */
	uint8_t binding;     /**< MW_BINDING_ bits */
	bool binding_queue;  /**< a Q among the letters, as 1.0 writes it */
	struct mw_bytes sms;
	char extra[MW_PARAMS_EXTRA_MAX]; /**< unknown parameters, "k=v&k=v" */
};

/** Parses the Uri-Query options.
 *  @return 0, or the CoAP code to answer with: 4.00 (bad, doubled or too long; @p why says which), 4.12
 * (version that we do not speak: clients step down on it) */
int mw_params_parse(struct mw_params *p, const struct mw_coap_msg *msg, struct mw_errbuf *why);
/** Checks the binding letters against the version of the registration: 0 or 4.00. */
int mw_params_check_binding(const struct mw_params *p, uint8_t version, struct mw_errbuf *why);
