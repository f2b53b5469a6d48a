#include "lwm2m_fixture.h"

enum { DEV = 1, OTHER = 2 };

static struct lx_event last_event(const struct lx *f)
{
	assert_true(f->n_events > 0);
	return f->events[f->n_events - 1];
}

/* ---- Register ---- */

static void test_register(void **state)
{
	struct lx *f = *state;
	char location[MW_LOCATION_TEXT_MAX];
	uint16_t mid = lx_register_query(f, DEV, "ep=urn:a&lt=300&lwm2m=1.1&b=UT&Q&sms=491&color=red", LX_LINKS);
	assert_int_equal(lx_count(f, "put device"), 1);
	assert_int_equal(lx_count(f, "put registration"), 1);
	assert_int_equal(lx_row(f, "put registration")->lifetime_s, 300);
	lx_expect_silence(f); /* nothing leaves before the commit */
	assert_int_equal(f->n_events, 0);
	lx_end_all_commits(f, 0);
	struct mw_device *d = lx_find(f, "urn:a");
	mw_location_print(d->location, location);
	struct mw_coap_msg m;
	lx_expect(f, &m, "ACK 2.01 #%u location=/rd/%s", mid, location); /* and nothing else */
	assert_int_equal(m.payload.len, 0);
	assert_memory_equal(m.token.bytes, "tk", 2);
	assert_int_equal(f->n_events, 1);
	assert_int_equal(last_event(f).kind, MW_EVENT_REGISTERED);
	assert_int_equal(d->version, MW_LWM2M_1_1);
	assert_int_equal(d->binding, MW_BINDING_U | MW_BINDING_T);
	assert_true(d->queue_mode && d->announced && d->stored);
	assert_string_equal(d->extra->sms, "491");
	assert_string_equal(d->extra->params, "color=red");
	assert_true(mw_links_has(d->links, 3303, 0));
	struct mw_addr from = lx_addr(DEV);
	assert_true(mw_addr_eq(&d->addr, &from));
	assert_int_equal(f->l->stats.registrations, 1);
}

static void test_refusals(void **state)
{
	struct lx *f = *state;
	static const struct {
		const char *query, *payload, *answer;
		uint32_t format_1;
	} rows[] = {
		{"lt=60&lwm2m=1.1", LX_LINKS, "4.00", 41},
		{"ep=&lwm2m=1.1", LX_LINKS, "4.00", 41},
		{"ep=a&lt=60", LX_LINKS, "4.00", 41},
		{"ep=a&lwm2m=1.1&lt=soon", LX_LINKS, "4.00", 41},
		{"ep=a&ep=b&lwm2m=1.1", LX_LINKS, "4.00", 41},
		{"ep=a&lwm2m=1.0&b=UT", LX_LINKS, "4.00", 41},
		{"ep=a&lwm2m=1.1&b=M", LX_LINKS, "4.00", 41},
		{"ep=a&lwm2m=1", LX_LINKS, "4.00", 41},
		{"ep=a&lwm2m=1.0", NULL, "4.00", 41},
		{"ep=a&lwm2m=1.1", NULL, "4.00", 41},
		{"ep=a&lwm2m=1.1", "nonsense", "4.00", 41},
		{"ep=a&lwm2m=1.1", "</0/0>,</21>", "4.00", 41},
		{"ep=a&lwm2m=1.2", NULL, "4.09", 41},
		{"ep=a&lwm2m=1.2&pid=6:1234abcd", NULL, "4.09", 0},
		{"ep=a&lwm2m=1.3", LX_LINKS, "4.12", 41},
		{"ep=a&lwm2m=2.0", LX_LINKS, "4.12", 41},
		{"ep=a&lwm2m=0.9", LX_LINKS, "4.12", 41},
		{"ep=a&lwm2m=1.1", LX_LINKS, "4.15", 1},
		{"ep=a&lwm2m=1.1", LX_LINKS, "4.15", 113},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct mw_coap_msg m;
		uint16_t mid = lx_input(f, DEV,
			(struct lx_msg){.code = MW_COAP_POST,
				.path = "rd",
				.query = rows[i].query,
				.format_1 = rows[i].format_1,
				.payload = rows[i].payload});
		lx_expect(f, &m, "ACK %s #%u", rows[i].answer, mid);
		assert_true(m.payload.len > 0); /* says why */
	}
	assert_int_equal(f->n_rows, 0);
	assert_int_equal(f->l->devices.pool.n_used, 0);
	assert_int_equal(f->l->devices.lists.pool.n_used, 0);
	assert_int_equal(f->l->stats.refused_registrations, sizeof(rows) / sizeof(rows[0]));
}

