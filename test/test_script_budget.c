/* What a script cannot do: run for ever, take all memory, or hold up the loop inside one library function. */
#include "stub_host.h"
#include "script/numeric.h"
#include "script/pattern.h"
#include "script/state.h"
#include <lauxlib.h>
#include <time.h>

#define LUA_DIR MW_SOURCE_DIR "/lua"

struct fixture {
	struct mw_host *host;
	struct mw_script *s;
	struct stub_scripts scripts;
	struct mw_errbuf why;
};

static void setup(struct fixture *f, const char *hook, struct mw_script_config c)
{
	char text[4000];
	memset(f, 0, sizeof(*f));
	f->host = stub_host_new();
	stub_scripts_new(&f->scripts);
	snprintf(text, sizeof(text),
		"return hooks { [\"device.registered\"] = function(dev)\n%s\nend,\n"
		"[\"device.updated\"] = function() log.info(\"still here\") end }",
		hook);
	stub_scripts_write(&f->scripts, "hooks/a.lua", text);
	c.lua_dir = LUA_DIR;
	c.scripts_dir = f->scripts.dir;
	f->s = mw_script_open(f->host, &c, &f->why);
	if (!f->s)
		fail_msg("%s", f->why.text);
}

static void teardown(struct fixture *f)
{
	mw_script_close(f->s);
	stub_host_free(f->host);
	stub_scripts_free(&f->scripts);
}

static void emit(struct fixture *f, enum mw_event_kind kind)
{
	f->host->listener(f->host->listener_ud, f->host, &(struct mw_event){.kind = kind, .dev = {1, 7}});
}

static int64_t now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static const char *const OVER = "instruction budget of 5000000 used up";

