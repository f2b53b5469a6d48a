/* The `moonwire` command: a Lua interpreter with the core built in, that runs lua/moonwire/cli.
 *
 * What only the command needs and a library must not touch is here: signals, the terminal, where files are
 * installed. */
#include "script/l_host.h"

#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <libgen.h>
#include <limits.h>
#include <lualib.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

int luaopen_moonwire_core(lua_State *L);

/* ---- signals: blocked everywhere, taken by one thread that stops the host ---- */

struct waiter {
	struct mw_host *host;
	atomic_bool ended; /* the host has ended by itself; a SIGUSR1 follows. Without it a SIGUSR1 is not ours */
	int signal;        /* what came */
};

static sigset_t wanted_signals(void)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGUSR1);
	return set;
}

static void *wait_for_signal(void *ud)
{
	struct waiter *w = ud;
	sigset_t set = wanted_signals();
	while (sigwait(&set, &w->signal) != 0 || (w->signal == SIGUSR1 && !atomic_load(&w->ended)))
		;
	mw_host_stop(w->host);
	return NULL;
}

/* app.run(host) -> "INT", "TERM", "HUP", or nil, message, code when a callback failed; "" when host:stop()
 * ended it */
static int app_run(lua_State *L)
{
	struct waiter w = {.host = mw_lua_check_host(L, 1)};
	pthread_t thread;
	if (pthread_create(&thread, NULL, wait_for_signal, &w) != 0)
		return luaL_error(L, "cannot start a thread for signals");
	int n = mw_lua_host_run(L, 1);
	atomic_store(&w.ended, true);
	pthread_kill(thread, SIGUSR1); /* ends the thread if nothing else has */
	pthread_join(thread, NULL);
	if (n > 1)
		return n;
	lua_pushstring(L, w.signal == SIGINT    ? "INT"
					  : w.signal == SIGTERM ? "TERM"
					  : w.signal == SIGHUP  ? "HUP"
											: "");
	return 1;
}

/* app.pending_signal() -> "INT", "TERM", "HUP" or nil: for loops that are driven in Lua */
static int app_pending_signal(lua_State *L)
{
	sigset_t set = wanted_signals();
	struct timespec now = {0};
	int signal = sigtimedwait(&set, NULL, &now);
	if (signal < 0 || signal == SIGUSR1) /* that one means nothing to a loop in Lua */
		return 0;
	lua_pushstring(L, signal == SIGINT ? "INT" : signal == SIGTERM ? "TERM" : "HUP");
	return 1;
}

/* ---- the terminal ---- */

/* app.terminal() -> columns, rows of standard output, or nothing when it is no terminal */
static int app_terminal(lua_State *L)
{
	struct winsize size;
	if (!isatty(STDOUT_FILENO))
		return 0;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || !size.ws_col)
		size = (struct winsize){.ws_col = 80, .ws_row = 24};
	lua_pushinteger(L, size.ws_col);
	lua_pushinteger(L, size.ws_row);
	return 2;
}

/* ---- files ---- */

/* app.temporary_folder() -> a new folder of mode 0700 */
static int app_temporary_folder(lua_State *L)
{
	char path[PATH_MAX];
	const char *base = getenv("TMPDIR");
	snprintf(path, sizeof(path), "%s/moonwire-XXXXXX", base && *base ? base : "/tmp");
	if (!mkdtemp(path))
		return luaL_error(L, "cannot make a folder in %s: %s", path, strerror(errno));
	lua_pushstring(L, path);
	return 1;
}

/* app.kind(path) -> "file", "folder", "special" (neither: a pipe, a device) or nil */
static int app_kind(lua_State *L)
{
	struct stat st;
	if (stat(luaL_checkstring(L, 1), &st) < 0)
		return 0;
	lua_pushstring(L, S_ISDIR(st.st_mode) ? "folder" : S_ISREG(st.st_mode) ? "file" : "special");
	return 1;
}

/* app.remove_folder(path) removes an empty folder */
static int app_remove_folder(lua_State *L)
{
	lua_pushboolean(L, rmdir(luaL_checkstring(L, 1)) == 0);
	return 1;
}

