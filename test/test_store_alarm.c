/* The life of an alarm: raised, counted, acknowledged, cleared, raised anew; now (alarm table) and then
 * (feed). */
#include "store_kit.h"

static int setup(void **state)
{
	struct kit *k = malloc(sizeof(*k));
	kit_init(k);
	kit_open(k);
	kit_device(k, 1, "one");
	kit_device(k, 2, "two");
	*state = k;
	return 0;
}

static int teardown(void **state)
{
	kit_deinit(*state);
	free(*state);
	return 0;
}

/* One step: what is put, and how the alarm and the feed look after it. */
struct step {
	enum mw_alarm_status put;
	enum mw_severity severity;
	const char *text;
	bool is_item; /* a feed item comes of it */
	enum mw_alarm_status status;
	enum mw_severity now_severity;
	const char *now_text;
	int64_t count, first_ms;
};

static const struct step life[] = {
	{MW_ALARM_CLEARED, 0, "", false, 0, 0, NULL, 0, 0},
	{MW_ALARM_ACKNOWLEDGED, 0, "", false, 0, 0, NULL, 0, 0},
	{MW_ALARM_ACTIVE, MW_SEVERITY_MINOR, "warm", true, MW_ALARM_ACTIVE, MW_SEVERITY_MINOR, "warm", 1, 102},
	{MW_ALARM_ACTIVE, MW_SEVERITY_MAJOR, "hot", true, MW_ALARM_ACTIVE, MW_SEVERITY_MAJOR, "hot", 2, 102},
	{MW_ALARM_ACTIVE, MW_SEVERITY_NONE, "", true, MW_ALARM_ACTIVE, MW_SEVERITY_MAJOR, "hot", 3, 102},
	{MW_ALARM_ACKNOWLEDGED, 0, "", true, MW_ALARM_ACKNOWLEDGED, MW_SEVERITY_MAJOR, "hot", 3, 102},
	{MW_ALARM_ACTIVE, MW_SEVERITY_CRITICAL, "hotter", true, MW_ALARM_ACKNOWLEDGED, MW_SEVERITY_CRITICAL,
		"hotter", 4, 102},
	{MW_ALARM_CLEARED, 0, "", true, MW_ALARM_CLEARED, MW_SEVERITY_CRITICAL, "hotter", 4, 102},
	{MW_ALARM_CLEARED, 0, "", false, MW_ALARM_CLEARED, MW_SEVERITY_CRITICAL, "hotter", 4, 102},
	{MW_ALARM_ACTIVE, MW_SEVERITY_WARNING, "again", true, MW_ALARM_ACTIVE, MW_SEVERITY_WARNING, "again", 1,
		109},
};
enum { N_LIFE = sizeof(life) / sizeof(life[0]) };

static struct mw_feed_row alarm_row(
	int64_t device, const char *type, enum mw_alarm_status status, int64_t time_ms)
{
	return (struct mw_feed_row){.kind = MW_FEED_ALARM,
		.device_id = device,
		.time_ms = time_ms,
		.type = kit_str(type),
		.status = status,
		.severity = MW_SEVERITY_MAJOR,
		.path = MW_PATH(3, 0, 11)};
}

static struct kit_rows *alarms(struct kit *k, const char *endpoint, bool include_cleared, int64_t limit)
{
	struct kit_rows *out = calloc(1, sizeof(*out));
	struct mw_reader *r = kit_reader(k);
	assert_int_equal(
		mw_reader_alarms(r, kit_str(endpoint), include_cleared, limit, kit_row, out, &k->err), 0);
	mw_reader_close(r);
	return out;
}

static void check_row(const struct mw_feed_row *row, const struct step *s, int64_t time_ms)
{
	assert_int_equal(row->kind, MW_FEED_ALARM);
	kit_assert_str(row->type, "heat");
	kit_assert_str(row->endpoint, "one");
	kit_assert_str(row->text, s->now_text);
	assert_int_equal(row->status, s->status);
	assert_int_equal(row->severity, s->now_severity);
	assert_int_equal(row->count, s->count);
	assert_int_equal(row->first_ms, s->first_ms);
	assert_int_equal(row->time_ms, time_ms);
	assert_int_equal(row->value.type, MW_TYPE_NONE);
}

static void put_step(struct kit *k, int i)
{
	struct mw_feed_row row = alarm_row(1, "heat", life[i].put, 100 + i);
	row.severity = life[i].severity;
	row.text = kit_str(life[i].text);
	kit_put(k, row);
}