static void test_other_paths_and_methods(void **state)
{
	struct lx *f = *state;
	static const struct {
		uint8_t code;
		const char *path, *answer;
	} rows[] = {
		{MW_COAP_GET, "rd", "4.05"},
		{MW_COAP_PUT, "rd", "4.05"},
		{MW_COAP_DELETE, "rd", "4.05"},
		{MW_COAP_GET, "rd/x", "4.05"},
		{MW_COAP_PUT, "rd/x", "4.05"},
		{MW_COAP_FETCH, "rd", "4.05"},
		{MW_COAP_POST, NULL, "4.04"},
		{MW_COAP_POST, "bs", "4.04"},
		{MW_COAP_POST, "RD", "4.04"},
		{MW_COAP_POST, "rd/x/y", "4.04"},
		{MW_COAP_POST, "rd/x/y/z/1/2", "4.04"},
		{MW_COAP_GET, ".well-known/core", "4.04"},
		{MW_COAP_POST, "rd/0000000000000", "4.04"},
		{MW_COAP_POST, "rd/0000000000001", "4.04"},
		{MW_COAP_POST, "rd/x", "4.04"},
		{MW_COAP_DELETE, "rd/0000000000001", "4.04"},
		{MW_COAP_DELETE, "rd/vvvvvvvvvvvvv", "4.04"},
	};
	lx_register(f, DEV, "ep=a&lwm2m=1.1", NULL);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint16_t mid = lx_input(f, DEV, (struct lx_msg){.code = rows[i].code, .path = rows[i].path});
		lx_expect(f, NULL, "ACK %s #%u", rows[i].answer, mid);
	}
	assert_true(mw_device_is_registered(lx_find(f, "a")));
}

static void test_non_is_refused(void **state)
{
	struct lx *f = *state;
	struct mw_coap_msg m;
	lx_input(f, DEV,
		(struct lx_msg){.type = MW_COAP_NON,
			.code = MW_COAP_POST,
			.path = "rd",
			.query = "ep=a&lwm2m=1.1",
			.payload = LX_LINKS});
	assert_memory_equal(lx_next(f, &m), "NON 4.00", 8);
	assert_memory_equal(m.token.bytes, "tk", 2);
	assert_null(lx_find(f, "a"));
}

static void test_versions_and_queue_rules(void **state)
{
	struct lx *f = *state;
	static const struct {
		const char *query;
		uint8_t version, binding;
		bool queue;
		uint32_t lifetime_s;
	} rows[] = {
		{"ep=a&lwm2m=1.0&lt=60", 10, MW_BINDING_U, false, 60},
		{"ep=b&lwm2m=1.0&b=UQ&lt=60", 10, MW_BINDING_U, true, 60},
		{"ep=c&lwm2m=1.0&b=US", 10, MW_BINDING_U | MW_BINDING_S, false, 86400},
		{"ep=d&lwm2m=1.1&b=U&Q&lt=0", 11, MW_BINDING_U, true, 0},
		{"ep=e&lwm2m=1.1&b=UQ", 11, MW_BINDING_U, true, 86400}, /* not in 1.1, but seen */
		{"ep=f&lwm2m=1.2&b=MHU", 12, MW_BINDING_U | MW_BINDING_M | MW_BINDING_H, false, 86400},
		{"ep=g&lwm2m=1.2&Q=", 12, MW_BINDING_U, true, 86400},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct mw_device *d = lx_register(f, DEV, rows[i].query, NULL);
		assert_int_equal(d->version, rows[i].version);
		assert_int_equal(d->binding, rows[i].binding);
		assert_int_equal(d->queue_mode, rows[i].queue);
		assert_int_equal(d->lifetime_s, rows[i].lifetime_s);
	}
}

static void test_duplicates_register_once(void **state)
{
	struct lx *f = *state;
	struct lx_msg m = {.code = MW_COAP_POST,
		.path = "rd",
		.query = "ep=a&lwm2m=1.1",
		.format_1 = 41,
		.payload = LX_LINKS,
		.mid = 77};
	lx_input(f, DEV, m);
	lx_input(f, DEV, m); /* while the first one waits for the disk */
	lx_expect_silence(f);
	assert_int_equal(f->n_commits, 1);
	lx_end_all_commits(f, 0);
	char first[LX_TEXT];
	strcpy(first, lx_next(f, NULL));
	assert_memory_equal(first, "ACK 2.01 #77 ", 13);
	lx_expect_silence(f);
	uint64_t location = lx_find(f, "a")->location;
	lx_pass_ms(f, 20000);
	lx_input(f, DEV, m);
	assert_string_equal(lx_next(f, NULL), first);
	assert_int_equal(f->n_commits, 0);
	assert_true(lx_find(f, "a")->location == location);
	assert_int_equal(f->n_events, 1);
}