/* Each of these would run for ever, or take all memory. */
static const struct {
	const char *hook;
	const char *text; /* in the log afterwards */
} bombs[] = {
	{"while true do end", OVER},
	{"while true do pcall(error) end", OVER},
	{"while true do pcall(function() while true do end end) end", OVER},
	{"local function f() pcall(f) while true do end end f()", OVER},
	{"local function f() pcall(f) return f() end f()", OVER},
	{"while true do xpcall(function() while true do end end, function() while true do end end) end",
		"budget"},
	{"local function f() return f() end f()", OVER},
	{"local function f() f() end while true do pcall(f) end", OVER},
	{"local function f() local x <close> = setmetatable({}, { __close = function() while true do end end }) "
	 "f() end f()",
		""},
	{"local x <close> = setmetatable({}, { __close = function() while true do end end }) while true do end",
		"budget"},
	{"coroutine.wrap(function() local x <close> = setmetatable({}, { __close = function() while true do end "
	 "end }) while true do end end)()",
		"budget"},
	{"local co = coroutine.create(function() local x <close> = setmetatable({}, { __close = function() while "
	 "true do end end })\n"
	 "coroutine.yield() end) coroutine.resume(co) coroutine.close(co)",
		"budget"},
	{"xpcall(error, function() while true do end end)", "budget"},
	{"for i in setmetatable({}, { __call = function() return 1 end }) do end", OVER},
	{"goto a ::a:: goto a", OVER},
	{"for i = 1, math.huge do end", OVER},
	{"while true do coroutine.wrap(function() end)() end", OVER},
	{"while true do coroutine.wrap(function() while true do end end)() end", OVER},
	{"while true do coroutine.resume(coroutine.create(function() while true do end end)) end", OVER},
	{"local function f() while true do coroutine.resume(coroutine.create(f)) end end f()", OVER},
	{"local co = coroutine.wrap(function() while true do coroutine.yield() end end) while true do co() end",
		OVER},
	{"local t = setmetatable({}, { __index = function(t, k) return t[k + 1] end }) while true do "
	 "pcall(function() return t[1] end) end",
		OVER},
	{"local x <close> = setmetatable({}, { __close = function() while true do end end })", OVER},
	{"while true do local x <close> = setmetatable({}, { __close = function() end }) end", OVER},
	{"error(setmetatable({}, { __tostring = function() while true do end end }))", "budget"},
	{"local s = string.rep(\"a\", 24) s:find(string.rep(\"a?\", 24) .. s) local t = string.rep(\"a\", 60000) "
	 "t:find(\".-.-.-.-b\")",
		OVER},
	{"local t = string.rep(\"a\", 60000) while true do pcall(string.find, t, \".-.-.-.-b\") end", OVER},
	{"local t = string.rep(\"(\", 60000) t:find(\"%b()\") for i = 1, 1e9 do t:match(\"%b()\") end", OVER},
	{"local t = string.rep(\"a\", 60000) for w in t:gmatch(\"a-b\") do end", OVER},
	{"local t = string.rep(\"a\", 60000) t:gsub(\".-b\", \"\")", OVER},
	{"while true do string.rep(\"a\", 1000000) end", OVER},
	{"local s = string.rep(\"a\", 1000000) while true do s:upper() end", OVER},
	{"local s = string.rep(\"a\", 1000000) while true do utf8.len(s) end", OVER},
	{"local t = {} for i = 1, 99999 do t[i] = i end while true do table.insert(t, 1, 0) table.remove(t) end",
		OVER},
	{"local t = {} for i = 1, 100000 do t[i] = -i end while true do table.sort(t) end", OVER},
	{"local t = {} for i = 1, 100000 do t[i] = \"\" end while true do table.concat(t) end", OVER},
	{"local t = {} for i = 1, 100000 do t[i] = 1 end while true do table.move(t, 1, 99000, 2) end", OVER},
	{"local t = {} while true do t[#t + 1] = {} end", "not enough memory"},
	{"local s = \"x\" while true do s = s .. s end", "not enough memory"},
	{"local t = {} for i = 1, 1e9 do t[i] = string.rep(\"x\", 1000000) .. i end", "not enough memory"},
	{"local t = {} while true do local ok = pcall(function() while true do t[#t + 1] = {} end end) end",
		"budget"},
	{"local function f() return coroutine.wrap(f)() end f()", "C stack overflow"},
	{"local function f(...) return f(1, ...) end f()", ""}, /* stack overflow or budget, whichever is first */
	{"return (\"x\"):rep(1e10)", "allowed in scripts"},
	{"return (\"x\"):rep(1e9, \"y\")", "allowed in scripts"},
	{"return (\"%\"):rep(1e6):format()", "allowed in scripts"},
	{"return (\"%99999999d\"):format(1)", "invalid conversion"},
	{"return table.unpack({}, 1, 1e8)", "too many results"},
	{"return select(-1, table.unpack({}, 1, 1e6))", "too many results"},
	{"setmetatable({}, { __gc = function() while true do end end })", "__gc is not allowed"},
	{"local t = {} for i = 1, 1000 do t = { t } end script.state.t = t", ""},
};

static void test_bombs(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bombs) / sizeof(*bombs); i++) {
		struct fixture f;
		setup(&f, bombs[i].hook, (struct mw_script_config){0});
		stub_device(f.host, "a");
		int64_t began = now_ms();
		emit(&f, MW_EVENT_REGISTERED);
		int64_t took = now_ms() - began;
		/* With sanitizers some are so slow that the time is up before the instructions are. */
		bool ended = strstr(f.host->log_text, bombs[i].text) ||
					 (strstr(bombs[i].text, "budget") && strstr(f.host->log_text, "took longer than"));
		if (!ended)
			fail_msg("%s: '%s' is not in the log:\n%s", bombs[i].hook, bombs[i].text, f.host->log_text);
		/* Far above what is needed without sanitizers (about 50 ms), far below what each would take. */
		if (took > 20000)
			fail_msg("%s took %d ms", bombs[i].hook, (int)took);
		assert_int_equal(f.s->n_tasks, 0);
		assert_int_equal(f.s->depth, 0);
		emit(&f, MW_EVENT_UPDATED);
		if (!strstr(f.host->log_text, "still here"))
			fail_msg("after %s nothing works:\n%s", bombs[i].hook, f.host->log_text);
		teardown(&f);
	}
}

