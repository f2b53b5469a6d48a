/* Observe and its two ways of ending (Core "Observe", "Cancel Observation"; RFC 7641).
 *
 * The token is on the disk before the request leaves: a notification after a crash must find its meaning. */
#include "base/err.h"
#include "codec/format.h"
#include "lwm2m/observation.h"
#include "lwm2m/op.h"
#include "lwm2m/values.h"

#include <string.h>

/* Waits for the commit of the observation's row. */
struct start_ticket {
	int64_t op;
	uint64_t cookie;
};

static void on_result(void *ud, const struct mw_coap_result *r);

static int send_observe(struct mw_op *op, const struct mw_observation *o, int observe)
{
	struct mw_coap_token token = mw_observation_token(o);
	struct mw_coap_send rq = {.code = MW_COAP_GET,
		.observe = observe,
		.content_format = MW_COAP_NO_FORMAT,
		.accept = o->format,
		.cookie = op->cookie,
		.token = &token};
	return mw_op_send(op, &rq, on_result);
}

static void fail(struct mw_op *op, int rc)
{
	struct mw_result res = {.err = rc, .text = mw_err_text(rc)};
	mw_op_finish(op, &res);
}

static struct mw_op *op_by_id(struct mw_lwm2m *l, int64_t id)
{
	struct mw_op *op = mw_pool_at(&l->ops, (uint32_t)id);
	return op->serial == (uint32_t)(id >> 32) ? op : NULL;
}

static void on_durable(void *ud, const void *ticket, int status)
{
	struct mw_lwm2m *l = ud;
	struct start_ticket t;
	memcpy(&t, ticket, sizeof(t));
	struct mw_op *op = op_by_id(l, t.op);
	struct mw_observation *o = mw_observation_by_cookie(l, t.cookie);
	if (!op)
		return; /* cancelled meanwhile, before the device heard of it; so the observation is gone as well */
	int rc = status < 0 ? status : o ? send_observe(op, o, 0) : MW_E_CANCELED;
	if (rc < 0) {
		if (o)
			mw_observation_remove(l, o);
		fail(op, rc);
	}
}

/* A 2.05 without the Observe option is an answer, but no observation (RFC 7641 section 3.1). */
static void first_value(
	struct mw_op *op, struct mw_device *d, struct mw_observation *o, const struct mw_coap_result *r)
{
	struct mw_lwm2m *l = op->server;
	struct mw_errbuf why = {0};
	struct mw_path path = op->path;
	int rc = mw_values_decode(l, d, &path, r->content_format, r->body, &why);
	if (r->observing) {
		o->state = MW_OBSERVATION_ACTIVE;
		l->durable.put_observation(
			l->durable.ud, d, o); /* confirmed: only such a row counts after a restart */
	} else {
		mw_observation_remove(l, o);
		rc = mw_fail(&why, MW_E_UNSUPPORTED, "the device answered, but did not establish the observation");
	}
	mw_op_finish_values(op, MW_SOURCE_OBSERVE, rc, r, why.text);
}

static bool try_next_format(struct mw_op *op, const struct mw_device *d, struct mw_observation *o)
{
	int format = mw_op_format(d, ++op->attempt);
	if (format < 0)
		return false;
	o->format = (uint16_t)format;
	/* its row keeps the first format until the restart's cancel needs it: put it again */
	op->server->durable.put_observation(op->server->durable.ud, d, o);
	return send_observe(op, o, 0) == 0;
}

static void on_result(void *ud, const struct mw_coap_result *r)
{
	struct mw_op *op = ud;
	struct mw_lwm2m *l = op->server;
	struct mw_device *d = mw_devices_get(&l->devices, op->dev);
	struct mw_observation *o = mw_observation_by_cookie(l, op->cookie);
	op->request = 0;
	if (!r->err && d)
		d->heard_ms = mw_mono_now(&l->clock).ms;
	bool refused = r->code == MW_COAP_NOT_ACCEPTABLE || r->code == MW_COAP_UNSUPPORTED_FORMAT;
	if (!r->err && d && o && refused && try_next_format(op, d, o))
		return;
	if (!r->err && !o) { /* cancelled while the request was under way; the next notification is reset */
		fail(op, MW_E_CANCELED);
		return;
	}
	if (r->err || !d || r->code >> 5 != 2) {
		if (o)
			mw_observation_remove(l, o);
		mw_op_finish_coap(op, r);
		return;
	}
	first_value(op, d, o, r);
}