static void test_slow_commit_answers_separately(void **state)
{
	struct lx *f = *state;
	struct mw_coap_msg m;
	uint16_t mid = lx_register_query(f, DEV, "ep=a&lwm2m=1.1", LX_LINKS);
	lx_pass_ms(f, 600);
	lx_expect(f, NULL, "ACK 0.00 #%u", mid);
	lx_end_all_commits(f, 0);
	assert_memory_equal(lx_next(f, &m), "CON 2.01", 8);
	assert_memory_equal(m.token.bytes, "tk", 2);
	lx_input(f, DEV,
		(struct lx_msg){.type = MW_COAP_ACK, .mid = m.mid, .token = &(struct mw_coap_token){.len = 0}});
	lx_pass_ms(f, 100000);
	lx_expect_silence(f);
}

static void test_block_wise_register(void **state)
{
	struct lx *f = *state;
	char links[1500] = "</1/0>,</3/0>";
	for (int i = 0; i < 100; i++)
		sprintf(links + strlen(links), ",</3303/%d>", i);
	size_t len = strlen(links), size = 512, n = (len + size - 1) / size;
	for (uint32_t i = 0; i < n; i++) {
		struct mw_block block = {i, i + 1 < n, 5};
		size_t part = i + 1 < n ? size : len - i * size;
		uint16_t mid = lx_input(f, DEV,
			(struct lx_msg){.code = MW_COAP_POST,
				.path = "rd",
				.query = "ep=a&lwm2m=1.1",
				.format_1 = 41,
				.block1 = &block,
				.payload = links + i * size,
				.payload_len = part});
		if (i + 1 < n) {
			lx_expect(f, NULL, "ACK 2.31 #%u block1=%u", mid, i << 4 | 8 | 5);
			assert_int_equal(f->n_commits, 0);
			continue;
		}
		lx_expect_silence(f);
		lx_end_all_commits(f, 0);
		char location[MW_LOCATION_TEXT_MAX];
		mw_location_print(lx_find(f, "a")->location, location);
		lx_expect(f, NULL, "ACK 2.01 #%u location=/rd/%s block1=%u", mid, location, i << 4 | 5);
	}
	assert_int_equal(lx_find(f, "a")->links->n_items, 102);
}

static void test_register_again(void **state)
{
	struct lx *f = *state;
	char old[20];
	struct mw_device *d = lx_register(f, DEV, "ep=a&lwm2m=1.1&lt=60&sms=1", NULL);
	struct mw_device_ref ref = mw_device_ref_of(d);
	uint64_t location = d->location;
	lx_location(d, old);
	lx_observed(f, d, "/3/0/9", 0x1122334455667788);
	assert_int_equal(d->n_observations, 1);
	d = lx_register(f, OTHER, "ep=a&lwm2m=1.0", "</5/0>");
	assert_true(d->index == ref.index && d->generation == ref.generation); /* the same device */
	assert_true(d->location != location);
	assert_int_equal(d->n_observations, 0);
	assert_false(d->extra);
	assert_int_equal(d->version, MW_LWM2M_1_0);
	assert_int_equal(d->lifetime_s, 86400);
	assert_false(mw_links_has(d->links, 3, 0));
	uint16_t mid = lx_input(f, DEV, (struct lx_msg){.code = MW_COAP_POST, .path = old});
	lx_expect(f, NULL, "ACK 4.04 #%u", mid);
	assert_int_equal(f->l->devices.by_location.count, 1);
	assert_int_equal(f->l->devices.lists.pool.n_used, 1);
	/* under the old token it is told that nobody listens any more */
	const struct mw_coap_token token = {8, "\x11\x22\x33\x44\x55\x66\x77\x88"};
	mid = lx_input(f, DEV,
		(struct lx_msg){
			.code = MW_COAP_CONTENT, .token = &token, .observe_1 = 5, .format_1 = 1, .payload = "1"});
	lx_expect(f, NULL, "RST 0.00 #%u", mid);
}

static void test_rows_of_a_second_register(void **state)
{
	struct lx *f = *state;
	struct mw_device *d = lx_register(f, DEV, "ep=a&lwm2m=1.1", NULL);
	lx_observed(f, d, "/3/0/9", 1);
	lx_register_query(f, DEV, "ep=a&lwm2m=1.1", LX_LINKS);
	static const char *const order[] = {"delete observations", "put registration", "commit"};
	assert_int_equal(f->n_rows, 3);
	for (size_t i = 0; i < 3; i++)
		assert_string_equal(f->rows[i].what, order[i]); /* the device itself is there already */
}

static void test_register_overtaken_by_another(void **state)
{
	struct lx *f = *state;
	char location[MW_LOCATION_TEXT_MAX];
	lx_register_query(f, DEV, "ep=a&lwm2m=1.0&lt=10", LX_LINKS);
	uint16_t second = lx_register_query(f, OTHER, "ep=a&lwm2m=1.1&lt=20", LX_LINKS);
	lx_end_commits(f, 1, 0);
	lx_expect_silence(f);
	assert_int_equal(f->n_events, 0);
	lx_end_commits(f, 1, 0);
	mw_location_print(lx_find(f, "a")->location, location);
	lx_expect(f, NULL, "ACK 2.01 #%u location=/rd/%s", second, location);
	lx_expect_silence(f);
	assert_int_equal(f->n_events, 1);
	assert_int_equal(lx_find(f, "a")->lifetime_s, 20);
	assert_int_equal(f->l->devices.pool.n_used, 1);
}

