#include "base/log.h"
#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static const char *const level_names[] = {"error", "warn", "info", "debug", "trace"};
static const char *const group_names[] = {
#define X(name) #name,
	MW_LOG_GROUPS(X)
#undef X
};

void mw_log_init(struct mw_log *log, mw_log_cb *cb, void *ud, enum mw_log_level level)
{
	*log = (struct mw_log){.cb = cb, .ud = ud};
	memset(log->level, (int)level, sizeof(log->level));
}

/* What a peer sends may stand in a line: control bytes would let it forge lines or drive a terminal. U+0080
 * to U+009F (c2 80 to c2 9f in UTF-8) are control characters as well: U+009B starts a terminal's commands. */
static void mask_control_bytes(char *text)
{
	for (unsigned char *p = (unsigned char *)text; *p; p++) {
		if (*p == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0)
			p[0] = p[1] = '?';
		else if (*p < 0x20 || *p == 0x7f)
			*p = '?';
	}
}

void mw_log_write(struct mw_log *log, enum mw_log_level level, enum mw_log_group group, const char *file,
	int line, const char *fmt, ...)
{
	char text[1024];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	mask_control_bytes(text);
	log->cb(log->ud, level, group, file, line, text);
}

const char *mw_log_level_name(enum mw_log_level level)
{
	return level_names[level];
}

const char *mw_log_group_name(enum mw_log_group group)
{
	return group_names[group];
}

int mw_log_set(struct mw_log *log, const char *group, const char *level)
{
	int lvl = -1;
	for (int i = 0; i <= MW_LOG_TRACE; i++)
		if (!strcasecmp(level, level_names[i]))
			lvl = i;
	if (lvl < 0)
		return MW_E_NOTFOUND;
	bool all = !strcasecmp(group, "all"), found = all;
	for (int i = 0; i < MW_LOG_N_GROUPS; i++) {
		if (all || !strcasecmp(group, group_names[i])) {
			log->level[i] = (uint8_t)lvl;
			found = true;
		}
	}
	return found ? 0 : MW_E_NOTFOUND;
}

bool mw_log_gate_pass(struct mw_log_gate *gate, int64_t now_ms, uint64_t *held_back)
{
	if (gate->second != now_ms / 1000) {
		gate->second = now_ms / 1000;
		gate->n = 0;
	}
	if (gate->n++ >= MW_LOG_GATE_PER_SECOND) {
		gate->held_back++;
		return false;
	}
	*held_back = gate->held_back;
	gate->held_back = 0;
	return true;
}
