/* core.log(level, group, text): into the host's log, tagged with the unit that is running. */
#include "script/state.h"

#include <lauxlib.h>
#include <string.h>

enum { TEXT_MAX = 1000 };

static const char *const levels[] = {"error", "warn", "info", "debug", NULL};
static const char *const groups[] = {"SCRIPT", "RELOAD", NULL};

/* Letters of other alphabets pass; what could break a line or a terminal does not. */
static void copy_clean(char *out, const char *text, size_t len)
{
	size_t n = len < TEXT_MAX ? len : TEXT_MAX;
	for (size_t i = 0; i < n; i++)
		out[i] = (unsigned char)text[i] < ' ' || text[i] == 127 ? ' ' : text[i];
	out[n] = '\0';
}

static int l_log(lua_State *L)
{
	char line[TEXT_MAX + 1];
	size_t len;
	struct mw_script *s = mw_script_of(L);
	enum mw_log_level level = (enum mw_log_level)luaL_checkoption(L, 1, NULL, levels);
	enum mw_log_group group = luaL_checkoption(L, 2, NULL, groups) ? MW_LOG_RELOAD : MW_LOG_SCRIPT;
	const char *text = luaL_checklstring(L, 3, &len);
	struct mw_log *log = mw_script_log(s);
	if (!log->cb || log->level[group] < level)
		return 0;
	copy_clean(line, text, len);
	const char *unit = mw_script_slot_name(s, s->slot);
	mw_log_write(log, level, group, __FILE__, __LINE__, "%s%s%s%s", *unit ? "unit=" : "", unit,
		*unit ? " " : "", line);
	return 0;
}

/* core.log_on(level): whether formatting is worth it. */
static int l_log_on(lua_State *L)
{
	struct mw_log *log = mw_script_log(mw_script_of(L));
	int level = luaL_checkoption(L, 1, NULL, levels);
	lua_pushboolean(L, log->cb && log->level[MW_LOG_SCRIPT] >= level);
	return 1;
}

void mw_l_log_open(lua_State *L)
{
	lua_pushcfunction(L, l_log);
	lua_setfield(L, -2, "log");
	lua_pushcfunction(L, l_log_on);
	lua_setfield(L, -2, "log_on");
}