static void test_second_register_fails_after_the_first(void **state)
{
	struct lx *f = *state;
	lx_register_query(f, DEV, "ep=a&lwm2m=1.1", LX_LINKS);
	uint16_t second = lx_register_query(f, DEV, "ep=a&lwm2m=1.1", LX_LINKS);
	lx_end_commits(f, 1, 0);
	lx_end_commits(f, 1, MW_E_FULL);
	lx_expect(f, NULL, "ACK 5.03 #%u max-age=60", second);
	/* the device's row is in the store, so its number stays; the registration's must go */
	assert_true(lx_find(f, "a") && !mw_device_is_registered(lx_find(f, "a")));
	assert_int_equal(lx_row(f, "delete registration")->device, 1);
	assert_int_equal(f->n_events, 0);
	assert_int_equal(lx_register(f, DEV, "ep=a&lwm2m=1.1", NULL)->id, 1);
}

/* ---- the store fails, or there is no room ---- */

static void test_store_fails_at_register(void **state)
{
	struct lx *f = *state;
	for (int when = 0; when < 3; when++) { /* at the put, at the start of the commit, at its end */
		f->put_fails = when == 0 ? MW_E_FULL : 0;
		f->commit_fails = when == 1 ? MW_E_FULL : 0;
		uint16_t mid = lx_register_query(f, DEV, "ep=a&lwm2m=1.1", LX_LINKS);
		if (when == 2)
			lx_end_all_commits(f, MW_E_IO);
		lx_expect(f, NULL, "ACK 5.03 #%u max-age=60", mid);
		lx_expect_silence(f);
		assert_int_equal(f->n_events, 0);
		/* one whose row may be in the store keeps its number; one that was refused at once takes no room */
		assert_int_equal(f->l->devices.pool.n_used, when > 0);
		assert_int_equal(f->l->devices.by_location.count, 0);
		assert_int_equal(f->l->devices.lists.pool.n_used, 0);
		lx_pass_ms(f, INT64_C(86400) * 2000); /* no lifetime runs */
		assert_int_equal(f->n_events, 0);
	}
	f->put_fails = f->commit_fails = 0;
	uint16_t mid = lx_register_query(f, DEV, "ep=a&lwm2m=1.1", LX_LINKS);
	assert_int_equal(
		lx_row(f, "put device")->device, 2); /* again, since it may not be there; 1 was never put */
	lx_end_all_commits(f, 0);
	char path[20];
	lx_expect(f, NULL, "ACK 2.01 #%u location=/%s", mid, lx_location(lx_find(f, "a"), path));
}

/* Refused before anything has changed: the registration before stays. */
static void test_store_refuses_a_known_device(void **state)
{
	struct lx *f = *state;
	char path[20];
	struct mw_device *d = lx_register(f, DEV, "ep=a&lwm2m=1.1", NULL);
	d->stored = false;
	f->put_fails = MW_E_FULL;
	uint16_t mid = lx_register_query(f, DEV, "ep=a&lwm2m=1.1", LX_LINKS);
	lx_expect(f, NULL, "ACK 5.03 #%u max-age=60", mid);
	mid = lx_input(f, DEV, (struct lx_msg){.code = MW_COAP_POST, .path = lx_location(d, path)});
	lx_expect(f, NULL, "ACK 2.04 #%u", mid);
}

static void test_store_fails_at_second_register(void **state)
{
	struct lx *f = *state;
	for (int when = 0; when < 2; when++) {
		char old[20];
		lx_location(lx_register(f, DEV, "ep=a&lwm2m=1.1", NULL), old);
		f->commit_fails = when == 0 ? MW_E_FULL : 0;
		uint16_t mid = lx_register_query(f, DEV, "ep=a&lwm2m=1.1", LX_LINKS);
		lx_end_all_commits(f, MW_E_IO);
		lx_expect(f, NULL, "ACK 5.03 #%u max-age=60", mid);
		/* listeners knew it as registered, and the store has the old row */
		assert_int_equal(f->n_events, 1);
		assert_int_equal(last_event(f).kind, MW_EVENT_DEREGISTERED);
		assert_int_equal(lx_count(f, "delete registration"), 1);
		mid = lx_input(f, DEV, (struct lx_msg){.code = MW_COAP_POST, .path = old});
		lx_expect(f, NULL, "ACK 4.04 #%u", mid);
		f->commit_fails = 0;
	}
}

