/* The one road from C into Lua, and its limits: bytes, instructions, time. */
#include "base/buf.h"
#include "host/host.h"
#include "script/state.h"

#include <lauxlib.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
	SLOW_MS = 50,        /* a hook that takes longer is named in the log */
	TIME_MAX_MS = 1000,  /* of the processor, for an entry: what the count of instructions does not see */
	WARM_UP = 64 * 1024, /* bytes, see mw_script_new_state */
	STOPPED_MAX = 8,     /* in a row; then a unit is switched off */
	TRACE_LEVELS = 8,
	TRACE_MAX = 600, /* bytes */
};

/* ---- bytes ---- */

static void *on_alloc(void *ud, void *ptr, size_t osize, size_t nsize)
{
	struct mw_script *s = ud;
	struct mw_script_alloc *a = &s->alloc;
	size_t old = ptr ? osize : 0; /* without a block, osize is a kind of object */
	if (nsize == 0) {
		free(ptr);
		a->used -= old;
		return NULL;
	}
	if (nsize > old) {
		size_t max = a->max - s->now.kept;
		if (a->max && (a->used >= max || nsize - old > max - a->used)) {
			a->refused = true;
			return NULL;
		}
		if (a->fail_at && --a->fail_at == 0)
			return NULL;
	}
	void *out = realloc(ptr, nsize);
	if (!out) {
		if (nsize > old)
			return NULL;
		out = ptr; /* Lua does not expect that making a block smaller fails */
	}
	a->used = a->used - old + nsize;
	return out;
}

/* Lua 5.4.4 builds the metatable of its big buffers when it first needs one, and a failure there leaves it
 * half-built for good. So it is made here, before there is a limit. */
static int open_libraries(lua_State *L)
{
	luaL_openlibs(L);
	luaL_Buffer b;
	luaL_buffinitsize(L, &b, WARM_UP);
	luaL_pushresultsize(&b, 0);
	return 0;
}

static int on_panic(lua_State *L)
{
	(void)L;
	return 0; /* nothing enters unprotected; Lua aborts after this */
}

lua_State *mw_script_new_state(struct mw_script *s)
{
	lua_State *L = lua_newstate(on_alloc, s);
	if (!L)
		return NULL;
	lua_atpanic(L, on_panic);
	memcpy(lua_getextraspace(L), &s, sizeof(void *)); /* coroutines inherit it */
	lua_pushcfunction(L, open_libraries);
	if (lua_pcall(L, 0, 0, 0) != LUA_OK) {
		lua_close(L);
		return NULL;
	}
	return L;
}

struct mw_script *mw_script_of(lua_State *L)
{
	struct mw_script *s;
	memcpy(&s, lua_getextraspace(L), sizeof(void *));
	return s;
}

/* ---- instructions and time ---- */

static void on_count(lua_State *L, lua_Debug *ar);

static bool is_of_unit(const struct mw_script *s, const lua_Debug *ar);

/* Where the unit was: a hook has no level of its own, and a C function that charges has no line. */
static void push_place(lua_State *L, struct mw_script *s)
{
	lua_Debug ar;
	for (int level = 0; lua_getstack(L, level, &ar); level++) {
		if (!lua_getinfo(L, "Sl", &ar) || !is_of_unit(s, &ar))
			continue;
		lua_pushfstring(L, "%s:%d: ", ar.short_src, ar.currentline);
		return;
	}
	lua_pushliteral(L, "");
}

static void raise_over(lua_State *L, struct mw_script *s)
{
	s->now.over = true;
	s->now.kept = 0; /* for the message: the loop may have taken all memory as well */
	/* From here on every instruction raises: a script's pcall gets the error, and its next step raises again.
	 */
	lua_sethook(L, on_count, LUA_MASKCOUNT, 1);
	push_place(L, s);
	if (s->now.spent > s->now.limit)
		lua_pushfstring(L, "instruction budget of %I used up (endless loop?)", (LUAI_UACINT)s->now.limit);
	else
		lua_pushfstring(L, "took longer than %d ms (very long strings or tables?)", TIME_MAX_MS);
	lua_concat(L, 2);
	lua_error(L);
}