/* Instructions do not see a comparison of long strings: the time does. */
static void test_time_is_bounded_too(void **state)
{
	(void)state;
	struct fixture f;
	setup(&f,
		"local a = string.rep(\"x\", 1000000) a = a .. a a = a .. a a = a .. a a = a .. a\n"
		"local b = a .. \"\" .. \"y\" a = a .. \"x\" local n = 0\n"
		"while true do n = n + (a < b and 1 or 0) end",
		(struct mw_script_config){.budget = INT32_MAX});
	stub_device(f.host, "a");
	int64_t began = now_ms();
	emit(&f, MW_EVENT_REGISTERED);
	assert_non_null(strstr(f.host->log_text, "took longer than 1000 ms"));
	assert_true(now_ms() - began < 20000);
	teardown(&f);
}

/* ---- one unit against the others ---- */

static void emit_values(struct fixture *f, size_t n)
{
	static struct mw_node nodes[4000];
	for (size_t i = 0; i < n; i++)
		nodes[i] = (struct mw_node){
			.path = MW_PATH(3303, (uint16_t)i, 5700), .value = {.type = MW_TYPE_FLOAT, .f = 1}};
	struct mw_event ev = {.kind = MW_EVENT_VALUES, .dev = {1, 7}, .nodes = nodes, .n_nodes = n};
	f->host->listener(f->host->listener_ud, f->host, &ev);
}

static size_t count_of(const char *text, const char *part)
{
	size_t n = 0;
	for (const char *at = text; (at = strstr(at, part)); at += strlen(part))
		n++;
	return n;
}

static int ignore_body(lua_State *L)
{
	(void)L;
	return 0;
}

static void reload(struct fixture *f)
{
	int rc = mw_script_reload(f->s, NULL, false, NULL, NULL);
	assert_true(rc == 0 || rc == MW_E_SCRIPT); /* a unit with a problem: the log says */
}

static const char *const LOOPS = "return hooks { [\"value.received\"] = function() while true do end end }";

static void test_a_looping_hook_runs_once_per_event(void **state)
{
	(void)state;
	struct fixture f;
	setup(&f, "", (struct mw_script_config){.budget = 100000});
	stub_device(f.host, "a");
	stub_scripts_write(&f.scripts, "hooks/loop.lua", LOOPS);
	stub_scripts_write(&f.scripts, "hooks/other.lua",
		"local n = 0 return hooks { [\"value.received\"] = function(_, path) n = n + 1\n"
		"if n % 100 == 0 then log.info(\"other %d\", n) end end }");
	reload(&f);
	uint64_t errors = f.s->count.errors;
	emit_values(&f, 100);
	assert_int_equal(f.s->count.errors, errors + 1);
	assert_non_null(strstr(f.host->log_text, "other 100")); /* nobody else is held up */
	for (int i = 0; i < 20; i++)
		emit_values(&f, 100);
	assert_int_equal(f.s->count.errors, errors + 9); /* 8, and that it is switched off */
	assert_int_equal(
		count_of(f.host->log_text, "unit=hooks/loop.lua is switched off until its file changes"), 1);
	assert_non_null(strstr(f.host->log_text, "other 2100"));
	/* A new version starts afresh. */
	stub_scripts_write(&f.scripts, "hooks/loop.lua",
		"return hooks { [\"value.received\"] = function() log.info(\"mended\") end }");
	reload(&f);
	emit_values(&f, 1);
	assert_non_null(strstr(f.host->log_text, "mended"));
	teardown(&f);
}

static void test_a_looping_when_runs_once_per_event(void **state)
{
	(void)state;
	struct fixture f;
	setup(&f, "", (struct mw_script_config){.budget = 100000});
	stub_device(f.host, "a");
	stub_scripts_write(&f.scripts, "protocols/loop.lua",
		"return protocol { object = 3303, resources = { [5700] = {\n"
		"measurement = { type = \"t\", series = \"a.b\" },\n"
		"alarm = { type = \"x\", severity = \"MAJOR\", text = \"x\", when = function() while true do end end "
		"} } } }");
	reload(&f);
	uint64_t errors = f.s->count.errors;
	for (int i = 0; i < 20; i++)
		emit_values(&f, 10);
	assert_int_equal(f.s->count.errors, errors + 9);
	assert_int_equal(f.host->n_puts, 200); /* what needs no function is stored all the same */
	teardown(&f);
}