static bool has_library(const char *folder)
{
	char path[PATH_MAX];
	int n = snprintf(path, sizeof(path), "%s/lua/moonwire/cli.lua", folder);
	return n > 0 && (size_t)n < sizeof(path) && access(path, R_OK) == 0;
}

/* Where lua/, scripts/ and ddf/ are: MOONWIRE_HOME, beside the installed command, or the source tree it was
 * built from. */
static bool find_share(char *out, size_t cap)
{
	char exe[PATH_MAX];
	const char *home = getenv("MOONWIRE_HOME");
	if (home && *home) {
		snprintf(out, cap, "%s", home);
		return has_library(out);
	}
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	if (n > 0) {
		exe[n] = 0;
		snprintf(out, cap, "%s/../share/moonwire", dirname(exe));
		if (has_library(out))
			return true;
	}
	snprintf(out, cap, "%s", MW_SOURCE_DIR);
	return has_library(out);
}

/* ---- the interpreter ---- */

static int on_error(lua_State *L)
{
	luaL_tolstring(L, 1, NULL);
	luaL_traceback(L, L, lua_tostring(L, -1), 1);
	return 1;
}

static void push_app(lua_State *L, const char *share)
{
	static const luaL_Reg functions[] = {
		{"run", app_run},
		{"pending_signal", app_pending_signal},
		{"terminal", app_terminal},
		{"temporary_folder", app_temporary_folder},
		{"remove_folder", app_remove_folder},
		{"kind", app_kind},
		{NULL, NULL},
	};
	luaL_newlib(L, functions);
	lua_pushstring(L, share);
	lua_setfield(L, -2, "share");
}

struct start {
	int argc;
	char **argv;
	const char *share;
	int status;
};

/* require("moonwire.cli").main(arguments, app) -> exit status */
static int run_cli(lua_State *L)
{
	struct start *s = lua_touserdata(L, 1);
	luaL_openlibs(L);
	luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
	lua_pushcfunction(L, luaopen_moonwire_core);
	lua_setfield(L, -2, "moonwire.core");
	lua_getglobal(L, "package");
	lua_pushfstring(L, "%s/lua/?.lua;%s/lua/?/init.lua", s->share, s->share);
	lua_setfield(L, -2, "path"); /* ours only: nothing is loaded from the working directory */
	lua_getglobal(L, "require");
	lua_pushliteral(L, "moonwire.cli");
	lua_call(L, 1, 1);
	lua_getfield(L, -1, "main");
	lua_createtable(L, s->argc, 0);
	for (int i = 1; i < s->argc; i++) {
		lua_pushstring(L, s->argv[i]);
		lua_rawseti(L, -2, i);
	}
	push_app(L, s->share);
	lua_call(L, 2, 1);
	s->status = (int)lua_tointeger(L, -1);
	return 0;
}

/* Who starts us may have closed them; then a socket or the store would become "standard output". */
static void open_standard_descriptors(void)
{
	int fd;
	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

int main(int argc, char **argv)
{
	open_standard_descriptors();
	char share[PATH_MAX];
	if (!find_share(share, sizeof(share))) {
		fprintf(stderr,
			"moonwire: cannot find my Lua library (%s/lua/moonwire/cli.lua).\n"
			"Set MOONWIRE_HOME to the folder that holds lua/, scripts/ and ddf/.\n",
			share);
		return 70;
	}
	sigset_t set = wanted_signals();
	pthread_sigmask(SIG_BLOCK, &set, NULL); /* before any thread starts, so that all inherit it */
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* a file size limit is a full disk to us, not an end */
	lua_State *L = luaL_newstate();
	if (!L) {
		fputs("moonwire: out of memory\n", stderr);
		return 70;
	}
	struct start s = {.argc = argc, .argv = argv, .share = share, .status = 70};
	lua_pushcfunction(L, on_error);
	lua_pushcfunction(L, run_cli);
	lua_pushlightuserdata(L, &s);
	if (lua_pcall(L, 1, 0, 1) != LUA_OK)
		fprintf(stderr, "moonwire: %s\n", lua_tostring(L, -1));
	lua_close(L);
	return s.status;
}
