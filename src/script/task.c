/* Coroutines of units: a hook runs as one, so that it can wait for a device or for time to pass.
 *
 * A task waits for exactly one thing. The host holds a `struct mw_wait` for it, which survives the task: when
 * the unit is replaced meanwhile, the task is ended at once and the result is dropped when it comes. */
#include "host/host.h"
#include "script/l_value.h"
#include "script/state.h"

#include <lauxlib.h>
#include <stdlib.h>

enum { IDLE_MAX = 64 };

/* ---- waits ---- */

static void free_wait(struct mw_wait *w)
{
	if (--w->anchor->refs == 0)
		free(w->anchor);
	free(w);
}

struct mw_wait *mw_task_wait(lua_State *L, const char *what)
{
	struct mw_script *s = mw_script_of(L);
	struct mw_task *t = s->running;
	if (!t || t->co != L || !lua_isyieldable(L)) {
		luaL_error(L,
			"%s has to wait, so it works only in the body of a hook: not while the file loads, not in "
			"`when`, not "
			"inside coroutine.wrap, table.sort or gsub",
			what);
		return NULL;
	}
	if (!s->host)
		luaL_error(L, "%s: there is no host", what);
	if (s->n_tasks >= s->max_tasks)
		luaL_error(L, "%s: %d hooks are waiting already", what, (int)s->n_tasks);
	struct mw_wait *w = calloc(1, sizeof(*w));
	if (!w) {
		luaL_error(L, "out of memory");
		return NULL;
	}
	w->anchor = s->anchor;
	w->anchor->refs++;
	w->task = t;
	w->slot = t->slot;
	w->generation = t->generation;
	t->wait = w;
	return w;
}

void mw_task_unwait(struct mw_wait *w)
{
	w->task->wait = NULL;
	free_wait(w);
}

/* ---- tasks ---- */

static struct mw_task *take_task(lua_State *L, struct mw_script *s)
{
	struct mw_task *t = s->idle;
	if (t) {
		s->idle = t->next_idle;
		s->n_idle--;
		return t;
	}
	lua_State *co = lua_newthread(L);         /* co */
	int ref = luaL_ref(L, LUA_REGISTRYINDEX); /* may raise: nothing of ours is held yet */
	t = calloc(1, sizeof(*t));
	if (!t) {
		luaL_unref(L, LUA_REGISTRYINDEX, ref);
		luaL_error(L, "out of memory");
		return NULL;
	}
	mw_list_init(&t->link);
	t->s = s;
	t->co = co;
	t->ref = ref;
	return t;
}

static void free_task(struct mw_script *s, struct mw_task *t)
{
	luaL_unref(s->L, LUA_REGISTRYINDEX, t->ref);
	free(t);
}

/* After a normal end: the coroutine's stack is empty and can run something else. */
static void recycle(struct mw_script *s, struct mw_task *t)
{
	if (s->n_idle >= IDLE_MAX) {
		free_task(s, t);
		return;
	}
	lua_settop(t->co, 0);
	t->next_idle = s->idle;
	s->idle = t;
	s->n_idle++;
}

/* No result: all is well. One: the error, with its traceback. */
static int main_end(lua_State *L, int status, lua_KContext ctx)
{
	(void)ctx;
	if (status != LUA_OK && status != LUA_YIELD)
		return 1;
	lua_settop(L, 0);
	return 0;
}

/* fn args: what a task runs. The error is caught in here: an error that the budget's hook raised and that
 * leaves the coroutine would leave its hooks switched off, and <close> variables would then run without
 * limits. */
static int task_main(lua_State *L)
{
	lua_pushcfunction(L, mw_script_traceback);
	lua_insert(L, 1); /* h fn args */
	return main_end(L, lua_pcallk(L, lua_gettop(L) - 2, 0, 1, 0, main_end), 0);
}

/* Ends a coroutine wherever it stands. Variables marked <close> run their handlers, under limits. */
static void kill_task(struct mw_script *s, struct mw_task *t)
{
	struct mw_script_limits before = mw_script_limits_new(s, s->budget);
	mw_script_arm(s, t->co);
	lua_resetthread(t->co);
	mw_script_limits_set(s, s->L, before);
	free_task(s, t);
}

/* `n_args` values are on top of the coroutine. */
static void run(lua_State *L, struct mw_task *t, int n_args)
{
	struct mw_script *s = t->s;
	int n_results = 0;
	struct mw_script_limits before = mw_script_limits_new(s, s->budget);
	uint32_t slot_before = s->slot, slot = t->slot;
	enum mw_hook_kind kind = t->kind; /* the task may be gone at the end */
	s->slot = slot;
	s->running = t;
	mw_script_arm(s, t->co);
	int64_t began = mw_mono_now(&s->clock).ms;
	int rc = lua_resume(t->co, L, n_args, &n_results);
	mw_script_note_time(s, t->slot, began);
	s->running = NULL;
	bool over = s->now.over;
	if (rc == LUA_YIELD && t->wait) {
		lua_pop(t->co, n_results);
		mw_list_add_tail(&s->tasks, &t->link);
		s->n_tasks++;
	} else {
		if (rc == LUA_YIELD)
			mw_script_error(s, t->slot, "coroutine.yield outside a coroutine");
		else if (rc != LUA_OK || n_results > 0)
			mw_script_error(s, t->slot, lua_type(t->co, -1) == LUA_TSTRING ? lua_tostring(t->co, -1) : "?");
		if (rc == LUA_OK)
			recycle(s, t);
		else
			kill_task(s, t);
	}
	mw_script_note_end(s, slot, kind, over);
	s->slot = slot_before;
	mw_script_limits_set(s, L, before);
}

