/** @file state.h  The script's own struct, shared by the files of this folder only.
 *
 * script.c opens, loads and closes; enter.c is the road into Lua with its limits; task.c runs coroutines that
 * wait; plan.c turns declarations into tables that C can walk; dispatch.c takes the host's events through
 * them; raised.c knows which alarms are up; auto.c starts the observations that protocols ask for; devmap.c
 * is where both keep what they know of a few devices; l_*.c are what Lua sees. */
#pragma once
#include "base/clock.h"
#include "base/buf.h"
#include "base/list.h"
#include "base/log.h"
#include "host/watch.h"
#include "script/devmap.h"
#include "script/plan.h"
#include "script/script.h"

enum { MW_SCRIPT_STEP = 100 }; /* instructions between two looks at the budget */

/** What outlives the script: operations that the host still has carry a pointer to this. */
struct mw_script_anchor {
	struct mw_script *s; /**< NULL = closed */
	uint32_t refs;
};

/** A unit by slot: slots are given once per name and stay, so that an error can be counted without memory. */
struct mw_script_slot {
	char *name;
	uint32_t generation; /**< of the one in use; 0 = none */
	uint32_t last_generation;
	int64_t loaded_ms;
	uint64_t n_errors;
	uint64_t n_repeated;              /**< of `last_error`, since it was logged */
	uint64_t stopped_in;              /**< event in which a function of it was stopped for its budget */
	uint8_t n_stopped[MW_HOOK_N + 1]; /**< in a row, by enum mw_hook_kind; the last one is of `when` */
	bool is_off; /**< stopped too often: nothing of it is called until it is loaded again */
	char hash[20];
	char last_error[400];
};

struct mw_script_timer {
	int64_t until_ms; /**< processor time; 0 = not looked at yet */
	int64_t tick_ms;  /**< of a coarse clock, when that was looked at */
};

struct mw_script_limits {
	int64_t spent, limit;         /**< instructions; INT64_MAX = no limit (our own code) */
	struct mw_script_timer timer; /**< what instructions do not measure */
	size_t kept; /**< bytes of the memory limit that are not for this code: hooks leave a reserve */
	bool over;   /**< the hook has raised; it goes on raising until the entry ends */
};

struct mw_script_alloc {
	size_t used, max;
	bool refused;    /**< since this was last looked at */
	int64_t fail_at; /**< tests: allocations until one fails; 0 = never */
};

struct mw_task;

struct mw_script {
	lua_State *L;
	struct mw_host *host; /**< NULL = none */
	struct mw_script_alloc alloc;
	struct mw_script_limits now;
	struct mw_log silent;                  /**< without a host */
	char error[512];                       /**< last error of our own code */
	struct mw_clock clock;                 /**< of the configuration */
	int64_t budget, load_budget, event_ms; /**< event_ms: for all functions that one event calls */
	uint64_t n_events;
	int depth;     /**< 1 while Lua runs */
	uint32_t slot; /**< unit that is running; MW_SLOT_NONE = our own code */
	struct mw_script_slot *slots;
	uint32_t n_slots, cap_slots;
	struct mw_plan *plan;     /**< in use; anchored in the registry */
	struct mw_raised *raised; /**< what rules with `when` said last; NULL until needed */
	struct mw_script_anchor *anchor;
	struct mw_list tasks;   /**< that wait */
	struct mw_list backlog; /**< lifecycle events that wait for a free task */
	uint32_t n_tasks, max_tasks, n_backlog, n_idle;
	struct mw_task *running;
	struct mw_task *idle;  /**< finished ones, for reuse */
	struct mw_auto *walk;  /**< observations being brought in line after a reload */
	struct mw_devmap jobs; /**< auto.c: devices whose observations are being started */
	struct mw_watch *watch;
	char *scripts_dir, *lua_dir;
	int listener;
	bool lenient;
	uint64_t n_failed_commits; /**< of the store, when values came last */
	uint64_t n_puts;           /**< feed items; a counter that only grows */
	int put_error;             /**< of the event under way: the ACK must wait */
	struct {
		uint64_t entries, errors, slow, put_failures, non_numeric, late, dropped, reloads, reload_failures;
	} count;
	struct {
		mw_script_report_cb *cb;
		void *ud;
		bool active, check_only;
		int rc;        /**< of the load that answered it */
		uint64_t poke; /**< what answers it is a look at the files that began after this */
		char unit[256];
	} request; /**< mw_script_reload that waits for the files */
};