static void test_an_event_has_a_time_limit(void **state)
{
	(void)state;
	struct fixture f;
	setup(&f, "", (struct mw_script_config){0});
	stub_device(f.host, "a");
	stub_scripts_write(&f.scripts, "hooks/slow.lua",
		"return hooks { [\"value.received\"] = function() for i = 1, 200000 do end end }");
	reload(&f);
	f.s->event_ms = 50;
	int64_t began = now_ms();
	emit_values(&f, 4000); /* each well within its budget, together many seconds */
	assert_true(now_ms() - began < 2000);
	assert_int_equal(count_of(f.host->log_text, "scripts took longer than 50 ms for 4000 values"), 1);
	assert_int_equal(f.s->count.dropped, 1);
	teardown(&f);
}

static void test_a_full_heap_does_not_stop_a_reload(void **state)
{
	(void)state;
	struct fixture f;
	setup(&f, "", (struct mw_script_config){.memory_max = 16 * 1024 * 1024});
	stub_device(f.host, "a");
	stub_scripts_write(&f.scripts, "hooks/hog.lua",
		"local hog = {} return hooks { [\"device.registered\"] = function()\n"
		"while true do hog[#hog + 1] = string.rep(\"x\", 10000) .. #hog end end }");
	reload(&f);
	emit(&f, MW_EVENT_REGISTERED);
	assert_non_null(strstr(f.host->log_text, "not enough memory"));
	assert_true(f.s->alloc.used > 10 * 1024 * 1024);
	f.host->log_len = 0;
	char *text = calloc(1, 500001);
	memset(text, ' ', 500000);
	static const char good[] = "return hooks { [\"device.updated\"] = function() log.info(\"mended\") end }";
	memcpy(text, good, sizeof(good) - 1);
	stub_scripts_write(&f.scripts, "hooks/hog.lua", text);
	free(text);
	reload(&f);
	emit(&f, MW_EVENT_UPDATED);
	assert_non_null(strstr(f.host->log_text, "mended"));
	reload(&f);
	assert_true(f.s->alloc.used < 4 * 1024 * 1024);
	teardown(&f);
}

/* While a file loads it may use part of the reserve, but not keep it. */
static void test_a_file_cannot_take_the_reserve(void **state)
{
	(void)state;
	struct fixture f;
	setup(&f, "", (struct mw_script_config){.memory_max = 16 * 1024 * 1024});
	stub_scripts_write(&f.scripts, "hooks/hog.lua",
		"hog = {} for i = 1, 1300 do hog[i] = string.rep(\"x\", 10000) .. i end\n"
		"return hooks { [\"device.registered\"] = function() return hog end }");
	reload(&f);
	assert_non_null(strstr(f.host->log_text, "takes up more memory than all scripts together have left"));
	assert_int_equal(mw_script_enter(f.s, NULL, ignore_body, NULL), 0);
	teardown(&f);
}

/* What runs in the library, outside the limits of a unit, must not call what a unit made. */
static void test_metamethods_do_not_run_without_limits(void **state)
{
	(void)state;
	static const char *const ends = "return hooks { [\"device.registered\"] = function() end }";
	static const char *const units[] = {
		"script.state[setmetatable({}, { __tostring = function() while true do end end })] = { 1 }",
		"local _, s = pairs(string) pcall(function() s.sub = function() while true do end end end)",
		"setmetatable(script.state, { __pairs = function() while true do end end })",
		"if true then hooks { [\"device.registered\"] = function() end }\n"
		"return setmetatable({}, { __eq = function() while true do end end }) end",
		"hooks(setmetatable({}, { __index = function() while true do end end }))",
		"error(setmetatable({}, { __tostring = function() while true do end end }))",
	};
	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++) {
		struct fixture f;
		char text[1000];
		setup(&f, "", (struct mw_script_config){.load_budget = 1000000});
		snprintf(text, sizeof(text), "%s\n%s", units[i], ends);
		stub_scripts_write(&f.scripts, "hooks/evil.lua", text);
		reload(&f); /* would hang here, or below */
		stub_scripts_write(&f.scripts, "hooks/evil.lua", ends);
		reload(&f);
		stub_scripts_write(&f.scripts, "hooks/c.lua", ends);
		f.host->log_len = 0;
		f.host->log_text[0] = '\0';
		reload(&f);
		if (strstr(f.host->log_text, "have problems"))
			fail_msg("%s: %s", units[i], f.host->log_text);
		teardown(&f);
	}
}

