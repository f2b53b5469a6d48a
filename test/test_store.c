/* The store as its callers see it: every kind of row comes back bit by bit, completions, limits, queries. */
#include "store_kit.h"
#include "store/heads.h"
#include <math.h>
#include <sys/stat.h>

static int setup(void **state)
{
	struct kit *k = malloc(sizeof(*k));
	kit_init(k);
	kit_open(k);
	*state = k;
	return 0;
}

static int teardown(void **state)
{
	kit_deinit(*state);
	free(*state);
	return 0;
}

/* ---- rows ---- */

struct devices {
	int n, n_registered;
	int64_t ids[8];
};

static const char links[] = "</>;rt=\"oma.lwm2m\",</1/0>,</3/0>,</3303/0>";

static bool on_device(void *ud, const struct mw_device_row *d, const struct mw_registration_row *reg)
{
	struct devices *out = ud;
	out->ids[out->n++] = d->id;
	if (!reg)
		return true;
	out->n_registered++;
	assert_int_equal(d->id, 2);
	kit_assert_str(d->endpoint, "urn:imei:2");
	assert_int_equal(d->created_ms, 1002);
	assert_int_equal(reg->device_id, 2);
	assert_true(reg->location == UINT64_MAX - 1);
	assert_int_equal(reg->peer.len, 4);
	assert_memory_equal(reg->peer.data, "\0\1\0\377", 4);
	kit_assert_str(reg->peer_text, "[2001:db8::1]:56830");
	assert_int_equal(reg->lifetime_s, 86400);
	kit_assert_str(reg->version, "1.1");
	kit_assert_str(reg->binding, "UQ");
	assert_true(reg->queue_mode);
	assert_int_equal(reg->sms.len, 0);
	kit_assert_str(reg->params, "x=1&y");
	kit_assert_str(reg->links, links);
	assert_int_equal(reg->registered_ms, 7);
	assert_int_equal(reg->updated_ms, INT64_MAX);
	return true;
}

static struct mw_registration_row registration(int64_t device)
{
	return (struct mw_registration_row){.device_id = device,
		.location = UINT64_MAX - 1,
		.peer = {(const uint8_t *)"\0\1\0\377", 4},
		.peer_text = kit_str("[2001:db8::1]:56830"),
		.lifetime_s = 86400,
		.version = kit_str("1.1"),
		.binding = kit_str("UQ"),
		.queue_mode = true,
		.params = kit_str("x=1&y"),
		.links = kit_str(links),
		.registered_ms = 7,
		.updated_ms = INT64_MAX};
}

static void devices_and_registrations(void **state)
{
	struct kit *k = *state;
	kit_device(k, 2, "urn:imei:2");
	kit_device(k, 1, "one");
	struct mw_registration_row old = {.device_id = 2, .lifetime_s = 1}, new = registration(2);
	assert_int_equal(mw_store_put_registration(k->store, &old), 0);
	assert_int_equal(mw_store_put_registration(k->store, &new), 0);
	assert_int_equal(kit_sync(k), 0);

	struct mw_reader *r = kit_reader(k);
	struct devices all = {0}, one = {0}, none = {0}, gone = {0};
	assert_int_equal(mw_reader_devices(r, (struct mw_bytes){0}, on_device, &all, NULL), 0);
	assert_int_equal(all.n, 2);
	assert_int_equal(all.ids[0], 1);
	assert_int_equal(all.ids[1], 2);
	assert_int_equal(all.n_registered, 1);
	assert_int_equal(mw_reader_devices(r, kit_str("urn:imei:2"), on_device, &one, NULL), 0);
	assert_int_equal(one.n, 1);
	assert_int_equal(mw_reader_devices(r, kit_str("urn:imei:"), on_device, &none, NULL), 0);
	assert_int_equal(none.n, 0);

	assert_int_equal(mw_store_delete_registration(k->store, 2), 0);
	assert_int_equal(kit_sync(k), 0);
	assert_int_equal(mw_reader_devices(r, (struct mw_bytes){0}, on_device, &gone, NULL), 0);
	assert_int_equal(gone.n, 2);
	assert_int_equal(gone.n_registered, 0);
	mw_reader_close(r);
}

