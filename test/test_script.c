/* The script layer with a host that only writes down what it is asked: opening, the road into Lua, tasks,
 * reload. */
#include "stub_host.h"
#include "script/state.h"
#include <lauxlib.h>

#define LUA_DIR MW_SOURCE_DIR "/lua"

struct fixture {
	struct mw_host *host;
	struct mw_script *s;
	struct stub_scripts scripts;
	struct mw_errbuf why;
};

static struct mw_clock clock_of(struct mw_host *h);

static void open_with(struct fixture *f, struct mw_script_config c)
{
	struct mw_clock clock = clock_of(f->host);
	c.lua_dir = LUA_DIR;
	c.scripts_dir = f->scripts.dir;
	c.clock = &clock;
	f->s = mw_script_open(f->host, &c, &f->why);
}

static void setup(struct fixture *f)
{
	memset(f, 0, sizeof(*f));
	f->host = stub_host_new();
	stub_scripts_new(&f->scripts);
}

static void teardown(struct fixture *f)
{
	mw_script_close(f->s);
	stub_host_free(f->host);
	stub_scripts_free(&f->scripts);
}

static struct mw_mono mono(void *ud)
{
	return (struct mw_mono){((struct mw_host *)ud)->now_ms};
}
static struct mw_wall wall(void *ud)
{
	return (struct mw_wall){((struct mw_host *)ud)->wall_ms};
}
static struct mw_clock clock_of(struct mw_host *h)
{
	return (struct mw_clock){mono, wall, h};
}

static void emit(struct fixture *f, enum mw_event_kind kind, struct mw_device_ref dev)
{
	f->host->listener(f->host->listener_ud, f->host, &(struct mw_event){.kind = kind, .dev = dev});
}

static bool logged(struct fixture *f, const char *text)
{
	return strstr(f->host->log_text, text) != NULL;
}

static void assert_logged(struct fixture *f, const char *text)
{
	if (!logged(f, text))
		fail_msg("'%s' is not in the log:\n%s", text, f->host->log_text);
}

/* What mw_script_reload told. */
struct told {
	char text[2000];
	size_t len;
	char summary[200]; /* of the last call */
	bool ended, ok;
};

static void tell(void *ud, const char *file, int line, const char *reason, bool ok)
{
	struct told *t = ud;
	if (!file) {
		t->ended = true;
		t->ok = ok;
		snprintf(t->summary, sizeof(t->summary), "%s", reason);
		return;
	}
	t->len += (size_t)snprintf(
		t->text + t->len, sizeof(t->text) - t->len, "%s:%d:%s:%s\n", file, line, ok ? "ok" : "bad", reason);
}

static bool reload(struct fixture *f)
{
	struct told t = {.len = 0};
	int rc = mw_script_reload(f->s, NULL, false, tell, &t);
	assert_true(t.ended);
	assert_int_equal(rc, t.ok ? 0 : MW_E_SCRIPT);
	return t.ok;
}

/* ---- opening ---- */

static void test_opens_the_shipped_units(void **state)
{
	(void)state;
	struct fixture f;
	setup(&f);
	struct mw_script_config c = {.lua_dir = LUA_DIR, .scripts_dir = MW_SOURCE_DIR "/scripts"};
	f.s = mw_script_open(f.host, &c, &f.why);
	if (!f.s)
		fail_msg("%s", f.why.text);
	struct mw_device_ref dev = stub_device(f.host, "a");
	stub_link(f.host, dev, 3303, 0);
	emit(&f, MW_EVENT_REGISTERED, dev);
	assert_logged(&f,
		"info SCRIPT unit=hooks/lifecycle.lua a registered from 127.0.0.1:5683, LwM2M 1.1, lifetime 300 s");
	assert_int_equal(f.host->n_ops, 2); /* attributes, observe */
	teardown(&f);
}

