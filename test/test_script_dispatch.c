/* From the host's events to the feed: protocols, hooks, auto-observe. `test_script_dispatch bench` measures.
 */
#include "stub_host.h"
#include "script/state.h"
#include <time.h>

#define LUA_DIR MW_SOURCE_DIR "/lua"

struct fixture {
	struct mw_host *host;
	struct mw_script *s;
	struct stub_scripts scripts;
	struct mw_errbuf why;
	struct mw_device_ref dev;
};

static void setup(struct fixture *f, const char *protocol, const char *hooks)
{
	memset(f, 0, sizeof(*f));
	f->host = stub_host_new();
	stub_scripts_new(&f->scripts);
	if (protocol)
		stub_scripts_write(&f->scripts, "protocols/p.lua", protocol);
	if (hooks)
		stub_scripts_write(&f->scripts, "hooks/h.lua", hooks);
	struct mw_script_config c = {.lua_dir = LUA_DIR, .scripts_dir = f->scripts.dir};
	f->s = mw_script_open(f->host, &c, &f->why);
	if (!f->s)
		fail_msg("%s", f->why.text);
	f->dev = stub_device(f->host, "dev1");
}

static void teardown(struct fixture *f)
{
	mw_script_close(f->s);
	stub_host_free(f->host);
	stub_scripts_free(&f->scripts);
}

static int values(struct fixture *f, const struct mw_node *nodes, size_t n)
{
	struct mw_event ev = {.kind = MW_EVENT_VALUES,
		.dev = f->dev,
		.source = MW_SOURCE_NOTIFY,
		.path = nodes[0].path,
		.nodes = nodes,
		.n_nodes = n,
		.received_ms = 5000};
	return f->host->listener(f->host->listener_ud, f->host, &ev);
}

static struct mw_node node(uint16_t oid, uint16_t iid, uint16_t rid, double v)
{
	return (struct mw_node){.path = {oid, iid, rid, MW_ID_NONE, 3}, .value = {.type = MW_TYPE_FLOAT, .f = v}};
}

static struct mw_node text_node(uint16_t oid, uint16_t rid, const char *text)
{
	return (struct mw_node){.path = {oid, 0, rid, MW_ID_NONE, 3},
		.value = {.type = MW_TYPE_STRING, .s = {(const uint8_t *)text, strlen(text)}}};
}

static void lifecycle(struct fixture *f, struct mw_event ev)
{
	ev.dev = f->dev;
	f->host->listener(f->host->listener_ud, f->host, &ev);
}

static void assert_put(struct fixture *f, size_t i, const char *text)
{
	if (i >= f->host->n_puts || strcmp(f->host->puts[i].text, text) != 0)
		fail_msg("put %zu of %zu is '%s', not '%s'\n%s", i, f->host->n_puts, f->host->puts[i].text, text,
			f->host->log_text);
}

static void assert_logged(struct fixture *f, const char *text)
{
	if (!strstr(f->host->log_text, text))
		fail_msg("'%s' is not in the log:\n%s", text, f->host->log_text);
}

#define TEMPERATURE                                                                                          \
	"return protocol { object = 3303, resources = { [5700] = {\n"                                            \
	"  observe = { pmin = 10, pmax = 300 },\n"                                                               \
	"  measurement = { type = \"c8y_Temperature\", series = \"c8y_Temperature.T\", unit = \"Cel\" },\n"      \
	"  alarm = { type = \"c8y_HighTemperature\", severity = \"MAJOR\", text = \"Too warm\",\n"               \
	"    when = function(v) return v > 60 end },\n"                                                          \
	"} } }"

/* ---- values ---- */

static void test_measurement(void **state)
{
	(void)state;
	struct fixture f;
	setup(&f,
		"return protocol { object = 3303, resources = {\n"
		"  [5700] = { measurement = { type = \"t\", series = \"t.T\", unit = \"Cel\" } },\n"
		"  [5601] = { measurement = { type = \"m\", series = \"m.min\" } } } }",
		NULL);
	struct mw_node n[4] = {
		node(3303, 0, 5700, 21.5), node(3303, 1, 5601, -3), node(3303, 0, 5701, 1), node(9, 0, 5700, 1)};
	n[1].value = (struct mw_value){.type = MW_TYPE_INTEGER, .i = INT64_MAX};
	n[1].has_time = true;
	n[1].time_s = 1700000000.25;
	uint64_t entries = f.s->count.entries;
	assert_int_equal(values(&f, n, 4), 2);
	assert_put(&f, 0, "measurement t t.T 21.5 Cel /3303/0/5700 5000");
	assert_put(&f, 1, "measurement m m.min 9223372036854775807  /3303/1/5601 1700000000250");
	assert_int_equal(f.s->count.entries, entries); /* Lua is not entered for this */
	teardown(&f);
}

