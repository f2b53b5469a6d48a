#include "base/wheel.h"

#include <string.h>

enum { SLOT_BITS = 6 };

static uint64_t tick_of(struct mw_mono t)
{
	return t.ms <= 0 ? 0 : (uint64_t)t.ms / MW_WHEEL_TICK_MS;
}

static void link_into(struct mw_timer **head, struct mw_timer *t)
{
	t->next = *head;
	t->pprev = head;
	if (t->next)
		t->next->pprev = &t->next;
	*head = t;
}

static void unlink_timer(struct mw_timer *t)
{
	*t->pprev = t->next;
	if (t->next)
		t->next->pprev = t->pprev;
	t->next = NULL;
	t->pprev = NULL;
}

/* Level l holds timers whose tick differs from the wheel's first in digit l (base 64). Then the slot is
 * reached exactly when the lower digits of the wheel's tick become zero, and the timer moves one level down
 * or fires. */
static void place(struct mw_wheel *w, struct mw_timer *t)
{
	if (t->due_tick <= w->tick) {
		link_into(&w->due, t);
		return;
	}
	int level = (63 - __builtin_clzll(t->due_tick ^ w->tick)) / SLOT_BITS;
	unsigned slot = t->due_tick >> (level * SLOT_BITS) & (MW_WHEEL_SLOTS - 1);
	link_into(&w->slots[level][slot], t);
	w->occupied[level] |= UINT64_C(1) << slot;
}

void mw_wheel_init(struct mw_wheel *w, struct mw_mono now, void *ud)
{
	memset(w, 0, sizeof(*w));
	w->tick = tick_of(now);
	w->ud = ud;
}

void mw_wheel_add(struct mw_wheel *w, struct mw_timer *t, struct mw_mono at, mw_timer_cb *cb)
{
	if (t->pprev)
		unlink_timer(t);
	t->cb = cb;
	int64_t latest = INT64_MAX - (MW_WHEEL_TICK_MS - 1);
	int64_t ms = at.ms < latest ? at.ms : latest;
	t->due_tick = tick_of((struct mw_mono){ms + MW_WHEEL_TICK_MS - 1}); /* round up: never early */
	if (w->running && t->due_tick <= w->tick)
		t->due_tick = w->tick + 1;
	place(w, t);
}

void mw_wheel_remove(struct mw_wheel *w, struct mw_timer *t)
{
	(void)w;
	if (t->pprev)
		unlink_timer(t);
}

static void cascade(struct mw_wheel *w, int level)
{
	unsigned slot = w->tick >> (level * SLOT_BITS) & (MW_WHEEL_SLOTS - 1);
	w->occupied[level] &= ~(UINT64_C(1) << slot);
	struct mw_timer *t;
	while ((t = w->slots[level][slot])) {
		unlink_timer(t);
		place(w, t);
	}
}

/* The next tick at which a slot must be emptied, or UINT64_MAX. */
static uint64_t next_event(const struct mw_wheel *w)
{
	for (int level = 0; level < MW_WHEEL_LEVELS; level++) {
		int shift = level * SLOT_BITS;
		unsigned at = w->tick >> shift & (MW_WHEEL_SLOTS - 1);
		uint64_t later = at == 63 ? 0 : w->occupied[level] & ~UINT64_C(0) << (at + 1);
		if (later) {
			uint64_t base = w->tick >> (shift + SLOT_BITS) << (shift + SLOT_BITS);
			return base | (uint64_t)__builtin_ctzll(later) << shift;
		}
	}
	return UINT64_MAX;
}

static void advance(struct mw_wheel *w, uint64_t to)
{
	while (w->tick < to && !w->due) { /* stop where something is due: a batch first, then on */
		uint64_t next = next_event(w);
		if (next > to) {
			w->tick = to;
			return;
		}
		w->tick = next;
		for (int level = __builtin_ctzll(w->tick) / SLOT_BITS; level >= 0; level--)
			cascade(w, level);
	}
}

size_t mw_wheel_run(struct mw_wheel *w, struct mw_mono now, size_t max)
{
	size_t fired = 0;
	w->running = true;
	while (fired < max) {
		if (!w->due)
			advance(w, tick_of(now));
		struct mw_timer *t = w->due;
		if (!t)
			break;
		unlink_timer(t);
		fired++;
		t->cb(t, w->ud);
	}
	w->running = false;
	return fired;
}

int64_t mw_wheel_next_ms(const struct mw_wheel *w, struct mw_mono now)
{
	if (w->due)
		return 0;
	uint64_t next = next_event(w);
	if (next == UINT64_MAX)
		return -1;
	int64_t ms = (int64_t)(next * MW_WHEEL_TICK_MS) - now.ms;
	return ms > 0 ? ms : 0;
}