static void test_new_objects_are_told_after_a_failed_commit(void **state)
{
	struct lx *f = *state;
	char path[20];
	lx_location(lx_register(f, DEV, "ep=a&lwm2m=1.1", NULL), path);
	for (int when = 0; when < 2; when++) { /* the commit fails, then it works */
		uint16_t mid = lx_input(f, DEV,
			(struct lx_msg){
				.code = MW_COAP_POST, .path = path, .payload = "</1/0>,</3/0>,</9/0>", .payload_len = 20});
		lx_end_all_commits(f, when == 0 ? MW_E_IO : 0);
		lx_expect(f, NULL, when == 0 ? "ACK 5.03 #%u max-age=60" : "ACK 2.04 #%u", mid);
	}
	assert_int_equal(last_event(f).kind, MW_EVENT_UPDATED);
	assert_true(last_event(f).objects_changed);
}

static void test_max_devices(void **state)
{
	struct lx *f = *state;
	mw_lwm2m_free(f->l);
	struct mw_lwm2m_config config = lx_config();
	config.max_devices = 2;
	lx_start(f, &config);
	lx_register(f, 1, "ep=a&lwm2m=1.1", NULL);
	lx_register(f, 2, "ep=b&lwm2m=1.1", NULL);
	uint16_t mid = lx_register_query(f, 3, "ep=c&lwm2m=1.1", LX_LINKS);
	lx_expect(f, NULL, "ACK 5.03 #%u max-age=60", mid);
	assert_int_equal(f->n_rows, 0);
	assert_int_equal(f->l->devices.lists.pool.n_used, 1);
	lx_register(f, 1, "ep=a&lwm2m=1.1", NULL); /* those that are known may come again */
}

/* ---- Update ---- */

static void test_keep_alive_needs_no_commit(void **state)
{
	struct lx *f = *state;
	char path[20];
	struct mw_device *d = lx_register(f, DEV, "ep=a&lwm2m=1.1&lt=60", NULL);
	lx_location(d, path);
	for (int i = 0; i < 10; i++) {
		lx_pass_ms(f, 100000);
		uint16_t mid = lx_input(f, DEV, (struct lx_msg){.code = MW_COAP_POST, .path = path});
		lx_expect(f, NULL, "ACK 2.04 #%u", mid);
		assert_int_equal(d->expires_ms, f->now + 153000);
	}
	/* saying what is so already is no change either */
	uint16_t mid = lx_input(f, DEV,
		(struct lx_msg){.code = MW_COAP_POST, .path = path, .query = "lt=60&b=U", .payload = LX_LINKS});
	lx_expect(f, NULL, "ACK 2.04 #%u", mid);
	assert_int_equal(f->n_rows, 0);
	assert_int_equal(f->n_events, 0);
	assert_int_equal(f->l->stats.updates, 11);
}

static void test_update_that_changes(void **state)
{
	struct lx *f = *state;
	char path[20];
	struct mw_device *d =
		lx_register(f, DEV, "ep=a&lwm2m=1.1&lt=60&x=1", "</>;rt=\"oma.lwm2m\";ct=112,</3/0>");
	lx_location(d, path);
	static const struct {
		const char *query, *links;
		uint32_t peer;
		bool objects;
	} rows[] = {
		{"lt=120", NULL, DEV, false},
		{"b=UT", NULL, DEV, false},
		{"Q", NULL, DEV, false},
		{"sms=5", NULL, DEV, false},
		{NULL, "</3/0>,</5/0>", DEV, true},
		{NULL, NULL, OTHER, false}, /* it has moved */
		{"lt=121", "</3/0>", OTHER, true},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint16_t mid = lx_input(f, rows[i].peer,
			(struct lx_msg){
				.code = MW_COAP_POST, .path = path, .query = rows[i].query, .payload = rows[i].links});
		lx_expect_silence(f);
		assert_int_equal(lx_count(f, "put registration"), i + 1);
		lx_end_all_commits(f, 0);
		lx_expect(f, NULL, "ACK 2.04 #%u", mid);
		assert_int_equal(f->n_events, i + 1);
		assert_int_equal(last_event(f).kind, MW_EVENT_UPDATED);
		assert_int_equal(last_event(f).objects_changed, rows[i].objects);
	}
	struct mw_addr addr = lx_addr(OTHER);
	assert_true(mw_addr_eq(&d->addr, &addr));
	assert_int_equal(d->lifetime_s, 121);
	assert_true(d->queue_mode);
	assert_string_equal(d->extra->sms, "5");
	assert_string_equal(d->extra->params, "x=1");
	assert_true(mw_links_has_format(d->links, 112)); /* the Update had no root link */
	assert_false(mw_links_has(d->links, 5, 0));
	struct mw_addr stored = lx_row(f, "put registration")->addr;
	assert_true(mw_addr_eq(&stored, &addr));
}

