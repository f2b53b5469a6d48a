/** @file wheel.h  Hierarchical timer wheel: add, remove and re-arm cost the same for ten timers or ten
 * million.
 *
 * The caller turns it: mw_wheel_run(now) fires what is due, mw_wheel_next says when to come again. Ticks are
 * 16 ms; a timer fires at its time or up to one tick later, never earlier. Used by the loop thread only. */
#pragma once
#include "base/clock.h"
#include <stdbool.h>
#include <stddef.h>

struct mw_timer;
/** Called once when the timer is due; the timer is disarmed before, and may be armed again or freed inside.
 */
typedef void mw_timer_cb(struct mw_timer *t, void *ud);

/** Lives in the item it belongs to. Zeroed memory is a disarmed timer. */
struct mw_timer {
	struct mw_timer *next, **pprev; /**< pprev is NULL while disarmed */
	uint64_t due_tick;
	mw_timer_cb *cb;
};

/* Ten levels hold every tick that 63 bits of milliseconds can name: no time is too far, and no lap of the
 * wheel has an end that a timer could be caught behind. Empty levels cost nothing but their 512 bytes. */
enum { MW_WHEEL_TICK_MS = 16, MW_WHEEL_LEVELS = 10, MW_WHEEL_SLOTS = 64 };

struct mw_wheel {
	struct mw_timer *slots[MW_WHEEL_LEVELS][MW_WHEEL_SLOTS];
	uint64_t occupied[MW_WHEEL_LEVELS]; /**< bit per slot: may be stale-set, never stale-clear */
	struct mw_timer *due;               /**< fired by run, in batches */
	uint64_t tick;                      /**< everything at or before this tick has been moved to `due` */
	bool running;                       /**< inside mw_wheel_run */
	void *ud;                           /**< handed to every callback */
};

void mw_wheel_init(struct mw_wheel *w, struct mw_mono now, void *ud);
/** (Re-)arms @p t for @p at; a time in the past fires on the next run. Armed inside a callback it waits for
 * the next tick at least, so that a timer that arms itself again and again cannot keep the others from their
 * turn. */
void mw_wheel_add(struct mw_wheel *w, struct mw_timer *t, struct mw_mono at, mw_timer_cb *cb);
void mw_wheel_remove(struct mw_wheel *w, struct mw_timer *t);
static inline bool mw_timer_is_armed(const struct mw_timer *t)
{
	return t->pprev != NULL;
}
/** Fires at most @p max due timers; returns how many. When it returns @p max there may be more: call again
 * soon, after having looked at the sockets. */
size_t mw_wheel_run(struct mw_wheel *w, struct mw_mono now, size_t max);
/** Milliseconds from @p now until the next call is useful; 0 = now, -1 = nothing armed. May be early, never
 * late. */
int64_t mw_wheel_next_ms(const struct mw_wheel *w, struct mw_mono now);