static void life_step_by_step(void **state)
{
	struct kit *k = *state;
	int64_t items = 0, changed_ms = 0;
	for (int i = 0; i < N_LIFE; i++) {
		put_step(k, i);
		assert_int_equal(kit_sync(k), 0);
		items += life[i].is_item;
		changed_ms = life[i].is_item ? 100 + i : changed_ms;
		struct kit_rows *now = alarms(k, "one", true, 0), *feed = kit_feed(k, (struct mw_feed_query){0});
		assert_int_equal(feed->n, items);
		assert_int_equal(now->n, life[i].count == 0 ? 0 : i < N_LIFE - 1 ? 1 : 2);
		if (now->n)
			check_row(&now->rows[0], &life[i], changed_ms);
		if (life[i].is_item)
			check_row(&feed->rows[items - 1], &life[i], 100 + i);
		free(now);
		free(feed);
	}
}

/* The same in one transaction; the feed tells what was then, not what is now. */
static void life_in_one_commit(void **state)
{
	struct kit *k = *state;
	for (int i = 0; i < N_LIFE; i++)
		put_step(k, i);
	assert_int_equal(kit_sync(k), 0);
	struct kit_rows *feed =
		kit_feed(k, (struct mw_feed_query){.kind = MW_FEED_ALARM, .endpoint = kit_str("one")});
	size_t n = 0;
	for (int i = 0; i < N_LIFE; i++)
		if (life[i].is_item)
			check_row(&feed->rows[n++], &life[i], 100 + i);
	assert_int_equal(feed->n, n);
	assert_int_equal(feed->rows[n - 1].seq, n); /* no numbers spent on what was no item */
	assert_int_equal(feed->rows[0].path.depth, 3);
	free(feed);
}

static void alarms_are_kept_apart_and_ordered(void **state)
{
	struct kit *k = *state;
	kit_put(k, alarm_row(1, "a", MW_ALARM_ACTIVE, 1));
	kit_put(k, alarm_row(2, "a", MW_ALARM_ACTIVE, 2));
	kit_put(k, alarm_row(1, "b", MW_ALARM_ACTIVE, 3));
	kit_put(k, alarm_row(1, "c", MW_ALARM_ACTIVE, 4));
	kit_put(k, alarm_row(1, "c", MW_ALARM_CLEARED, 5));
	kit_put(k, alarm_row(2, "a", MW_ALARM_ACKNOWLEDGED, 6));
	kit_put(k, alarm_row(1, "a", MW_ALARM_ACTIVE, 7));
	assert_int_equal(kit_sync(k), 0);
	static const struct {
		const char *endpoint;
		bool include_cleared;
		int64_t limit;
		const char *want; /* device and type of each */
	} cases[] = {
		{"", true, 0, "1a 1b 2a 1c "},
		{"", false, 0, "1a 1b 2a "},
		{"", false, 2, "1a 1b "},
		{"one", true, 0, "1a 1b 1c "},
		{"one", false, 0, "1a 1b "},
		{"two", false, 0, "2a "},
		{"three", true, 0, ""},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct kit_rows *got = alarms(k, cases[i].endpoint, cases[i].include_cleared, cases[i].limit);
		char text[100] = "";
		for (size_t j = 0; j < got->n; j++)
			snprintf(text + strlen(text), sizeof(text) - strlen(text), "%lld%.*s ",
				(long long)got->rows[j].device_id, (int)got->rows[j].type.len,
				(const char *)got->rows[j].type.data);
		assert_string_equal(text, cases[i].want);
		free(got);
	}
}

static void counting_goes_on_after_reopening(void **state)
{
	struct kit *k = *state;
	for (int i = 0; i < 3; i++) {
		kit_put(k, alarm_row(1, "a", MW_ALARM_ACTIVE, 10 + i));
		assert_int_equal(kit_sync(k), 0);
		kit_close(k);
		kit_open(k);
	}
	struct kit_rows *got = alarms(k, "", false, 0);
	assert_int_equal(got->n, 1);
	assert_int_equal(got->rows[0].count, 3);
	assert_int_equal(got->rows[0].first_ms, 10);
	free(got);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(life_step_by_step),
		T(life_in_one_commit),
		T(alarms_are_kept_apart_and_ordered),
		T(counting_goes_on_after_reopening),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
