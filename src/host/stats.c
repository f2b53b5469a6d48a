/* Counters of all layers under stable names. */
#include "host/core.h"

struct sink {
	void (*cb)(void *ud, const char *name, uint64_t value);
	void *ud;
};

static void udp_stats(struct mw_host *h, const struct sink *s)
{
	const struct mw_udp_stats *u = mw_udp_stats(h->udp);
	s->cb(s->ud, "udp.received", u->received);
	s->cb(s->ud, "udp.received_bytes", u->received_bytes);
	s->cb(s->ud, "udp.sent", u->sent);
	s->cb(s->ud, "udp.sent_bytes", u->sent_bytes);
	s->cb(s->ud, "udp.recv_calls", u->recv_calls);
	s->cb(s->ud, "udp.send_calls", u->send_calls);
	s->cb(s->ud, "udp.kernel_drops", u->kernel_drops);
	s->cb(s->ud, "udp.truncated", u->truncated);
	s->cb(s->ud, "udp.send_failed", u->send_failed);
	s->cb(s->ud, "udp.send_dropped", u->send_dropped);
}

static void coap_stats(struct mw_host *h, const struct sink *s)
{
	const struct mw_coap_stats *c = mw_coap_stats(h->lwm2m->coap);
	s->cb(s->ud, "coap.malformed", c->malformed);
	s->cb(s->ud, "coap.bad_options", c->bad_options);
	s->cb(s->ud, "coap.duplicates", c->duplicates);
	s->cb(s->ud, "coap.replayed", c->replayed);
	s->cb(s->ud, "coap.resets_sent", c->resets_sent);
	s->cb(s->ud, "coap.requests_received", c->requests_received);
	s->cb(s->ud, "coap.requests_sent", c->requests_sent);
	s->cb(s->ud, "coap.retransmissions", c->retransmissions);
	s->cb(s->ud, "coap.timeouts", c->timeouts);
	s->cb(s->ud, "coap.notifications", c->notifications);
	s->cb(s->ud, "coap.stale_notifications", c->stale_notifications);
	s->cb(s->ud, "coap.notifications_lost", c->notifications_lost);
	s->cb(s->ud, "coap.unknown_tokens", c->unknown_tokens);
	s->cb(s->ud, "coap.dedup_evicted", c->dedup_evicted);
	s->cb(s->ud, "coap.blocks_refused", c->blocks_refused);
	s->cb(s->ud, "coap.exchanges", c->exchanges);
	s->cb(s->ud, "coap.observations", c->observations);
}

static void lwm2m_stats(struct mw_host *h, const struct sink *s)
{
	const struct mw_lwm2m *l = h->lwm2m;
	s->cb(s->ud, "devices.known", l->devices.pool.n_used);
	s->cb(s->ud, "devices.registered", l->devices.by_location.count);
	s->cb(s->ud, "lwm2m.registrations", l->stats.registrations);
	s->cb(s->ud, "lwm2m.refused_registrations", l->stats.refused_registrations);
	s->cb(s->ud, "lwm2m.updates", l->stats.updates);
	s->cb(s->ud, "lwm2m.deregistrations", l->stats.deregistrations);
	s->cb(s->ud, "lwm2m.expirations", l->stats.expirations);
	s->cb(s->ud, "lwm2m.undecodable", l->stats.undecodable);
	s->cb(s->ud, "lwm2m.foreign_notifications", l->stats.foreign_notifications);
}

static void store_stats(struct mw_host *h, const struct sink *s)
{
	struct mw_store_stats st;
	mw_store_stats(h->store, &st);
	s->cb(s->ud, "store.commits", st.commits);
	s->cb(s->ud, "store.failed_commits", st.failed_commits);
	s->cb(s->ud, "store.rows", st.rows);
	s->cb(s->ud, "store.feed_rows", st.feed_rows);
	s->cb(s->ud, "store.last_seq", (uint64_t)st.last_seq);
	s->cb(s->ud, "store.pending_bytes", st.pending_bytes);
	s->cb(s->ud, "store.longest_commit_us", st.longest_commit_us);
}

uint64_t mw_host_failed_commits(struct mw_host *h)
{
	struct mw_store_stats st;
	mw_store_stats(h->store, &st);
	return st.failed_commits;
}

void mw_host_stats(struct mw_host *h, void (*cb)(void *ud, const char *name, uint64_t value), void *ud)
{
	const struct sink s = {cb, ud};
	udp_stats(h, &s);
	coap_stats(h, &s);
	lwm2m_stats(h, &s);
	store_stats(h, &s);
}