int64_t mw_op_observe(struct mw_lwm2m *l, struct mw_device *d, const struct mw_path *path, mw_result_cb *cb,
	void *ud, struct mw_errbuf *e)
{
	if (mw_observation_find(l, d, path))
		return mw_op_read(l, d, path, cb, ud, e);
	int rc;
	struct mw_op *op = mw_op_new(l, d, path, cb, ud, &rc, e);
	if (!op)
		return rc;
	struct mw_observation *o;
	rc = mw_observation_add(l, d, path, &o);
	if (rc < 0) {
		mw_op_discard(op);
		return mw_fail(e, rc, "%s has %u observations: no more are allowed", d->endpoint, d->n_observations);
	}
	op->cookie = mw_observation_cookie(o);
	o->format = (uint16_t)mw_op_format(d, 0);
	struct start_ticket t = {.op = mw_op_id(op), .cookie = op->cookie};
	rc = l->durable.put_observation(l->durable.ud, d, o);
	if (rc == 0)
		rc = l->durable.commit(l->durable.ud, on_durable, l, &t, sizeof(t));
	if (rc < 0) {
		mw_observation_remove(l, o);
		mw_op_discard(op);
		return mw_fail(e, rc, "cannot store the observation: %s", mw_err_text(rc));
	}
	return mw_op_id(op);
}

/* ---- cancel ---- */

static void on_cancelled(void *ud, const struct mw_coap_result *r)
{
	mw_op_finish_coap(ud, r);
}

static void on_forgotten(struct mw_timer *t, void *ud)
{
	(void)ud;
	struct mw_result res = {.text = ""};
	mw_op_finish(MW_CONTAINER_OF(t, struct mw_op, timer), &res);
}

/* The endpoint goes on knowing the token until the request is answered, so that a notification which crosses
 * it is not taken for the answer. Cookie 0 is no observation's. */
static int send_cancel(struct mw_op *op, struct mw_observation *o)
{
	struct mw_lwm2m *l = op->server;
	struct mw_coap_token token = mw_observation_token(o);
	struct mw_coap_send rq = {.code = MW_COAP_GET,
		.observe = 1,
		.content_format = MW_COAP_NO_FORMAT,
		.accept = o->format,
		.token = &token};
	int rc = mw_op_send(op, &rq, on_cancelled);
	if (rc == 0) {
		mw_observation_remove(l, o);
		mw_coap_observe_restore(l->coap, &token, 0);
	}
	return rc;
}

/* The record goes at once: what still comes is late and gets a reset, in both ways. */
int64_t mw_op_cancel_observe(struct mw_lwm2m *l, struct mw_device *d, const struct mw_path *path,
	enum mw_cancel_way way, mw_result_cb *cb, void *ud, struct mw_errbuf *e)
{
	char text[MW_PATH_TEXT_MAX];
	struct mw_observation *o = mw_observation_find(l, d, path);
	if (!o) {
		mw_path_print(path, text);
		return mw_fail(e, MW_E_NOTFOUND, "%s is not observed on %s", text, d->endpoint);
	}
	int rc;
	struct mw_op *op = mw_op_new(l, d, path, cb, ud, &rc, e);
	if (!op)
		return rc;
	if (way == MW_CANCEL_RESET) {
		mw_observation_remove(l, o);
		mw_wheel_add(l->wheel, &op->timer, mw_mono_now(&l->clock), on_forgotten);
		return mw_op_id(op);
	}
	rc = send_cancel(op, o);
	if (rc < 0) {
		mw_op_discard(op);
		return mw_fail(e, rc, "cannot send to %s: %s", d->endpoint, mw_err_text(rc));
	}
	return mw_op_id(op);
}
