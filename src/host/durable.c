/* The LwM2M layer's durability, on the store: structs become rows. */
#include "host/core.h"
#include "lwm2m/observation.h"

#include <string.h>

static struct mw_bytes text(const char *s)
{
	return (struct mw_bytes){(const uint8_t *)s, s ? strlen(s) : 0};
}

static int put_device(void *ud, const struct mw_device *d)
{
	struct mw_host *h = ud;
	struct mw_device_row row = {
		.id = d->id, .endpoint = text(d->endpoint), .created_ms = mw_wall_now(&h->clock).ms};
	return mw_store_put_device(h->store, &row);
}

static int put_registration(void *ud, const struct mw_device *d)
{
	struct mw_host *h = ud;
	char peer[MW_ADDR_TEXT_MAX], binding[8];
	uint8_t stored[MW_STORED_PEER_LEN];
	mw_peer_encode(h->udp, &d->addr, stored);
	struct mw_registration_row row = {
		.device_id = d->id,
		.location = d->location,
		.peer = {stored, sizeof(stored)},
		.peer_text = text(mw_addr_print(&d->addr, peer)),
		.lifetime_s = d->lifetime_s,
		.version = text(mw_version_name(d->version)),
		.binding = text(mw_binding_print(d->binding, false, binding)),
		.queue_mode = d->queue_mode,
		.sms = text(d->extra ? d->extra->sms : ""),
		.params = text(d->extra ? d->extra->params : ""),
		.links = {(const uint8_t *)d->links->raw, d->links->raw_len},
		.registered_ms = d->registered_ms,
		.updated_ms = mw_wall_now(&h->clock).ms,
	};
	return mw_store_put_registration(h->store, &row);
}

static int delete_registration(void *ud, const struct mw_device *d)
{
	struct mw_host *h = ud;
	return mw_store_delete_registration(h->store, d->id);
}

static int put_observation(void *ud, const struct mw_device *d, const struct mw_observation *o)
{
	struct mw_host *h = ud;
	struct mw_observation_row row = {.token = o->token,
		.device_id = d->id,
		.path = o->path,
		.format = o->format,
		.is_active = o->state == MW_OBSERVATION_ACTIVE};
	return mw_store_put_observation(h->store, &row);
}

static int delete_observation(void *ud, const struct mw_observation *o)
{
	struct mw_host *h = ud;
	return mw_store_delete_observation(h->store, o->token);
}

static int delete_observations_of(void *ud, const struct mw_device *d)
{
	struct mw_host *h = ud;
	return mw_store_delete_observations_of(h->store, d->id);
}

static int commit(void *ud, mw_durable_cb *cb, void *cb_ud, const void *ticket, size_t len)
{
	struct mw_host *h = ud;
	return mw_store_commit(h->store, cb, cb_ud, ticket, len);
}

struct mw_durable mw_host_durable(struct mw_host *host)
{
	return (struct mw_durable){.put_device = put_device,
		.put_registration = put_registration,
		.delete_registration = delete_registration,
		.put_observation = put_observation,
		.delete_observation = delete_observation,
		.delete_observations_of = delete_observations_of,
		.commit = commit,
		.ud = host};
}
