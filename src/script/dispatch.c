/* The host's events on their way through the units.
 *
 * VALUES is the hot path: what a protocol declares without a function (measurement, event, plain alarm) is
 * put from C alone. Lua is entered at most once per event, and only if a rule has `when` or a unit has a
 * value.received hook; after an error it is entered again for the nodes that are left. Lifecycle events go to
 * the hooks, as tasks. */
#include "codec/value.h"
#include "host/host.h"
#include "script/l_value.h"
#include "script/raised.h"
#include "script/state.h"

#include <lauxlib.h>
#include <math.h>
#include <stdlib.h>

enum {
	FAILURES_MAX = 8, /* errors in one event; then the rest of its nodes goes without functions */
	BACKLOG_MAX = 100000,
};

/* ---- values ---- */

struct values {
	struct mw_script *s;
	const struct mw_event *event;
	size_t at;    /* node under way */
	size_t hook;  /* value.received: hook under way, of node `at` */
	bool hooks;   /* first all `when`, then all hooks */
	bool is_late; /* the rest of the nodes goes without functions */
	struct mw_script_timer timer;
	int dev_index; /* on the Lua stack, 0 = not pushed yet */
};

static bool is_empty(const struct mw_value *v)
{
	switch (v->type) {
	case MW_TYPE_STRING:
	case MW_TYPE_OPAQUE:
	case MW_TYPE_CORELNK:
		return v->s.len == 0;
	case MW_TYPE_FLOAT:
		return isnan(v->f);
	default:
		return false;
	}
}

static int64_t time_of(const struct mw_event *ev, const struct mw_node *n)
{
	if (n->has_time && n->time_s > 0 && n->time_s < 1e11)
		return (int64_t)(n->time_s * 1000.0 + 0.5);
	return ev->received_ms;
}

/* What needs no function. True when the rule also has one. */
static bool put_plain(
	struct mw_script *s, const struct mw_event *ev, const struct mw_node *n, const struct mw_rule *rule)
{
	if (rule->ignore_empty && is_empty(&n->value))
		return false;
	int64_t time_ms = time_of(ev, n);
	if (rule->measurement.type.data)
		mw_script_put_number(s, ev->dev, time_ms, rule, n);
	if (rule->event.type.data)
		mw_script_put_event(s, ev->dev, time_ms, rule->event.type, rule->event.text, &n->path);
	if (rule->alarm.type.data && !rule->alarm.when)
		mw_script_put_alarm(s, ev->dev, time_ms, rule->alarm.type, rule->alarm.severity, rule->alarm.status,
			rule->alarm.text, &n->path);
	return rule->alarm.when != 0;
}

static void put_when(struct values *v, const struct mw_node *n, const struct mw_rule *rule, bool is_true)
{
	struct mw_script *s = v->s;
	const struct mw_rule_alarm *a = &rule->alarm;
	enum mw_alarm_status status = is_true ? a->status : MW_ALARM_CLEARED;
	struct mw_device_ref dev = v->event->dev;
	bool clears = status == MW_ALARM_CLEARED;
	bool others = mw_raised_set(s->raised, dev, a->key, &n->path, !clears);
	if (clears && (others || mw_raised_is_cleared(s->raised, dev, a->key)))
		return;
	mw_script_put_alarm(s, dev, time_of(v->event, n), a->type, a->severity, status, a->text, &n->path);
}

static const struct mw_rule *rule_of(const struct values *v, const struct mw_node *n)
{
	return n->path.depth < 3 ? NULL : mw_plan_rule(v->s->plan, n->path.oid, n->path.rid);
}

static void call_when(lua_State *L, struct values *v, const struct mw_node *n)
{
	const struct mw_rule *rule = rule_of(v, n);
	if (!rule || !rule->alarm.when || (rule->ignore_empty && is_empty(&n->value)) ||
		mw_script_is_stopped(v->s, rule->slot))
		return;
	v->s->slot = rule->slot;
	mw_plan_push_function(L, rule->alarm.when); /* fn */
	mw_lua_push_value(L, &n->value);            /* fn value */
	lua_call(L, 1, 1);                          /* result */
	bool is_true = lua_toboolean(L, -1);
	lua_pop(L, 1);
	mw_script_note_end(v->s, rule->slot, MW_HOOK_N, false);
	put_when(v, n, rule, is_true);
}