void mw_task_spawn(lua_State *L, struct mw_script *s, const struct mw_hook *hook, int n_args)
{
	struct mw_task *t = take_task(L, s);
	if (!lua_checkstack(t->co, n_args + 4)) {
		recycle(s, t);
		luaL_error(L, "not enough memory");
		return;
	}
	t->slot = hook->slot;
	t->kind = hook->kind;
	t->generation = s->slots[hook->slot].generation;
	t->wait = NULL;
	lua_pushcfunction(t->co, task_main);
	lua_xmove(L, t->co, n_args + 1);
	run(L, t, n_args + 1);
}

/* The task is over, or its unit is: whatever it waits for finds nobody. */
static void detach(struct mw_script *s, struct mw_task *t)
{
	struct mw_wait *w = t->wait;
	t->wait = NULL;
	if (!w)
		return;
	w->task = NULL;
	if (w->timer) {
		mw_host_after_cancel(s->host, w->timer);
		free_wait(w);
	}
}

static void drop(struct mw_script *s, struct mw_task *t)
{
	mw_list_remove(&t->link);
	s->n_tasks--;
	detach(s, t);
	kill_task(s, t);
}

/* ---- what ends a wait ---- */

struct completion {
	struct mw_wait *wait;
	const struct mw_result *res; /* NULL = timer */
	bool taken;                  /* the task has it */
};

static int push_completion(lua_State *L, const struct completion *c)
{
	if (!c->res || (!c->wait->as_read && mw_l_result_ok(c->res))) {
		lua_pushboolean(L, 1);
		return 1;
	}
	return mw_l_push_result(L, &c->wait->path, c->res);
}

static int resume_body(lua_State *L)
{
	struct completion *c = lua_touserdata(L, 1);
	struct mw_task *t = c->wait->task;
	luaL_checkstack(L, 8, "result");
	int n = push_completion(L, c);
	if (!lua_checkstack(t->co, n))
		return luaL_error(L, "not enough memory");
	lua_xmove(L, t->co, n);
	c->taken = true;
	t->wait = NULL;
	mw_list_remove(&t->link);
	t->s->n_tasks--;
	run(L, t, n);
	return 0;
}

static void complete(struct mw_wait *w, const struct mw_result *res)
{
	struct mw_script *s = w->anchor->s;
	struct completion c = {w, res, false};
	if (s && w->task) {
		struct mw_task *t = w->task;
		w->timer = 0; /* it has fired */
		int rc = mw_script_enter_slot(s, w->slot, resume_body, &c);
		if (!c.taken) {
			MW_LOG(mw_script_log(s), ERROR, SCRIPT, "unit=%s a waiting hook is ended: %s",
				mw_script_slot_name(s, w->slot), mw_err_text(rc));
			drop(s, t);
		}
	} else if (s) {
		s->count.late++;
		MW_LOG(mw_script_log(s), INFO, SCRIPT,
			"unit=%s result for generation %u dropped: the unit was replaced or removed while it waited",
			mw_script_slot_name(s, w->slot), w->generation);
	}
	free_wait(w);
	if (s)
		mw_script_run_backlog(s);
}

void mw_task_on_result(
	void *ud, struct mw_device_ref dev, const struct mw_path *path, const struct mw_result *res)
{
	(void)dev;
	(void)path;
	complete(ud, res);
}

void mw_task_on_timer(void *ud)
{
	complete(ud, NULL);
}

/* ---- the end ---- */

void mw_task_end(struct mw_script *s, uint32_t slot)
{
	MW_LIST_FOREACH_SAFE (it, &s->tasks) {
		struct mw_task *t = MW_CONTAINER_OF(it, struct mw_task, link);
		if (slot == MW_SLOT_NONE || t->slot == slot)
			drop(s, t);
	}
}

void mw_task_close(struct mw_script *s)
{
	while (!mw_list_is_empty(&s->tasks)) {
		struct mw_task *t = MW_CONTAINER_OF(s->tasks.next, struct mw_task, link);
		int64_t op = t->wait ? t->wait->op : 0;
		drop(s, t);
		if (op)
			mw_op_cancel(s->host, op); /* its callback finds nobody, and frees the wait */
	}
	while (s->idle) {
		struct mw_task *t = s->idle;
		s->idle = t->next_idle;
		free_task(s, t);
	}
}