static void test_value_rules(void **state)
{
	(void)state;
	static const struct {
		struct mw_value v;
		const char *put;
	} cases[] = {
		{{.type = MW_TYPE_BOOLEAN, .b = true}, "measurement t t.T 1  /1/0/2 5000"},
		{{.type = MW_TYPE_TIME, .i = 1700000000}, "measurement t t.T 1700000000  /1/0/2 5000"},
		{{.type = MW_TYPE_UNSIGNED, .u = 7}, "measurement t t.T 7  /1/0/2 5000"},
		{{.type = MW_TYPE_STRING, .s = {(const uint8_t *)"0x1f", 4}}, "measurement t t.T 31  /1/0/2 5000"},
		{{.type = MW_TYPE_STRING, .s = {(const uint8_t *)"-029", 4}}, "measurement t t.T -29  /1/0/2 5000"},
		{{.type = MW_TYPE_STRING, .s = {(const uint8_t *)"secret", 6}},
			"alarm c8y_Lwm2mNonNumericValue severity=1 status=1 '/1/0/2 has a value that is no number "
			"(String), but series t.T "
			"wants one' /1/0/2"},
		{{.type = MW_TYPE_STRING, .s = {(const uint8_t *)"", 0}},
			"alarm c8y_Lwm2mNonNumericValue severity=1 status=1 '/1/0/2 has a value that is no number "
			"(String), but series t.T "
			"wants one' /1/0/2"},
		{{.type = MW_TYPE_OPAQUE, .s = {(const uint8_t *)"5", 1}},
			"alarm c8y_Lwm2mNonNumericValue severity=1 status=1 '/1/0/2 has a value that is no number "
			"(Opaque), but series t.T "
			"wants one' /1/0/2"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct fixture f;
		setup(&f,
			"return protocol { object = 1, resources = { [2] = { measurement = { type = \"t\", series = "
			"\"t.T\" } } } }",
			NULL);
		struct mw_node n = {.path = {1, 0, 2, MW_ID_NONE, 3}, .value = cases[i].v};
		assert_int_equal(values(&f, &n, 1), 1);
		assert_put(&f, 0, cases[i].put);
		bool warned =
			strstr(f.host->log_text,
				"warn SCRIPT ep=dev1 unit=protocols/p.lua /1/0/2 has a value that is no number") != NULL;
		assert_int_equal(warned, strncmp(cases[i].put, "alarm", 5) == 0);
		assert_null(strstr(f.host->log_text, "secret"));
		teardown(&f);
	}
}

static void test_ignore_empty(void **state)
{
	(void)state;
	struct fixture f;
	setup(&f,
		"return protocol { object = 1, resources = { [2] = { measurement = { type = \"t\", series = \"t.T\" "
		"},\n"
		"  event = { type = \"e\", text = \"E\" }, alarm = { type = \"a\", severity = \"MINOR\", text = "
		"\"A\" }, ignore_empty = true } } }",
		NULL);
	struct mw_node n = text_node(1, 2, "");
	assert_int_equal(values(&f, &n, 1), 0);
	n = text_node(1, 2, "5");
	assert_int_equal(values(&f, &n, 1), 3);
	assert_put(&f, 0, "measurement t t.T 5  /1/0/2 5000");
	assert_put(&f, 1, "event e 'E' /1/0/2");
	assert_put(&f, 2, "alarm a severity=2 status=1 'A' /1/0/2");
	teardown(&f);
}

static void test_alarm_with_when(void **state)
{
	(void)state;
	struct fixture f;
	setup(&f, TEMPERATURE, NULL);
	static const struct {
		double v;
		const char *alarm;
	} steps[] = {
		{20, "alarm c8y_HighTemperature severity=3 status=3 'Too warm' /3303/0/5700"}, /* after a start
																						  nothing is known */
		{21, NULL},
		{61, "alarm c8y_HighTemperature severity=3 status=1 'Too warm' /3303/0/5700"},
		{62, "alarm c8y_HighTemperature severity=3 status=1 'Too warm' /3303/0/5700"},
		{20, "alarm c8y_HighTemperature severity=3 status=3 'Too warm' /3303/0/5700"},
		{20, NULL},
		{20, NULL},
		{61, "alarm c8y_HighTemperature severity=3 status=1 'Too warm' /3303/0/5700"},
	};
	for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
		f.host->n_puts = 0;
		struct mw_node n = node(3303, 0, 5700, steps[i].v);
		assert_int_equal(values(&f, &n, 1), steps[i].alarm ? 2 : 1);
		if (steps[i].alarm)
			assert_put(&f, 1, steps[i].alarm);
	}
	f.dev = stub_device(f.host, "dev2"); /* another device has an alarm of its own */
	struct mw_node n = node(3303, 0, 5700, 20);
	assert_int_equal(values(&f, &n, 1), 2);
	teardown(&f);
}

