#include "script/script.h"
#include "base/err.h"
#include "host/host.h"
#include "script/raised.h"
#include "script/state.h"

#include <lauxlib.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	MEMORY_MAX = 64 * 1024 * 1024,
	BUDGET = 5 * 1000 * 1000,
	LOAD_BUDGET = 20 * 1000 * 1000,
	EVENT_MS = 2000,
	TASKS_MAX = 2000,
	SLOTS_MAX = 65536,
};

#define CONTROLLER "moonwire.controller" /* registry: what moonwire.script's open returned */

struct mw_log *mw_script_log(struct mw_script *s)
{
	return s->host ? mw_host_log(s->host) : &s->silent;
}

int64_t mw_script_wall_ms(struct mw_script *s)
{
	return s->host ? mw_host_wall_ms(s->host) : mw_wall_now(&s->clock).ms;
}

struct mw_bytes mw_script_endpoint(struct mw_script *s, struct mw_device_ref dev)
{
	struct mw_device_info info;
	return mw_device_info(s->host, dev, &info) < 0 ? (struct mw_bytes){(const uint8_t *)"", 0}
												   : info.endpoint;
}

/* ---- units by slot ---- */

uint32_t mw_script_slot_of(struct mw_script *s, const char *name)
{
	for (uint32_t i = 0; i < s->n_slots; i++) {
		if (strcmp(s->slots[i].name, name) == 0)
			return i;
	}
	if (s->n_slots == s->cap_slots) {
		uint32_t cap = s->cap_slots ? s->cap_slots * 2 : 16;
		struct mw_script_slot *slots = cap <= SLOTS_MAX ? realloc(s->slots, cap * sizeof(*slots)) : NULL;
		if (!slots)
			return MW_SLOT_NONE;
		s->slots = slots;
		s->cap_slots = cap;
	}
	char *copy = mw_strndup(name, strlen(name));
	if (!copy)
		return MW_SLOT_NONE;
	s->slots[s->n_slots] = (struct mw_script_slot){.name = copy};
	return s->n_slots++;
}

const char *mw_script_slot_name(const struct mw_script *s, uint32_t slot)
{
	return slot < s->n_slots ? s->slots[slot].name : "";
}

/* ---- loading: files to Lua, reports back ---- */

struct report {
	char *file, *reason;
	int line;
	bool ok;
};

struct load {
	struct mw_script *s;
	const struct mw_watched_file *files;
	size_t n_files;
	const char *only; /* NULL = what changed */
	bool check_only;
	bool ok;
	struct report *reports; /* freed by free_load, also after an error */
	size_t n_reports, cap_reports;
	char summary[256];
};