/* fn(dev, path, value, time) as a task; the device handle is shared by the whole event. */
static void call_hook(lua_State *L, struct values *v, const struct mw_node *n, const struct mw_hook *hook)
{
	if (mw_script_is_stopped(v->s, hook->slot))
		return;
	if (!v->dev_index) {
		mw_l_device_push(L, v->event->dev);
		v->dev_index = lua_gettop(L);
	}
	v->s->slot = hook->slot;
	mw_plan_push_function(L, hook->fn);
	lua_pushvalue(L, v->dev_index);
	mw_lua_push_path(L, &n->path);
	mw_lua_push_value(L, &n->value);
	lua_pushnumber(L, (lua_Number)time_of(v->event, n) / 1000.0);
	mw_task_spawn(L, v->s, hook, 4);
}

/* Many values, of which each takes long: together they must not hold up the loop. */
static bool is_late(struct values *v)
{
	if (!v->is_late && mw_script_timer_is_up(&v->timer, v->s->event_ms)) {
		v->is_late = true;
		v->s->count.dropped++;
		MW_LOG(mw_script_log(v->s), WARN, SCRIPT,
			"scripts took longer than %d ms for %zu values of one message; from value %zu on it goes without "
			"them",
			(int)v->s->event_ms, v->event->n_nodes, v->at + 1);
	}
	return v->is_late;
}

static int values_body(lua_State *L)
{
	struct values *v = lua_touserdata(L, 1);
	const struct mw_plan *p = v->s->plan;
	v->dev_index = 0;
	luaL_checkstack(L, 10, "values");
	for (; !v->hooks && v->at < v->event->n_nodes && !is_late(v); v->at++)
		call_when(L, v, &v->event->nodes[v->at]);
	if (!v->hooks)
		v->at = 0;
	v->hooks = true;
	for (; p->n_hooks[MW_HOOK_VALUE] && v->at < v->event->n_nodes; v->at++, v->hook = 0) {
		for (; v->hook < p->n_hooks[MW_HOOK_VALUE] && !is_late(v); v->hook++)
			call_hook(L, v, &v->event->nodes[v->at], &p->hooks[MW_HOOK_VALUE][v->hook]);
	}
	return 0;
}

/* Over the one that failed. A hook that was stopped has been noted already. */
static void skip(struct values *v)
{
	if (v->hooks) {
		v->hook++;
		return;
	}
	const struct mw_rule *rule = v->at < v->event->n_nodes ? rule_of(v, &v->event->nodes[v->at]) : NULL;
	if (rule && v->s->now.over)
		mw_script_note_end(v->s, rule->slot, MW_HOOK_N, true);
	v->at++;
}

static void run_functions(struct mw_script *s, const struct mw_event *ev)
{
	struct values v = {.s = s, .event = ev};
	for (int failures = 0; failures < FAILURES_MAX; failures++) {
		if (mw_script_enter_slot(s, MW_SLOT_NONE, values_body, &v) == 0)
			return;
		skip(&v);
	}
	s->count.dropped++;
}

static int on_values(struct mw_script *s, const struct mw_event *ev)
{
	const struct mw_plan *p = s->plan;
	bool functions = p->n_hooks[MW_HOOK_VALUE] > 0;
	uint64_t before = s->n_puts, failed = mw_host_failed_commits(s->host);
	if (failed != s->n_failed_commits)
		mw_raised_doubt(s->raised);
	s->n_failed_commits = failed;
	s->put_error = 0;
	for (size_t i = 0; i < ev->n_nodes; i++) {
		const struct mw_node *n = &ev->nodes[i];
		const struct mw_rule *rule = n->path.depth < 3 ? NULL : mw_plan_rule(p, n->path.oid, n->path.rid);
		if (rule && put_plain(s, ev, n, rule))
			functions = true;
	}
	if (functions)
		run_functions(s, ev);
	if (s->put_error)
		return s->put_error; /* not durable: the device keeps it and sends it again */
	uint64_t n = s->n_puts - before;
	return n > INT32_MAX ? INT32_MAX : (int)n;
}

/* ---- lifecycle ---- */

struct waiting_event {
	struct mw_list link;
	enum mw_hook_kind kind;
	struct mw_device_ref dev;
};

struct lifecycle {
	struct mw_script *s;
	enum mw_hook_kind kind;
	struct mw_device_ref dev;
	size_t at;
};

static int lifecycle_body(lua_State *L)
{
	struct lifecycle *l = lua_touserdata(L, 1);
	const struct mw_plan *p = l->s->plan;
	luaL_checkstack(L, 8, "hooks");
	for (; l->at < p->n_hooks[l->kind]; l->at++) {
		const struct mw_hook *hook = &p->hooks[l->kind][l->at];
		if (mw_script_is_stopped(l->s, hook->slot))
			continue;
		l->s->slot = hook->slot;
		mw_plan_push_function(L, hook->fn);
		mw_l_device_push(L, l->dev);
		mw_task_spawn(L, l->s, hook, 1);
	}
	return 0;
}

