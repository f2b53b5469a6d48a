/* sleep(seconds): the hook waits, the host goes on. */
#include "host/host.h"
#include "script/state.h"

#include <lauxlib.h>

enum { SLEEP_MAX_S = 7 * 86400 };

static int l_sleep(lua_State *L)
{
	lua_Number seconds = luaL_checknumber(L, 1);
	luaL_argcheck(L, seconds >= 0 && seconds <= SLEEP_MAX_S, 1, "seconds, from 0 to 604800 (a week)");
	struct mw_script *s = mw_script_of(L);
	struct mw_wait *w = mw_task_wait(L, "sleep");
	int64_t id = mw_host_after(s->host, (uint32_t)(seconds * 1000 + 0.5), mw_task_on_timer, w);
	if (id < 0) {
		mw_task_unwait(w);
		return mw_l_push_error(L, mw_err_word((int)id), mw_err_text((int)id));
	}
	w->timer = id;
	return lua_yield(L, 0);
}

/* coroutine.yield would end up with the host when there is no coroutine of the script's own around. */
static int in_task(lua_State *L)
{
	struct mw_script *s = mw_script_of(L);
	lua_pushboolean(L, s->running && s->running->co == L);
	return 1;
}

void mw_l_timer_open(lua_State *L)
{
	lua_pushcfunction(L, l_sleep);
	lua_setfield(L, -2, "sleep");
	lua_pushcfunction(L, in_task);
	lua_setfield(L, -2, "in_task");
}
