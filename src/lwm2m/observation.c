#include "lwm2m/observation.h"
#include "base/err.h"
#include "codec/format.h"
#include "lwm2m/values.h"

static struct mw_observation *at(struct mw_lwm2m *l, uint32_t index)
{
	return mw_pool_at(&l->observations, index);
}

uint64_t mw_observation_cookie(const struct mw_observation *o)
{
	return (uint64_t)o->generation << 32 | o->index;
}

struct mw_coap_token mw_observation_token(const struct mw_observation *o)
{
	struct mw_coap_token t = {.len = 8};
	for (int i = 0; i < 8; i++)
		t.bytes[i] = (uint8_t)(o->token >> (56 - 8 * i));
	return t;
}

struct mw_observation *mw_observation_by_cookie(struct mw_lwm2m *l, uint64_t cookie)
{
	uint32_t index = (uint32_t)cookie;
	if (index >= l->observations.fresh)
		return NULL;
	struct mw_observation *o = at(l, index);
	return o->generation && o->generation == cookie >> 32 ? o : NULL;
}

struct mw_observation *mw_observation_find(
	struct mw_lwm2m *l, const struct mw_device *d, const struct mw_path *path)
{
	for (uint32_t i = d->first_observation; i != MW_POOL_NONE; i = at(l, i)->next)
		if (mw_path_eq(&at(l, i)->path, path))
			return at(l, i);
	return NULL;
}

static struct mw_observation *link_new(
	struct mw_lwm2m *l, struct mw_device *d, const struct mw_path *path, uint64_t token)
{
	uint32_t index = mw_pool_alloc(&l->observations);
	if (index == MW_POOL_NONE)
		return NULL;
	struct mw_observation *o = at(l, index);
	o->index = index;
	/* from the random token, so that a cookie of an earlier record in this place does not fit */
	o->generation = (uint32_t)(token >> 32) | 1;
	o->token = token;
	o->dev = mw_device_ref_of(d);
	o->path = *path;
	o->next = d->first_observation;
	d->first_observation = index;
	d->n_observations++;
	return o;
}

int mw_observation_add(
	struct mw_lwm2m *l, struct mw_device *d, const struct mw_path *path, struct mw_observation **out)
{
	if (d->n_observations >= l->config.max_observations_per_device)
		return MW_E_LIMIT;
	uint64_t token;
	mw_random_pooled(&l->random, &token, sizeof(token));
	*out = link_new(l, d, path, token);
	return *out ? 0 : MW_E_NOMEM;
}

int mw_observation_restore(
	struct mw_lwm2m *l, struct mw_device *d, const struct mw_path *path, uint64_t token, uint16_t format)
{
	struct mw_observation *o = link_new(l, d, path, token);
	if (!o)
		return MW_E_NOMEM;
	o->format = format;
	o->state = MW_OBSERVATION_ACTIVE;
	struct mw_coap_token t = mw_observation_token(o);
	return mw_coap_observe_restore(l->coap, &t, mw_observation_cookie(o));
}

static void release(struct mw_lwm2m *l, struct mw_observation *o)
{
	struct mw_coap_token t = mw_observation_token(o);
	mw_coap_observe_forget(l->coap, &t);
	o->generation = 0;
	mw_pool_free(&l->observations, o->index);
}

void mw_observation_remove(struct mw_lwm2m *l, struct mw_observation *o)
{
	struct mw_device *d = mw_devices_get(&l->devices, o->dev);
	if (d) {
		uint32_t *link = &d->first_observation;
		while (*link != o->index)
			link = &at(l, *link)->next;
		*link = o->next;
		d->n_observations--;
	}
	l->durable.delete_observation(l->durable.ud, o);
	release(l, o);
}

void mw_observation_remove_all(struct mw_lwm2m *l, struct mw_device *d)
{
	if (d->first_observation == MW_POOL_NONE)
		return;
	l->durable.delete_observations_of(l->durable.ud, d);
	for (uint32_t i = d->first_observation, next; i != MW_POOL_NONE; i = next) {
		next = at(l, i)->next;
		release(l, at(l, i));
	}
	d->first_observation = MW_POOL_NONE;
	d->n_observations = 0;
}

/* The device says that the observation is over, e.g. 4.04 since the instance is gone. */
static void ended_by_device(
	struct mw_lwm2m *l, const struct mw_device *d, struct mw_observation *o, uint8_t code)
{
	char path[MW_PATH_TEXT_MAX];
	mw_path_print(&o->path, path);
	MW_LOG(l->log, INFO, OBS, "ep=%s observation of %s ended by the device with %d.%02d", d->endpoint, path,
		code >> 5, code & 31);
	mw_observation_remove(l, o);
}

static enum mw_coap_verdict take_values(struct mw_lwm2m *l, struct mw_device *d,
	const struct mw_observation *o, const struct mw_coap_notification *n)
{
	struct mw_errbuf why = {0};
	struct mw_path path = o->path; /* listeners may end the observation */
	if (mw_values_decode(l, d, &path, n->result.content_format, n->result.body, &why) < 0)
		return MW_COAP_ACK_NOW; /* sending it again would not make it readable; it is counted and logged */
	int rows = mw_values_emit(l, d, &path, MW_SOURCE_NOTIFY);
	if (!n->is_con || rows == 0)
		return MW_COAP_ACK_NOW;
	if (rows < 0 || mw_values_ack_when_stored(l, &n->reply) < 0)
		return MW_COAP_IGNORE; /* nothing may be acknowledged that is not stored */
	return MW_COAP_ACK_LATER;
}

enum mw_coap_verdict mw_observation_notified(void *ud, const struct mw_coap_notification *n)
{
	struct mw_lwm2m *l = ud;
	struct mw_observation *o = mw_observation_by_cookie(l, n->cookie);
	struct mw_device *d = o ? mw_devices_get(&l->devices, o->dev) : NULL;
	if (!d || !mw_device_is_registered(d))
		return MW_COAP_REFUSE;
	if (!mw_addr_eq(&d->addr, &n->result.from)) {
		/* A reset would end the observation for good, although the device has only moved: its next Update
		 * tells. */
		l->stats.foreign_notifications++;
		return MW_COAP_IGNORE;
	}
	d->heard_ms = mw_mono_now(&l->clock).ms;
	if (n->result.code >> 5 != 2) {
		ended_by_device(l, d, o, n->result.code);
		return MW_COAP_ACK_NOW;
	}
	return take_values(l, d, o, n);
}

bool mw_observation_request(void *ud, uint64_t cookie, struct mw_coap_send *rq)
{
	struct mw_lwm2m *l = ud;
	struct mw_observation *o = mw_observation_by_cookie(l, cookie);
	struct mw_device *d = o ? mw_devices_get(&l->devices, o->dev) : NULL;
	if (!d || !d->links)
		return false;
	l->path_ids[0] = o->path.oid;
	l->path_ids[1] = o->path.iid;
	l->path_ids[2] = o->path.rid;
	l->path_ids[3] = o->path.riid;
	rq->to = d->addr;
	rq->code = MW_COAP_GET;
	rq->path = l->path_ids;
	rq->path_len = o->path.depth;
	rq->prefix = d->links->prefix;
	rq->accept = o->format;
	rq->content_format = MW_COAP_NO_FORMAT;
	rq->ack_timeout_ms = d->ack_timeout_ms;
	return true;
}
