#include "sim/relay.h"
#include "sim/udp.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { DATAGRAM_MAX = 65535, BATCH = 64 };
enum { TYPE_CON, TYPE_NON, TYPE_ACK, TYPE_RST };

/** First four bytes of a CoAP message (RFC 7252, section 3). */
struct head {
	unsigned type, code;
	uint16_t mid;
};

static bool head_parse(struct head *h, struct mw_bytes d)
{
	if (d.len < 4 || d.data[0] >> 6 != 1)
		return false;
	h->type = d.data[0] >> 4 & 3;
	h->code = d.data[1];
	h->mid = (uint16_t)(d.data[2] << 8 | d.data[3]);
	return true;
}

static bool head_is_request(const struct head *h)
{
	return h->type <= TYPE_NON && h->code > 0 && h->code < 32;
}

static bool fault_take(struct mw_sim_relay *r, enum mw_sim_fault fault)
{
	if (!r->faults[fault])
		return false;
	r->faults[fault]--;
	return true;
}

static void tap(struct mw_sim_relay *r, const char *what, struct mw_bytes d)
{
	if (r->tap)
		r->tap(r->ud, what, d);
}

int mw_sim_relay_open(struct mw_sim_relay *r, const char *host, uint16_t port, const char *bind_host,
	uint16_t bind_port, struct mw_errbuf *e)
{
	*r = (struct mw_sim_relay){.outer = -1, .inner = -1};
	struct sockaddr_in to;
	int rc = mw_sim_udp_address(&to, host, port, e);
	if (rc < 0)
		return rc;
	if ((rc = r->outer = mw_sim_udp_open(bind_host, bind_port, e)) < 0)
		goto fail;
	if ((rc = r->inner = mw_sim_udp_open(NULL, 0, e)) < 0)
		goto fail;
	/* Connected, as real devices are: what comes from any other port never arrives. */
	if (connect(r->outer, (struct sockaddr *)&to, sizeof to) < 0) {
		rc = mw_fail(e, MW_E_IO, "cannot connect to %s:%u: %s", host, port, strerror(errno));
		goto fail;
	}
	return 0;
fail:
	mw_sim_relay_close(r);
	return rc;
}

void mw_sim_relay_close(struct mw_sim_relay *r)
{
	if (r->outer >= 0)
		close(r->outer);
	if (r->inner >= 0)
		close(r->inner);
	r->outer = r->inner = -1;
	for (size_t i = 0; i < MW_SIM_SEEN; i++) {
		free(r->seen[i].reply);
		r->seen[i] = (struct mw_sim_seen){0};
	}
}

int mw_sim_relay_join(struct mw_sim_relay *r, uint16_t port, struct mw_errbuf *e)
{
	struct sockaddr_in to;
	int rc = mw_sim_udp_address(&to, "127.0.0.1", port, e);
	if (rc == 0 && connect(r->inner, (struct sockaddr *)&to, sizeof to) < 0)
		rc = mw_fail(e, MW_E_IO, "cannot connect the relay: %s", strerror(errno));
	return rc;
}

static struct mw_sim_seen *seen_find(struct mw_sim_relay *r, uint16_t mid)
{
	for (size_t i = 0; i < MW_SIM_SEEN; i++)
		if (r->seen[i].is_used && r->seen[i].mid == mid)
			return &r->seen[i];
	return NULL;
}

static void seen_add(struct mw_sim_relay *r, uint16_t mid)
{
	struct mw_sim_seen *s = &r->seen[r->seen_at++ % MW_SIM_SEEN];
	free(s->reply);
	*s = (struct mw_sim_seen){.is_used = true, .mid = mid};
}

/** Keeps the ACK or RST that answers a seen request. Out of memory: a repetition then stays unanswered. */
static void seen_answer(struct mw_sim_relay *r, const struct head *h, struct mw_bytes d)
{
	struct mw_sim_seen *s = h->type >= TYPE_ACK ? seen_find(r, h->mid) : NULL;
	if (!s || s->reply)
		return;
	s->reply = malloc(d.len);
	if (s->reply) {
		memcpy(s->reply, d.data, d.len);
		s->reply_len = d.len;
	}
}

static void to_server(struct mw_sim_relay *r, const char *what, struct mw_bytes d)
{
	tap(r, what, d);
	/* A lost datagram is what UDP means: the sender's retransmission is under test, not this call. */
	(void)!send(r->outer, d.data, d.len, 0);
}

/** True when @p d repeats a request and has been dealt with. */
static bool is_repeated(struct mw_sim_relay *r, const struct head *h, struct mw_bytes d)
{
	if (r->is_forgetful || !head_is_request(h))
		return false;
	struct mw_sim_seen *s = seen_find(r, h->mid);
	if (!s) {
		seen_add(r, h->mid);
		return false;
	}
	tap(r, "in repeated", d);
	if (s->reply)
		to_server(r, "out repeated", (struct mw_bytes){s->reply, s->reply_len});
	return true;
}

static void handle_in(struct mw_sim_relay *r, struct mw_bytes d)
{
	struct head h;
	bool is_coap = head_parse(&h, d);
	if (r->is_asleep) {
		tap(r, "in asleep", d);
		return;
	}
	if (fault_take(r, MW_SIM_DROP_IN) ||
		(is_coap && head_is_request(&h) && fault_take(r, MW_SIM_DROP_REQUEST))) {
		tap(r, "in dropped", d);
		return;
	}
	if (is_coap && is_repeated(r, &h, d))
		return;
	tap(r, "in", d);
	if (is_coap && h.type == TYPE_RST && r->reset)
		r->reset(r->ud, h.mid);
	(void)!send(r->inner, d.data, d.len, 0);
}

static void handle_out(struct mw_sim_relay *r, struct mw_bytes d)
{
	struct head h;
	if (head_parse(&h, d))
		seen_answer(r, &h, d);
	if (fault_take(r, MW_SIM_DROP_OUT)) {
		tap(r, "out dropped", d);
		return;
	}
	to_server(r, "out", d);
	if (fault_take(r, MW_SIM_TWICE_OUT))
		to_server(r, "out", d);
}

static int pump(struct mw_sim_relay *r, int fd, void (*handle)(struct mw_sim_relay *, struct mw_bytes))
{
	uint8_t buf[DATAGRAM_MAX];
	int n = 0;
	for (; n < BATCH; n++) {
		ssize_t len = recv(fd, buf, sizeof buf, 0);
		if (len < 0 && errno == ECONNREFUSED)
			continue; /* nobody listens there yet; reading the error cleared it */
		if (len < 0)
			break;
		handle(r, (struct mw_bytes){buf, (size_t)len});
	}
	return n;
}

int mw_sim_relay_pump_in(struct mw_sim_relay *r)
{
	return pump(r, r->outer, handle_in);
}

int mw_sim_relay_pump_out(struct mw_sim_relay *r)
{
	return pump(r, r->inner, handle_out);
}

int mw_sim_relay_raw(struct mw_sim_relay *r, struct mw_bytes datagram)
{
	tap(r, "out raw", datagram);
	return send(r->outer, datagram.data, datagram.len, 0) < 0 ? MW_E_IO : 0;
}