/* What is put for one value besides its measurement: 0 nothing, 1 the alarm is raised, 3 it is cleared. */
static int alarm_of(struct fixture *f, struct mw_node n)
{
	size_t before = f->host->n_puts;
	values(f, &n, 1);
	if (f->host->n_puts == before + 1)
		return 0;
	assert_int_equal(f->host->n_puts, before + 2);
	const char *status = strstr(f->host->puts[before + 1].text, "status=");
	assert_non_null(status);
	return atoi(status + 7);
}

static void test_instances_share_an_alarm(void **state)
{
	(void)state;
	struct fixture f;
	setup(&f, TEMPERATURE, NULL);
	static const struct {
		uint16_t iid;
		double v;
		int alarm;
	} steps[] = {
		{0, 20, 3}, /* nothing is known */
		{1, 20, 0}, /* the same alarm */
		{0, 61, 1},
		{1, 20, 0}, /* a cool one does not clear what a hot one raised */
		{1, 62, 1},
		{0, 20, 0}, /* one is still hot */
		{1, 20, 3}, /* the last one */
		{0, 20, 0},
		{1, 20, 0},
	};
	for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
		int alarm = alarm_of(&f, node(3303, steps[i].iid, 5700, steps[i].v));
		if (alarm != steps[i].alarm)
			fail_msg("step %zu: %d", i, alarm);
	}
	for (uint16_t i = 0; i < 300; i++) /* more than can be remembered */
		assert_int_equal(alarm_of(&f, node(3303, i, 5700, 70)), 1);
	for (uint16_t i = 300; i-- > 1;)
		assert_int_equal(alarm_of(&f, node(3303, i, 5700, 20)), 0);
	assert_int_equal(alarm_of(&f, node(3303, 0, 5700, 20)), 3);
	teardown(&f);
}

static void test_an_alarm_of_a_hook_is_cleared_by_the_condition(void **state)
{
	(void)state;
	struct fixture f;
	setup(&f, TEMPERATURE,
		"return hooks { [\"device.updated\"] = function(dev)\n"
		"  dev:alarm { type = \"c8y_HighTemperature\", severity = \"MAJOR\", text = \"x\" } end }");
	assert_int_equal(alarm_of(&f, node(3303, 0, 5700, 20)), 3);
	assert_int_equal(alarm_of(&f, node(3303, 0, 5700, 20)), 0);
	lifecycle(&f, (struct mw_event){.kind = MW_EVENT_UPDATED});
	assert_int_equal(alarm_of(&f, node(3303, 0, 5700, 20)), 3);
	assert_int_equal(alarm_of(&f, node(3303, 0, 5700, 20)), 0);
	teardown(&f);
}

static void test_a_clear_whose_commit_failed_is_put_again(void **state)
{
	(void)state;
	struct fixture f;
	setup(&f, TEMPERATURE, NULL);
	assert_int_equal(alarm_of(&f, node(3303, 0, 5700, 61)), 1);
	assert_int_equal(alarm_of(&f, node(3303, 0, 5700, 20)), 3);
	f.host->failed_commits = 1;
	assert_int_equal(alarm_of(&f, node(3303, 0, 5700, 20)), 3);
	assert_int_equal(alarm_of(&f, node(3303, 0, 5700, 20)), 0);
	teardown(&f);
}

