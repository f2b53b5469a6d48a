/* A host for tests of the script layer: every function that src/script calls, with what was asked written
 * down. Time stands still until a test moves it. Include it in one file per program; it takes the place of
 * the real host. */
#pragma once
#include "base/buf.h"
#include "codec/value.h"
#include "host/host.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

enum {
	STUB_OPS = 4096,
	STUB_PUTS = 2048,
	STUB_TIMERS = 256,
	STUB_DEVICES = 100,
	STUB_OBSERVED = 32,
	STUB_LOG = 64 * 1024
};

struct stub_op {
	char what[8]; /* "read", "observe", "cancel", "attr" */
	struct mw_device_ref dev;
	struct mw_path path;
	char attributes[64];
	mw_result_cb *cb; /* NULL = answered */
	void *ud;
};

struct stub_put {
	char text[256]; /* "measurement type series value unit path time" and so on */
};

struct stub_device {
	char endpoint[32];
	bool registered;
	uint16_t links[8][2];
	size_t n_links;
	struct mw_path observed[STUB_OBSERVED];
	uint32_t n_observations;
};

struct mw_host {
	struct mw_log log;
	char log_text[STUB_LOG];
	size_t log_len;
	int64_t wall_ms;
	uv_loop_t *loop;
	mw_event_cb *listener;
	void *listener_ud;
	struct {
		int64_t id, at;
		void (*cb)(void *);
		void *ud;
	} timers[STUB_TIMERS];
	int64_t last_id, now_ms;
	struct stub_op ops[STUB_OPS];
	size_t n_ops;
	uint64_t failed_commits;
	int fail_ops, fail_puts; /* code to answer with, 0 = none */
	struct stub_put puts[STUB_PUTS];
	size_t n_puts; /* may go beyond STUB_PUTS; those are counted only */
	bool count_only;
	struct stub_device devices[STUB_DEVICES];
	size_t n_devices;
};

static void stub_log(
	void *ud, enum mw_log_level level, enum mw_log_group group, const char *file, int line, const char *text)
{
	struct mw_host *h = ud;
	(void)file;
	(void)line;
	int n = snprintf(h->log_text + h->log_len, STUB_LOG - h->log_len, "%s %s %s\n", mw_log_level_name(level),
		mw_log_group_name(group), text);
	h->log_len += (size_t)n < STUB_LOG - h->log_len ? (size_t)n : STUB_LOG - h->log_len - 1;
}

static struct mw_host *stub_host_new(void)
{
	struct mw_host *h = calloc(1, sizeof(*h));
	h->wall_ms = 1700000000000;
	mw_log_init(&h->log, stub_log, h, MW_LOG_DEBUG);
	return h;
}

uv_loop_t *mw_host_loop(struct mw_host *h)
{
	return h->loop;
}
struct mw_log *mw_host_log(struct mw_host *h)
{
	return &h->log;
}
int64_t mw_host_wall_ms(struct mw_host *h)
{
	return h->wall_ms;
}
int64_t mw_host_mono_ms(struct mw_host *h)
{
	return h->now_ms;
}
uint64_t mw_host_failed_commits(struct mw_host *h)
{
	return h->failed_commits;
}
const char *mw_host_error(const struct mw_host *h)
{
	return h->fail_ops ? mw_err_text(h->fail_ops) : "stub";
}
int mw_host_on_event(struct mw_host *h, mw_event_cb *cb, void *ud)
{
	h->listener = cb;
	h->listener_ud = ud;
	return 1;
}
void mw_host_off_event(struct mw_host *h, int id)
{
	(void)id;
	h->listener = NULL;
}

/* ---- timers ---- */

int64_t mw_host_after(struct mw_host *h, uint32_t ms, void (*cb)(void *), void *ud)
{
	for (size_t i = 0; i < STUB_TIMERS; i++) {
		if (h->timers[i].id)
			continue;
		h->timers[i].id = ++h->last_id;
		h->timers[i].at = h->now_ms + ms;
		h->timers[i].cb = cb;
		h->timers[i].ud = ud;
		return h->last_id;
	}
	return MW_E_NOMEM;
}
int mw_host_after_cancel(struct mw_host *h, int64_t id)
{
	for (size_t i = 0; i < STUB_TIMERS; i++) {
		if (h->timers[i].id == id) {
			h->timers[i].id = 0;
			return 0;
		}
	}
	return MW_E_NOTFOUND;
}
static inline int stub_armed(const struct mw_host *h)
{
	int n = 0;
	for (size_t i = 0; i < STUB_TIMERS; i++)
		n += h->timers[i].id != 0;
	return n;
}
/* Moves the time and fires what is due. */
static inline void stub_advance(struct mw_host *h, int64_t ms)
{
	h->now_ms += ms;
	for (size_t i = 0; i < STUB_TIMERS; i++) {
		if (!h->timers[i].id || h->timers[i].at > h->now_ms)
			continue;
		h->timers[i].id = 0;
		h->timers[i].cb(h->timers[i].ud);
		i = (size_t)-1; /* it may have set new ones */
	}
}

/* ---- devices ---- */

