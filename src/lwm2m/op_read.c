/* Read: GET with Accept (Core "Read"). A device that answers 4.06 or 4.15 is asked again in the next format.
 */
#include "base/err.h"
#include "codec/format.h"
#include "lwm2m/op.h"
#include "lwm2m/values.h"

static void on_result(void *ud, const struct mw_coap_result *r);

static int send_get(struct mw_op *op, int format)
{
	struct mw_coap_send rq = {
		.code = MW_COAP_GET, .observe = -1, .content_format = MW_COAP_NO_FORMAT, .accept = (unsigned)format};
	return mw_op_send(op, &rq, on_result);
}

static bool try_next_format(struct mw_op *op, const struct mw_device *d)
{
	int format = mw_op_format(d, ++op->attempt);
	return format >= 0 && send_get(op, format) == 0;
}

static void on_result(void *ud, const struct mw_coap_result *r)
{
	struct mw_op *op = ud;
	struct mw_lwm2m *l = op->server;
	struct mw_device *d = mw_devices_get(&l->devices, op->dev);
	op->request = 0;
	if (r->err || !d) {
		mw_op_finish_coap(op, r);
		return;
	}
	d->heard_ms = mw_mono_now(&l->clock).ms;
	if ((r->code == MW_COAP_NOT_ACCEPTABLE || r->code == MW_COAP_UNSUPPORTED_FORMAT) &&
		try_next_format(op, d))
		return;
	if (r->code >> 5 != 2) {
		mw_op_finish_coap(op, r);
		return;
	}
	struct mw_errbuf why = {0};
	struct mw_path path = op->path;
	int rc = mw_values_decode(l, d, &path, r->content_format, r->body, &why);
	if (rc == 0 && r->content_format != MW_COAP_NO_FORMAT &&
		mw_op_format(d, op->attempt) == (int)r->content_format)
		d->format = (uint16_t)r->content_format;
	mw_op_finish_values(op, MW_SOURCE_READ, rc, r, why.text);
}

int64_t mw_op_read(struct mw_lwm2m *l, struct mw_device *d, const struct mw_path *path, mw_result_cb *cb,
	void *ud, struct mw_errbuf *e)
{
	int rc;
	struct mw_op *op = mw_op_new(l, d, path, cb, ud, &rc, e);
	if (!op)
		return rc;
	rc = send_get(op, mw_op_format(d, 0));
	if (rc < 0) {
		mw_op_discard(op);
		return mw_fail(e, rc, "cannot send to %s: %s", d->endpoint, mw_err_text(rc));
	}
	return mw_op_id(op);
}