static void test_refuses_to_start(void **state)
{
	(void)state;
	struct fixture f;
	setup(&f);
	stub_scripts_write(&f.scripts, "hooks/a.lua", "\nreturn hooks { [\"device.registerd\"] = print }");
	open_with(&f, (struct mw_script_config){0});
	assert_null(f.s);
	assert_string_equal(
		f.why.text, "hooks/a.lua:2: unknown key \"device.registerd\" (did you mean device.registered?)");
	assert_logged(&f, "error SCRIPT unit=hooks/a.lua hooks/a.lua:2: unknown key");

	stub_scripts_write(&f.scripts, "hooks/b.lua",
		"return hooks { [\"device.registered\"] = function() log.info(\"b runs\") end }");
	open_with(&f, (struct mw_script_config){.lenient = true});
	assert_non_null(f.s);
	emit(&f, MW_EVENT_REGISTERED, stub_device(f.host, "a"));
	assert_logged(&f, "b runs");
	teardown(&f);
}

static void test_open_says_what_is_wrong(void **state)
{
	(void)state;
	struct fixture f;
	setup(&f);
	struct mw_script_config c = {.lua_dir = "/nonexistent"};
	assert_null(mw_script_open(f.host, &c, &f.why));
	assert_non_null(strstr(f.why.text, "library in /nonexistent: module 'moonwire.script' not found"));
	assert_null(mw_script_open(f.host, &(struct mw_script_config){0}, &f.why));
	assert_non_null(strstr(f.why.text, "lua_dir is not set"));
	c = (struct mw_script_config){.lua_dir = LUA_DIR, .scripts_dir = "/nonexistent"};
	assert_null(mw_script_open(f.host, &c, &f.why));
	assert_non_null(strstr(f.why.text, "/nonexistent: no such folder"));
	c = (struct mw_script_config){.lua_dir = LUA_DIR, .memory_max = 100000};
	assert_null(mw_script_open(f.host, &c, &f.why));
	assert_non_null(strstr(f.why.text, "not enough memory"));
	assert_null(f.host->listener);
	teardown(&f);
}

/* ---- the road ---- */

static int body_ok(lua_State *L)
{
	*(int *)lua_touserdata(L, 1) += 1;
	lua_pushliteral(L, "left behind");
	return 1;
}
static int body_error(lua_State *L)
{
	return luaL_error(L, "boom %d", 7);
}
static int body_table(lua_State *L)
{
	lua_newtable(L);
	return lua_error(L);
}
static int body_nested(lua_State *L)
{
	struct mw_script *s = lua_touserdata(L, 1);
	int n = 0;
	lua_pushinteger(L, mw_script_enter(s, NULL, body_ok, &n));
	if (lua_tointeger(L, -1) != MW_E_STATE || n != 0)
		luaL_error(L, "entries must not nest");
	return 0;
}

static void test_enter(void **state)
{
	(void)state;
	struct fixture f;
	setup(&f);
	open_with(&f, (struct mw_script_config){0});
	int n = 0, top = lua_gettop(f.s->L);
	assert_int_equal(mw_script_enter(f.s, "x.lua", body_ok, &n), 0);
	assert_int_equal(n, 1);
	assert_int_equal(mw_script_enter(f.s, "x.lua", body_error, NULL), MW_E_SCRIPT);
	assert_logged(&f, "error SCRIPT unit=x.lua boom 7");
	assert_int_equal(mw_script_enter(f.s, "x.lua", body_table, NULL), MW_E_SCRIPT);
	assert_logged(&f, "table: 0x");
	assert_int_equal(mw_script_enter(f.s, NULL, body_nested, f.s), 0);
	assert_int_equal(lua_gettop(f.s->L), top);
	teardown(&f);
}

static void test_the_same_error_is_counted_not_repeated(void **state)
{
	(void)state;
	struct fixture f;
	setup(&f);
	open_with(&f, (struct mw_script_config){0});
	for (int i = 0; i < 100; i++)
		mw_script_enter(f.s, "x.lua", body_error, NULL);
	int lines = 0;
	for (const char *p = f.host->log_text; (p = strstr(p, "boom 7")); p++)
		lines++;
	assert_int_equal(lines, 7); /* 1, 2, 4, ... 64 */
	assert_logged(&f, "(again, 64 times)");
	teardown(&f);
}