static inline struct mw_device_ref stub_device(struct mw_host *h, const char *endpoint)
{
	struct stub_device *d = &h->devices[h->n_devices++];
	snprintf(d->endpoint, sizeof(d->endpoint), "%s", endpoint);
	d->registered = true;
	return (struct mw_device_ref){(uint32_t)h->n_devices, 7};
}
static inline void stub_link(struct mw_host *h, struct mw_device_ref dev, uint16_t oid, uint16_t iid)
{
	struct stub_device *d = &h->devices[dev.index - 1];
	d->links[d->n_links][0] = oid;
	d->links[d->n_links++][1] = iid;
}
static struct stub_device *stub_find(struct mw_host *h, struct mw_device_ref dev)
{
	return dev.index >= 1 && dev.index <= h->n_devices && dev.generation == 7 ? &h->devices[dev.index - 1]
																			  : NULL;
}
bool mw_device_next(struct mw_host *h, struct mw_device_ref *at)
{
	if (at->index >= h->n_devices)
		return false;
	*at = (struct mw_device_ref){at->index + 1, 7};
	return true;
}
int mw_device_info(struct mw_host *h, struct mw_device_ref dev, struct mw_device_info *out)
{
	struct stub_device *d = stub_find(h, dev);
	if (!d)
		return MW_E_NOTFOUND;
	*out = (struct mw_device_info){.id = dev.index,
		.endpoint = {(const uint8_t *)d->endpoint, strlen(d->endpoint)},
		.registered = d->registered,
		.lifetime_s = 300,
		.version = "1.1",
		.address = "127.0.0.1:5683",
		.n_observations = d->n_observations};
	return 0;
}
int mw_device_links(
	struct mw_host *h, struct mw_device_ref dev, void (*cb)(void *ud, uint16_t oid, uint16_t iid), void *ud)
{
	struct stub_device *d = stub_find(h, dev);
	if (!d)
		return MW_E_NOTFOUND;
	for (size_t i = 0; i < d->n_links; i++)
		cb(ud, d->links[i][0], d->links[i][1]);
	return 0;
}

/* ---- operations ---- */

static int64_t stub_start(struct mw_host *h, const char *what, struct mw_device_ref dev,
	const struct mw_path *path, const char *attributes, mw_result_cb *cb, void *ud)
{
	if (h->fail_ops)
		return h->fail_ops;
	if (!stub_find(h, dev) || h->n_ops == STUB_OPS)
		return MW_E_NOTFOUND;
	struct stub_op *op = &h->ops[h->n_ops++];
	*op = (struct stub_op){.dev = dev, .path = *path, .cb = cb, .ud = ud};
	snprintf(op->what, sizeof(op->what), "%s", what);
	snprintf(op->attributes, sizeof(op->attributes), "%s", attributes);
	return (int64_t)h->n_ops;
}
int64_t mw_read(
	struct mw_host *h, struct mw_device_ref dev, const struct mw_path *path, mw_result_cb *cb, void *ud)
{
	return stub_start(h, "read", dev, path, "", cb, ud);
}
static inline struct mw_path *stub_observed(
	struct mw_host *h, struct mw_device_ref dev, const struct mw_path *path)
{
	struct stub_device *d = stub_find(h, dev);
	for (uint32_t i = 0; d && i < d->n_observations; i++) {
		const struct mw_path *o = &d->observed[i]; /* paths here have three ids */
		if (o->oid == path->oid && o->iid == path->iid && o->rid == path->rid)
			return &d->observed[i];
	}
	return NULL;
}
static inline void stub_observe(struct mw_host *h, struct mw_device_ref dev, const struct mw_path *path)
{
	struct stub_device *d = stub_find(h, dev);
	if (stub_observed(h, dev, path))
		return;
	assert_true(d->n_observations < STUB_OBSERVED);
	d->observed[d->n_observations++] = *path;
}
static inline void stub_unobserve(struct mw_host *h, struct mw_device_ref dev, const struct mw_path *path)
{
	struct stub_device *d = stub_find(h, dev);
	struct mw_path *at = stub_observed(h, dev, path);
	if (at)
		*at = d->observed[--d->n_observations];
}
int64_t mw_observe(
	struct mw_host *h, struct mw_device_ref dev, const struct mw_path *path, mw_result_cb *cb, void *ud)
{
	int64_t id = stub_start(h, "observe", dev, path, "", cb, ud);
	if (id >= 0)
		stub_observe(h, dev, path);
	return id;
}
bool mw_is_observed(struct mw_host *h, struct mw_device_ref dev, const struct mw_path *path)
{
	return stub_observed(h, dev, path);
}
int64_t mw_cancel_observe(struct mw_host *h, struct mw_device_ref dev, const struct mw_path *path,
	enum mw_cancel_way way, mw_result_cb *cb, void *ud)
{
	(void)way;
	int64_t id = stub_start(h, "cancel", dev, path, "", cb, ud);
	if (id >= 0)
		stub_unobserve(h, dev, path);
	return id;
}
int64_t mw_write_attributes(struct mw_host *h, struct mw_device_ref dev, const struct mw_path *path,
	const char *attributes, mw_result_cb *cb, void *ud)
{
	return stub_start(h, "attr", dev, path, attributes, cb, ud);
}
static inline void stub_answer(struct mw_host *h, size_t i, const struct mw_result *res)
{
	struct stub_op *op = &h->ops[i];
	mw_result_cb *cb = op->cb;
	assert_non_null(cb);
	op->cb = NULL;
	if (strcmp(op->what, "observe") == 0 && (res->err || res->code >> 5 != 2))
		stub_unobserve(h, op->dev, &op->path);
	cb(op->ud, op->dev, &op->path, res);
}
int mw_op_cancel(struct mw_host *h, int64_t id)
{
	if (id < 1 || (size_t)id > h->n_ops || !h->ops[id - 1].cb)
		return MW_E_NOTFOUND;
	stub_answer(h, (size_t)id - 1, &(struct mw_result){.err = MW_E_CANCELED, .text = ""});
	return 0;
}
static inline size_t stub_open_ops(const struct mw_host *h)
{
	size_t n = 0;
	for (size_t i = 0; i < h->n_ops; i++)
		n += h->ops[i].cb != NULL;
	return n;
}
/* As the real host does when it is closed. */
static inline void stub_host_free(struct mw_host *h)
{
	for (size_t i = 0; i < h->n_ops; i++) {
		if (h->ops[i].cb)
			stub_answer(h, i, &(struct mw_result){.err = MW_E_CANCELED, .text = ""});
	}
	free(h);
}