/* A budget is for one entry: many small steps may take as long as they like. */
static void test_every_step_has_a_budget_of_its_own(void **state)
{
	(void)state;
	struct fixture f;
	setup(&f, "for i = 1, 20 do for j = 1, 2000 do end sleep(1) end log.info(\"through\")",
		(struct mw_script_config){.budget = 10000});
	stub_device(f.host, "a");
	emit(&f, MW_EVENT_REGISTERED);
	for (int i = 0; i < 20; i++)
		stub_advance(f.host, 1000);
	assert_non_null(strstr(f.host->log_text, "through"));
	teardown(&f);
}

static struct mw_mono slow_mono(void *ud)
{
	*(int64_t *)ud += 60;
	return (struct mw_mono){*(int64_t *)ud};
}
static struct mw_wall slow_wall(void *ud)
{
	(void)ud;
	return (struct mw_wall){0};
}

static void test_slow_hooks_are_named(void **state)
{
	(void)state;
	struct fixture f;
	int64_t t = 0;
	struct mw_clock clock = {slow_mono, slow_wall, &t};
	setup(&f, "error(\"x\")", (struct mw_script_config){.clock = &clock});
	stub_device(f.host, "a");
	emit(&f, MW_EVENT_REGISTERED);
	assert_non_null(strstr(f.host->log_text, "unit=hooks/a.lua took 60 ms"));
	teardown(&f);
}

/* ---- the pattern matcher against the library's ---- */

static int compare_body(lua_State *L)
{
	const char *source = lua_touserdata(L, 1);
	mw_script_unlimited(mw_script_of(L));
	if (luaL_loadstring(L, source) != LUA_OK)
		lua_error(L);
	lua_newtable(L);
	mw_l_text_open(L);
	lua_call(L, 1, 0);
	return 0;
}