static void test_alarms_forget_what_cannot_end_them(void **state)
{
	(void)state;
	struct fixture f;
	setup(&f, TEMPERATURE, NULL);
	stub_link(f.host, f.dev, 3303, 0);
	assert_int_equal(alarm_of(&f, node(3303, 0, 5700, 20)), 3);
	assert_int_equal(alarm_of(&f, node(3303, 1, 5700, 61)), 1);
	assert_int_equal(alarm_of(&f, node(3303, 0, 5700, 20)), 0);
	lifecycle(&f, (struct mw_event){.kind = MW_EVENT_UPDATED, .objects_changed = true});
	assert_int_equal(alarm_of(&f, node(3303, 0, 5700, 20)), 3); /* instance 1 is not there any more */
	assert_int_equal(alarm_of(&f, node(3303, 0, 5700, 61)), 1);
	assert_int_equal(alarm_of(&f, node(3303, 1, 5700, 20)), 0);
	lifecycle(&f, (struct mw_event){.kind = MW_EVENT_REGISTERED});
	assert_int_equal(alarm_of(&f, node(3303, 1, 5700, 20)), 0); /* instance 0 still is */
	lifecycle(&f, (struct mw_event){.kind = MW_EVENT_DEREGISTERED});
	assert_int_equal(alarm_of(&f, node(3303, 1, 5700, 20)), 3);
	/* A reload keeps what the new rules still map, and forgets the rest. */
	assert_int_equal(alarm_of(&f, node(3303, 0, 5700, 61)), 1);
	stub_scripts_write(&f.scripts, "protocols/p.lua", TEMPERATURE "\n");
	assert_int_equal(mw_script_reload(f.s, NULL, false, NULL, NULL), 0);
	assert_int_equal(alarm_of(&f, node(3303, 1, 5700, 20)), 0);
	stub_scripts_write(&f.scripts, "protocols/p.lua",
		"return protocol { object = 3303, resources = { [5701] = { measurement = { type = \"x\", series = "
		"\"x.y\" },\n"
		"  alarm = { type = \"c8y_HighTemperature\", severity = \"MAJOR\", text = \"Too warm\",\n"
		"    when = function(v) return v > 60 end } } } }");
	assert_int_equal(mw_script_reload(f.s, NULL, false, NULL, NULL), 0);
	assert_int_equal(alarm_of(&f, node(3303, 1, 5701, 20)), 3);
	teardown(&f);
}

static void test_an_error_in_when_costs_one_node(void **state)
{
	(void)state;
	struct fixture f;
	setup(&f, TEMPERATURE, NULL);
	struct mw_node n[] = {node(3303, 0, 5700, 70), text_node(3303, 5700, "warm"), node(3303, 2, 5700, 70)};
	assert_int_equal(values(&f, n, 3), 5); /* 2 measurements, a non-numeric alarm, 2 alarms */
	assert_logged(&f, "error SCRIPT unit=protocols/p.lua protocols/p.lua:5: attempt to compare");
	uint64_t entries = f.s->count.entries;
	assert_int_equal(values(&f, n, 1), 2);
	assert_int_equal(f.s->count.entries, entries + 1);
	teardown(&f);
}

static void test_many_errors_in_one_event_end(void **state)
{
	(void)state;
	struct fixture f;
	setup(&f, TEMPERATURE, NULL);
	struct mw_node n[100];
	for (size_t i = 0; i < 100; i++)
		n[i] = text_node(3303, 5700, "warm");
	uint64_t errors = f.s->count.errors;
	values(&f, n, 100);
	assert_int_equal(f.s->count.errors - errors, 8);
	assert_int_equal(f.s->count.dropped, 1);
	teardown(&f);
}

static void test_what_cannot_be_stored_is_not_acknowledged(void **state)
{
	(void)state;
	struct fixture f;
	setup(&f, TEMPERATURE, NULL);
	struct mw_node n = node(3303, 0, 5700, 70);
	f.host->fail_puts = MW_E_FULL;
	assert_int_equal(values(&f, &n, 1), MW_E_FULL);
	assert_logged(
		&f, "warn SCRIPT ep=dev1 cannot put a measurement of /3303/0/5700: store is full or not writable");
	f.host->fail_puts = MW_E_NOTFOUND; /* the device went meanwhile */
	assert_int_equal(values(&f, &n, 1), 0);
	f.host->fail_puts = 0;
	n.value.f = 20;
	assert_int_equal(values(&f, &n, 1), 2); /* the clear that was not stored is not taken for done */
	teardown(&f);
}

static void test_multiple_resources_use_the_rule_of_their_resource(void **state)
{
	(void)state;
	struct fixture f;
	setup(&f,
		"return protocol { object = 3, resources = { [7] = { measurement = { type = \"v\", series = "
		"\"v.mV\", unit = \"mV\" } } } }",
		NULL);
	struct mw_node n = {.path = {3, 0, 7, 1, 4}, .value = {.type = MW_TYPE_INTEGER, .i = 3300}};
	assert_int_equal(values(&f, &n, 1), 1);
	assert_put(&f, 0, "measurement v v.mV 3300 mV /3/0/7/1 5000");
	teardown(&f);
}

/* ---- hooks ---- */