static void known_device_is_left_alone(void **state)
{
	struct kit *k = *state;
	kit_device(k, 1, "one");
	kit_device(k, 2, "one"); /* endpoint is taken */
	kit_device(k, 1, "two"); /* id is taken */
	kit_device(k, 3, "three");
	assert_int_equal(kit_sync(k), 0);
	assert_non_null(strstr(k->last_log, "2 new devices not stored"));
	struct devices all = {0};
	struct mw_reader *r = kit_reader(k);
	assert_int_equal(mw_reader_devices(r, (struct mw_bytes){0}, on_device, &all, NULL), 0);
	assert_int_equal(all.n, 2);
	int64_t device = 0, seq = -1;
	assert_int_equal(mw_reader_marks(r, &device, &seq, NULL), 0);
	assert_int_equal(device, 3);
	assert_int_equal(seq, 0);
	mw_reader_close(r);
}

struct observations {
	int n;
	struct mw_observation_row rows[8];
};

static bool on_observation(void *ud, const struct mw_observation_row *row)
{
	struct observations *out = ud;
	out->rows[out->n++] = *row;
	return true;
}

static int n_observations(struct kit *k, struct observations *out)
{
	*out = (struct observations){0};
	struct mw_reader *r = kit_reader(k);
	assert_int_equal(mw_reader_observations(r, on_observation, out, NULL), 0);
	mw_reader_close(r);
	return out->n;
}

static void observations(void **state)
{
	struct kit *k = *state;
	const struct mw_observation_row rows[] = {
		{UINT64_MAX, 1, MW_PATH(3303, 0, 5700), 112, true},
		{5, 1, MW_PATH(65534, 65534, 65534, 65534), 65535, false},
		{6, 2, MW_PATH(0), 0, true},
		{7, 3, MW_PATH(3, 0), 11542, true},
	};
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(mw_store_put_observation(k->store, &rows[i]), 0);
	assert_int_equal(kit_sync(k), 0);
	struct observations got;
	assert_int_equal(n_observations(k, &got), 4);
	for (int i = 0; i < 4; i++) {
		int found = 0;
		for (int j = 0; j < 4; j++) {
			if (got.rows[j].token != rows[i].token)
				continue;
			found++;
			assert_int_equal(got.rows[j].device_id, rows[i].device_id);
			assert_true(mw_path_eq(&got.rows[j].path, &rows[i].path));
			assert_int_equal(got.rows[j].format, rows[i].format);
		}
		assert_int_equal(found, 1);
	}
	mw_store_delete_observation(k->store, UINT64_MAX);
	assert_int_equal(kit_sync(k), 0);
	assert_int_equal(n_observations(k, &got), 3);
	mw_store_delete_observations_of(k->store, 1);
	mw_store_delete_observations_of(k->store, 2);
	assert_int_equal(kit_sync(k), 0);
	assert_int_equal(n_observations(k, &got), 1);
	assert_true(got.rows[0].token == 7);
}

static uint64_t bits_of(double f)
{
	uint64_t bits;
	memcpy(&bits, &f, sizeof(bits));
	return bits;
}

static void values_are_exact(void **state)
{
	struct kit *k = *state;
	static const int64_t ints[] = {0, 1, -1, INT64_MAX, INT64_MIN, 9007199254740993, -9007199254740993};
	const double floats[] = {
		0.0, -0.0, 1.0, 0.1, 5e-324, 1.7976931348623157e308, 9007199254740993.0, INFINITY, -INFINITY, 42.0};
	for (size_t i = 0; i < 7; i++)
		kit_put(k, kit_measurement(1, ints[i]));
	for (size_t i = 0; i < 10; i++) {
		struct mw_feed_row row = kit_measurement(1, 0);
		row.value = (struct mw_value){.type = MW_TYPE_FLOAT, .f = floats[i]};
		kit_put(k, row);
	}
	struct mw_feed_row row = kit_measurement(1, 0);
	row.value = (struct mw_value){.type = MW_TYPE_UNSIGNED, .u = INT64_MAX};
	kit_put(k, row);
	row.value = (struct mw_value){.type = MW_TYPE_NONE};
	kit_put(k, row);
	row.value = (struct mw_value){.type = MW_TYPE_FLOAT, .f = NAN};
	kit_put(k, row);
	assert_int_equal(kit_sync(k), 0);

	struct kit_rows *got = kit_feed(k, (struct mw_feed_query){0});
	assert_int_equal(got->n, 20);
	for (size_t i = 0; i < 7; i++) {
		assert_int_equal(got->rows[i].value.type, MW_TYPE_INTEGER);
		assert_true(got->rows[i].value.i == ints[i]);
	}
	for (size_t i = 0; i < 10; i++) {
		assert_int_equal(got->rows[7 + i].value.type, MW_TYPE_FLOAT);
		assert_true(bits_of(got->rows[7 + i].value.f) == bits_of(floats[i]));
	}
	assert_true(got->rows[17].value.i == INT64_MAX);
	assert_int_equal(got->rows[18].value.type, MW_TYPE_NONE);
	assert_int_equal(got->rows[19].value.type, MW_TYPE_NONE);
	free(got);
}

