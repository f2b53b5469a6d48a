/** @file clock.h  Time as types that cannot be mixed up, and the injected clock.
 *
 * Nothing in the core asks the system for the time: it asks its `struct mw_clock`, so that tests turn it. */
#pragma once
#include <stdint.h>

/** Monotonic time (Linux CLOCK_BOOTTIME): only differences mean something. */
struct mw_mono {
	int64_t ms;
};

/** Wall time: milliseconds since 1970-01-01 UTC. */
struct mw_wall {
	int64_t ms;
};

struct mw_clock {
	struct mw_mono (*mono)(void *ud);
	struct mw_wall (*wall)(void *ud);
	void *ud;
};

/** The machine's clock. */
struct mw_clock mw_clock_system(void);

static inline struct mw_mono mw_mono_now(const struct mw_clock *c)
{
	return c->mono(c->ud);
}

static inline struct mw_wall mw_wall_now(const struct mw_clock *c)
{
	return c->wall(c->ud);
}
