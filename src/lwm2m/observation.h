/** @file observation.h  Which paths of which device are observed, under which token (Core "Information
 * Reporting").
 *
 * Records of 48 bytes in a pool, linked per device. The CoAP endpoint knows tokens and order; this file knows
 * devices and paths; the store has a copy, so that a notification after a restart still finds its meaning. */
#pragma once
#include "lwm2m/server.h"

enum mw_observation_state {
	MW_OBSERVATION_STARTING, /**< in the store, request not answered yet */
	MW_OBSERVATION_ACTIVE,
};

struct mw_observation {
	uint32_t pool_link;
	uint32_t index, generation;
	uint32_t next;  /**< of the same device, MW_POOL_NONE at the end */
	uint64_t token; /**< the 8 bytes, big endian */
	struct mw_device_ref dev;
	struct mw_path path;
	uint16_t format; /**< Accept that it was asked with */
	uint8_t state;
};

/** Record for @p path with a fresh token. MW_E_LIMIT: as many as a device may have. */
int mw_observation_add(
	struct mw_lwm2m *l, struct mw_device *d, const struct mw_path *path, struct mw_observation **out);
/** As add, with a token from the store; it is active at once. */
int mw_observation_restore(
	struct mw_lwm2m *l, struct mw_device *d, const struct mw_path *path, uint64_t token, uint16_t format);
struct mw_observation *mw_observation_find(
	struct mw_lwm2m *l, const struct mw_device *d, const struct mw_path *path);
/** By the cookie that goes through the CoAP endpoint; NULL if it is gone. */
struct mw_observation *mw_observation_by_cookie(struct mw_lwm2m *l, uint64_t cookie);
uint64_t mw_observation_cookie(const struct mw_observation *o);
struct mw_coap_token mw_observation_token(const struct mw_observation *o);
/** Ends it here and in the store; the device learns by a reset at its next notification. */
void mw_observation_remove(struct mw_lwm2m *l, struct mw_observation *o);
void mw_observation_remove_all(struct mw_lwm2m *l, struct mw_device *d);
/** The endpoint's notification handler. */
enum mw_coap_verdict mw_observation_notified(void *ud, const struct mw_coap_notification *n);
/** The endpoint's question what was asked, when a notification is longer than one block. */
bool mw_observation_request(void *ud, uint64_t cookie, struct mw_coap_send *rq);