static void feed_rows_of_every_kind(void **state)
{
	struct kit *k = *state;
	static char long_text[5000];
	memset(long_text, 'x', sizeof(long_text) - 1);
	kit_device(k, 9, "nine");
	struct mw_feed_row rows[] = {
		kit_measurement(9, 21),
		{.kind = MW_FEED_EVENT,
			.device_id = 9,
			.time_ms = 2,
			.type = kit_str("boot"),
			.text = kit_str("wärm\"'")},
		{.kind = MW_FEED_INVENTORY,
			.device_id = 9,
			.time_ms = -3,
			.type = kit_str("firmware"),
			.text = kit_str("1.2")},
		{.kind = MW_FEED_LIFECYCLE, .device_id = 0, .type = kit_str("registered")},
		{.kind = MW_FEED_EVENT, .device_id = 9, .type = {(const uint8_t *)"a\0b", 3}, .text = kit_str("")},
		{.kind = MW_FEED_EVENT, .device_id = 9, .type = {(const uint8_t *)long_text, 3000}},
	};
	rows[0].path = MW_PATH(3303, 0, 5700, 1);
	rows[1].path = MW_PATH(3);
	const size_t n = sizeof(rows) / sizeof(rows[0]);
	for (size_t i = 0; i < n; i++)
		kit_put(k, rows[i]);
	memset(long_text, 'y', 10); /* rows are copied when they are put */
	assert_int_equal(kit_sync(k), 0);
	memset(long_text, 'x', 10);

	struct kit_rows *got = kit_feed(k, (struct mw_feed_query){0});
	assert_int_equal(got->n, n);
	for (size_t i = 0; i < n; i++) {
		const struct mw_feed_row *g = &got->rows[i], *w = &rows[i];
		assert_int_equal(g->seq, i + 1);
		assert_int_equal(g->kind, w->kind);
		assert_int_equal(g->device_id, w->device_id);
		assert_int_equal(g->time_ms, w->time_ms);
		assert_int_equal(g->type.len, w->type.len);
		assert_memory_equal(g->type.data, w->type.data, w->type.len);
		assert_int_equal(g->text.len, w->text.len);
		if (w->text.len)
			assert_memory_equal(g->text.data, w->text.data, w->text.len);
		assert_true(mw_path_eq(&g->path, &w->path) || (!g->path.depth && !w->path.depth));
		kit_assert_str(g->endpoint, w->device_id ? "nine" : "");
	}
	kit_assert_str(got->rows[0].series, "Temperature.T");
	kit_assert_str(got->rows[0].unit, "Cel");
	assert_int_equal(got->rows[1].unit.len, 0);
	free(got);
}

