/** @file registration.h  Register, Update, De-register and expiry (Core "Client Registration Interface").
 *
 * No 2.01, no 2.04 that changed anything and no 2.02 leaves before the commit that holds the change. A
 * keep-alive Update changes nothing that a restart needs (lifetimes start anew then), so it is answered at
 * once. */
#pragma once
#include "lwm2m/server.h"

/** POST /rd */
void mw_registration_register(struct mw_lwm2m *l, const struct mw_coap_request *rq);
/** POST /rd/<location> */
void mw_registration_update(struct mw_lwm2m *l, const struct mw_coap_request *rq, struct mw_bytes location);
/** DELETE /rd/<location> */
void mw_registration_deregister(
	struct mw_lwm2m *l, const struct mw_coap_request *rq, struct mw_bytes location);
/** Brings a registration back from the store; its lifetime starts anew at this moment, since a device could
 * not reach us while we were down. @p links may be unusable: then the device stays known but unregistered. 0
 * or an error. */
int mw_registration_restore(
	struct mw_lwm2m *l, struct mw_device *d, uint64_t location, struct mw_bytes links);
/** (Re-)starts the lifetime of a registered device. */
void mw_registration_touch(struct mw_lwm2m *l, struct mw_device *d);
/** Answers @p reply with an error code and a short text. */
void mw_registration_refuse(
	struct mw_lwm2m *l, const struct mw_coap_reply *reply, int code, const struct mw_errbuf *why);
