/* Listeners, and the feed items that they put. */
#include "base/err.h"
#include "host/core.h"

#include <stdlib.h>
#include <string.h>

int mw_host_on_event(struct mw_host *h, mw_event_cb *cb, void *ud)
{
	if (h->n_listeners == h->cap_listeners) {
		size_t cap = h->cap_listeners ? h->cap_listeners * 2 : 4;
		struct mw_listener *items = realloc(h->listeners, cap * sizeof(*items));
		if (!items)
			return mw_host_fail(h, MW_E_NOMEM, "out of memory");
		h->listeners = items;
		h->cap_listeners = cap;
	}
	h->listeners[h->n_listeners++] = (struct mw_listener){.id = ++h->last_listener, .cb = cb, .ud = ud};
	return h->last_listener;
}

static void compact(struct mw_host *h)
{
	size_t n = 0;
	for (size_t i = 0; i < h->n_listeners; i++)
		if (h->listeners[i].cb)
			h->listeners[n++] = h->listeners[i];
	h->n_listeners = n;
}

void mw_host_off_event(struct mw_host *h, int id)
{
	for (size_t i = 0; i < h->n_listeners; i++)
		if (h->listeners[i].id == id)
			h->listeners[i].cb = NULL;
	if (!h->delivering)
		compact(h);
}

/* One listener that could not put its items is enough to keep the ACK back: the device will send again. A
 * listener may remove itself or others, whose places stay empty until the outermost delivery ends; one that
 * is added meanwhile hears the next event first. */
int mw_host_deliver(void *ud, const struct mw_event *event)
{
	struct mw_host *h = ud;
	int rows = 0;
	h->delivering++;
	for (size_t i = 0, n = h->n_listeners; i < n; i++) {
		struct mw_listener listener = h->listeners[i];
		int n_rows = listener.cb ? listener.cb(listener.ud, h, event) : 0;
		if (event->kind == MW_EVENT_VALUES && rows >= 0)
			rows = n_rows < 0 ? n_rows : rows + n_rows;
	}
	if (--h->delivering == 0)
		compact(h);
	return rows;
}

void mw_host_feed_committed(void *ud, int64_t last_seq)
{
	struct mw_host *h = ud;
	struct mw_event ev = {
		.kind = MW_EVENT_FEED, .last_seq = last_seq, .received_ms = mw_wall_now(&h->clock).ms};
	mw_host_deliver(h, &ev);
}

/* ---- the feed ---- */

static int put(
	struct mw_host *h, struct mw_device_ref ref, struct mw_feed_row *row, const struct mw_path *path)
{
	const struct mw_device *d = mw_devices_get(&h->lwm2m->devices, ref);
	if (!d)
		return mw_host_fail(h, MW_E_NOTFOUND, "device is gone");
	row->device_id = d->id;
	if (!row->time_ms)
		row->time_ms = mw_wall_now(&h->clock).ms;
	if (path)
		row->path = *path;
	int rc = mw_store_put_feed(h->store, row);
	return rc < 0 ? mw_host_fail(h, rc, "cannot store it now: %s", mw_err_text(rc)) : 0;
}

int mw_put_measurement(struct mw_host *h, struct mw_device_ref dev, int64_t time_ms, struct mw_bytes type,
	struct mw_bytes series, const struct mw_value *number, struct mw_bytes unit, const struct mw_path *path)
{
	bool good = number->type == MW_TYPE_INTEGER || number->type == MW_TYPE_FLOAT ||
				(number->type == MW_TYPE_UNSIGNED && number->u <= INT64_MAX);
	if (!good)
		return mw_host_fail(
			h, MW_E_TYPE, "a measurement is a number up to 2^63-1, not %s", mw_type_name(number->type));
	struct mw_feed_row row = {.kind = MW_FEED_MEASUREMENT,
		.time_ms = time_ms,
		.type = type,
		.series = series,
		.unit = unit,
		.value = *number};
	return put(h, dev, &row, path);
}

int mw_put_event(struct mw_host *h, struct mw_device_ref dev, int64_t time_ms, struct mw_bytes type,
	struct mw_bytes text, const struct mw_path *path)
{
	struct mw_feed_row row = {.kind = MW_FEED_EVENT, .time_ms = time_ms, .type = type, .text = text};
	return put(h, dev, &row, path);
}

int mw_put_alarm(struct mw_host *h, struct mw_device_ref dev, int64_t time_ms, struct mw_bytes type,
	enum mw_severity severity, enum mw_alarm_status status, struct mw_bytes text, const struct mw_path *path)
{
	if (status < MW_ALARM_ACTIVE || status > MW_ALARM_CLEARED || severity > MW_SEVERITY_CRITICAL ||
		(status != MW_ALARM_CLEARED && severity == MW_SEVERITY_NONE))
		return mw_host_fail(h, MW_E_ARG, "an alarm needs a severity and a status");
	struct mw_feed_row row = {.kind = MW_FEED_ALARM,
		.time_ms = time_ms,
		.type = type,
		.text = text,
		.severity = severity,
		.status = status};
	return put(h, dev, &row, path);
}
