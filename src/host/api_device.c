/* Public functions on devices and operations: references become devices, errors become the host's text. */
#include "base/err.h"
#include "host/core.h"
#include "lwm2m/observation.h"
#include "lwm2m/op.h"

#include <string.h>

static struct mw_device *get(struct mw_host *h, struct mw_device_ref ref)
{
	struct mw_device *d = mw_devices_get(&h->lwm2m->devices, ref);
	if (!d)
		mw_host_fail(h, MW_E_NOTFOUND, "device is gone");
	return d;
}

int mw_device_find(struct mw_host *h, const char *endpoint, size_t len, struct mw_device_ref *out)
{
	const struct mw_device *d = mw_devices_find(&h->lwm2m->devices, endpoint, len);
	if (!d)
		return mw_host_fail(
			h, MW_E_NOTFOUND, "no device \"%.*s\" has registered", (int)(len < 255 ? len : 255), endpoint);
	*out = mw_device_ref_of(d);
	return 0;
}

bool mw_device_next(struct mw_host *h, struct mw_device_ref *at)
{
	return mw_devices_next(&h->lwm2m->devices, at) != NULL;
}

static int64_t wall_of(struct mw_host *h, int64_t mono_ms)
{
	return mw_wall_now(&h->clock).ms + (mono_ms - mw_mono_now(&h->clock).ms);
}

int mw_device_info(struct mw_host *h, struct mw_device_ref dev, struct mw_device_info *out)
{
	const struct mw_device *d = get(h, dev);
	if (!d)
		return MW_E_NOTFOUND;
	*out = (struct mw_device_info){
		.id = d->id,
		.endpoint = {(const uint8_t *)d->endpoint, d->endpoint_len},
		.registered = mw_device_is_registered(d),
		.queue_mode = d->queue_mode,
		.lifetime_s = d->lifetime_s,
		.registered_ms = d->registered_ms,
		.n_observations = d->n_observations,
	};
	if (!out->registered)
		return 0;
	mw_location_print(d->location, out->location);
	mw_addr_print(&d->addr, out->address);
	mw_strcopy(out->version, sizeof(out->version), mw_version_name(d->version));
	mw_binding_print(d->binding, false, out->binding);
	out->last_heard_ms = wall_of(h, d->heard_ms);
	out->expires_ms = d->expires_ms == INT64_MAX ? 0 : wall_of(h, d->expires_ms);
	out->links = (struct mw_bytes){(const uint8_t *)d->links->raw, d->links->raw_len};
	return 0;
}

int mw_device_links(
	struct mw_host *h, struct mw_device_ref dev, void (*cb)(void *ud, uint16_t oid, uint16_t iid), void *ud)
{
	const struct mw_device *d = get(h, dev);
	if (!d)
		return MW_E_NOTFOUND;
	if (!d->links)
		return mw_host_fail(h, MW_E_STATE, "device %s is not registered", d->endpoint);
	struct mw_links *links = mw_links_ref(d->links); /* the callback may end the registration */
	for (uint32_t i = 0; i < links->n_items; i++)
		cb(ud, links->items[i].oid, links->items[i].iid);
	mw_links_unref(&h->lwm2m->devices.lists, links);
	return 0;
}

int64_t mw_read(
	struct mw_host *h, struct mw_device_ref dev, const struct mw_path *path, mw_result_cb *cb, void *ud)
{
	struct mw_device *d = get(h, dev);
	return d ? mw_op_read(h->lwm2m, d, path, cb, ud, &h->error) : MW_E_NOTFOUND;
}

int64_t mw_observe(
	struct mw_host *h, struct mw_device_ref dev, const struct mw_path *path, mw_result_cb *cb, void *ud)
{
	struct mw_device *d = get(h, dev);
	return d ? mw_op_observe(h->lwm2m, d, path, cb, ud, &h->error) : MW_E_NOTFOUND;
}

bool mw_is_observed(struct mw_host *h, struct mw_device_ref dev, const struct mw_path *path)
{
	const struct mw_device *d = get(h, dev);
	return d && mw_observation_find(h->lwm2m, d, path);
}

int64_t mw_cancel_observe(struct mw_host *h, struct mw_device_ref dev, const struct mw_path *path,
	enum mw_cancel_way way, mw_result_cb *cb, void *ud)
{
	struct mw_device *d = get(h, dev);
	return d ? mw_op_cancel_observe(h->lwm2m, d, path, way, cb, ud, &h->error) : MW_E_NOTFOUND;
}

int64_t mw_write_attributes(struct mw_host *h, struct mw_device_ref dev, const struct mw_path *path,
	const char *attributes, mw_result_cb *cb, void *ud)
{
	struct mw_device *d = get(h, dev);
	return d ? mw_op_write_attributes(h->lwm2m, d, path, attributes, cb, ud, &h->error) : MW_E_NOTFOUND;
}

int mw_op_cancel(struct mw_host *h, int64_t op)
{
	int rc = mw_op_abort(h->lwm2m, op);
	return rc < 0 ? mw_host_fail(h, rc, "no such operation: it has ended") : 0;
}