static void test_value_hook(void **state)
{
	(void)state;
	struct fixture f;
	setup(&f, NULL,
		"return hooks { [\"value.received\"] = function(dev, path, value, time)\n"
		"  log.info(\"%s %s %s %s\", dev:endpoint(), path, value, time)\n"
		"  if value == 2 then error(\"two\") end\n"
		"  if value == 3 then assert(dev:measurement { type = \"m\", series = \"m.x\", value = value * 2, "
		"path = path }) end\n"
		"  if value == 4 then assert(dev:event { type = \"e\", text = \"four\" }) assert(dev:alarm { type = "
		"\"a\", severity = \"MAJOR\", text = \"A\" }) end\n"
		"  if value == 5 then dev:alarm { type = \"a\", severity = \"HIGH\", text = \"A\" } end\n"
		"end }");
	struct mw_node n[] = {
		node(1, 0, 1, 1), node(1, 0, 1, 2), node(1, 0, 1, 3), node(1, 0, 1, 4), node(1, 0, 1, 5)};
	n[0].has_time = true;
	n[0].time_s = 7.5;
	uint64_t entries = f.s->count.entries;
	assert_int_equal(values(&f, n, 5), 3);
	assert_int_equal(f.s->count.entries, entries + 1);
	assert_logged(&f, "dev1 /1/0/1 1.0 7.5");
	assert_logged(&f, "unit=hooks/h.lua hooks/h.lua:3: two");
	assert_logged(&f, "dev1 /1/0/1 3.0 5.0");
	assert_logged(&f, "severity \"HIGH\" is none of WARNING, MINOR, MAJOR ...");
	assert_non_null(strstr(f.host->puts[0].text, "measurement m m.x 6"));
	assert_non_null(strstr(f.host->puts[1].text, "event e 'four'"));
	assert_non_null(strstr(f.host->puts[2].text, "alarm a severity=3 status=1 'A'"));
	teardown(&f);
}

static void test_lifecycle_hooks(void **state)
{
	(void)state;
	struct fixture f;
	setup(&f, NULL,
		"local function note(name) return function(dev) log.info(\"%s %s\", name, dev:endpoint()) end end\n"
		"return hooks { [\"device.registered\"] = note(\"R\"), [\"device.updated\"] = note(\"U\"),\n"
		"  [\"device.deregistered\"] = note(\"D\"), [\"device.expired\"] = note(\"E\") }");
	stub_scripts_write(&f.scripts, "hooks/second.lua",
		"return hooks { [\"device.registered\"] = function() error(\"first\") end }");
	stub_scripts_write(&f.scripts, "hooks/third.lua",
		"return hooks { [\"device.registered\"] = function(dev) log.info(\"objects %d %d\", "
		"#dev:objects()[3303], #dev:objects()[5]) end }");
	mw_script_reload(f.s, NULL, false, NULL, NULL);
	stub_link(f.host, f.dev, 3303, 0);
	stub_link(f.host, f.dev, 3303, 1);
	stub_link(f.host, f.dev, 5, MW_ID_NONE);
	lifecycle(&f, (struct mw_event){.kind = MW_EVENT_REGISTERED});
	assert_logged(&f, "R dev1");
	assert_logged(&f, "unit=hooks/second.lua hooks/second.lua:1: first");
	assert_logged(&f, "objects 2 0"); /* one that fails does not stop the next */
	lifecycle(&f, (struct mw_event){.kind = MW_EVENT_UPDATED});
	assert_logged(&f, "U dev1");
	lifecycle(&f, (struct mw_event){.kind = MW_EVENT_DEREGISTERED});
	assert_logged(&f, "D dev1");
	lifecycle(&f, (struct mw_event){.kind = MW_EVENT_EXPIRED});
	assert_logged(&f, "E dev1");
	teardown(&f);
}

/* ---- auto-observe ---- */

static void assert_op(struct fixture *f, size_t i, const char *text)
{
	char got[128], path[MW_PATH_TEXT_MAX];
	assert_true(i < f->host->n_ops);
	const struct stub_op *op = &f->host->ops[i];
	mw_path_print(&op->path, path);
	snprintf(got, sizeof(got), "%s %s %s", op->what, path, op->attributes);
	assert_string_equal(got, text);
}

static void answer_all(struct fixture *f)
{
	for (size_t i = 0; i < f->host->n_ops; i++) {
		if (f->host->ops[i].cb)
			stub_answer(f->host, i, &(struct mw_result){.code = 0x45, .text = ""});
	}
	f->host->n_ops = 0;
}