static void push_files(lua_State *L, const struct load *l)
{
	lua_createtable(L, (int)l->n_files, 0); /* list */
	for (size_t i = 0; i < l->n_files; i++) {
		const struct mw_watched_file *f = &l->files[i];
		lua_createtable(L, 0, 4);
		lua_pushstring(L, f->name);
		lua_setfield(L, -2, "name");
		lua_pushlstring(L, f->text.len ? (const char *)f->text.data : "", f->text.len);
		lua_setfield(L, -2, "text");
		if (f->err) {
			lua_pushstring(L, f->why);
			lua_setfield(L, -2, "why");
		}
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
}

static void push_options(lua_State *L, const struct load *l)
{
	lua_createtable(L, 0, 3);
	lua_pushboolean(L, l->check_only);
	lua_setfield(L, -2, "check_only");
	lua_pushboolean(L, l->s->lenient);
	lua_setfield(L, -2, "lenient");
	if (l->only) {
		lua_pushstring(L, l->only);
		lua_setfield(L, -2, "only");
	}
}

/* The report on top of the stack, copied: the callback comes when Lua has been left. */
static void keep_report(lua_State *L, struct load *l)
{
	lua_getfield(L, -1, "file");
	lua_getfield(L, -2, "reason");
	lua_getfield(L, -3, "line");
	lua_getfield(L, -4, "ok");
	const char *file = lua_tostring(L, -4), *reason = lua_tostring(L, -3);
	if (l->n_reports < l->cap_reports && file && reason) {
		struct report *r = &l->reports[l->n_reports];
		r->file = mw_strndup(file, strlen(file));
		r->reason = mw_strndup(reason, strlen(reason));
		r->line = (int)lua_tointeger(L, -2);
		r->ok = lua_toboolean(L, -1);
		l->n_reports += r->file && r->reason;
		if (!r->file || !r->reason) {
			free(r->file);
			free(r->reason);
		}
	}
	lua_pop(L, 4);
}

static int load_body(lua_State *L)
{
	struct load *l = lua_touserdata(L, 1);
	mw_script_unlimited(l->s);
	lua_gc(L, LUA_GCCOLLECT);
	luaL_checkstack(L, 20, "load");
	lua_getfield(L, LUA_REGISTRYINDEX, CONTROLLER);
	lua_getfield(L, -1, "apply");
	lua_insert(L, -2); /* apply self */
	push_files(L, l);
	push_options(L, l);
	lua_call(L, 3, 3); /* ok reports summary */
	mw_strcopy(l->summary, sizeof(l->summary), lua_tostring(L, -1) ? lua_tostring(L, -1) : "");
	size_t n = (size_t)lua_rawlen(L, -2);
	l->reports = calloc(n ? n : 1, sizeof(*l->reports));
	l->cap_reports = l->reports ? n : 0;
	for (size_t i = 0; i < n; i++) {
		lua_rawgeti(L, -2, (lua_Integer)i + 1);
		keep_report(L, l);
		lua_pop(L, 1);
	}
	l->ok = lua_toboolean(L, -3);
	return 0;
}

static void free_load(struct load *l)
{
	for (size_t i = 0; i < l->n_reports; i++) {
		free(l->reports[i].file);
		free(l->reports[i].reason);
	}
	free(l->reports);
}

/* 0: all is well; MW_E_SCRIPT: problems, all reported; MW_E_NOMEM. */
static int load(struct mw_script *s, struct load *l, mw_script_report_cb *cb, void *ud)
{
	l->s = s;
	int rc = mw_script_enter_slot(s, MW_SLOT_NONE, load_body, l);
	if (rc < 0)
		mw_strcopy(l->summary, sizeof(l->summary), s->error);
	for (size_t i = 0; cb && i < l->n_reports; i++)
		cb(ud, l->reports[i].file, l->reports[i].line, l->reports[i].reason, l->reports[i].ok);
	if (cb)
		cb(ud, NULL, 0, l->summary, rc == 0 && l->ok);
	return rc < 0 ? rc : l->ok ? 0 : MW_E_SCRIPT;
}

/* A delivery of the watch: something changed, or mw_script_reload asked. */
static void on_files(void *ud, const struct mw_watch_look *look)
{
	struct mw_script *s = ud;
	bool asked = s->request.active && look->poke >= s->request.poke; /* else these files may be too old */
	if (asked)
		s->request.active = false;
	if (look->err) {
		if (asked && s->request.cb)
			s->request.cb(s->request.ud, NULL, 0, look->why, false);
		return;
	}
	struct load l = {
		.files = look->files, .n_files = look->n_files, .check_only = asked && s->request.check_only};
	l.only = asked && s->request.unit[0] ? s->request.unit : NULL;
	int rc = load(s, &l, asked ? s->request.cb : NULL, s->request.ud);
	if (asked)
		s->request.rc = rc;
	if (rc < 0 || l.n_reports > 0)
		MW_LOG(mw_script_log(s), INFO, RELOAD, "%s: %s", l.check_only ? "check" : "reload", l.summary);
	free_load(&l);
}

/* One that was loaded, failed, or lies in the folder without having been noticed yet. */
static bool is_unit(struct mw_script *s, const char *name)
{
	char path[PATH_MAX];
	for (uint32_t i = 0; i < s->n_slots; i++) {
		const struct mw_script_slot *slot = &s->slots[i];
		if (strcmp(slot->name, name) == 0 && (slot->generation > 0 || slot->last_error[0]))
			return true;
	}
	int n = snprintf(path, sizeof(path), "%s/%s", s->scripts_dir, name);
	return n > 0 && (size_t)n < sizeof(path) && access(path, F_OK) == 0;
}

int mw_script_reload(
	struct mw_script *s, const char *unit, bool check_only, mw_script_report_cb *cb, void *ud)
{
	if (!s->scripts_dir || s->request.active || s->depth > 0)
		return MW_E_STATE;
	if (unit && (strlen(unit) >= sizeof(s->request.unit) || !*unit || !is_unit(s, unit)))
		return MW_E_NOTFOUND;
	s->request.cb = cb;
	s->request.ud = ud;
	s->request.check_only = check_only;
	mw_strcopy(s->request.unit, sizeof(s->request.unit), unit ? unit : "");
	s->request.active = true;
	s->request.poke = s->watch ? mw_watch_poke(s->watch) : 0;
	if (s->watch)
		return 0;
	int rc = mw_watch_read(s->scripts_dir, ".lua", on_files, s, NULL);
	s->request.active = false;
	return rc < 0 ? rc : s->request.rc < 0 ? MW_E_SCRIPT : 0;
}

static void end_request(struct mw_script *s)
{
	if (s->request.active && s->request.cb)
		s->request.cb(s->request.ud, NULL, 0, mw_err_text(MW_E_CANCELED), false);
	s->request.active = false;
}

void mw_script_units(struct mw_script *s, void (*cb)(void *ud, const struct mw_script_unit *u), void *ud)
{
	for (uint32_t i = 0; i < s->n_slots; i++) {
		const struct mw_script_slot *slot = &s->slots[i];
		if (slot->generation == 0 && !slot->last_error[0])
			continue; /* removed, or only asked for */
		cb(ud, &(struct mw_script_unit){.name = slot->name,
				   .generation = slot->generation,
				   .hash = slot->hash,
				   .loaded_ms = slot->loaded_ms,
				   .last_error = slot->last_error,
				   .n_errors = slot->n_errors});
	}
}

void mw_script_stats(struct mw_script *s, void (*cb)(void *ud, const char *name, uint64_t value), void *ud)
{
	cb(ud, "script.entries", s->count.entries);
	cb(ud, "script.errors", s->count.errors);
	cb(ud, "script.slow", s->count.slow);
	cb(ud, "script.memory", s->alloc.used);
	cb(ud, "script.waiting", s->n_tasks);
	cb(ud, "script.backlog", s->n_backlog);
	cb(ud, "script.dropped", s->count.dropped);
	cb(ud, "script.late_results", s->count.late);
	cb(ud, "script.puts", s->n_puts);
	cb(ud, "script.put_failures", s->count.put_failures);
	cb(ud, "script.non_numeric", s->count.non_numeric);
	cb(ud, "script.reloads", s->count.reloads);
	cb(ud, "script.reload_failures", s->count.reload_failures);
}

/* ---- open and close ---- */

struct boot {
	struct mw_script *s;
	const char *lua_dir;
};

static int boot_body(lua_State *L)
{
	struct boot *b = lua_touserdata(L, 1);
	mw_script_unlimited(b->s);
	luaL_checkstack(L, 20, "boot");
	b->s->plan = mw_plan_open(L);
	lua_getglobal(L, "package");
	lua_pushfstring(L, "%s/?.lua;%s/?/init.lua", b->lua_dir, b->lua_dir);
	lua_setfield(L, -2, "path");
	lua_pushliteral(L, "");
	lua_setfield(L, -2, "cpath");
	lua_getglobal(L, "require");
	lua_pushliteral(L, "moonwire.script");
	lua_call(L, 1, 1);           /* package module */
	lua_getfield(L, -1, "open"); /* package module open */
	lua_newtable(L);             /* ... core */
	mw_l_device_open(L);
	mw_l_log_open(L);
	mw_l_timer_open(L);
	mw_l_text_open(L);
	mw_l_unit_open(L);
	lua_pushboolean(L, 1); /* this state is ours alone: strings may be locked */
	lua_call(L, 2, 1);     /* package module controller */
	lua_setfield(L, LUA_REGISTRYINDEX, CONTROLLER);
	return 0;
}

static struct mw_script *new_script(struct mw_host *host, const struct mw_script_config *c)
{
	struct mw_script *s = calloc(1, sizeof(*s));
	if (!s)
		return NULL;
	s->host = host;
	s->clock = c->clock ? *c->clock : mw_clock_system();
	s->budget = c->budget > 0 ? c->budget : BUDGET;
	s->load_budget = c->load_budget > 0 ? c->load_budget : LOAD_BUDGET;
	s->event_ms = EVENT_MS;
	s->max_tasks = c->tasks_max ? c->tasks_max : TASKS_MAX;
	s->lenient = c->lenient;
	s->slot = MW_SLOT_NONE;
	mw_list_init(&s->tasks);
	mw_list_init(&s->backlog);
	mw_log_init(&s->silent, NULL, NULL, MW_LOG_ERROR);
	s->anchor = calloc(1, sizeof(*s->anchor));
	s->L = s->anchor ? mw_script_new_state(s) : NULL;
	if (s->anchor)
		*s->anchor = (struct mw_script_anchor){s, 1};
	s->alloc.max = c->memory_max ? c->memory_max : MEMORY_MAX;
	return s;
}

static int boot(struct mw_script *s, const struct mw_script_config *c, struct mw_errbuf *e)
{
	struct boot b = {s, c->lua_dir};
	if (!s->L)
		return mw_fail(e, MW_E_NOMEM, "out of memory");
	if (!c->lua_dir)
		return mw_fail(e, MW_E_CONFIG, "lua_dir is not set: the folder that holds moonwire/script/init.lua");
	if (c->scripts_dir && !(s->scripts_dir = mw_strndup(c->scripts_dir, strlen(c->scripts_dir))))
		return mw_fail(e, MW_E_NOMEM, "out of memory");
	if (!(s->lua_dir = mw_strndup(c->lua_dir, strlen(c->lua_dir))))
		return mw_fail(e, MW_E_NOMEM, "out of memory");
	int rc = mw_script_enter_slot(s, MW_SLOT_NONE, boot_body, &b);
	return rc < 0 ? mw_fail(e, rc, "library in %s: %s", c->lua_dir, s->error) : 0;
}

/* The first problem in words, for whoever starts the host. */
static void first_problem(struct mw_errbuf *e, const struct load *l)
{
	size_t n = 0;
	const struct report *first = NULL;
	for (size_t i = 0; i < l->n_reports; i++) {
		if (l->reports[i].ok)
			continue;
		first = first ? first : &l->reports[i];
		n++;
	}
	char more[40] = "", line[16] = "";
	if (!first) {
		mw_fail(e, 0, "scripts: %s", l->summary);
		return;
	}
	if (n > 1)
		snprintf(more, sizeof(more), " (and %zu more)", n - 1);
	if (first->line)
		snprintf(line, sizeof(line), "%d:", first->line);
	mw_fail(e, 0, "%s:%s %s%s", first->file, line, first->reason, more);
}

struct first_load {
	struct mw_script *s;
	struct mw_errbuf *e;
	int rc;
};

static void on_first_files(void *ud, const struct mw_watch_look *look)
{
	struct first_load *f = ud;
	struct load l = {.files = look->files, .n_files = look->n_files};
	f->rc = load(f->s, &l, NULL, NULL);
	if (f->rc == MW_E_SCRIPT && f->s->lenient && l.n_reports > 0)
		f->rc = 0; /* those that fail are left out; the log has them */
	if (f->rc < 0)
		first_problem(f->e, &l);
	else
		MW_LOG(mw_script_log(f->s), INFO, RELOAD, "scripts in %s: %s", f->s->scripts_dir, l.summary);
	free_load(&l);
}

static int start(struct mw_script *s, const struct mw_script_config *c, struct mw_errbuf *e)
{
	struct first_load first = {s, e, 0};
	int rc = boot(s, c, e);
	if (rc == 0 && s->scripts_dir)
		rc = mw_watch_read(s->scripts_dir, ".lua", on_first_files, &first, e);
	if (rc < 0 || first.rc < 0)
		return rc < 0 ? rc : first.rc;
	if (!s->host)
		return 0;
	s->listener = mw_host_on_event(s->host, mw_script_on_event, s);
	if (s->listener < 0)
		return mw_fail(e, s->listener, "%s", mw_err_text(s->listener));
	if (c->watch && s->scripts_dir) {
		s->watch =
			mw_watch_new(mw_host_loop(s->host), s->scripts_dir, ".lua", 0, mw_script_log(s), on_files, s, e);
		if (!s->watch)
			return MW_E_IO;
		mw_watch_poke(s->watch); /* a file may have changed between the first load and now */
	}
	return 0;
}

struct mw_script *mw_script_open(
	struct mw_host *host, const struct mw_script_config *config, struct mw_errbuf *e)
{
	struct mw_script *s = new_script(host, config);
	if (!s) {
		mw_fail(e, MW_E_NOMEM, "out of memory");
		return NULL;
	}
	if (start(s, config, e) == 0)
		return s;
	mw_script_close(s);
	return NULL;
}

void mw_script_close(struct mw_script *s)
{
	if (!s)
		return;
	if (s->anchor)
		s->anchor->s = NULL;
	mw_watch_free(s->watch);
	end_request(s);
	if (s->listener > 0)
		mw_host_off_event(s->host, s->listener);
	mw_auto_free(s);
	mw_script_free_backlog(s);
	if (s->L) {
		mw_task_close(s);
		lua_close(s->L);
	}
	if (s->anchor && --s->anchor->refs == 0)
		free(s->anchor);
	for (uint32_t i = 0; i < s->n_slots; i++)
		free(s->slots[i].name);
	free(s->slots);
	mw_raised_free(s->raised);
	free(s->scripts_dir);
	free(s->lua_dir);
	free(s);
}

/* ---- offline ---- */

struct check {
	struct mw_script *s;
	mw_script_report_cb *cb;
	void *ud;
	int n_bad, rc;
};

static void on_check_report(void *ud, const char *file, int line, const char *reason, bool ok)
{
	struct check *c = ud;
	if (file && !ok)
		c->n_bad++;
	if (c->cb)
		c->cb(c->ud, file, line, reason, ok);
}

static void on_check_files(void *ud, const struct mw_watch_look *look)
{
	struct check *c = ud;
	struct load l = {.files = look->files, .n_files = look->n_files, .check_only = true};
	c->rc = load(c->s, &l, on_check_report, c);
	if (c->rc == MW_E_SCRIPT && c->n_bad > 0)
		c->rc = 0;
	free_load(&l);
}

int mw_script_check(
	const char *lua_dir, const char *scripts_dir, mw_script_report_cb *cb, void *ud, struct mw_errbuf *e)
{
	struct mw_script_config config = {.lua_dir = lua_dir};
	struct check c = {.cb = cb, .ud = ud};
	c.s = mw_script_open(NULL, &config, e);
	if (!c.s)
		return MW_E_SCRIPT;
	int rc = mw_watch_read(scripts_dir, ".lua", on_check_files, &c, e);
	if (rc == 0 && c.rc < 0)
		rc = mw_fail(e, c.rc, "%s", c.s->error);
	mw_script_close(c.s);
	return rc < 0 ? rc : c.n_bad;
}