/* Processor time, as a busy machine is no fault of the script. A safety net, so not the injected clock. */
static int64_t ms_of(clockid_t clock)
{
	struct timespec t;
	clock_gettime(clock, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

bool mw_script_timer_is_up(struct mw_script_timer *t, int64_t max_ms)
{
	int64_t tick_ms = ms_of(CLOCK_MONOTONIC_COARSE); /* no system call, unlike the other one */
	bool is_first = t->tick_ms == 0;
	if (tick_ms == t->tick_ms)
		return false;
	t->tick_ms = tick_ms;
	if (is_first)
		return false; /* most are over before the first tick */
	int64_t now_ms = ms_of(CLOCK_THREAD_CPUTIME_ID);
	if (t->until_ms == 0)
		t->until_ms = now_ms + max_ms;
	return now_ms > t->until_ms;
}

static void spend(lua_State *L, struct mw_script *s, int64_t n)
{
	if (s->now.limit == INT64_MAX)
		return;
	s->now.spent += n;
	if (s->now.over || s->now.spent > s->now.limit || mw_script_timer_is_up(&s->now.timer, TIME_MAX_MS))
		raise_over(L, s);
}

static void on_count(lua_State *L, lua_Debug *ar)
{
	(void)ar;
	spend(L, mw_script_of(L), MW_SCRIPT_STEP);
}

void mw_script_arm(struct mw_script *s, lua_State *co)
{
	(void)s;
	lua_sethook(co, on_count, LUA_MASKCOUNT, MW_SCRIPT_STEP);
}

void mw_script_charge(lua_State *L, int64_t n)
{
	spend(L, mw_script_of(L), n); /* and look at the clock: what charges is slow */
}

void mw_script_check_budget(lua_State *L)
{
	struct mw_script *s = mw_script_of(L);
	if (s->now.over)
		raise_over(L, s);
}

void mw_script_unlimited(struct mw_script *s)
{
	s->now.limit = INT64_MAX;
	s->now.kept = 0;
}

/* One unit must not be able to take the memory that its correction needs. */
static struct mw_script_limits limits_of_hooks(const struct mw_script *s, int64_t budget)
{
	return (struct mw_script_limits){.limit = budget, .kept = s->alloc.max / 4};
}

int64_t mw_script_room(lua_State *L)
{
	const struct mw_script *s = mw_script_of(L);
	int64_t max = (int64_t)(s->alloc.max - s->alloc.max / 4);
	if ((int64_t)s->alloc.used > max)
		lua_gc(L, LUA_GCCOLLECT);
	return max - (int64_t)s->alloc.used;
}

struct mw_script_limits mw_script_limits_new(struct mw_script *s, int64_t budget)
{
	struct mw_script_limits before = s->now;
	s->now = limits_of_hooks(s, budget);
	return before;
}

void mw_script_limits_set(struct mw_script *s, lua_State *L, struct mw_script_limits before)
{
	s->now = before;
	mw_script_arm(s, L); /* the hook may have been left at one instruction */
}

/* ---- errors ---- */

/* The library's own functions in between say nothing to an operator. */
static bool is_of_unit(const struct mw_script *s, const lua_Debug *ar)
{
	if (ar->currentline < 0 || *ar->source != '@')
		return false;
	size_t len = s->lua_dir ? strlen(s->lua_dir) : 0;
	bool is_ours = len && !strncmp(ar->source + 1, s->lua_dir, len) && ar->source[1 + len] == '/';
	return s->slot == MW_SLOT_NONE || !is_ours;
}

void mw_script_trace(const struct mw_script *s, lua_State *L, char *out, size_t cap)
{
	lua_Debug ar;
	struct mw_buf b;
	int shown = 0;
	mw_buf_init(&b, out, cap - 2);
	for (int level = 0; shown < TRACE_LEVELS && lua_getstack(L, level, &ar); level++) {
		if (lua_getinfo(L, "Sln", &ar) && is_of_unit(s, &ar))
			mw_buf_printf(&b, "%s%s:%d in %s", shown++ ? "; " : " [traceback: ", ar.short_src, ar.currentline,
				ar.name                        ? ar.name
				: strcmp(ar.what, "main") == 0 ? "main chunk"
											   : "a function");
	}
	if (shown)
		out[b.len++] = ']';
	out[b.len] = 0;
}

int mw_script_traceback(lua_State *L)
{
	char trace[TRACE_MAX];
	const char *message = luaL_tolstring(L, 1, NULL);
	mw_script_trace(mw_script_of(L), L, trace, sizeof(trace));
	lua_pushfstring(L, "%s%s", message, trace);
	return 1;
}

static bool is_power_of_two(uint64_t n)
{
	return (n & (n - 1)) == 0;
}

/* One line, whatever a script put into its message. */
static void copy_line(char *out, size_t cap, const char *text)
{
	size_t i = 0;
	for (; text[i] && i < cap - 1; i++)
		out[i] = (unsigned char)text[i] < ' ' || text[i] == 127 ? ' ' : text[i];
	out[i] = '\0';
}

void mw_script_error(struct mw_script *s, uint32_t slot, const char *text)
{
	char line[sizeof(s->slots[0].last_error) * 4];
	s->count.errors++;
	copy_line(line, sizeof(line), text);
	if (slot >= s->n_slots) {
		mw_strcopy(s->error, sizeof(s->error), line);
		MW_LOG(mw_script_log(s), ERROR, SCRIPT, "%s", line);
		return;
	}
	struct mw_script_slot *u = &s->slots[slot];
	u->n_errors++;
	if (u->last_error[0] && strncmp(u->last_error, line, sizeof(u->last_error) - 1) == 0) {
		if (is_power_of_two(++u->n_repeated))
			MW_LOG(mw_script_log(s), ERROR, SCRIPT, "unit=%s %s (again, %llu times)", u->name, u->last_error,
				(unsigned long long)u->n_repeated);
		return;
	}
	u->n_repeated = 1;
	mw_strcopy(u->last_error, sizeof(u->last_error), line);
	MW_LOG(mw_script_log(s), ERROR, SCRIPT, "unit=%s %s", u->name, line);
}

/* ---- units that are stopped ---- */

void mw_script_note_end(struct mw_script *s, uint32_t slot, enum mw_hook_kind kind, bool over)
{
	if (slot >= s->n_slots)
		return;
	struct mw_script_slot *u = &s->slots[slot];
	if (!over) {
		u->n_stopped[kind] = 0;
		return;
	}
	u->stopped_in = s->n_events;
	if (u->is_off || ++u->n_stopped[kind] < STOPPED_MAX)
		return;
	u->is_off = true;
	mw_script_error(s, slot,
		"is switched off until its file changes: it was stopped for its budget or time 8 times in a row");
}

bool mw_script_is_stopped(const struct mw_script *s, uint32_t slot)
{
	const struct mw_script_slot *u = &s->slots[slot];
	return u->is_off || (u->stopped_in && u->stopped_in == s->n_events);
}

/* ---- the road ---- */

void mw_script_note_time(struct mw_script *s, uint32_t slot, int64_t began_ms)
{
	int64_t took_ms = mw_mono_now(&s->clock).ms - began_ms;
	if (took_ms <= SLOW_MS || slot == MW_SLOT_NONE)
		return;
	s->count.slow++;
	MW_LOG(mw_script_log(s), WARN, SCRIPT,
		"unit=%s took %lld ms; a hook longer than %d ms holds up all devices", mw_script_slot_name(s, slot),
		(long long)took_ms, SLOW_MS);
}

static int failure(struct mw_script *s, lua_State *L, int rc)
{
	if (rc == LUA_OK)
		return 0;
	const char *text = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "?";
	if (rc == LUA_ERRERR && s->now.over)
		text = "instruction budget used up (endless loop?)";
	mw_script_error(s, s->slot, text);
	return rc == LUA_ERRMEM ? MW_E_NOMEM : MW_E_SCRIPT;
}

int mw_script_enter_slot(struct mw_script *s, uint32_t slot, lua_CFunction body, void *ud)
{
	lua_State *L = s->L;
	int top = lua_gettop(L);
	if (s->depth > 0)
		return MW_E_STATE;
	if (!lua_checkstack(L, 4))
		return MW_E_NOMEM;
	int64_t began = mw_mono_now(&s->clock).ms;
	uint64_t n_slow = s->count.slow;
	s->depth++;
	s->slot = slot;
	s->count.entries++;
	s->now = limits_of_hooks(s, s->budget);
	mw_script_arm(s, L);
	lua_pushcfunction(L, mw_script_traceback);           /* h */
	lua_pushcfunction(L, body);                          /* h body */
	lua_pushlightuserdata(L, ud);                        /* h body ud */
	int rc = failure(s, L, lua_pcall(L, 1, 0, top + 1)); /* h [msg] */
	lua_settop(L, top);
	if (s->alloc.refused)
		lua_gc(L, LUA_GCCOLLECT); /* not step by step: the next one may need what this one let go */
	s->alloc.refused = false;
	if (s->count.slow == n_slow) /* else the hook in question has been named */
		mw_script_note_time(s, s->slot, began);
	s->slot = MW_SLOT_NONE;
	s->depth--;
	return rc;
}

int mw_script_enter(struct mw_script *s, const char *unit, lua_CFunction body, void *ud)
{
	return mw_script_enter_slot(s, unit ? mw_script_slot_of(s, unit) : MW_SLOT_NONE, body, ud);
}