/* ---- the feed ---- */

static int stub_put(struct mw_host *h, struct mw_device_ref dev, const char *fmt, ...)
{
	if (h->fail_puts)
		return h->fail_puts;
	if (!stub_find(h, dev))
		return MW_E_NOTFOUND;
	if (!h->count_only && h->n_puts < STUB_PUTS) {
		va_list args;
		va_start(args, fmt);
		vsnprintf(h->puts[h->n_puts].text, sizeof(h->puts[0].text), fmt, args);
		va_end(args);
	}
	h->n_puts++;
	return 0;
}
static const char *stub_path(struct mw_host *h, const struct mw_path *p, char *out)
{
	*out = '\0';
	if (!h->count_only)
		mw_path_print(p, out);
	return out;
}
int mw_put_measurement(struct mw_host *h, struct mw_device_ref dev, int64_t time_ms, struct mw_bytes type,
	struct mw_bytes series, const struct mw_value *number, struct mw_bytes unit, const struct mw_path *path)
{
	char at[MW_PATH_TEXT_MAX], value[64] = "";
	struct mw_buf b;
	mw_buf_init(&b, value, sizeof(value) - 1);
	if (!h->count_only)
		mw_value_print(number, &b);
	return stub_put(h, dev, "measurement %.*s %.*s %s %.*s %s %lld", (int)type.len, type.data,
		(int)series.len, series.data, value, (int)unit.len, unit.data ? (const char *)unit.data : "",
		stub_path(h, path, at), (long long)time_ms);
}
int mw_put_event(struct mw_host *h, struct mw_device_ref dev, int64_t time_ms, struct mw_bytes type,
	struct mw_bytes text, const struct mw_path *path)
{
	char at[MW_PATH_TEXT_MAX];
	(void)time_ms;
	return stub_put(h, dev, "event %.*s '%.*s' %s", (int)type.len, type.data, (int)text.len, text.data,
		stub_path(h, path, at));
}
int mw_put_alarm(struct mw_host *h, struct mw_device_ref dev, int64_t time_ms, struct mw_bytes type,
	enum mw_severity severity, enum mw_alarm_status status, struct mw_bytes text, const struct mw_path *path)
{
	char at[MW_PATH_TEXT_MAX];
	(void)time_ms;
	return stub_put(h, dev, "alarm %.*s severity=%d status=%d '%.*s' %s", (int)type.len, type.data,
		(int)severity, (int)status, (int)text.len, text.data, stub_path(h, path, at));
}

/* ---- units on disk ---- */

struct stub_scripts {
	char dir[64];
};

static inline void stub_scripts_new(struct stub_scripts *s)
{
	char path[128];
	snprintf(s->dir, sizeof(s->dir), "/tmp/mw-script-XXXXXX");
	assert_non_null(mkdtemp(s->dir));
	static const char *const folders[] = {"protocols", "hooks", "lib"};
	for (size_t i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "%s/%s", s->dir, folders[i]);
		assert_int_equal(mkdir(path, 0700), 0);
	}
}
static inline void stub_scripts_write(const struct stub_scripts *s, const char *name, const char *text)
{
	char path[256];
	snprintf(path, sizeof(path), "%s/%s", s->dir, name);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}
static inline void stub_scripts_remove(const struct stub_scripts *s, const char *name)
{
	char path[256];
	snprintf(path, sizeof(path), "%s/%s", s->dir, name);
	assert_int_equal(unlink(path), 0);
}
static inline void stub_scripts_free(const struct stub_scripts *s)
{
	char command[128];
	snprintf(command, sizeof(command), "rm -rf '%s'", s->dir);
	assert_int_equal(system(command), 0);
}
