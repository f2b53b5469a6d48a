/* Start-up: devices, registrations and observations come back from the store. */
#include "base/err.h"
#include "host/core.h"
#include "lwm2m/observation.h"
#include "lwm2m/registration.h"
#include "store/reader.h"

#include <stdlib.h>
#include <string.h>

/* Which device has which durable number; rows come in order of the number, so it is sorted as it grows. */
struct numbers {
	struct entry {
		int64_t id;
		uint32_t index;
	} * items;
	size_t len, cap;
};

struct loading {
	struct mw_host *host;
	struct numbers devices;
	size_t n_registered, n_observations, n_bad;
	int rc;
};

static int remember(struct numbers *n, const struct mw_device *d)
{
	if (n->len == n->cap) {
		size_t cap = n->cap ? n->cap * 2 : 1024;
		struct entry *items = realloc(n->items, cap * sizeof(*items));
		if (!items)
			return MW_E_NOMEM;
		n->items = items;
		n->cap = cap;
	}
	n->items[n->len++] = (struct entry){d->id, d->index};
	return 0;
}

static int compare(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	return x->id < y->id ? -1 : x->id > y->id;
}

static struct mw_device *by_number(struct loading *ld, int64_t id)
{
	struct entry key = {.id = id};
	const struct entry *e =
		ld->devices.len ? bsearch(&key, ld->devices.items, ld->devices.len, sizeof(key), compare) : NULL;
	return e ? mw_pool_at(&ld->host->lwm2m->devices.pool, e->index) : NULL;
}

static uint8_t binding_bits(struct mw_bytes letters)
{
	static const char all[] = "UTSNMH";
	uint8_t bits = 0;
	for (size_t i = 0; i < letters.len; i++) {
		const char *at = letters.data[i] ? strchr(all, letters.data[i]) : NULL;
		if (at)
			bits |= (uint8_t)(1 << (at - all));
	}
	return bits ? bits : MW_BINDING_U;
}

static int restore_registration(struct mw_host *h, struct mw_device *d, const struct mw_registration_row *r)
{
	if (mw_peer_decode(h->udp, r->peer, &d->addr) < 0 || r->version.len != 3 || r->lifetime_s < 0 ||
		r->lifetime_s > UINT32_MAX)
		return MW_E_FORMAT;
	d->version = (uint8_t)(10 + r->version.data[2] - '0');
	if (!*mw_version_name(d->version))
		return MW_E_FORMAT;
	d->lifetime_s = (uint32_t)r->lifetime_s;
	d->binding = binding_bits(r->binding);
	d->queue_mode = r->queue_mode;
	d->registered_ms = r->registered_ms;
	char *sms = mw_strndup(r->sms.data, r->sms.len), *params = mw_strndup(r->params.data, r->params.len);
	int rc = sms && params ? mw_device_set_extra(d, sms, params) : MW_E_NOMEM;
	free(sms);
	free(params);
	return rc < 0 ? rc : mw_registration_restore(h->lwm2m, d, r->location, r->links);
}

static bool on_device(
	void *ud, const struct mw_device_row *row, const struct mw_registration_row *registration)
{
	struct loading *ld = ud;
	struct mw_devices *devices = &ld->host->lwm2m->devices;
	struct mw_device *d =
		mw_devices_add(devices, (const char *)row->endpoint.data, row->endpoint.len, row->id);
	if (!d || remember(&ld->devices, d) < 0) {
		ld->rc = MW_E_NOMEM;
		return false;
	}
	d->stored = true;
	if (!registration)
		return true;
	int rc = restore_registration(ld->host, d, registration);
	if (rc < 0) {
		ld->n_bad++;
		MW_LOG(&ld->host->log, ERROR, STORE,
			"ep=%s its stored registration cannot be used (%s): it must register again", d->endpoint,
			mw_err_text(rc));
	} else {
		ld->n_registered++;
	}
	return true;
}

static bool on_observation(void *ud, const struct mw_observation_row *row)
{
	struct loading *ld = ud;
	struct mw_device *d = by_number(ld, row->device_id);
	if (!d || !mw_device_is_registered(d))
		return true;       /* left over from a registration that has ended: nobody will notify under it */
	if (!row->is_active) { /* we went down before the device confirmed it: whoever wanted it has to ask again
							*/
		mw_store_delete_observation(ld->host->store, row->token);
		return true;
	}
	ld->rc = mw_observation_restore(ld->host->lwm2m, d, &row->path, row->token, row->format);
	ld->n_observations += ld->rc == 0;
	return ld->rc == 0;
}

int mw_host_load(struct mw_host *h, const char *store_path, struct mw_errbuf *e)
{
	struct loading ld = {.host = h};
	struct mw_reader *r = mw_reader_open(store_path, e);
	if (!r)
		return MW_E_IO;
	uint32_t max = h->lwm2m->devices.max;
	h->lwm2m->devices.max = UINT32_MAX; /* what is stored is not turned away: the limit is for new devices */
	int rc = mw_reader_devices(r, (struct mw_bytes){0}, on_device, &ld, e);
	h->lwm2m->devices.max = max;
	if (ld.devices.len >= max)
		MW_LOG(&h->log, WARN, HOST, "%s holds %zu devices and max_devices is %u: no new ones are taken",
			store_path, ld.devices.len, max);
	if (rc == 0 && ld.rc == 0)
		rc = mw_reader_observations(r, on_observation, &ld, e);
	if (rc == 0 && ld.rc < 0)
		rc = mw_fail(e, ld.rc, "cannot load the registrations of %s: %s", store_path, mw_err_text(ld.rc));
	if (rc == 0 && ld.devices.len)
		MW_LOG(&h->log, INFO, HOST, "%zu devices known, %zu registered, %zu observations", ld.devices.len,
			ld.n_registered, ld.n_observations);
	free(ld.devices.items);
	mw_reader_close(r);
	return rc;
}
