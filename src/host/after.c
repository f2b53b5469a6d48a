/* One-shot timers for the layers above, on the wheel. */
#include "base/err.h"
#include "host/core.h"

#include <stdlib.h>

struct after {
	struct mw_list link;
	struct mw_timer timer;
	int64_t id;
	void (*cb)(void *ud);
	void *ud;
};

static void on_due(struct mw_timer *t, void *ud)
{
	(void)ud;
	struct after *a = MW_CONTAINER_OF(t, struct after, timer);
	void (*cb)(void *) = a->cb;
	void *cb_ud = a->ud;
	mw_list_remove(&a->link);
	free(a);
	cb(cb_ud);
}

int64_t mw_host_after(struct mw_host *h, uint32_t ms, void (*cb)(void *ud), void *ud)
{
	struct after *a = calloc(1, sizeof(*a));
	if (!a)
		return mw_host_fail(h, MW_E_NOMEM, "out of memory");
	a->id = ++h->last_timer;
	a->cb = cb;
	a->ud = ud;
	mw_list_add_tail(&h->timers, &a->link);
	mw_wheel_add(&h->wheel, &a->timer, (struct mw_mono){mw_mono_now(&h->clock).ms + ms}, on_due);
	return a->id;
}

static void remove_timer(struct mw_host *h, struct after *a)
{
	mw_wheel_remove(&h->wheel, &a->timer);
	mw_list_remove(&a->link);
	free(a);
}

/* Few of them are armed at a time (sleeping scripts), and a cancel is rare: a walk will do. */
int mw_host_after_cancel(struct mw_host *h, int64_t id)
{
	MW_LIST_FOREACH_SAFE (it, &h->timers) {
		struct after *a = MW_CONTAINER_OF(it, struct after, link);
		if (a->id != id)
			continue;
		remove_timer(h, a);
		return 0;
	}
	return MW_E_NOTFOUND;
}

void mw_host_free_timers(struct mw_host *h)
{
	MW_LIST_FOREACH_SAFE (it, &h->timers)
		remove_timer(h, MW_CONTAINER_OF(it, struct after, link));
}
