/** @file values.h  From a payload to typed nodes and an event: one road for reads, first values and
 * notifications. */
#pragma once
#include "lwm2m/server.h"

/** Decodes @p body into l->scratch, with the definitions of the version that the device has. 0 or an error,
 * logged and counted; @p e says where. */
int mw_values_decode(struct mw_lwm2m *l, const struct mw_device *d, const struct mw_path *path,
	unsigned format, struct mw_bytes body, struct mw_errbuf *e);
/** Acknowledges @p reply once everything put so far is stored; if that fails, the device sends it again. 0,
 * or an error and nothing will happen. */
int mw_values_ack_when_stored(struct mw_lwm2m *l, const struct mw_coap_reply *reply);
/** Emits MW_EVENT_VALUES for the answer @p r, and keeps the ACK of a confirmable one back until what
 * listeners put is stored. */
void mw_values_emit_answer(struct mw_lwm2m *l, const struct mw_device *d, const struct mw_path *path,
	enum mw_source source, const struct mw_coap_result *r);
/** Emits MW_EVENT_VALUES for what is in l->scratch; returns the number of feed items put. */
int mw_values_emit(
	struct mw_lwm2m *l, const struct mw_device *d, const struct mw_path *path, enum mw_source source);
