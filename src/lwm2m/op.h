/** @file op.h  Operations on devices: what all have in common. One file per operation: op_read.c,
 * op_observe.c, op_write_attributes.c. To add one: copy op_write_attributes.c, declare its start function
 * here.
 *
 * An operation is one record from start to its one callback; it may need several CoAP exchanges (format
 * negotiation). It ends when the device answers, in time-out, or when the registration that it was for ends.
 */
#pragma once
#include "lwm2m/server.h"

struct mw_op {
	uint32_t pool_link;
	uint32_t index, serial;
	uint32_t next; /**< of the same device, MW_POOL_NONE at the end */
	struct mw_lwm2m *server;
	struct mw_device_ref dev;
	struct mw_path path;
	mw_result_cb *cb;
	void *ud;
	int64_t request;       /**< CoAP request in flight, 0 = none */
	uint64_t cookie;       /**< op_observe.c: the observation */
	uint8_t attempt;       /**< op_read.c, op_observe.c: position in the list of formats */
	struct mw_timer timer; /**< op_observe.c: callback in the next step */
};

int64_t mw_op_read(struct mw_lwm2m *l, struct mw_device *d, const struct mw_path *path, mw_result_cb *cb,
	void *ud, struct mw_errbuf *e);
int64_t mw_op_observe(struct mw_lwm2m *l, struct mw_device *d, const struct mw_path *path, mw_result_cb *cb,
	void *ud, struct mw_errbuf *e);
int64_t mw_op_cancel_observe(struct mw_lwm2m *l, struct mw_device *d, const struct mw_path *path,
	enum mw_cancel_way way, mw_result_cb *cb, void *ud, struct mw_errbuf *e);
int64_t mw_op_write_attributes(struct mw_lwm2m *l, struct mw_device *d, const struct mw_path *path,
	const char *attributes, mw_result_cb *cb, void *ud, struct mw_errbuf *e);
/** The callback comes with MW_E_CANCELED before this returns. MW_E_NOTFOUND: has ended already. */
int mw_op_abort(struct mw_lwm2m *l, int64_t id);
/** Aborts all operations of a device, because its registration ends. */
void mw_op_abort_all(struct mw_lwm2m *l, struct mw_device *d);

/* ---- for op_*.c ---- */

/** Checks path and state and makes the record. NULL on failure, @p rc and @p e filled. */
struct mw_op *mw_op_new(struct mw_lwm2m *l, struct mw_device *d, const struct mw_path *path, mw_result_cb *cb,
	void *ud, int *rc, struct mw_errbuf *e);
int64_t mw_op_id(const struct mw_op *op);
/** Sends a request for op->path, prefixed by the device's alternate path. 0 or an error. */
int mw_op_send(struct mw_op *op, struct mw_coap_send *rq, mw_coap_result_cb *cb);
/** Frees the record, then calls the user's callback. Not used after this. */
void mw_op_finish(struct mw_op *op, const struct mw_result *res);
/** Frees the record, tells listeners of the values in the server's scratch, then calls the user's callback
 * with
 *  @p err, @p code, @p text and the same values. Listeners may abort operations: this one has ended for them.
 */
void mw_op_finish_values(
	struct mw_op *op, enum mw_source source, int err, const struct mw_coap_result *r, const char *text);
/** mw_op_finish with what the endpoint says (error, or the device's code and words). */
void mw_op_finish_coap(struct mw_op *op, const struct mw_coap_result *r);
/** Frees the record without calling back: for start functions that fail. */
void mw_op_discard(struct mw_op *op);
/** The Content-Format to ask for at this attempt, best first; MW_FORMAT_NONE = let the device choose; -1 = no
 * more. */
int mw_op_format(const struct mw_device *d, unsigned attempt);