#define MW_SLOT_NONE UINT32_MAX

/* ---- enter.c ---- */

/** A new state under the byte limit, with the libraries open. NULL when out of memory. */
lua_State *mw_script_new_state(struct mw_script *s);
/** mw_script_enter for a unit by slot. */
int mw_script_enter_slot(struct mw_script *s, uint32_t slot, lua_CFunction body, void *ud);
/** The script that @p L belongs to. */
struct mw_script *mw_script_of(lua_State *L);
/** For bodies: lifts the limits until the entry ends; for our own code only. */
void mw_script_unlimited(struct mw_script *s);
/** Sets limits for what follows and returns those before, for mw_script_limits_set. */
struct mw_script_limits mw_script_limits_new(struct mw_script *s, int64_t budget);
void mw_script_limits_set(struct mw_script *s, lua_State *L, struct mw_script_limits before);
/** The hook on a coroutine that is about to run. */
void mw_script_arm(struct mw_script *s, lua_State *co);
/** Adds @p n instructions' worth of work that C does for a script. Raises when that is too much. */
void mw_script_charge(lua_State *L, int64_t n);
/** Raises if the budget is used up: for whatever can swallow an error. */
void mw_script_check_budget(lua_State *L);
/** Bytes until the limit of hooks is reached, after a full collection if it is; negative when loading uses
 * the reserve. */
int64_t mw_script_room(lua_State *L);
/** True when more than @p max_ms of this thread's processor time have passed since the first look. */
bool mw_script_timer_is_up(struct mw_script_timer *t, int64_t max_ms);
/** A function of the unit has ended: @p over when it was stopped for its budget. Too often switches it off.
 */
void mw_script_note_end(struct mw_script *s, uint32_t slot, enum mw_hook_kind kind, bool over);
/** True when the unit must not be called, not in this event or not at all. */
bool mw_script_is_stopped(const struct mw_script *s, uint32_t slot);
/** Message handler: error value -> text with traceback. */
int mw_script_traceback(lua_State *L);
/** Writes " [traceback: file:line in name; ...]" or "", in C memory: for coroutines that are out of memory
 * too. */
void mw_script_trace(const struct mw_script *s, lua_State *L, char *out, size_t cap);
/** Names the unit in the log if what began at @p began_ms (of the configuration's clock) took too long. */
void mw_script_note_time(struct mw_script *s, uint32_t slot, int64_t began_ms);
/** Counts an error of the unit and logs it, unless it is the last one again. */
void mw_script_error(struct mw_script *s, uint32_t slot, const char *text);

/* ---- units, in script.c ---- */

/** The slot of @p name, new if needed; MW_SLOT_NONE when out of memory. */
uint32_t mw_script_slot_of(struct mw_script *s, const char *name);
const char *mw_script_slot_name(const struct mw_script *s, uint32_t slot);

/* ---- script.c ---- */

struct mw_log *mw_script_log(struct mw_script *s);
int64_t mw_script_wall_ms(struct mw_script *s);
/** For log lines, which begin with ep=: borrowed until the next call of the host; "" when the device is gone.
 */
struct mw_bytes mw_script_endpoint(struct mw_script *s, struct mw_device_ref dev);

/* ---- task.c ---- */

/** A coroutine of one unit's generation. It exists while it runs or waits. */
struct mw_task {
	struct mw_list link;
	struct mw_script *s;
	lua_State *co;
	int ref; /**< keeps `co` alive */
	uint32_t slot, generation;
	enum mw_hook_kind kind;
	struct mw_wait *wait; /**< what it waits for */
	struct mw_task *next_idle;
};