static void test_queue_flag_in_updates(void **state)
{
	struct lx *f = *state;
	static const struct {
		const char *query, *update;
		bool queue;
	} rows[] = {
		{"ep=a&lwm2m=1.0&b=UQ", NULL, true},
		{"ep=a&lwm2m=1.0&b=UQ", "lt=5", true},
		{"ep=a&lwm2m=1.0&b=UQ", "b=U", false}, /* 1.0 sends its letters anew */
		{"ep=a&lwm2m=1.0&b=U", "b=UQ", true},
		{"ep=a&lwm2m=1.1&b=U&Q", "b=UT", true}, /* a flag's absence says nothing */
		{"ep=a&lwm2m=1.1&b=U", "Q", true},
		{"ep=a&lwm2m=1.2&b=U", "lt=7", false},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char path[20];
		struct mw_device *d = lx_register(f, DEV, rows[i].query, NULL);
		lx_input(f, DEV,
			(struct lx_msg){.code = MW_COAP_POST, .path = lx_location(d, path), .query = rows[i].update});
		lx_end_all_commits(f, 0);
		assert_memory_equal(lx_next(f, NULL), "ACK 2.04", 8);
		if (d->queue_mode != rows[i].queue)
			fail_msg("row %zu", i);
	}
}

static void test_bad_updates_change_nothing(void **state)
{
	struct lx *f = *state;
	char path[20];
	struct mw_device *d = lx_register(f, DEV, "ep=a&lwm2m=1.0&lt=60", NULL);
	struct mw_links *links = d->links;
	static const struct {
		const char *query, *payload;
	} rows[] = {{"lt=x", NULL}, {"b=UT", NULL}, {"b=Z", NULL}, {"lt=5&lt=5", NULL}, {"lt=5", "nonsense"},
		{"sms=\x01", NULL}};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint16_t mid = lx_input(f, OTHER,
			(struct lx_msg){.code = MW_COAP_POST,
				.path = lx_location(d, path),
				.query = rows[i].query,
				.payload = rows[i].payload});
		lx_expect(f, NULL, "ACK 4.00 #%u", mid);
		struct mw_addr addr = lx_addr(DEV);
		assert_true(d->lifetime_s == 60 && d->links == links && mw_addr_eq(&d->addr, &addr));
	}
	assert_int_equal(f->n_rows, 0);
}

/* After a failed save, the same Update again finds nothing different in memory, but it must not pass for
 * stored. */
static void test_store_fails_at_update(void **state)
{
	struct lx *f = *state;
	for (int when = 0; when < 2; when++) {
		char path[20];
		struct mw_device *d = lx_register(f, DEV, "ep=a&lwm2m=1.1&lt=60", NULL);
		struct lx_msg m = {.code = MW_COAP_POST, .path = lx_location(d, path), .query = "lt=600"};
		f->put_fails = when == 0 ? MW_E_FULL : 0;
		uint16_t mid = lx_input(f, DEV, m);
		lx_end_all_commits(f, MW_E_FULL);
		lx_expect(f, NULL, "ACK 5.03 #%u max-age=60", mid);
		assert_int_equal(f->n_events, 0);
		assert_true(mw_device_is_registered(d));
		f->put_fails = 0;
		m.query = when ? "lt=600" : NULL; /* nor may a keep-alive */
		mid = lx_input(f, DEV, m);
		lx_expect_silence(f);
		assert_int_equal(lx_row(f, "put registration")->lifetime_s, 600);
		lx_end_all_commits(f, 0);
		lx_expect(f, NULL, "ACK 2.04 #%u", mid);
		mid = lx_input(f, DEV, (struct lx_msg){.code = MW_COAP_POST, .path = path});
		lx_expect(f, NULL, "ACK 2.04 #%u", mid); /* now it is */
	}
}

/* ---- De-register ---- */

static void test_deregister(void **state)
{
	struct lx *f = *state;
	char path[20];
	struct mw_device *d = lx_register(f, DEV, "ep=a&lwm2m=1.1&lt=60", NULL);
	lx_observed(f, d, "/3/0/9", 99);
	lx_location(d, path);
	uint16_t mid = lx_input(f, DEV, (struct lx_msg){.code = MW_COAP_DELETE, .path = path});
	lx_expect_silence(f);
	assert_int_equal(lx_count(f, "delete registration"), 1);
	assert_int_equal(lx_count(f, "delete observations"), 1);
	assert_int_equal(f->n_events, 0);
	lx_end_all_commits(f, 0);
	lx_expect(f, NULL, "ACK 2.02 #%u", mid);
	assert_int_equal(f->n_events, 1);
	assert_int_equal(last_event(f).kind, MW_EVENT_DEREGISTERED);
	assert_false(mw_device_is_registered(d));
	lx_input(f, DEV, (struct lx_msg){.code = MW_COAP_DELETE, .path = path, .mid = mid});
	lx_expect(f, NULL, "ACK 2.02 #%u", mid); /* a copy: the same answer */
	mid = lx_input(f, DEV, (struct lx_msg){.code = MW_COAP_DELETE, .path = path});
	lx_expect(f, NULL, "ACK 4.04 #%u", mid);
	mid = lx_input(f, DEV, (struct lx_msg){.code = MW_COAP_POST, .path = path});
	lx_expect(f, NULL, "ACK 4.04 #%u", mid);
	lx_pass_ms(f, 1000000);
	assert_int_equal(f->n_events, 1); /* it does not expire as well */
	assert_int_equal(f->l->devices.lists.pool.n_used, 0);
	assert_int_equal(lx_register(f, DEV, "ep=a&lwm2m=1.1", NULL)->id, 1);
}