static void bad_rows_are_refused(void **state)
{
	struct kit *k = *state;
	static const struct {
		struct mw_feed_row row;
		int want;
	} cases[] = {
		{{.kind = 0}, MW_E_ARG},
		{{.kind = MW_FEED_LIFECYCLE + 1}, MW_E_ARG},
		{{.kind = MW_FEED_ALARM}, MW_E_ARG},
		{{.kind = MW_FEED_ALARM, .status = MW_ALARM_CLEARED + 1}, MW_E_ARG},
		{{.kind = MW_FEED_EVENT, .severity = MW_SEVERITY_CRITICAL + 1}, MW_E_ARG},
		{{.kind = MW_FEED_EVENT, .device_id = -1}, MW_E_ARG},
		{{.kind = MW_FEED_EVENT, .device_id = (int64_t)MW_HEADS_MAX_DEVICE + 1}, MW_E_ARG},
		{{.kind = MW_FEED_MEASUREMENT, .value = {.type = MW_TYPE_UNSIGNED, .u = 1ULL << 63}}, MW_E_TYPE},
		{{.kind = MW_FEED_MEASUREMENT, .value = {.type = MW_TYPE_STRING}}, MW_E_TYPE},
		{{.kind = MW_FEED_MEASUREMENT, .value = {.type = MW_TYPE_BOOLEAN}}, MW_E_TYPE},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(mw_store_put_feed(k->store, &cases[i].row), cases[i].want);
	struct mw_device_row nameless = {.id = 1};
	assert_int_equal(mw_store_put_device(k->store, &nameless), MW_E_ARG);
	struct mw_store_stats stats;
	mw_store_stats(k->store, &stats);
	assert_int_equal(stats.pending_bytes, 0);
}

/* ---- completions ---- */

enum { N_ORDER = 3000 };

struct order {
	struct kit *k;
	int n, n_feed_calls;
	int64_t last_seq;
};

/* Ticket: number, then that many bytes of a pattern. At this moment another connection must see row number i.
 */
static void on_order(void *ud, const void *ticket, int status)
{
	struct order *o = ud;
	uint8_t bytes[MW_STORE_TICKET_MAX];
	int i;
	memcpy(&i, ticket, sizeof(i));
	assert_int_equal(status, 0);
	assert_int_equal(i, o->n);
	memset(bytes, i & 0xff, sizeof(bytes));
	assert_memory_equal((const uint8_t *)ticket + sizeof(i), bytes, (size_t)i % 90);
	if (i % 500 == 0) {
		struct kit_rows *rows = kit_feed(o->k, (struct mw_feed_query){.after_seq = i, .limit = 1});
		assert_int_equal(rows->n, 1);
		assert_int_equal(rows->rows[0].value.i, i);
		free(rows);
	}
	o->n++;
}

static void on_feed(void *ud, int64_t last_seq)
{
	struct order *o = ud;
	assert_true(last_seq > o->last_seq);
	assert_int_equal(last_seq, o->n); /* after the completions of the same commit */
	o->last_seq = last_seq;
	o->n_feed_calls++;
}

static void completions_in_order_and_durable(void **state)
{
	struct kit *k = *state;
	struct order o = {.k = k};
	mw_store_on_feed(k->store, on_feed, &o);
	for (int i = 0; i < N_ORDER; i++) {
		uint8_t ticket[MW_STORE_TICKET_MAX];
		memcpy(ticket, &i, sizeof(i));
		memset(ticket + sizeof(i), i & 0xff, sizeof(ticket) - sizeof(i));
		kit_put(k, kit_measurement(1 + i % 7, i));
		assert_int_equal(mw_store_commit(k->store, on_order, &o, ticket, sizeof(i) + (size_t)i % 90), 0);
		if (i % 10 == 0)
			uv_run(&k->loop, UV_RUN_NOWAIT);
	}
	while (o.n < N_ORDER)
		uv_run(&k->loop, UV_RUN_ONCE);
	assert_int_equal(o.last_seq, N_ORDER);
	struct mw_store_stats stats;
	mw_store_stats(k->store, &stats);
	assert_int_equal(stats.rows, N_ORDER);
	assert_int_equal(stats.feed_rows, N_ORDER);
	assert_int_equal(stats.last_seq, N_ORDER);
	assert_int_equal(stats.pending_bytes, 0);
	assert_int_equal(stats.commits, o.n_feed_calls);
	assert_int_equal(stats.failed_commits, 0);
	assert_true(stats.longest_commit_us >= stats.last_commit_us && stats.last_commit_us > 0);
	mw_store_on_feed(k->store, NULL, NULL);
}

static void ticket_limits(void **state)
{
	struct kit *k = *state;
	char ticket[MW_STORE_TICKET_MAX + 1] = {0};
	assert_int_equal(mw_store_commit(k->store, kit_done, k, ticket, sizeof(ticket)), MW_E_LIMIT);
	assert_int_equal(mw_store_commit(k->store, kit_done, k, ticket, MW_STORE_TICKET_MAX), 0);
	assert_int_equal(kit_sync(k), 0); /* no rows at all: still completes */
	assert_int_equal(k->n_done, 2);
}

static void on_feed_seen(void *ud, int64_t last_seq)
{
	*(int64_t *)ud = last_seq;
}

static void rows_nobody_waits_for_are_committed(void **state)
{
	struct kit *k = *state;
	int64_t seen = 0;
	mw_store_on_feed(k->store, on_feed_seen, &seen);
	kit_put(k, kit_measurement(1, 1));
	while (!seen)
		uv_run(&k->loop, UV_RUN_ONCE);
	assert_int_equal(seen, 1);
	mw_store_on_feed(k->store, NULL, NULL);
}

static void pending_bytes_are_limited(void **state)
{
	struct kit *k = *state;
	kit_close(k);
	assert_non_null(kit_try_open(k, (struct mw_store_config){.max_pending = 10000}));
	struct mw_feed_row row = kit_measurement(1, 1);
	int rc = 0, n = 0;
	while ((rc = mw_store_put_feed(k->store, &row)) == 0)
		assert_true(++n < 1000);
	assert_int_equal(rc, MW_E_FULL);
	assert_true(n > 10);
	char big[MW_STORE_TICKET_MAX];
	memset(big, 0, sizeof(big));
	while ((rc = mw_store_commit(k->store, kit_done, k, big, sizeof(big))) == 0)
		;
	assert_int_equal(rc, MW_E_FULL);
	while (uv_run(&k->loop, UV_RUN_ONCE)) {
		struct mw_store_stats stats;
		mw_store_stats(k->store, &stats);
		if (stats.rows == (uint64_t)n)
			break;
	}
	assert_int_equal(mw_store_put_feed(k->store, &row), 0); /* room again */
	static char huge[20000];
	row.text = (struct mw_bytes){(const uint8_t *)huge, sizeof(huge)};
	assert_int_equal(mw_store_put_feed(k->store, &row), MW_E_FULL);
	assert_int_equal(kit_sync(k), 0);
}

struct closer {
	struct kit *k;
	int n;
};

static void close_from_completion(void *ud, const void *ticket, int status)
{
	(void)ticket, (void)status;
	struct closer *c = ud;
	if (!c->n++) {
		mw_store_close(c->k->store);
		struct mw_feed_row row = kit_measurement(1, 1);
		assert_int_equal(mw_store_put_feed(c->k->store, &row), MW_E_STATE);
		assert_int_equal(mw_store_commit(c->k->store, kit_done, c->k, NULL, 0), MW_E_STATE);
	}
}

static void close_completes_everything(void **state)
{
	struct kit *k = *state;
	for (int i = 0; i < 50; i++) {
		kit_put(k, kit_measurement(1, i));
		assert_int_equal(mw_store_commit(k->store, kit_done, k, NULL, 0), 0);
		if (i == 20)
			uv_run(&k->loop, UV_RUN_NOWAIT);
	}
	kit_close(k);
	assert_int_equal(k->n_done, 50);
	assert_int_equal(k->last_status, 0);

	kit_open(k);
	struct closer c = {.k = k};
	for (int i = 0; i < 3; i++)
		assert_int_equal(mw_store_commit(k->store, close_from_completion, &c, NULL, 0), 0);
	uv_run(&k->loop, UV_RUN_DEFAULT); /* ends: nothing is left open */
	assert_int_equal(c.n, 3);
	k->store = NULL;
	struct kit_rows *rows = kit_feed(k, (struct mw_feed_query){0});
	assert_int_equal(rows->n, 50);
	free(rows);
}

/* ---- opening ---- */

static void numbers_go_on_after_reopening(void **state)
{
	struct kit *k = *state;
	for (int round = 0; round < 3; round++) {
		kit_put(k, kit_measurement(1, round));
		assert_int_equal(kit_sync(k), 0);
		kit_close(k);
		kit_open(k);
	}
	struct mw_store_stats stats;
	mw_store_stats(k->store, &stats);
	assert_int_equal(stats.last_seq, 3);
	struct kit_rows *rows = kit_feed(k, (struct mw_feed_query){0});
	assert_int_equal(rows->n, 3);
	assert_int_equal(rows->rows[2].seq, 3);
	free(rows);
}

static void opening_fails_with_a_sentence(void **state)
{
	struct kit *k = *state;
	struct mw_store_config config = {.path = k->path};
	assert_null(mw_store_open(&k->loop, &config, &k->log, &k->err));
	assert_non_null(strstr(k->err.text, "in use by another running host"));
	config.path = "/nowhere/at/all.db";
	assert_null(mw_store_open(&k->loop, &config, &k->log, &k->err));
	assert_non_null(strstr(k->err.text, "folder must exist"));
	assert_null(mw_reader_open("/nowhere/at/all.db", &k->err));
	assert_non_null(strstr(k->err.text, "the host creates it"));
	struct stat st;
	assert_int_equal(stat(k->path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

static void deleted_file_is_noticed(void **state)
{
	struct kit *k = *state;
	kit_put(k, kit_measurement(1, 1));
	assert_int_equal(kit_sync(k), 0);
	unlink(k->path);
	kit_put(k, kit_measurement(1, 2));
	assert_int_equal(kit_sync(k), MW_E_IO);
	assert_non_null(strstr(k->last_log, "was deleted, moved or replaced"));
}

/* ---- queries ---- */

enum { N_QUERY = 900 };

/* What a query must find, by the plainest means: look at every row that was put. */
static bool is_expected(const struct mw_feed_query *q, int64_t seq)
{
	int64_t device = 1 + seq % 3, kind = seq % 10 == 0 ? MW_FEED_EVENT : MW_FEED_MEASUREMENT;
	const char *type = kind == MW_FEED_EVENT ? "boot" : "Temperature";
	char endpoint[16];
	snprintf(endpoint, sizeof(endpoint), "ep%d", (int)device);
	return (q->newest_first || seq > q->after_seq) && (!q->kind || (int64_t)q->kind == kind) &&
		   (!q->endpoint.len || !strncmp((const char *)q->endpoint.data, endpoint, q->endpoint.len)) &&
		   (!q->type.len || !strncmp((const char *)q->type.data, type, q->type.len)) &&
		   (!q->from_ms || 10000 + seq >= q->from_ms) && (!q->to_ms || 10000 + seq < q->to_ms);
}

static void check_query(struct kit *k, const struct mw_feed_query *q)
{
	struct kit_rows *got = kit_feed(k, *q);
	int64_t limit = q->limit ? q->limit : 1000;
	size_t n = 0;
	for (int64_t i = 1; i <= N_QUERY && (int64_t)n < limit; i++) {
		int64_t seq = q->newest_first ? N_QUERY + 1 - i : i;
		if (!is_expected(q, seq))
			continue;
		assert_true(n < got->n);
		assert_int_equal(got->rows[n].seq, seq);
		n++;
	}
	assert_int_equal(got->n, n);
	free(got);
}

static void queries(void **state)
{
	struct kit *k = *state;
	for (int i = 1; i <= 3; i++) {
		char endpoint[16];
		snprintf(endpoint, sizeof(endpoint), "ep%d", i);
		kit_device(k, i, endpoint);
	}
	for (int64_t seq = 1; seq <= N_QUERY; seq++) {
		struct mw_feed_row row = kit_measurement(1 + seq % 3, seq);
		row.time_ms = 10000 + seq;
		if (seq % 10 == 0) {
			row.kind = MW_FEED_EVENT;
			row.type = kit_str("boot");
		}
		kit_put(k, row);
		if (seq % 100 == 0)
			assert_int_equal(kit_sync(k), 0);
	}
	static const char *const endpoints[] = {"", "ep1", "ep3", "unknown"}, *const types[] = {
																			  "", "boot", "nothing"};
	static const int64_t limits[] = {0, 1, 7, 300}, afters[] = {0, 1, 450, N_QUERY}, froms[] = {0, 10400};
	for (int c = 0; c < 4 * 3 * 4 * 4 * 2 * 3 * 2; c++) {
		int x = c;
		struct mw_feed_query q = {0};
		q.endpoint = kit_str(endpoints[x % 4]), x /= 4;
		q.type = kit_str(types[x % 3]), x /= 3;
		q.limit = limits[x % 4], x /= 4;
		q.after_seq = afters[x % 4], x /= 4;
		q.from_ms = froms[x % 2], x /= 2;
		q.to_ms = q.from_ms ? 10600 : 0;
		q.kind = (enum mw_feed_kind)(x % 3), x /= 3;
		q.newest_first = x;
		if (q.endpoint.len == 7 || q.type.len == 7)
			continue;
		check_query(k, &q);
	}
	struct kit_rows *none = kit_feed(k, (struct mw_feed_query){.endpoint = kit_str("unknown")});
	assert_int_equal(none->n, 0);
	none->stop_at = 3;
	struct mw_reader *r = kit_reader(k);
	assert_int_equal(mw_reader_feed(r, &(struct mw_feed_query){0}, kit_row, none, NULL), 0);
	assert_int_equal(none->n, 3); /* the callback said stop */
	mw_reader_interrupt(r);
	assert_int_equal(mw_reader_feed(r, &(struct mw_feed_query){0}, kit_row, none, &k->err), MW_E_CANCELED);
	mw_reader_close(r);
	free(none);
}

/* More rows than lie between two savings of the list heads: one quiet device, found by its saved head. */
static void quiet_device_among_many_rows(void **state)
{
	struct kit *k = *state;
	kit_device(k, 1, "quiet");
	kit_device(k, 777, "loud");
	kit_put(k, kit_measurement(1, -1));
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 70000; i++)
			kit_put(k, kit_measurement(777 + i % 2000, i));
		assert_int_equal(kit_sync(k), 0);
	}
	for (int round = 0; round < 2; round++) {
		struct kit_rows *quiet =
			kit_feed(k, (struct mw_feed_query){.endpoint = kit_str("quiet"), .newest_first = true});
		struct kit_rows *loud = kit_feed(k, (struct mw_feed_query){.endpoint = kit_str("loud")});
		assert_int_equal(quiet->n, 1 + round);
		assert_int_equal(quiet->rows[0].value.i, round ? -2 : -1);
		assert_int_equal(loud->n, 70);
		assert_int_equal(loud->rows[0].seq, 2);
		free(quiet);
		free(loud);
		/* The list goes on after reopening. */
		kit_close(k);
		kit_open(k);
		kit_put(k, kit_measurement(1, -2));
		assert_int_equal(kit_sync(k), 0);
	}
}

static void names(void **state)
{
	(void)state;
	assert_string_equal(mw_severity_name(MW_SEVERITY_MAJOR), "MAJOR");
	assert_string_equal(mw_alarm_status_name(MW_ALARM_ACKNOWLEDGED), "ACKNOWLEDGED");
	assert_string_equal(mw_feed_kind_name(MW_FEED_MEASUREMENT), "measurement");
	assert_null(mw_severity_name(MW_SEVERITY_NONE));
	assert_null(mw_feed_kind_name((enum mw_feed_kind)99));
	for (enum mw_severity s = MW_SEVERITY_WARNING; s <= MW_SEVERITY_CRITICAL; s++)
		assert_int_equal(mw_severity_parse(mw_severity_name(s), strlen(mw_severity_name(s))), s);
	for (enum mw_alarm_status s = MW_ALARM_ACTIVE; s <= MW_ALARM_CLEARED; s++)
		assert_int_equal(mw_alarm_status_parse(mw_alarm_status_name(s), strlen(mw_alarm_status_name(s))), s);
	assert_int_equal(mw_severity_parse("MAJORX", 6), 0);
	assert_int_equal(mw_severity_parse("MAJO", 4), 0);
	assert_int_equal(mw_alarm_status_parse("", 0), 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(devices_and_registrations),
		T(known_device_is_left_alone),
		T(observations),
		T(values_are_exact),
		T(feed_rows_of_every_kind),
		T(bad_rows_are_refused),
		T(completions_in_order_and_durable),
		T(ticket_limits),
		T(rows_nobody_waits_for_are_committed),
		T(pending_bytes_are_limited),
		T(close_completes_everything),
		T(numbers_go_on_after_reopening),
		T(opening_fails_with_a_sentence),
		T(deleted_file_is_noticed),
		T(queries),
		T(quiet_device_among_many_rows),
		cmocka_unit_test(names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