static void test_patterns_are_those_of_lua(void **state)
{
	(void)state;
	struct fixture f;
	setup(&f, "", (struct mw_script_config){0});
	/* The library's functions are still in the global table of the trusted half. */
	static const char *const source =
		"local mine, lib = ..., string\n"
		"local subjects = { '', 'a', 'aaa', 'hello world', 'key = value', '(a(b)c)', 'x\\0y', "
		"'2026-01-31T10:00:00Z', '  trim  ',\n"
		"  'THE (quick) fox', 'a.b.c', '%d', 'aXbXc', ']]', '-', '^a$', 'äö', '0x1F 12 -7.5e3', 'abcabc', "
		"'\\n\\t ' }\n"
		"local patterns = { '', 'a', 'a*', 'a+', 'a-', 'a?', '.', '.*', '.-', '^a', 'a$', '^a$', '^', '$', "
		"'%a+', '%w*', '%d+', '%s+', '%S',\n"
		"  '(%w+)%s*=%s*(%w+)', '^%s*(.-)%s*$', '%b()', '%f[%w]%w+', '%f[%W]', '[abc]', '[^abc]+', '[a-c]+', "
		"'[]]', '[^]]', '[%a_]+', '[-a]', '[a-]',\n"
		"  '()a()', '(a)(b)?', '((a)(b))', '(a*(.)%w(%s*))', '(.)%1', '(%w)(%w)%2', '%.', '%%', '%z', '%x+', "
		"'%u%l', '%p', '%c', '%g+', '[%d%.eE+-]+',\n"
		"  '[', '[a', '[]', '[^', '%', 'a%', '(', ')', '(()', '%1', '%b', '%bx', '%f', '%fa', '(a', 'a)', "
		"'%0', '(%1)', '[a-%%]', '[%', '*', '+a', '^*', '^^a' }\n"
		"local replacements = { '', 'x', '%0%0', '<%1>', '%%', '%2', '%', '%a', 7, { a = 'A', hello = false "
		"}, function(a, b) return b end,\n"
		"  function() return nil end, function() return {} end }\n"
		"local function collect(iterator, ...)\n"
		"  local out, n = {}, 0\n"
		"  for a, b, c in iterator(...) do out[#out + 1] = tostring(a) .. '|' .. tostring(b) .. '|' .. "
		"tostring(c) n = n + 1 if n > 50 then break end end\n"
		"  return table.concat(out, ';')\n"
		"end\n"
		"local cases = 0\n"
		"local function same(name, a, b, ...)\n"
		"  local x, y = table.pack(pcall(a, ...)), table.pack(pcall(b, ...))\n"
		"  local args = {} for i, v in ipairs { ... } do args[i] = lib.format('%q', tostring(v)) end\n"
		"  local what = name .. '(' .. table.concat(args, ', ') .. ')'\n"
		"  if x[1] ~= y[1] then error(what .. ': ' .. tostring(x[2]) .. ' / ' .. tostring(y[2])) end\n"
		"  cases = cases + 1\n"
		"  if not x[1] then return end\n"
		"  if x.n ~= y.n then error(what .. ': ' .. x.n .. ' / ' .. y.n .. ' results') end\n"
		"  for i = 1, x.n do if x[i] ~= y[i] then error(what .. ': ' .. tostring(x[i]) .. ' / ' .. "
		"tostring(y[i])) end end\n"
		"end\n"
		"for _, s in ipairs(subjects) do for _, p in ipairs(patterns) do\n"
		"  for _, init in ipairs { 1, 2, -1, 0, -100, 100 } do\n"
		"    same('find', mine.find, lib.find, s, p, init)\n"
		"    same('match', mine.match, lib.match, s, p, init)\n"
		"    same('gmatch', collect, collect, mine.gmatch and s and lib.gmatch, s, p)\n"
		"  end\n"
		"  same('find plain', mine.find, lib.find, s, p, 1, true)\n"
		"  same('gmatch', function(...) return collect(mine.gmatch, ...) end, function(...) return "
		"collect(lib.gmatch, ...) end, s, p)\n"
		"  same('gmatch', function(...) return collect(mine.gmatch, ...) end, function(...) return "
		"collect(lib.gmatch, ...) end, s, p, 3)\n"
		"  for _, r in ipairs(replacements) do\n"
		"    same('gsub', mine.gsub, lib.gsub, s, p, r)\n"
		"    same('gsub', mine.gsub, lib.gsub, s, p, r, 1)\n"
		"  end\n"
		"end end\n"
		"assert(cases > 20000, cases)\n";
	int rc = mw_script_enter(f.s, NULL, compare_body, (void *)(uintptr_t)source);
	if (rc < 0)
		fail_msg("%s", f.s->error);
	teardown(&f);
}

