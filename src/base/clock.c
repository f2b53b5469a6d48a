#include "base/clock.h"

#include <time.h>

static int64_t read_ms(clockid_t id)
{
	struct timespec ts;
	clock_gettime(id, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static struct mw_mono system_mono(void *ud)
{
	(void)ud;
	return (struct mw_mono){read_ms(CLOCK_BOOTTIME)}; /* goes on while the machine sleeps, as lifetimes do */
}

static struct mw_wall system_wall(void *ud)
{
	(void)ud;
	return (struct mw_wall){read_ms(CLOCK_REALTIME)};
}

struct mw_clock mw_clock_system(void)
{
	return (struct mw_clock){.mono = system_mono, .wall = system_wall};
}