/** One thing that a task waits for. The host holds it as `ud`; it outlives the task. */
struct mw_wait {
	struct mw_script_anchor *anchor;
	struct mw_task *task; /**< NULL = nobody waits any more */
	uint32_t slot, generation;
	int64_t op, timer; /**< whichever it is */
	bool as_read;      /**< the result is what was read, not `true` */
	struct mw_path path;
};

/** Inside an entry: runs the function and @p n_args arguments on top of L as a task; pops them. An error of
 * the function is counted and logged. May raise (memory). */
void mw_task_spawn(lua_State *L, struct mw_script *s, const struct mw_hook *hook, int n_args);
/** Inside a function called by a script: what the caller waits for from now on, to be passed to the host.
 *  Raises a message that teaches when the caller is not a task. @param what  "dev:read" */
struct mw_wait *mw_task_wait(lua_State *L, const char *what);
/** Gives the wait back: the host did not take it. */
void mw_task_unwait(struct mw_wait *w);
/** The callback for operations; `ud` is the wait. */
void mw_task_on_result(
	void *ud, struct mw_device_ref dev, const struct mw_path *path, const struct mw_result *res);
/** The callback for timers; `ud` is the wait. */
void mw_task_on_timer(void *ud);
/** Ends the waiting tasks of @p slot (MW_SLOT_NONE: all). Never raises. */
void mw_task_end(struct mw_script *s, uint32_t slot);
/** Inside a close: ends all and cancels what the host still has. */
void mw_task_close(struct mw_script *s);

/* ---- dispatch.c ---- */

int mw_script_on_event(void *ud, struct mw_host *host, const struct mw_event *event);
/** Runs lifecycle events that had to wait, as long as tasks are free. */
void mw_script_run_backlog(struct mw_script *s);
void mw_script_free_backlog(struct mw_script *s);

/* ---- auto.c ---- */

/** Starts the observations that the plan wants of one device. */
void mw_auto_device(struct mw_script *s, struct mw_device_ref dev);
/** Brings all registered devices from the observations of @p before to those of @p after, a few at a time.
 * The plans are read during the call only.
 *  @param before  NULL = start-up: what is observed already is left alone */
void mw_auto_walk(struct mw_script *s, const struct mw_plan *before, const struct mw_plan *after);
void mw_auto_free(struct mw_script *s);

/* ---- l_put.c ---- */

/** The three puts, counting into `n_puts` and `put_error`. */
void mw_script_put_number(struct mw_script *s, struct mw_device_ref dev, int64_t time_ms,
	const struct mw_rule *rule, const struct mw_node *node);
void mw_script_put_event(struct mw_script *s, struct mw_device_ref dev, int64_t time_ms, struct mw_bytes type,
	struct mw_bytes text, const struct mw_path *path);
void mw_script_put_alarm(struct mw_script *s, struct mw_device_ref dev, int64_t time_ms, struct mw_bytes type,
	enum mw_severity severity, enum mw_alarm_status status, struct mw_bytes text, const struct mw_path *path);
/** Adds the methods of a device for scripts to the table on top of L; may raise. */
void mw_l_put_open(lua_State *L);

/* ---- what Lua sees: each adds to the table on top of L; may raise ---- */

void mw_l_device_open(lua_State *L);
void mw_l_device_push(lua_State *L, struct mw_device_ref dev);
struct mw_device_ref mw_l_device_check(lua_State *L, int arg);
bool mw_l_result_ok(const struct mw_result *res);
/** Pushes what was read below @p path (a value, or tables by id), or nil and the error; returns how many. */
int mw_l_push_result(lua_State *L, const struct mw_path *path, const struct mw_result *res);
/** Pushes nil and an error { code =, text = }; returns 2. */
int mw_l_push_error(lua_State *L, const char *code, const char *text);
void mw_l_log_open(lua_State *L);
void mw_l_timer_open(lua_State *L);
void mw_l_unit_open(lua_State *L);
void mw_l_text_open(lua_State *L);
