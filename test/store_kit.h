/** @file store_kit.h  What the tests of the store share: a folder that goes away, a store on a loop, rows
 * read back. */
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "store/reader.h"
#include "store/store.h"
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct kit {
	char dir[64], path[96];
	uv_loop_t loop;
	struct mw_log log;
	struct mw_store *store;
	struct mw_errbuf err;
	int n_log_errors;
	char last_log[1024];
	int n_done, last_status; /* of kit_done */
};

static inline struct mw_bytes kit_str(const char *s)
{
	return (struct mw_bytes){(const uint8_t *)s, strlen(s)};
}

static inline void kit_log(
	void *ud, enum mw_log_level level, enum mw_log_group group, const char *file, int line, const char *text)
{
	(void)group, (void)file, (void)line;
	struct kit *k = ud;
	k->n_log_errors += level == MW_LOG_ERROR;
	snprintf(k->last_log, sizeof(k->last_log), "%s", text);
}

static inline void kit_init(struct kit *k)
{
	*k = (struct kit){0};
	const char *tmp = getenv("TMPDIR");
	snprintf(k->dir, sizeof(k->dir), "%s/mw-store-XXXXXX", tmp && strlen(tmp) < 40 ? tmp : "/tmp");
	assert_non_null(mkdtemp(k->dir));
	snprintf(k->path, sizeof(k->path), "%s/store.db", k->dir);
	assert_int_equal(uv_loop_init(&k->loop), 0);
	mw_log_init(&k->log, kit_log, k, MW_LOG_INFO);
}

static inline struct mw_store *kit_try_open(struct kit *k, struct mw_store_config config)
{
	config.path = k->path;
	return k->store = mw_store_open(&k->loop, &config, &k->log, &k->err);
}

static inline void kit_open(struct kit *k)
{
	if (!kit_try_open(k, (struct mw_store_config){0}))
		fail_msg("%s", k->err.text);
}

static inline void kit_close(struct kit *k)
{
	mw_store_close(k->store);
	k->store = NULL;
	uv_run(&k->loop, UV_RUN_DEFAULT);
}

static inline void kit_deinit(struct kit *k)
{
	if (k->store)
		kit_close(k);
	uv_run(&k->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&k->loop), 0);
	DIR *d = opendir(k->dir);
	for (struct dirent *entry; d && (entry = readdir(d)) != NULL;)
		if (entry->d_name[0] != '.')
			unlinkat(dirfd(d), entry->d_name, 0);
	if (d)
		closedir(d);
	rmdir(k->dir);
}

static inline void kit_done(void *ud, const void *ticket, int status)
{
	(void)ticket;
	struct kit *k = ud;
	k->n_done++;
	k->last_status = status;
}

/* Commits what was put and runs the loop until the completion came; gives its status. */
static inline int kit_sync(struct kit *k)
{
	int want = k->n_done + 1;
	assert_int_equal(mw_store_commit(k->store, kit_done, k, NULL, 0), 0);
	while (k->n_done < want)
		uv_run(&k->loop, UV_RUN_ONCE);
	return k->last_status;
}

static inline void kit_device(struct kit *k, int64_t id, const char *endpoint)
{
	struct mw_device_row row = {.id = id, .endpoint = kit_str(endpoint), .created_ms = 1000 + id};
	assert_int_equal(mw_store_put_device(k->store, &row), 0);
}

static inline struct mw_feed_row kit_measurement(int64_t device, int64_t value)
{
	return (struct mw_feed_row){.kind = MW_FEED_MEASUREMENT,
		.device_id = device,
		.time_ms = 1790000000000,
		.type = kit_str("Temperature"),
		.series = kit_str("Temperature.T"),
		.unit = kit_str("Cel"),
		.value = {.type = MW_TYPE_INTEGER, .i = value}};
}

static inline void kit_put(struct kit *k, struct mw_feed_row row)
{
	assert_int_equal(mw_store_put_feed(k->store, &row), 0);
}

enum { KIT_ROWS_MAX = 4000 };

/* Feed rows read back; strings are copied into `text`. */
struct kit_rows {
	size_t n, stop_at;
	struct mw_feed_row rows[KIT_ROWS_MAX];
	char bytes[KIT_ROWS_MAX * 100];
	size_t used;
};

static inline void kit_keep(struct kit_rows *out, struct mw_bytes *s)
{
	if (!s->len)
		return;
	assert_true(out->used + s->len <= sizeof(out->bytes));
	memcpy(out->bytes + out->used, s->data, s->len);
	s->data = (const uint8_t *)out->bytes + out->used;
	out->used += s->len;
}

static inline bool kit_row(void *ud, const struct mw_feed_row *row)
{
	struct kit_rows *out = ud;
	assert_true(out->n < KIT_ROWS_MAX);
	struct mw_feed_row *copy = &out->rows[out->n++];
	*copy = *row;
	kit_keep(out, &copy->type);
	kit_keep(out, &copy->series);
	kit_keep(out, &copy->unit);
	kit_keep(out, &copy->text);
	kit_keep(out, &copy->endpoint);
	return out->n != out->stop_at;
}

static inline struct mw_reader *kit_reader(struct kit *k)
{
	struct mw_reader *r = mw_reader_open(k->path, &k->err);
	if (!r)
		fail_msg("%s", k->err.text);
	return r;
}

/* All that @p q finds, on a connection of its own; free() it. */
static inline struct kit_rows *kit_feed(struct kit *k, struct mw_feed_query q)
{
	struct kit_rows *out = calloc(1, sizeof(*out));
	struct mw_reader *r = kit_reader(k);
	if (mw_reader_feed(r, &q, kit_row, out, &k->err) < 0)
		fail_msg("%s", k->err.text);
	mw_reader_close(r);
	return out;
}

static inline void kit_assert_str(struct mw_bytes s, const char *want)
{
	assert_int_equal(s.len, strlen(want));
	if (s.len)
		assert_memory_equal(s.data, want, s.len);
}