static void test_registration_starts_observations(void **state)
{
	(void)state;
	struct fixture f;
	setup(&f, TEMPERATURE, NULL);
	stub_link(f.host, f.dev, 3, 0);
	stub_link(f.host, f.dev, 3303, 0);
	stub_link(f.host, f.dev, 3303, 7);
	stub_link(f.host, f.dev, 3303, MW_ID_NONE);
	lifecycle(&f, (struct mw_event){.kind = MW_EVENT_REGISTERED});
	assert_int_equal(f.host->n_ops, 4);
	assert_op(&f, 0, "attr /3303/0/5700 pmin=10&pmax=300");
	assert_op(&f, 1, "observe /3303/0/5700 ");
	assert_op(&f, 2, "attr /3303/7/5700 pmin=10&pmax=300");
	assert_op(&f, 3, "observe /3303/7/5700 ");
	answer_all(&f);
	assert_int_equal(f.s->anchor->refs, 1);
	assert_null(f.s->jobs.slots); /* nothing is kept of a device that has what it should */
	lifecycle(&f, (struct mw_event){.kind = MW_EVENT_UPDATED});
	assert_int_equal(f.host->n_ops, 0);
	lifecycle(&f, (struct mw_event){.kind = MW_EVENT_UPDATED, .objects_changed = true});
	assert_int_equal(f.host->n_ops, 0); /* what is observed is left alone */
	stub_link(f.host, f.dev, 3303, 8);
	lifecycle(&f, (struct mw_event){.kind = MW_EVENT_UPDATED, .objects_changed = true});
	assert_int_equal(f.host->n_ops, 2);
	assert_op(&f, 0, "attr /3303/8/5700 pmin=10&pmax=300");
	assert_op(&f, 1, "observe /3303/8/5700 ");
	assert_int_equal(f.s->anchor->refs, 2);
	mw_script_close(f.s); /* with operations under way: their results find nobody */
	f.s = NULL;
	answer_all(&f);
	teardown(&f);
}

static void test_one_device_has_a_few_operations_at_a_time(void **state)
{
	(void)state;
	struct fixture f;
	setup(&f, TEMPERATURE, NULL);
	for (uint16_t i = 0; i < 8; i++)
		stub_link(f.host, f.dev, 3303, i);
	lifecycle(&f, (struct mw_event){.kind = MW_EVENT_REGISTERED});
	assert_int_equal(f.host->n_ops, 4);
	lifecycle(&f, (struct mw_event){.kind = MW_EVENT_UPDATED, .objects_changed = true});
	assert_int_equal(f.host->n_ops, 4); /* the same job */
	for (size_t i = 0; i < f.host->n_ops; i++) {
		assert_true(stub_open_ops(f.host) <= 4);
		stub_answer(f.host, i, &(struct mw_result){.code = 0x45, .text = ""});
	}
	assert_int_equal(f.host->n_ops, 16);
	assert_op(&f, 15, "observe /3303/7/5700 ");
	assert_int_equal(f.s->anchor->refs, 1);
	teardown(&f);
}

static void test_failing_observations_do_no_harm(void **state)
{
	(void)state;
	struct fixture f;
	setup(&f, TEMPERATURE, NULL);
	stub_link(f.host, f.dev, 3303, 0);
	stub_link(f.host, f.dev, 3303, 1);
	f.host->fail_ops = MW_E_LIMIT;
	lifecycle(&f, (struct mw_event){.kind = MW_EVENT_REGISTERED});
	assert_logged(
		&f, "warn OBS ep=dev1 auto-observe: 2 of 2 failed, the first: /3303/0/5700 limit reached\n");
	f.host->fail_ops = 0;
	f.host->log_len = 0;
	lifecycle(&f, (struct mw_event){.kind = MW_EVENT_REGISTERED});
	stub_answer(f.host, 0, &(struct mw_result){.code = 0x85, .text = ""});
	stub_answer(f.host, 1, &(struct mw_result){.code = 0x84, .text = "not here"});
	assert_logged(&f, "debug OBS ep=dev1 auto-observe: /3303/0/5700 4.05\n");
	assert_logged(&f, "debug OBS ep=dev1 auto-observe: /3303/0/5700 4.04 not here\n");
	stub_answer(f.host, 2, &(struct mw_result){.err = MW_E_CANCELED, .text = ""});
	assert_logged(&f, "debug OBS ep=dev1 auto-observe: /3303/1/5700 cancelled\n");
	assert_null(strstr(f.host->log_text, "warn"));
	stub_answer(f.host, 3, &(struct mw_result){.err = MW_E_TIMEOUT, .text = ""});
	assert_logged(
		&f, "warn OBS ep=dev1 auto-observe: 1 of 4 failed, the first: /3303/1/5700 no answer in time\n");
	assert_int_equal(f.s->anchor->refs, 1);
	teardown(&f);
}

