#include "lwm2m/op.h"
#include "base/err.h"
#include "codec/format.h"
#include "lwm2m/observation.h"
#include "lwm2m/values.h"

#include <string.h>

static struct mw_op *at(struct mw_lwm2m *l, uint32_t index)
{
	return mw_pool_at(&l->ops, index);
}

int64_t mw_op_id(const struct mw_op *op)
{
	return (int64_t)op->serial << 32 | op->index;
}

static int check(const struct mw_device *d, const struct mw_path *path, struct mw_errbuf *e)
{
	if (path->depth == 0 || path->depth > 4)
		return mw_fail(e, MW_E_PATH, "the root has no values: name an object, e.g. /3/0");
	if (path->oid == 0 || path->oid == 21)
		return mw_fail(e, MW_E_PATH, "object %u holds keys: no server may access it", path->oid);
	if (!mw_device_is_registered(d) || !d->announced)
		return mw_fail(e, MW_E_STATE, "device %s is not registered", d->endpoint);
	if (path->depth == 4 && d->version < MW_LWM2M_1_1)
		return mw_fail(
			e, MW_E_PATH, "resource instances have no paths in LwM2M 1.0, which %s speaks", d->endpoint);
	return 0;
}

struct mw_op *mw_op_new(struct mw_lwm2m *l, struct mw_device *d, const struct mw_path *path, mw_result_cb *cb,
	void *ud, int *rc, struct mw_errbuf *e)
{
	*rc = check(d, path, e);
	if (*rc < 0)
		return NULL;
	uint32_t index = mw_pool_alloc(&l->ops);
	if (index == MW_POOL_NONE) {
		*rc = mw_fail(e, MW_E_NOMEM, "out of memory");
		return NULL;
	}
	struct mw_op *op = at(l, index);
	l->op_serial = l->op_serial >= INT32_MAX ? 1 : l->op_serial + 1; /* ids stay positive */
	*op = (struct mw_op){.index = index,
		.serial = l->op_serial,
		.next = d->first_op,
		.server = l,
		.dev = mw_device_ref_of(d),
		.path = *path,
		.cb = cb,
		.ud = ud};
	d->first_op = index;
	return op;
}

void mw_op_discard(struct mw_op *op)
{
	struct mw_lwm2m *l = op->server;
	struct mw_device *d = mw_devices_get(&l->devices, op->dev);
	if (d) {
		uint32_t *link = &d->first_op;
		while (*link != op->index)
			link = &at(l, *link)->next;
		*link = op->next;
	}
	mw_wheel_remove(l->wheel, &op->timer);
	op->serial = 0;
	mw_pool_free(&l->ops, op->index);
}

void mw_op_finish(struct mw_op *op, const struct mw_result *res)
{
	struct mw_op copy = *op;
	mw_op_discard(op);
	if (copy.cb)
		copy.cb(copy.ud, copy.dev, &copy.path, res);
}

void mw_op_finish_values(
	struct mw_op *op, enum mw_source source, int err, const struct mw_coap_result *r, const char *text)
{
	struct mw_op copy = *op;
	struct mw_lwm2m *l = op->server;
	struct mw_device *d = mw_devices_get(&l->devices, op->dev);
	mw_op_discard(op);
	if (d)
		mw_values_emit_answer(l, d, &copy.path, source, r);
	struct mw_result res = {
		.err = err, .code = r->code, .nodes = l->scratch.items, .n_nodes = l->scratch.len, .text = text};
	if (copy.cb)
		copy.cb(copy.ud, copy.dev, &copy.path, &res);
}

void mw_op_finish_coap(struct mw_op *op, const struct mw_coap_result *r)
{
	char text[256] = "";
	if (r->err) {
		mw_strcopy(text, sizeof(text), mw_err_text(r->err));
	} else if (r->code >> 5 != 2 && r->body.len) { /* diagnostic payload, RFC 7252 section 5.5.2 */
		size_t n = r->body.len < sizeof(text) ? r->body.len : sizeof(text) - 1;
		memcpy(text, r->body.data, n);
		text[n] = 0;
	}
	struct mw_result res = {.err = r->err, .code = r->code, .text = text};
	mw_op_finish(op, &res);
}

int mw_op_send(struct mw_op *op, struct mw_coap_send *rq, mw_coap_result_cb *cb)
{
	struct mw_lwm2m *l = op->server;
	const struct mw_device *d = mw_devices_get(&l->devices, op->dev);
	const uint16_t ids[4] = {op->path.oid, op->path.iid, op->path.rid, op->path.riid};
	rq->to = d->addr;
	rq->prefix = d->links->prefix;
	rq->path = ids;
	rq->path_len = op->path.depth;
	rq->ack_timeout_ms = d->ack_timeout_ms;
	int64_t id = mw_coap_request(l->coap, rq, cb, op);
	if (id < 0)
		return (int)id;
	op->request = id;
	return 0;
}

static void abort_op(struct mw_lwm2m *l, struct mw_op *op)
{
	if (op->request && mw_coap_cancel(l->coap, op->request) == 0)
		return; /* its callback has finished the operation */
	struct mw_observation *o = op->cookie ? mw_observation_by_cookie(l, op->cookie) : NULL;
	if (o && o->state == MW_OBSERVATION_STARTING) /* no request has left: nothing is observed */
		mw_observation_remove(l, o);
	struct mw_result res = {.err = MW_E_CANCELED, .text = mw_err_text(MW_E_CANCELED)};
	mw_op_finish(op, &res);
}

int mw_op_abort(struct mw_lwm2m *l, int64_t id)
{
	uint32_t index = (uint32_t)id, serial = (uint32_t)(id >> 32);
	if (id <= 0 || !serial || index >= l->ops.fresh || at(l, index)->serial != serial)
		return MW_E_NOTFOUND;
	abort_op(l, at(l, index));
	return 0;
}

void mw_op_abort_all(struct mw_lwm2m *l, struct mw_device *d)
{
	d->announced = false; /* or a callback that tries again would keep this going for ever */
	while (d->first_op != MW_POOL_NONE)
		abort_op(l, at(l, d->first_op));
}

/* Best first: what the device said it speaks (`ct` of its root link), then what its version must know. */
int mw_op_format(const struct mw_device *d, unsigned attempt)
{
	if (d->format != MW_FORMAT_NONE) { /* worked before: try it first, then start over */
		if (attempt == 0)
			return d->format;
		attempt--;
	}
	unsigned list[3], n = 0;
	bool says = d->links && d->links->n_formats > 0;
	if (says ? mw_links_has_format(d->links, MW_FORMAT_SENML_CBOR) : d->version >= MW_LWM2M_1_1)
		list[n++] = MW_FORMAT_SENML_CBOR;
	list[n++] = MW_FORMAT_TLV;
	list[n++] = MW_FORMAT_NONE;
	return attempt < n ? (int)list[attempt] : -1;
}