static void test_store_fails_at_deregister(void **state)
{
	struct lx *f = *state;
	char path[20];
	struct mw_device *d = lx_register(f, DEV, "ep=a&lwm2m=1.1", NULL);
	lx_location(d, path);
	f->put_fails = MW_E_FULL;
	uint16_t mid = lx_input(f, DEV, (struct lx_msg){.code = MW_COAP_DELETE, .path = path});
	lx_expect(f, NULL, "ACK 5.03 #%u max-age=60", mid);
	assert_true(mw_device_is_registered(d)); /* may ask again */
	assert_int_equal(f->n_events, 0);
	f->put_fails = 0;
	mid = lx_input(f, DEV, (struct lx_msg){.code = MW_COAP_DELETE, .path = path});
	lx_end_all_commits(f, MW_E_IO);
	lx_expect(f, NULL, "ACK 5.03 #%u max-age=60", mid);
	assert_false(mw_device_is_registered(d));
	assert_int_equal(
		last_event(f).kind, MW_EVENT_DEREGISTERED); /* listeners must not believe in it any longer */
}

static void test_deregister_then_register_before_the_commit(void **state)
{
	struct lx *f = *state;
	char path[20];
	struct mw_device *d = lx_register(f, DEV, "ep=a&lwm2m=1.1", NULL);
	uint16_t gone = lx_input(f, DEV, (struct lx_msg){.code = MW_COAP_DELETE, .path = lx_location(d, path)});
	uint16_t again = lx_register_query(f, DEV, "ep=a&lwm2m=1.1", LX_LINKS);
	lx_end_all_commits(f, 0);
	lx_expect(f, NULL, "ACK 2.02 #%u", gone);
	lx_expect(f, NULL, "ACK 2.01 #%u location=/%s", again, lx_location(d, path));
	assert_int_equal(f->n_events, 2);
	assert_int_equal(f->events[0].kind, MW_EVENT_DEREGISTERED);
	assert_int_equal(f->events[1].kind, MW_EVENT_REGISTERED);
}

/* ---- lifetime ---- */

static void test_expiry(void **state)
{
	struct lx *f = *state;
	char path[20];
	struct mw_device *d = lx_register(f, DEV, "ep=a&lwm2m=1.1&lt=60", NULL);
	lx_location(d, path);
	lx_pass_ms(f, 152900);
	assert_true(mw_device_is_registered(d));
	lx_pass_ms(f, 200);
	assert_false(mw_device_is_registered(d));
	assert_int_equal(f->n_events, 1);
	assert_int_equal(last_event(f).kind, MW_EVENT_EXPIRED);
	assert_int_equal(lx_count(f, "delete registration"), 1);
	uint16_t mid = lx_input(f, DEV, (struct lx_msg){.code = MW_COAP_POST, .path = path});
	lx_expect(f, NULL, "ACK 4.04 #%u", mid);
	lx_pass_ms(f, 1000000);
	assert_int_equal(f->n_events, 1);
	assert_int_equal(f->l->stats.expirations, 1);
}

/* Keep-alives do not move the timer; it finds the later deadline when it fires. */
static void test_timer_is_lazy(void **state)
{
	struct lx *f = *state;
	char path[20];
	struct mw_device *d = lx_register(f, DEV, "ep=a&lwm2m=1.1&lt=60", NULL);
	lx_location(d, path);
	uint64_t armed = d->timer.due_tick;
	lx_pass_ms(f, 100000);
	lx_input(f, DEV, (struct lx_msg){.code = MW_COAP_POST, .path = path});
	assert_int_equal(d->timer.due_tick, armed);
	lx_pass_ms(f, 152000); /* beyond the first deadline */
	assert_true(mw_device_is_registered(d));
	lx_pass_ms(f, 2000);
	assert_false(mw_device_is_registered(d));
}

