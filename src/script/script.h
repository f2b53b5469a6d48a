/** @file script.h  Lua in a host: the operator's units, what they may do, and how they are exchanged while it
 * runs.
 *
 * One lua_State holds the trusted library (lua/moonwire/script) and the units, each in an environment of its
 * own. C enters Lua through mw_script_enter and through nothing else. Loop thread only; nothing here may be
 * called from inside a script. Design of the reload: lua/moonwire/script/reload.lua. */
#pragma once
#include "base/clock.h"
#include "moonwire.h"
#include <lua.h>

struct mw_script;

/** Zero is the default everywhere. Strings are copied. */
struct mw_script_config {
	const char *lua_dir;     /**< folder that holds moonwire/script/init.lua; becomes the only package.path */
	const char *scripts_dir; /**< folder of the units; NULL = none */
	size_t memory_max;       /**< bytes of the whole Lua state; 0 = 64 MiB */
	int32_t budget;      /**< instructions of one entry (an event, a step of a coroutine); 0 = 5,000,000 */
	int32_t load_budget; /**< instructions for loading one unit; 0 = 20,000,000 */
	uint32_t tasks_max;  /**< coroutines that may wait at a time; 0 = 2000 */
	bool lenient;        /**< start without the units that fail, instead of refusing to start */
	bool watch;          /**< reload when files change; needs a host */
	const struct mw_clock *clock; /**< for "a hook was slow"; borrowed; NULL = the machine's */
};

/** Creates the state, loads all units, and listens to @p host's events.
 *  @param host  borrowed, must outlive the script; NULL = nothing to talk to, for checks and tests
 *  @return NULL on failure; @p e then names file, line and reason of the first problem, the log has all */
struct mw_script *mw_script_open(
	struct mw_host *host, const struct mw_script_config *config, struct mw_errbuf *e);
/** Ends all coroutines; operations that they wait for are cancelled. NULL is allowed. */
void mw_script_close(struct mw_script *s);

/** Runs @p body in protected mode: the only road from C into Lua.
 *  @p body gets @p ud as its one (light userdata) argument and may raise freely; it must not hold a malloc'ed
 * block or a half-updated core structure across a raising call. Each entry has the instruction budget of the
 *  configuration.
 *  @param unit  whose log tag and error count this is; NULL = our own
 *  @return 0, MW_E_NOMEM, MW_E_SCRIPT (message and traceback logged), or MW_E_STATE (a script is running:
 * entries do not nest). Never raises; the Lua stack is unchanged. */
int mw_script_enter(struct mw_script *s, const char *unit, lua_CFunction body, void *ud);

/** One file of a load: what happened to it. @param line  0 = none known. @param reason  "" if ok. All
 * borrowed. The last call of a load has @p file NULL: @p ok = all is well and (unless only checked) in use.
 */
typedef void mw_script_report_cb(void *ud, const char *file, int line, const char *reason, bool ok);

/** Loads what changed on disk, all or nothing, or (@p check_only) stops before anything is exchanged.
 *  With a watch the files are read on a worker thread and @p cb comes later, from the loop; else before the
 * return.
 *  @param unit  load this one and what depends on it even if unchanged; NULL = everything that changed
 *  @param cb    may be NULL
 *  @return 0; MW_E_NOTFOUND: no such unit; MW_E_STATE: no folder, or a reload is being waited for */
int mw_script_reload(
	struct mw_script *s, const char *unit, bool check_only, mw_script_report_cb *cb, void *ud);

/** Checks a folder of units without a host: the same code as a reload, up to before the exchange.
 *  @return number of files with problems, or MW_E_NOTFOUND (no such folder), MW_E_SCRIPT (library),
 * MW_E_NOMEM */
int mw_script_check(
	const char *lua_dir, const char *scripts_dir, mw_script_report_cb *cb, void *ud, struct mw_errbuf *e);

struct mw_script_unit {
	const char *name;       /**< "protocols/temperature.lua" */
	uint32_t generation;    /**< 1 for the first one loaded; 0 = none is in use */
	const char *hash;       /**< of the text in use; "" if none */
	int64_t loaded_ms;      /**< wall time */
	const char *last_error; /**< "" if none; cleared when a new generation is loaded */
	uint64_t n_errors;      /**< since the host started */
};

/** Calls @p cb for every unit, in no particular order; @p u is borrowed for the call. */
void mw_script_units(struct mw_script *s, void (*cb)(void *ud, const struct mw_script_unit *u), void *ud);

/** Counters, as mw_host_stats. */
void mw_script_stats(struct mw_script *s, void (*cb)(void *ud, const char *name, uint64_t value), void *ud);