static int body_work(lua_State *L)
{
	lua_newtable(L);
	for (int i = 0; i < 40; i++) {
		lua_pushfstring(L, "key %d", i);
		lua_newtable(L);
		lua_settable(L, -3);
	}
	luaL_Buffer b;
	luaL_buffinitsize(L, &b, 5000);
	luaL_addstring(&b, "text");
	luaL_pushresult(&b);
	return luaL_error(L, "end of work: %s", lua_tostring(L, -1));
}

/* Fails the first allocation of an entry, then the second, and so on until it runs through. */
static void sweep(struct fixture *f, int (*run)(struct fixture *f))
{
	int64_t n = 1;
	for (;; n++) {
		int top = lua_gettop(f->s->L);
		f->s->alloc.fail_at = n;
		int rc = run(f);
		bool failed = f->s->alloc.fail_at == 0;
		f->s->alloc.fail_at = 0;
		assert_int_equal(lua_gettop(f->s->L), top);
		assert_int_equal(f->s->depth, 0);
		if (!failed)
			break;
		assert_true(rc <= 0);
		lua_gc(f->s->L, LUA_GCCOLLECT);
		assert_true(n < 100000);
	}
	assert_true(n > 5);
}

static int run_work(struct fixture *f)
{
	return mw_script_enter(f->s, "x.lua", body_work, NULL);
}

static int run_hook(struct fixture *f)
{
	emit(f, MW_EVENT_REGISTERED, (struct mw_device_ref){1, 7});
	for (size_t i = 0; i < f->host->n_ops; i++) {
		struct mw_node node = {.path = {3, 0, 0, MW_ID_NONE, 3},
			.value = {.type = MW_TYPE_STRING, .s = {(const uint8_t *)"x", 1}}};
		if (f->host->ops[i].cb)
			stub_answer(
				f->host, i, &(struct mw_result){.code = 0x45, .nodes = &node, .n_nodes = 1, .text = ""});
	}
	f->host->n_ops = 0;
	return 0;
}

static int run_reload(struct fixture *f)
{
	mw_script_reload(f->s, "hooks/a.lua", false, NULL, NULL);
	return 0;
}

static void test_allocation_sweep(void **state)
{
	(void)state;
	struct fixture f;
	setup(&f);
	stub_scripts_write(&f.scripts, "hooks/a.lua",
		"return hooks { [\"device.registered\"] = function(dev)\n"
		"  local v = dev:read(\"/3/0/0\")\n"
		"  local t = {} for i = 1, 20 do t[i] = v .. i end\n"
		"  log.info(\"read %s\", table.concat(t, \",\"))\n"
		"end }");
	open_with(&f, (struct mw_script_config){0});
	stub_device(f.host, "a");
	sweep(&f, run_work);
	sweep(&f, run_hook);
	assert_int_equal(f.s->n_tasks, 0);
	sweep(&f, run_reload);
	f.host->log_len = 0;
	run_hook(&f);
	assert_logged(&f, "read x1,x2"); /* and all still works */
	teardown(&f);
}

/* The state itself, the library and the first load. */
static void test_allocation_sweep_of_open(void **state)
{
	(void)state;
	struct fixture f;
	setup(&f);
	stub_scripts_write(&f.scripts, "hooks/a.lua", "return hooks { [\"device.registered\"] = print }");
	for (size_t max = 30000; max < 2000000; max += 7001) {
		open_with(&f, (struct mw_script_config){.memory_max = max});
		if (f.s)
			break;
		f.host->log_len = 0;
	}
	assert_non_null(f.s);
	teardown(&f);
}

/* ---- tasks ---- */

static const char *const reader = "return hooks { [\"device.registered\"] = function(dev)\n"
								  "  local v, err = dev:read(\"/3/0/9\")\n"
								  "  log.info(\"got %s, %s\", v, err)\n"
								  "end }";