static void test_pattern_steps_are_bounded(void **state)
{
	(void)state;
	static const char subject[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
	static const char pattern[] = "a-a-a-a-a-a-a-a-a-b";
	struct mw_pattern m = {.subject = subject,
		.subject_end = subject + sizeof(subject) - 1,
		.pattern = pattern,
		.pattern_end = pattern + sizeof(pattern) - 1,
		.steps = 100000};
	assert_null(mw_pattern_match(&m, subject));
	assert_true(m.out_of_steps);
	assert_null(m.error);
	assert_true(m.steps < 0 && m.steps > -100);
}

/* ---- numbers in text ---- */

static void test_numeric(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		enum mw_type type; /* NONE = no number */
		double want;
	} cases[] = {
		{"0", MW_TYPE_INTEGER, 0},
		{"42", MW_TYPE_INTEGER, 42},
		{"-42", MW_TYPE_INTEGER, -42},
		{"+7", MW_TYPE_INTEGER, 7},
		{" 7 ", MW_TYPE_INTEGER, 7},
		{"21.5", MW_TYPE_FLOAT, 21.5},
		{"-1.5e3", MW_TYPE_INTEGER, -1500},
		{"1.5e-3", MW_TYPE_FLOAT, 0.0015},
		{"1E3", MW_TYPE_INTEGER, 1000},
		{"0.5", MW_TYPE_FLOAT, 0.5},
		{"0x1F", MW_TYPE_INTEGER, 31},
		{"-0x10", MW_TYPE_INTEGER, -16},
		{"0X7fffffffffffffff", MW_TYPE_INTEGER, 9223372036854775807.0},
		{"017", MW_TYPE_INTEGER, 15},
		{"-017", MW_TYPE_INTEGER, -15},
		{"029", MW_TYPE_INTEGER, 29},
		{"-029", MW_TYPE_INTEGER, -29},
		{"007", MW_TYPE_INTEGER, 7},
		{"00", MW_TYPE_INTEGER, 0},
		{"010.5", MW_TYPE_FLOAT, 10.5},
		{"9223372036854775807", MW_TYPE_INTEGER, 9223372036854775807.0},
		{"9223372036854775808", MW_TYPE_FLOAT, 9223372036854775808.0},
		{"", MW_TYPE_NONE, 0},
		{" ", MW_TYPE_NONE, 0},
		{"abc", MW_TYPE_NONE, 0},
		{"12abc", MW_TYPE_NONE, 0},
		{"0x", MW_TYPE_NONE, 0},
		{"0xg", MW_TYPE_NONE, 0},
		{"0x8000000000000000", MW_TYPE_NONE, 0},
		{"1,5", MW_TYPE_NONE, 0},
		{"nan", MW_TYPE_NONE, 0},
		{"inf", MW_TYPE_NONE, 0},
		{"1e999", MW_TYPE_NONE, 0},
		{"--1", MW_TYPE_NONE, 0},
		{"1 2", MW_TYPE_NONE, 0},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct mw_value in = {
			.type = MW_TYPE_STRING, .s = {(const uint8_t *)cases[i].text, strlen(cases[i].text)}};
		struct mw_value out = {.type = MW_TYPE_NONE};
		int rc = mw_numeric(&in, &out);
		if (out.type != cases[i].type || (rc == 0) != (cases[i].type != MW_TYPE_NONE))
			fail_msg("'%s': type %d", cases[i].text, (int)out.type);
		double got = out.type == MW_TYPE_FLOAT ? out.f : (double)out.i;
		if (rc == 0 && got != cases[i].want)
			fail_msg("'%s': %g", cases[i].text, got);
	}
	struct mw_value out;
	assert_int_equal(mw_numeric(&(struct mw_value){.type = MW_TYPE_BOOLEAN, .b = true}, &out), 0);
	assert_int_equal(out.i, 1);
	assert_int_equal(mw_numeric(&(struct mw_value){.type = MW_TYPE_TIME, .i = 1700000000}, &out), 0);
	assert_int_equal(out.type, MW_TYPE_INTEGER);
	assert_int_equal(mw_numeric(&(struct mw_value){.type = MW_TYPE_FLOAT, .f = 1e308 * 10}, &out), MW_E_TYPE);
	assert_int_equal(
		mw_numeric(&(struct mw_value){.type = MW_TYPE_UNSIGNED, .u = UINT64_MAX}, &out), MW_E_TYPE);
	assert_int_equal(
		mw_numeric(&(struct mw_value){.type = MW_TYPE_OPAQUE, .s = {(const uint8_t *)"5", 1}}, &out),
		MW_E_TYPE);
	assert_int_equal(mw_numeric(&(struct mw_value){.type = MW_TYPE_OBJLNK}, &out), MW_E_TYPE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bombs),
		cmocka_unit_test(test_time_is_bounded_too),
		cmocka_unit_test(test_a_looping_hook_runs_once_per_event),
		cmocka_unit_test(test_a_looping_when_runs_once_per_event),
		cmocka_unit_test(test_an_event_has_a_time_limit),
		cmocka_unit_test(test_a_full_heap_does_not_stop_a_reload),
		cmocka_unit_test(test_a_file_cannot_take_the_reserve),
		cmocka_unit_test(test_metamethods_do_not_run_without_limits),
		cmocka_unit_test(test_every_step_has_a_budget_of_its_own),
		cmocka_unit_test(test_slow_hooks_are_named),
		cmocka_unit_test(test_patterns_are_those_of_lua),
		cmocka_unit_test(test_pattern_steps_are_bounded),
		cmocka_unit_test(test_numeric),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
