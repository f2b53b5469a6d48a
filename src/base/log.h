/** @file log.h  Leveled, grouped logging to a sink that the owner chooses. The core never prints.
 *
 * ERROR = an operator must act; WARN = a peer or a script misbehaved; INFO = once per device lifecycle;
 * DEBUG = per message; TRACE = bytes. Keys, PSKs and private payloads are never logged.
 * Key order in a line is fixed: `ep= dev= mid= tok= unit=`. */
#pragma once
#include "moonwire.h"
#include <stdbool.h>
#include <stdint.h>

struct mw_log {
	mw_log_cb *cb; /**< NULL = silent */
	void *ud;
	uint8_t level[MW_LOG_N_GROUPS]; /**< messages above this level are not even formatted */
};

/** All groups to @p level. */
void mw_log_init(struct mw_log *log, mw_log_cb *cb, void *ud, enum mw_log_level level);
void mw_log_write(struct mw_log *log, enum mw_log_level level, enum mw_log_group group, const char *file,
	int line, const char *fmt, ...) __attribute__((format(printf, 6, 7)));
/** Sets the level of "all" or of one group by name; MW_E_NOTFOUND for an unknown name of either. */
int mw_log_set(struct mw_log *log, const char *group, const char *level);

/** Lets a few lines a second through and counts the others: for what strangers can provoke as often as they
 * like. Zero-initialise. */
struct mw_log_gate {
	int64_t second;
	uint32_t n;
	uint64_t held_back; /**< since the last line that passed */
};
enum { MW_LOG_GATE_PER_SECOND = 5 };
/** @return true when a line may be written now; @p held_back then says how many were not since the last one
 */
bool mw_log_gate_pass(struct mw_log_gate *gate, int64_t now_ms, uint64_t *held_back);

#define MW_LOG_ON(log, lvl, grp) ((log)->cb && (log)->level[MW_LOG_##grp] >= MW_LOG_##lvl)
/** `MW_LOG(log, WARN, REG, "update for unknown location %s", loc)`; @p log is a `struct mw_log *`. */
#define MW_LOG(log, lvl, grp, ...)                                                                           \
	do {                                                                                                     \
		if (MW_LOG_ON(log, lvl, grp))                                                                        \
			mw_log_write(log, MW_LOG_##lvl, MW_LOG_##grp, __FILE__, __LINE__, __VA_ARGS__);                  \
	} while (0)