static struct mw_device_ref open_reader(struct fixture *f)
{
	setup(f);
	stub_scripts_write(&f->scripts, "hooks/a.lua", reader);
	open_with(f, (struct mw_script_config){0});
	struct mw_device_ref dev = stub_device(f->host, "a");
	emit(f, MW_EVENT_REGISTERED, dev);
	assert_int_equal(f->host->n_ops, 1);
	assert_int_equal(f->s->n_tasks, 1);
	return dev;
}

static void test_read_waits_and_goes_on(void **state)
{
	(void)state;
	struct fixture f;
	open_reader(&f);
	assert_false(logged(&f, "got"));
	struct mw_node node = {.path = {3, 0, 9, MW_ID_NONE, 3}, .value = {.type = MW_TYPE_INTEGER, .i = 95}};
	stub_answer(f.host, 0, &(struct mw_result){.code = 0x45, .nodes = &node, .n_nodes = 1, .text = ""});
	assert_logged(&f, "info SCRIPT unit=hooks/a.lua got 95, nil");
	assert_int_equal(f.s->n_tasks, 0);
	teardown(&f);
}

static void test_errors_of_operations(void **state)
{
	(void)state;
	static const struct {
		struct mw_result res;
		const char *text;
	} cases[] = {
		{{.code = 0x84, .text = "no such thing"}, "got nil, 4.04 no such thing"},
		{{.err = MW_E_TIMEOUT, .text = ""}, "got nil, ETIMEOUT no answer in time"},
		{{.err = MW_E_CANCELED, .text = "device left"}, "got nil, ECANCELED device left"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct fixture f;
		open_reader(&f);
		stub_answer(f.host, 0, &cases[i].res);
		assert_logged(&f, cases[i].text);
		teardown(&f);
	}
}

static void test_an_operation_that_cannot_start(void **state)
{
	(void)state;
	struct fixture f;
	setup(&f);
	stub_scripts_write(&f.scripts, "hooks/a.lua", reader);
	open_with(&f, (struct mw_script_config){0});
	f.host->fail_ops = MW_E_STATE;
	emit(&f, MW_EVENT_REGISTERED, stub_device(f.host, "a"));
	assert_logged(&f, "got nil, ESTATE not possible in this state");
	assert_int_equal(f.s->n_tasks, 0);
	assert_int_equal(f.s->anchor->refs, 1);
	teardown(&f);
}

static void test_a_read_of_many_nodes_is_a_table(void **state)
{
	(void)state;
	struct fixture f;
	setup(&f);
	stub_scripts_write(&f.scripts, "hooks/a.lua",
		"return hooks { [\"device.registered\"] = function(dev)\n"
		"  local o = dev:read(\"/3\")\n"
		"  log.info(\"%s %d %d %s %s\", o[0][0], o[0][6][0], o[0][6][1], o[0][11] == nil, o[0][13].oid)\n"
		"  log.info(\"big: %s, %s\", dev:read(\"/3/0/1\"))\n"
		"  local m = dev:read(\"/3/0/6\")\n"
		"  log.info(\"multiple %d\", m[4])\n"
		"end }");
	open_with(&f, (struct mw_script_config){0});
	emit(&f, MW_EVENT_REGISTERED, stub_device(f.host, "a"));
	struct mw_node nodes[] = {
		{.path = {3, 0, 0, MW_ID_NONE, 3},
			.value = {.type = MW_TYPE_STRING, .s = {(const uint8_t *)"Acme", 4}}},
		{.path = {3, 0, 6, 0, 4}, .value = {.type = MW_TYPE_INTEGER, .i = 1}},
		{.path = {3, 0, 6, 1, 4}, .value = {.type = MW_TYPE_INTEGER, .i = 5}},
		{.path = {3, 0, 13, MW_ID_NONE, 3}, .value = {.type = MW_TYPE_OBJLNK, .link = {3303, 1}}},
	};
	stub_answer(f.host, 0, &(struct mw_result){.code = 0x45, .nodes = nodes, .n_nodes = 4, .text = ""});
	assert_logged(&f, "Acme 1 5 true 3303");
	struct mw_node big = {
		.path = {3, 0, 1, MW_ID_NONE, 3}, .value = {.type = MW_TYPE_UNSIGNED, .u = UINT64_MAX}};
	stub_answer(f.host, 1, &(struct mw_result){.code = 0x45, .nodes = &big, .n_nodes = 1, .text = ""});
	assert_logged(&f, "big: nil, ETYPE");
	struct mw_node one = {.path = {3, 0, 6, 4, 4}, .value = {.type = MW_TYPE_INTEGER, .i = 44}};
	stub_answer(f.host, 2, &(struct mw_result){.code = 0x45, .nodes = &one, .n_nodes = 1, .text = ""});
	assert_logged(&f, "multiple 44");
	teardown(&f);
}

static void test_sleep(void **state)
{
	(void)state;
	struct fixture f;
	setup(&f);
	stub_scripts_write(&f.scripts, "hooks/a.lua",
		"return hooks { [\"device.registered\"] = function(dev)\n"
		"  for i = 1, 3 do sleep(0.5) log.info(\"tick %d\", i) end\n"
		"end }");
	open_with(&f, (struct mw_script_config){0});
	emit(&f, MW_EVENT_REGISTERED, stub_device(f.host, "a"));
	stub_advance(f.host, 499);
	assert_false(logged(&f, "tick"));
	stub_advance(f.host, 1);
	assert_logged(&f, "tick 1");
	assert_false(logged(&f, "tick 2"));
	stub_advance(f.host, 500);
	stub_advance(f.host, 500);
	assert_logged(&f, "tick 3");
	assert_int_equal(f.s->n_tasks, 0);
	teardown(&f);
}

static void test_waiting_where_nothing_can_wait_teaches(void **state)
{
	(void)state;
	static const struct {
		const char *unit, *text;
	} cases[] = {
		{"sleep(1)\nreturn hooks { [\"device.registered\"] = print }",
			"hooks/a.lua:1: sleep has to wait, so it works only in"},
		{"return hooks { [\"device.registered\"] = function(d) coroutine.wrap(function() d:read(\"/3\") "
		 "end)() end }",
			"dev:read has to wait"},
		{"return hooks { [\"device.registered\"] = function(d) table.sort({ 1, 2 }, function() "
		 "d:read(\"/3\") end) end }",
			"dev:read has to wait"},
		{"return hooks { [\"device.registered\"] = function(d) coroutine.yield() end }",
			"to wait, call sleep(seconds)"},
		{"return hooks { [\"device.registered\"] = function(d) d.read(5, \"/3\") end }",
			"moonwire.device expected, got number"},
		{"return hooks { [\"device.registered\"] = function(d) d:read(\"/a\") end }",
			"\"/a\" is no path like /3/0/9"},
		{"return hooks { [\"device.registered\"] = function(d) d:raed(\"/3\") end }",
			"attempt to call a nil value (method 'raed')"},
		{"return hooks { [\"device.registered\"] = function(d) setmetatable({}, getmetatable(d)) end }",
			"bad argument #2 to 'setmetatable'"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct fixture f;
		setup(&f);
		stub_scripts_write(&f.scripts, "hooks/a.lua", cases[i].unit);
		open_with(&f, (struct mw_script_config){.lenient = true});
		emit(&f, MW_EVENT_REGISTERED, stub_device(f.host, "a"));
		assert_logged(&f, cases[i].text);
		assert_int_equal(f.s->n_tasks, 0);
		assert_int_equal(f.host->n_ops, 0);
		teardown(&f);
	}
}

static void test_a_pcall_around_a_wait(void **state)
{
	(void)state;
	struct fixture f;
	setup(&f);
	stub_scripts_write(&f.scripts, "hooks/a.lua",
		"return hooks { [\"device.registered\"] = function(dev)\n"
		"  local ok, v = pcall(function() return dev:read(\"/3/0/9\") end)\n"
		"  log.info(\"pcall %s %s\", ok, v)\n"
		"  error(\"at the end\")\n"
		"end }");
	open_with(&f, (struct mw_script_config){0});
	emit(&f, MW_EVENT_REGISTERED, stub_device(f.host, "a"));
	struct mw_node node = {.path = {3, 0, 9, MW_ID_NONE, 3}, .value = {.type = MW_TYPE_BOOLEAN, .b = true}};
	stub_answer(f.host, 0, &(struct mw_result){.code = 0x45, .nodes = &node, .n_nodes = 1, .text = ""});
	assert_logged(&f, "pcall true true");
	assert_logged(&f,
		"error SCRIPT unit=hooks/a.lua hooks/a.lua:4: at the end [traceback: hooks/a.lua:4 in a function]");
	teardown(&f);
}

static void test_too_many_wait(void **state)
{
	(void)state;
	struct fixture f;
	setup(&f);
	stub_scripts_write(&f.scripts, "hooks/a.lua",
		"return hooks { [\"device.registered\"] = function(dev) sleep(1) log.info(\"%s done\", "
		"dev:endpoint()) end }");
	open_with(&f, (struct mw_script_config){.tasks_max = 2});
	char name[8];
	for (int i = 0; i < 5; i++) {
		snprintf(name, sizeof(name), "d%d", i);
		emit(&f, MW_EVENT_REGISTERED, stub_device(f.host, name));
	}
	assert_int_equal(f.s->n_tasks, 2);
	assert_int_equal(f.s->n_backlog, 3);
	for (int i = 0; i < 3; i++)
		stub_advance(f.host, 1000);
	assert_logged(&f, "d0 done");
	assert_logged(&f, "d4 done");
	assert_int_equal(f.s->n_tasks + f.s->n_backlog, 0);
	teardown(&f);
}

static void test_close_while_hooks_wait(void **state)
{
	(void)state;
	struct fixture f;
	open_reader(&f);
	stub_scripts_write(&f.scripts, "hooks/b.lua",
		"return hooks { [\"device.registered\"] = function(dev)\n"
		"  local x <close> = setmetatable({}, { __close = function() log.info(\"closed\") end })\n"
		"  sleep(10)\n"
		"end }");
	assert_true(reload(&f));
	emit(&f, MW_EVENT_REGISTERED, stub_device(f.host, "b"));
	assert_int_equal(stub_armed(f.host), 1);
	mw_script_close(f.s);
	f.s = NULL;
	assert_int_equal(stub_armed(f.host), 0);
	assert_int_equal(stub_open_ops(f.host), 0);
	assert_logged(&f, "closed");
	assert_null(f.host->listener);
	teardown(&f);
}

/* ---- reload ---- */

static void test_a_late_result_is_dropped(void **state)
{
	(void)state;
	struct fixture f;
	open_reader(&f);
	stub_scripts_write(&f.scripts, "hooks/a.lua",
		"return hooks { [\"device.registered\"] = function() sleep(5) log.info(\"woke\") end }");
	assert_true(reload(&f));
	assert_int_equal(f.s->n_tasks, 0);
	stub_answer(f.host, 0, &(struct mw_result){.err = MW_E_TIMEOUT, .text = ""});
	assert_logged(&f, "unit=hooks/a.lua result for generation 1 dropped");
	assert_false(logged(&f, "got"));

	emit(&f, MW_EVENT_REGISTERED, (struct mw_device_ref){1, 7});
	assert_int_equal(stub_armed(f.host), 1);
	stub_scripts_remove(&f.scripts, "hooks/a.lua");
	assert_true(reload(&f));
	assert_int_equal(stub_armed(f.host), 0); /* its timers die with it */
	stub_advance(f.host, 10000);
	assert_false(logged(&f, "woke"));
	assert_int_equal(f.s->anchor->refs, 1);
	teardown(&f);
}

static void test_failure_keeps_the_old_unit_running(void **state)
{
	(void)state;
	struct fixture f;
	open_reader(&f);
	stub_scripts_write(&f.scripts, "hooks/a.lua", "while true do end");
	struct told t = {.len = 0};
	assert_int_equal(mw_script_reload(f.s, NULL, false, tell, &t), MW_E_SCRIPT);
	assert_false(t.ok);
	assert_string_equal(t.text, "hooks/a.lua:1:bad:instruction budget of 20000000 used up (endless loop?)\n");
	assert_int_equal(f.s->n_tasks, 1); /* the old one waits on */
	struct mw_node node = {.path = {3, 0, 9, MW_ID_NONE, 3}, .value = {.type = MW_TYPE_FLOAT, .f = 0.5}};
	stub_answer(f.host, 0, &(struct mw_result){.code = 0x45, .nodes = &node, .n_nodes = 1, .text = ""});
	assert_logged(&f, "got 0.5, nil");
	teardown(&f);
}

static void take_unit(void *ud, const struct mw_script_unit *u)
{
	struct told *t = ud;
	t->len +=
		(size_t)snprintf(t->text + t->len, sizeof(t->text) - t->len, "%s gen=%u hash=%zu errors=%d '%.20s'\n",
			u->name, u->generation, strlen(u->hash), (int)u->n_errors, u->last_error);
}

static void test_units_and_generations(void **state)
{
	(void)state;
	struct fixture f;
	open_reader(&f);
	stub_scripts_write(&f.scripts, "hooks/a.lua", "error('boom')");
	assert_false(reload(&f));
	struct told t = {.len = 0};
	mw_script_units(f.s, take_unit, &t);
	assert_string_equal(t.text, "hooks/a.lua gen=1 hash=16 errors=1 'hooks/a.lua:1: boom '\n");
	stub_scripts_write(&f.scripts, "hooks/a.lua", "return hooks { [\"device.updated\"] = print }");
	assert_true(reload(&f));
	t = (struct told){.len = 0};
	mw_script_units(f.s, take_unit, &t);
	assert_string_equal(t.text, "hooks/a.lua gen=2 hash=16 errors=1 ''\n");
	t = (struct told){.len = 0};
	assert_int_equal(mw_script_reload(f.s, "nothing.lua", false, tell, &t), MW_E_NOTFOUND);
	assert_int_equal(t.len, 0); /* who fails so calls nobody */
	stub_scripts_write(&f.scripts, "hooks/new.lua", "return hooks { [\"device.updated\"] = print }");
	assert_int_equal(mw_script_reload(f.s, "hooks/new.lua", false, tell, &t), 0);
	assert_true(t.ok);
	teardown(&f);
}

/* Turns the loop until a reload has been answered. */
static void wait_for_answer(uv_loop_t *loop, const struct told *t)
{
	while (!t->ended)
		uv_run(loop, UV_RUN_ONCE);
}

static void test_reload_with_a_watch_is_always_answered(void **state)
{
	(void)state;
	struct fixture f;
	uv_loop_t loop;
	char away[80];
	setup(&f);
	assert_int_equal(uv_loop_init(&loop), 0);
	f.host->loop = &loop;
	stub_scripts_write(&f.scripts, "hooks/a.lua", "return hooks { [\"device.updated\"] = print }");
	open_with(&f, (struct mw_script_config){.watch = true});
	assert_non_null(f.s);
	struct told t = {.len = 0};
	assert_int_equal(mw_script_reload(f.s, "nothing.lua", false, tell, &t), MW_E_NOTFOUND);
	assert_int_equal(mw_script_reload(f.s, "hooks/a.lua", false, tell, &t), 0);
	assert_int_equal(mw_script_reload(f.s, NULL, false, tell, &t), MW_E_STATE);
	assert_false(t.ended); /* it comes from the loop */
	wait_for_answer(&loop, &t);
	assert_true(t.ok);
	assert_string_equal(t.text, "hooks/a.lua:0:ok:\n");

	snprintf(away, sizeof(away), "%s.away", f.scripts.dir);
	assert_int_equal(rename(f.scripts.dir, away), 0);
	t = (struct told){.len = 0};
	assert_int_equal(mw_script_reload(f.s, NULL, false, tell, &t), 0);
	wait_for_answer(&loop, &t);
	assert_false(t.ok);
	assert_non_null(strstr(t.summary, "no such folder"));
	assert_int_equal(rename(away, f.scripts.dir), 0);

	t = (struct told){.len = 0};
	assert_int_equal(mw_script_reload(f.s, NULL, false, tell, &t), 0);
	mw_script_close(f.s);
	assert_true(t.ended);
	assert_false(t.ok);
	assert_string_equal(t.summary, "cancelled");
	f.s = NULL;
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0);
	teardown(&f);
}

static void test_problems_are_placed_in_the_unit(void **state)
{
	(void)state;
	struct fixture f;
	setup(&f);
	struct told t = {.len = 0};
	stub_scripts_write(&f.scripts, "lib/c.lua",
		"\nlocal c = {}\nfunction c.f() local s = (\"x\"):rep(1e9) return s end\nreturn c");
	stub_scripts_write(&f.scripts, "hooks/a.lua", "local x = 1\nlocal y = string.rep(\"x\", 1e9)\nreturn y");
	stub_scripts_write(
		&f.scripts, "hooks/b.lua", "local c = script.require \"lib/c\"\nlocal y = c.f()\nreturn y");
	stub_scripts_write(&f.scripts, "hooks/d.lua", "error(\"elsewhere:7: odd\", 0)");
	assert_int_equal(mw_script_check(LUA_DIR, f.scripts.dir, tell, &t, &f.why), 3);
	if (!strstr(t.text, "hooks/a.lua:2:bad:") || !strstr(t.text, "lib/c.lua:3:bad:") ||
		!strstr(t.text, "hooks/d.lua:1:bad:elsewhere:7: odd") || strstr(t.text, "sandbox"))
		fail_msg("\n%s", t.text);
	teardown(&f);
}

static void test_check_offline(void **state)
{
	(void)state;
	struct fixture f;
	setup(&f);
	struct told t = {.len = 0};
	stub_scripts_write(&f.scripts, "protocols/good.lua",
		"return protocol { object = 1, resources = { [1] = { event = { type = \"a\", text = \"b\" } } } }");
	stub_scripts_write(
		&f.scripts, "protocols/bad.lua", "return protocol {\n  object = 1,\n  resources = { [1] = { } } }");
	stub_scripts_write(&f.scripts, "protocols/worse.lua", "return protocol(");
	assert_int_equal(mw_script_check(LUA_DIR, f.scripts.dir, tell, &t, &f.why), 2);
	assert_string_equal(t.text,
		"protocols/bad.lua:1:bad:resources[1] does nothing: add measurement, event or alarm\n"
		"protocols/worse.lua:1:bad:unexpected symbol near <eof>\n"
		"protocols/good.lua:0:ok:\n");
	assert_int_equal(mw_script_check(LUA_DIR, "/nonexistent", tell, &t, &f.why), MW_E_NOTFOUND);
	assert_int_equal(mw_script_check(LUA_DIR, MW_SOURCE_DIR "/scripts", NULL, NULL, &f.why), 0);
	teardown(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_opens_the_shipped_units),
		cmocka_unit_test(test_refuses_to_start),
		cmocka_unit_test(test_open_says_what_is_wrong),
		cmocka_unit_test(test_enter),
		cmocka_unit_test(test_the_same_error_is_counted_not_repeated),
		cmocka_unit_test(test_allocation_sweep),
		cmocka_unit_test(test_allocation_sweep_of_open),
		cmocka_unit_test(test_read_waits_and_goes_on),
		cmocka_unit_test(test_errors_of_operations),
		cmocka_unit_test(test_an_operation_that_cannot_start),
		cmocka_unit_test(test_a_read_of_many_nodes_is_a_table),
		cmocka_unit_test(test_sleep),
		cmocka_unit_test(test_waiting_where_nothing_can_wait_teaches),
		cmocka_unit_test(test_a_pcall_around_a_wait),
		cmocka_unit_test(test_too_many_wait),
		cmocka_unit_test(test_close_while_hooks_wait),
		cmocka_unit_test(test_a_late_result_is_dropped),
		cmocka_unit_test(test_failure_keeps_the_old_unit_running),
		cmocka_unit_test(test_units_and_generations),
		cmocka_unit_test(test_reload_with_a_watch_is_always_answered),
		cmocka_unit_test(test_problems_are_placed_in_the_unit),
		cmocka_unit_test(test_check_offline),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