static void test_a_full_queue_is_waited_for(void **state)
{
	(void)state;
	struct fixture f;
	setup(&f, TEMPERATURE, NULL);
	for (uint16_t i = 0; i < 3; i++)
		stub_link(f.host, f.dev, 3303, i);
	lifecycle(&f, (struct mw_event){.kind = MW_EVENT_REGISTERED});
	f.host->fail_ops = MW_E_LIMIT;
	for (size_t i = 0; i < 3; i++)
		stub_answer(f.host, i, &(struct mw_result){.code = 0x45, .text = ""});
	assert_int_equal(f.host->n_ops, 4);
	f.host->fail_ops = 0;
	stub_answer(f.host, 3, &(struct mw_result){.code = 0x45, .text = ""});
	assert_int_equal(f.host->n_ops, 6);
	assert_op(&f, 5, "observe /3303/2/5700 ");
	answer_all(&f);
	assert_null(strstr(f.host->log_text, "warn"));
	teardown(&f);
}

static void test_a_device_that_goes_ends_its_job(void **state)
{
	(void)state;
	struct fixture f;
	setup(&f, TEMPERATURE, NULL);
	for (uint16_t i = 0; i < 8; i++)
		stub_link(f.host, f.dev, 3303, i);
	lifecycle(&f, (struct mw_event){.kind = MW_EVENT_REGISTERED});
	f.host->devices[f.dev.index - 1].registered = false;
	for (size_t i = 0; i < 4; i++)
		stub_answer(f.host, i, &(struct mw_result){.err = MW_E_CANCELED, .text = ""});
	assert_int_equal(f.host->n_ops, 4);
	assert_int_equal(f.s->anchor->refs, 1);
	assert_null(f.s->jobs.slots);
	assert_null(strstr(f.host->log_text, "warn"));
	teardown(&f);
}

static void write_humidity(struct fixture *f, const char *observe)
{
	char text[400];
	snprintf(text, sizeof(text),
		"return protocol { object = 3304, resources = { [5700] = { %s measurement = { type = \"h\", series = "
		"\"h.h\" } } } }",
		observe);
	stub_scripts_write(&f->scripts, "protocols/h.lua", text);
	mw_script_reload(f->s, NULL, false, NULL, NULL);
}

static void test_reload_brings_all_devices_in_line_in_slices(void **state)
{
	(void)state;
	struct fixture f;
	setup(&f, TEMPERATURE, NULL);
	for (int i = 0; i < 80; i++) {
		char name[16];
		snprintf(name, sizeof(name), "d%d", i);
		struct mw_device_ref dev = stub_device(f.host, name);
		stub_link(f.host, dev, 3303, 0);
		stub_link(f.host, dev, 3304, 0);
		stub_observe(f.host, dev, &(struct mw_path){3303, 0, 5700, MW_ID_NONE, 3});
	}
	f.host->devices[3].registered = false;
	for (int i = 0; i < 5; i++)
		stub_advance(f.host, 4); /* the walk of the start: all have what they should */
	assert_int_equal(f.host->n_ops, 0);
	assert_int_equal(stub_armed(f.host), 0);

	write_humidity(&f, "observe = true,");
	assert_int_equal(f.host->n_ops, 0); /* nothing at once */
	stub_advance(f.host, 4);
	assert_int_equal(f.host->n_ops, 30); /* 32 devices: one has no links, one is not registered */
	assert_op(&f, 0, "observe /3304/0/5700 ");
	for (int i = 0; i < 5; i++)
		stub_advance(f.host, 4);
	assert_int_equal(f.host->n_ops, 79);
	assert_logged(&f, "observations of 81 devices brought in line");
	assert_int_equal(stub_armed(f.host), 0);
	answer_all(&f);

	write_humidity(&f, "observe = { pmin = 5 },");
	for (int i = 0; i < 5; i++)
		stub_advance(f.host, 4);
	assert_op(&f, 0, "attr /3304/0/5700 pmin=5");
	assert_int_equal(f.host->n_ops, 79); /* it is observed already: reading it would be a false measurement */
	answer_all(&f);

	write_humidity(&f, "observe = { pmin = 5 }, ignore_empty = true,");
	stub_advance(f.host, 100);
	assert_int_equal(f.host->n_ops, 0); /* nothing to observe has changed */

	write_humidity(&f, "");
	for (int i = 0; i < 5; i++)
		stub_advance(f.host, 4);
	assert_op(&f, 0, "cancel /3304/0/5700 ");
	assert_int_equal(f.host->n_ops, 79);
	answer_all(&f);
	teardown(&f);
}