static void test_lifetime_changes(void **state)
{
	struct lx *f = *state;
	char path[20];
	struct mw_device *d = lx_register(f, DEV, "ep=a&lwm2m=1.1&lt=100000", NULL);
	struct lx_msg m = {.code = MW_COAP_POST, .path = lx_location(d, path), .query = "lt=20"};
	lx_input(f, DEV, m); /* lower: the timer must come forward */
	lx_end_all_commits(f, 0);
	lx_pass_ms(f, 112000);
	assert_true(mw_device_is_registered(d));
	m.query = "lt=0"; /* for ever */
	lx_input(f, DEV, m);
	lx_end_all_commits(f, 0);
	assert_false(mw_timer_is_armed(&d->timer));
	lx_pass_ms(f, INT64_C(400) * 86400000);
	assert_true(mw_device_is_registered(d));
	m.query = "lt=5";
	lx_input(f, DEV, m);
	lx_end_all_commits(f, 0);
	lx_pass_ms(f, 99000);
	assert_false(mw_device_is_registered(d));
}

static void test_longest_lifetime(void **state)
{
	struct lx *f = *state;
	struct mw_device *d = lx_register(f, DEV, "ep=a&lwm2m=1.1&lt=4294967295", NULL);
	lx_pass_ms(f, INT64_C(4294967295) * 1000);
	assert_true(mw_device_is_registered(d));
	lx_pass_ms(f, 94000);
	assert_false(mw_device_is_registered(d));
}

/* ---- restart ---- */

static struct mw_device *restore(
	struct lx *f, const char *endpoint, int64_t id, uint64_t location, const char *links, int want)
{
	struct mw_device *d = mw_devices_add(&f->l->devices, endpoint, strlen(endpoint), id);
	d->addr = lx_addr(DEV);
	d->version = MW_LWM2M_1_1;
	d->lifetime_s = 60;
	assert_int_equal(
		mw_registration_restore(f->l, d, location, (struct mw_bytes){(const uint8_t *)links, strlen(links)}),
		want);
	return d;
}

static void test_restart(void **state)
{
	struct lx *f = *state;
	char path[20];
	struct mw_device *d = lx_register(f, DEV, "ep=a&lwm2m=1.1&lt=60", NULL);
	uint64_t location = d->location;
	lx_location(d, path);
	lx_restart(f);
	d = restore(f, "a", 1, location, LX_LINKS, 0);
	assert_int_equal(f->n_events, 0);
	lx_pass_ms(f, 150000); /* its lifetime starts anew */
	uint16_t mid = lx_input(f, DEV, (struct lx_msg){.code = MW_COAP_POST, .path = path});
	lx_expect(f, NULL, "ACK 2.04 #%u", mid);
	assert_int_equal(f->n_rows, 0);
	lx_pass_ms(f, 154000);
	assert_int_equal(last_event(f).kind, MW_EVENT_EXPIRED);
	assert_int_equal(lx_register(f, DEV, "ep=a&lwm2m=1.1", NULL)->id, 1);
	assert_int_equal(lx_count(f, "put device"), 0);
	assert_int_equal(lx_register(f, DEV, "ep=b&lwm2m=1.1", NULL)->id, 2); /* numbers go on */
}

static void test_restart_with_bad_rows(void **state)
{
	struct lx *f = *state;
	struct mw_device *d = restore(f, "a", 1, 12345, "nonsense", MW_E_FORMAT);
	assert_true(!mw_device_is_registered(d) && !d->links && !mw_timer_is_armed(&d->timer));
	d = restore(f, "b", 2, 0, LX_LINKS, MW_E_ARG);
	assert_true(!mw_device_is_registered(d) && !d->links);
	assert_int_equal(f->l->devices.lists.pool.n_used, 0);
	lx_register(f, DEV, "ep=a&lwm2m=1.1", NULL);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, lx_setup, lx_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_register),
		CASE(test_refusals),
		CASE(test_other_paths_and_methods),
		CASE(test_non_is_refused),
		CASE(test_versions_and_queue_rules),
		CASE(test_duplicates_register_once),
		CASE(test_slow_commit_answers_separately),
		CASE(test_block_wise_register),
		CASE(test_register_again),
		CASE(test_rows_of_a_second_register),
		CASE(test_register_overtaken_by_another),
		CASE(test_second_register_fails_after_the_first),
		CASE(test_store_fails_at_register),
		CASE(test_store_refuses_a_known_device),
		CASE(test_store_fails_at_second_register),
		CASE(test_new_objects_are_told_after_a_failed_commit),
		CASE(test_max_devices),
		CASE(test_keep_alive_needs_no_commit),
		CASE(test_update_that_changes),
		CASE(test_queue_flag_in_updates),
		CASE(test_bad_updates_change_nothing),
		CASE(test_store_fails_at_update),
		CASE(test_deregister),
		CASE(test_store_fails_at_deregister),
		CASE(test_deregister_then_register_before_the_commit),
		CASE(test_expiry),
		CASE(test_timer_is_lazy),
		CASE(test_lifetime_changes),
		CASE(test_longest_lifetime),
		CASE(test_restart),
		CASE(test_restart_with_bad_rows),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