static void run_hooks(struct mw_script *s, enum mw_hook_kind kind, struct mw_device_ref dev)
{
	struct lifecycle l = {s, kind, dev, 0};
	for (int failures = 0; failures < FAILURES_MAX; failures++, l.at++) {
		if (mw_script_enter_slot(s, MW_SLOT_NONE, lifecycle_body, &l) == 0)
			return;
	}
	s->count.dropped++;
}

/* All tasks are waiting: the event waits too. A fleet that comes back after an outage is no reason to lose a
 * hook. */
static void put_off(struct mw_script *s, enum mw_hook_kind kind, struct mw_device_ref dev)
{
	struct waiting_event *w = s->n_backlog < BACKLOG_MAX ? malloc(sizeof(*w)) : NULL;
	if (!w) {
		s->count.dropped++;
		if ((s->count.dropped & (s->count.dropped - 1)) == 0)
			MW_LOG(mw_script_log(s), WARN, SCRIPT,
				"hooks are too slow: %u wait for devices, %u events behind them, %llu given up", s->n_tasks,
				s->n_backlog, (unsigned long long)s->count.dropped);
		return;
	}
	*w = (struct waiting_event){.kind = kind, .dev = dev};
	mw_list_add_tail(&s->backlog, &w->link);
	s->n_backlog++;
}

static void take_first(struct mw_script *s)
{
	struct waiting_event *w = MW_CONTAINER_OF(s->backlog.next, struct waiting_event, link);
	mw_list_remove(&w->link);
	s->n_backlog--;
	free(w);
}

void mw_script_run_backlog(struct mw_script *s)
{
	while (!mw_list_is_empty(&s->backlog) && s->n_tasks < s->max_tasks && s->depth == 0) {
		struct waiting_event w = *MW_CONTAINER_OF(s->backlog.next, struct waiting_event, link);
		take_first(s);
		s->n_events++;
		run_hooks(s, w.kind, w.dev);
	}
}

void mw_script_free_backlog(struct mw_script *s)
{
	while (!mw_list_is_empty(&s->backlog))
		take_first(s);
}

static void on_lifecycle(struct mw_script *s, enum mw_hook_kind kind, const struct mw_event *ev)
{
	if (s->plan->n_hooks[kind] == 0)
		return;
	if (s->n_tasks >= s->max_tasks)
		put_off(s, kind, ev->dev);
	else
		run_hooks(s, kind, ev->dev);
}

struct search {
	uint16_t oid, iid;
	bool found;
};

static void match_instance(void *ud, uint16_t oid, uint16_t iid)
{
	struct search *at = ud;
	at->found |= at->oid == oid && at->iid == iid;
}

struct listed {
	struct mw_script *s;
	struct mw_device_ref dev;
};

static bool is_listed(void *ud, uint16_t oid, uint16_t iid)
{
	const struct listed *l = ud;
	struct search at = {oid, iid, false};
	return mw_device_links(l->s->host, l->dev, match_instance, &at) == 0 && at.found;
}

/* The list of objects is new: an instance that is gone sends no value that could end its alarm. */
static void on_objects(struct mw_script *s, struct mw_device_ref dev)
{
	struct listed l = {s, dev};
	mw_raised_keep_instances(s->raised, dev, is_listed, &l);
	mw_auto_device(s, dev);
}

int mw_script_on_event(void *ud, struct mw_host *host, const struct mw_event *ev)
{
	struct mw_script *s = ud;
	(void)host;
	s->n_events++;
	switch (ev->kind) {
	case MW_EVENT_VALUES:
		return on_values(s, ev);
	case MW_EVENT_REGISTERED:
		on_objects(s, ev->dev);
		on_lifecycle(s, MW_HOOK_REGISTERED, ev);
		break;
	case MW_EVENT_UPDATED:
		if (ev->objects_changed)
			on_objects(s, ev->dev);
		on_lifecycle(s, MW_HOOK_UPDATED, ev);
		break;
	case MW_EVENT_DEREGISTERED:
		mw_raised_keep_instances(s->raised, ev->dev, NULL, NULL);
		on_lifecycle(s, MW_HOOK_DEREGISTERED, ev);
		break;
	case MW_EVENT_EXPIRED:
		mw_raised_keep_instances(s->raised, ev->dev, NULL, NULL);
		on_lifecycle(s, MW_HOOK_EXPIRED, ev);
		break;
	case MW_EVENT_FEED:
		break;
	}
	return 0;
}