static void test_a_reload_during_the_walk_starts_it_again(void **state)
{
	(void)state;
	struct fixture f;
	setup(&f, NULL, NULL);
	for (int i = 0; i < 60; i++) {
		struct mw_device_ref dev = stub_device(f.host, "d");
		stub_link(f.host, dev, 3303, 0);
		stub_link(f.host, dev, 3304, 0);
	}
	write_humidity(&f, "observe = true,");
	stub_advance(f.host, 4);
	assert_true(f.host->n_ops > 0 && f.host->n_ops < 60);
	size_t n = f.host->n_ops;
	answer_all(&f);
	write_humidity(&f, "");
	for (int i = 0; i < 5; i++)
		stub_advance(f.host, 4);
	for (size_t i = 0; i < f.host->n_ops; i++)
		assert_string_equal(f.host->ops[i].what, "cancel");
	assert_int_equal(f.host->n_ops, n); /* those that had begun to observe */
	answer_all(&f);
	teardown(&f);
}

static void test_devices_without_their_observations_get_them_at_the_start(void **state)
{
	(void)state;
	struct fixture f;
	memset(&f, 0, sizeof(f));
	f.host = stub_host_new();
	stub_scripts_new(&f.scripts);
	stub_scripts_write(&f.scripts, "protocols/p.lua", TEMPERATURE);
	struct mw_device_ref full = stub_device(f.host, "full"), empty = stub_device(f.host, "empty");
	stub_link(f.host, full, 3303, 0);
	stub_link(f.host, empty, 3303, 0);
	stub_observe(f.host, full, &(struct mw_path){3303, 0, 5700, MW_ID_NONE, 3});
	struct mw_script_config c = {.lua_dir = LUA_DIR, .scripts_dir = f.scripts.dir};
	f.s = mw_script_open(f.host, &c, &f.why);
	assert_non_null(f.s);
	stub_advance(f.host, 10);
	assert_int_equal(f.host->n_ops, 2);
	assert_int_equal(f.host->ops[1].dev.index, empty.index);
	teardown(&f);
}

/* ---- speed ---- */

static double seconds(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void bench_one(const char *what, const char *protocol, const char *hooks)
{
	enum { N = 1000000 };
	struct fixture f;
	setup(&f, protocol, hooks);
	f.host->count_only = true;
	struct mw_node n = node(3303, 0, 5700, 21.5);
	values(&f, &n, 1);
	double began = seconds();
	for (int i = 0; i < N; i++)
		values(&f, &n, 1);
	printf("%-40s %.3f us a value, %zu puts\n", what, (seconds() - began) / N * 1e6, f.host->n_puts);
	teardown(&f);
}

static int bench(void)
{
	bench_one("measurement",
		"return protocol { object = 3303, resources = { [5700] = { measurement = { type = \"t\", series = "
		"\"t.T\" } } } }",
		NULL);
	bench_one("measurement and alarm with `when`", TEMPERATURE, NULL);
	bench_one("value.received hook", NULL,
		"return hooks { [\"value.received\"] = function(dev, path, value) if value > 60 then log.info(\"x\") "
		"end end }");
	bench_one("all of it", TEMPERATURE,
		"return hooks { [\"value.received\"] = function(dev, path, value) if value > 60 then log.info(\"x\") "
		"end end }");
	return 0;
}

int main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "bench") == 0)
		return bench();
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_measurement),
		cmocka_unit_test(test_value_rules),
		cmocka_unit_test(test_ignore_empty),
		cmocka_unit_test(test_alarm_with_when),
		cmocka_unit_test(test_instances_share_an_alarm),
		cmocka_unit_test(test_an_alarm_of_a_hook_is_cleared_by_the_condition),
		cmocka_unit_test(test_a_clear_whose_commit_failed_is_put_again),
		cmocka_unit_test(test_alarms_forget_what_cannot_end_them),
		cmocka_unit_test(test_an_error_in_when_costs_one_node),
		cmocka_unit_test(test_many_errors_in_one_event_end),
		cmocka_unit_test(test_what_cannot_be_stored_is_not_acknowledged),
		cmocka_unit_test(test_multiple_resources_use_the_rule_of_their_resource),
		cmocka_unit_test(test_value_hook),
		cmocka_unit_test(test_lifecycle_hooks),
		cmocka_unit_test(test_registration_starts_observations),
		cmocka_unit_test(test_one_device_has_a_few_operations_at_a_time),
		cmocka_unit_test(test_failing_observations_do_no_harm),
		cmocka_unit_test(test_a_full_queue_is_waited_for),
		cmocka_unit_test(test_a_device_that_goes_ends_its_job),
		cmocka_unit_test(test_reload_brings_all_devices_in_line_in_slices),
		cmocka_unit_test(test_a_reload_during_the_walk_starts_it_again),
		cmocka_unit_test(test_devices_without_their_observations_get_them_at_the_start),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
