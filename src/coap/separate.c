#include "coap/core.h"

#include <stdlib.h>
#include <string.h>

/* A CON response that was not in time for the ACK of its request (RFC 7252 section 5.2.2). It does not wait
 * behind our own request to the same peer: a device that does one thing at a time may answer ours only after
 * it has this one. */
struct mw_separate {
	struct mw_list link;
	struct mw_timer timer;
	struct mw_peer *peer;
	uint32_t wait_ms;
	uint16_t mid;
	uint8_t retries;
	size_t len;
	uint8_t data[];
};

static void drop(struct mw_separate *s)
{
	mw_wheel_remove(s->peer->c->wheel, &s->timer);
	mw_list_remove(&s->link);
	s->peer->c->n_separate--;
	free(s);
}

static void on_timer(struct mw_timer *t, void *ud)
{
	(void)ud;
	struct mw_separate *s = MW_CONTAINER_OF(t, struct mw_separate, timer);
	struct mw_coap *c = s->peer->c;
	if (s->retries >= c->config.max_retransmit) {
		c->stats.timeouts++;
		drop(s);
		return;
	}
	s->retries++;
	s->wait_ms *= 2;
	c->stats.retransmissions++;
	mw_wheel_add(c->wheel, t, mw__coap_after(c, s->wait_ms), on_timer);
	mw__coap_send(c, &s->peer->addr, s->data, s->len);
}

int mw__separate_send(struct mw_peer *p, uint16_t mid, const uint8_t *data, size_t len)
{
	if (p->c->n_separate >= p->c->config.max_exchanges)
		return MW_E_LIMIT;
	struct mw_separate *s = malloc(sizeof(*s) + len);
	if (!s)
		return MW_E_NOMEM;
	*s = (struct mw_separate){.peer = p, .mid = mid, .len = len};
	memcpy(s->data, data, len);
	s->wait_ms = mw__exchange_first_wait(p->c, p->c->config.ack_timeout_ms);
	mw_list_add_tail(&p->separate, &s->link);
	p->c->n_separate++;
	mw_wheel_add(p->c->wheel, &s->timer, mw__coap_after(p->c, s->wait_ms), on_timer);
	mw__coap_send(p->c, &p->addr, s->data, len);
	return 0;
}

bool mw__separate_end(struct mw_peer *p, uint16_t mid)
{
	MW_LIST_FOREACH (it, &p->separate) {
		struct mw_separate *s = MW_CONTAINER_OF(it, struct mw_separate, link);
		if (s->mid == mid) {
			drop(s);
			return true;
		}
	}
	return false;
}

void mw__separate_free_all(struct mw_peer *p)
{
	while (!mw_list_is_empty(&p->separate))
		drop(MW_CONTAINER_OF(p->separate.next, struct mw_separate, link));
}
