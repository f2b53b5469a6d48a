#include "sim/session.h"
#include "sim/udp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <syslog.h>
#include <unistd.h>

void mw_sim_message_read(struct mw_sim_message *m, const coap_pdu_t *pdu)
{
	coap_bin_const_t token = coap_pdu_get_token(pdu);
	*m = (struct mw_sim_message){.type = coap_pdu_get_type(pdu),
		.code = coap_pdu_get_code(pdu),
		.mid = (uint16_t)coap_pdu_get_mid(pdu),
		.token = {token.s, token.length}};
	coap_opt_iterator_t it;
	coap_opt_t *o;
	coap_option_iterator_init(pdu, &it, COAP_OPT_ALL);
	while (m->n_options < MW_SIM_OPTIONS_MAX && (o = coap_option_next(&it)))
		m->options[m->n_options++] =
			(struct mw_sim_option){it.number, {coap_opt_value(o), coap_opt_length(o)}};
	size_t offset, total;
	if (!coap_get_data_large(pdu, &m->payload.len, &m->payload.data, &offset, &total))
		m->payload = (struct mw_bytes){NULL, 0};
}

static struct mw_sim_pending *pending_find(struct mw_sim *s, const coap_pdu_t *pdu)
{
	coap_bin_const_t t = coap_pdu_get_token(pdu);
	for (size_t i = 0; i < MW_SIM_PENDING_MAX; i++) {
		struct mw_sim_pending *p = &s->pending[i];
		if (p->id && p->token.len == t.length && memcmp(p->token.data, t.s, t.length) == 0)
			return p;
	}
	return NULL;
}

static coap_response_t on_response(
	coap_session_t *session, const coap_pdu_t *sent, const coap_pdu_t *received, const coap_mid_t mid)
{
	(void)sent;
	(void)mid;
	struct mw_sim *s = coap_get_app_data(coap_session_get_context(session));
	struct mw_sim_pending *p = pending_find(s, received);
	if (!p)
		return COAP_RESPONSE_FAIL; /* RFC 7252, section 4.2: a token that we do not know is rejected */
	uint64_t id = p->id;
	struct mw_sim_message m;
	mw_sim_message_read(&m, received);
	p->id = 0;
	if (!s->is_closing)
		s->events.response(s->events.ud, id, &m, 0);
	return COAP_RESPONSE_OK;
}

static void on_nack(
	coap_session_t *session, const coap_pdu_t *sent, const coap_nack_reason_t reason, const coap_mid_t mid)
{
	struct mw_sim *s = coap_get_app_data(coap_session_get_context(session));
	int err = reason == COAP_NACK_RST                ? MW_E_RESET
			  : reason == COAP_NACK_TOO_MANY_RETRIES ? MW_E_TIMEOUT
													 : MW_E_IO;
	struct mw_sim_pending *p = sent ? pending_find(s, sent) : NULL;
	if (s->is_closing)
		return;
	if (p) {
		uint64_t id = p->id;
		p->id = 0;
		s->events.response(s->events.ud, id, NULL, err);
	} else if (reason != COAP_NACK_RST) { /* the relay has told of a Reset */
		coap_bin_const_t t = sent ? coap_pdu_get_token(sent) : (coap_bin_const_t){0, NULL};
		s->events.refused(s->events.ud, (struct mw_bytes){t.s, t.length}, (uint16_t)mid, err);
	}
}

static void on_reset(void *ud, uint16_t mid)
{
	struct mw_sim *s = ud;
	if (!s->is_closing)
		s->events.refused(s->events.ud, (struct mw_bytes){NULL, 0}, mid, MW_E_RESET);
}

static void on_tap(void *ud, const char *what, struct mw_bytes datagram)
{
	struct mw_sim *s = ud;
	if (s->events.tap && !s->is_closing)
		s->events.tap(s->events.ud, what, datagram);
}

static int watch(struct mw_sim *s, int fd, struct mw_errbuf *e)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.fd = fd};
	if (epoll_ctl(s->epfd, EPOLL_CTL_ADD, fd, &ev) < 0)
		return mw_fail(e, MW_E_IO, "cannot watch a socket: %s", strerror(errno));
	return 0;
}

static coap_fixed_point_t seconds_of_ms(unsigned ms)
{
	return (coap_fixed_point_t){(uint16_t)(ms / 1000), (uint16_t)(ms % 1000)};
}

/** libcoap's part: a session from a loopback port of its own to the relay's inner socket. */
static int open_session(struct mw_sim *s, const struct mw_sim_config *c, struct mw_errbuf *e)
{
	if ((c->ack_timeout_ms && c->ack_timeout_ms < 1000) || !c->max_retransmit)
		return mw_fail(
			e, MW_E_ARG, "libcoap takes an ACK timeout of 1000 ms or more and at least 1 retransmission");
	coap_startup();
	coap_set_log_level(LOG_EMERG); /* its log goes to stderr for the whole process; ours is the tap */
	coap_address_t to, from;
	coap_address_init(&to);
	coap_address_init(&from);
	to.size = from.size = sizeof to.addr.sin;
	mw_sim_udp_address(&to.addr.sin, "127.0.0.1", mw_sim_udp_port(s->relay.inner), NULL);
	mw_sim_udp_address(&from.addr.sin, "127.0.0.1", 0, NULL);
	s->ctx = coap_new_context(NULL);
	if (!s->ctx)
		return mw_fail(e, MW_E_NOMEM, "cannot make a libcoap context");
	coap_set_app_data(s->ctx, s);
	coap_context_set_block_mode(s->ctx, COAP_BLOCK_USE_LIBCOAP);
	coap_register_response_handler(s->ctx, on_response);
	coap_register_nack_handler(s->ctx, on_nack);
	if (!mw_sim_answer_init(s))
		return mw_fail(e, MW_E_NOMEM, "cannot make a libcoap resource");
	s->session = coap_new_client_session(s->ctx, &from, &to, COAP_PROTO_UDP);
	if (!s->session)
		return mw_fail(e, MW_E_IO, "cannot make a libcoap session");
	if (c->ack_timeout_ms) {
		coap_session_set_ack_timeout(s->session, seconds_of_ms(c->ack_timeout_ms));
		coap_session_set_ack_random_factor(s->session, (coap_fixed_point_t){1, 0});
	}
	if (c->max_retransmit != UINT_MAX)
		coap_session_set_max_retransmit(s->session, (uint16_t)c->max_retransmit);
	const coap_address_t *local = coap_session_get_addr_local(s->session);
	return mw_sim_relay_join(&s->relay, ntohs(local->addr.sin.sin_port), e);
}

int mw_sim_open(struct mw_sim **out, const struct mw_sim_config *config, const struct mw_sim_events *events,
	struct mw_errbuf *e)
{
	struct mw_sim *s = calloc(1, sizeof *s);
	if (!s)
		return mw_fail(e, MW_E_NOMEM, "out of memory");
	s->events = *events;
	s->epfd = -1;
	s->late_end = &s->late;
	snprintf(s->bind_host, sizeof s->bind_host, "%s", config->bind_host ? config->bind_host : "127.0.0.1");
	int rc = mw_sim_relay_open(&s->relay, config->host, config->port, s->bind_host, config->bind_port, e);
	if (rc < 0)
		goto fail;
	s->relay.is_forgetful = config->is_forgetful;
	s->relay.tap = on_tap;
	s->relay.reset = on_reset;
	s->relay.ud = s;
	s->epfd = epoll_create1(EPOLL_CLOEXEC);
	if (s->epfd < 0) {
		rc = mw_fail(e, MW_E_IO, "epoll_create1: %s", strerror(errno));
		goto fail;
	}
	if ((rc = open_session(s, config, e)) < 0 || (rc = watch(s, coap_context_get_coap_fd(s->ctx), e)) < 0 ||
		(rc = watch(s, s->relay.outer, e)) < 0 || (rc = watch(s, s->relay.inner, e)) < 0)
		goto fail;
	*out = s;
	return 0;
fail:
	mw_sim_close(s);
	return rc;
}

void mw_sim_close(struct mw_sim *s)
{
	if (!s)
		return;
	s->is_closing = true;
	mw_sim_answer_deinit(s);
	if (s->session)
		coap_session_release(s->session);
	if (s->ctx)
		coap_free_context(s->ctx);
	mw_sim_relay_close(&s->relay);
	if (s->epfd >= 0)
		close(s->epfd);
	free(s);
}

int mw_sim_fd(const struct mw_sim *s)
{
	return s->epfd;
}

int mw_sim_timeout_ms(const struct mw_sim *s)
{
	return s->late ? 0 : -1;
}

int mw_sim_step(struct mw_sim *s)
{
	enum { ROUNDS_MAX = 16 }; /* so that a flood cannot keep the caller */
	int total = 0;
	for (int round = 0; round < ROUNDS_MAX; round++) {
		int n = mw_sim_relay_pump_in(&s->relay);
		coap_io_process(s->ctx, COAP_IO_NO_WAIT);
		n += mw_sim_relay_pump_out(&s->relay);
		if (s->late) {
			mw_sim_answer_late(s);
			n += mw_sim_relay_pump_out(&s->relay);
		}
		total += n;
		if (!n)
			break;
	}
	return total;
}

static bool add_options(coap_pdu_t *pdu, const struct mw_sim_option *options, size_t n)
{
	/* By rising number, each number in the order given: stable selection without a copy. */
	for (size_t done = 0, number = 0; done < n; number++) {
		size_t next = SIZE_MAX;
		for (size_t i = 0; i < n; i++)
			if (options[i].number >= number && options[i].number < next)
				next = options[i].number;
		number = next;
		for (size_t i = 0; i < n; i++) {
			if (options[i].number != number)
				continue;
			struct mw_bytes v = options[i].value;
			if (!coap_add_option(pdu, (uint16_t)number, v.len, v.data))
				return false;
			done++;
		}
	}
	return true;
}

static void release_body(coap_session_t *session, void *body)
{
	(void)session;
	free(body);
}

static bool add_body(struct mw_sim *s, coap_pdu_t *pdu, struct mw_bytes payload)
{
	if (!payload.len)
		return true;
	uint8_t *body = malloc(payload.len);
	if (!body)
		return false;
	memcpy(body, payload.data, payload.len);
	return coap_add_data_large_request(s->session, pdu, payload.len, body, release_body, body);
}

int64_t mw_sim_request(struct mw_sim *s, unsigned type, unsigned method, const struct mw_sim_option *options,
	size_t n_options, struct mw_bytes payload)
{
	struct mw_sim_pending *p = s->pending;
	while (p < s->pending + MW_SIM_PENDING_MAX && p->id)
		p++;
	if (p == s->pending + MW_SIM_PENDING_MAX)
		return MW_E_LIMIT;
	coap_pdu_t *pdu = coap_new_pdu(
		type == MW_SIM_NON ? COAP_MESSAGE_NON : COAP_MESSAGE_CON, (coap_pdu_code_t)method, s->session);
	if (!pdu)
		return MW_E_NOMEM;
	coap_session_new_token(s->session, &p->token.len, p->token.data);
	if (!coap_add_token(pdu, p->token.len, p->token.data) || !add_options(pdu, options, n_options) ||
		!add_body(s, pdu, payload)) {
		coap_delete_pdu(pdu);
		return MW_E_NOMEM;
	}
	uint64_t id = p->id = ++s->last_id;
	if (coap_send(s->session, pdu) == COAP_INVALID_MID) {
		if (p->id == id)
			p->id = 0;
		return MW_E_IO;
	}
	mw_sim_relay_pump_out(&s->relay);
	return (int64_t)id;
}

int mw_sim_raw(struct mw_sim *s, struct mw_bytes datagram)
{
	return mw_sim_relay_raw(&s->relay, datagram);
}

void mw_sim_fault(struct mw_sim *s, enum mw_sim_fault fault, unsigned n)
{
	s->relay.faults[fault] = n;
}

void mw_sim_set_asleep(struct mw_sim *s, bool is_asleep)
{
	s->relay.is_asleep = is_asleep;
}

int mw_sim_rebind(struct mw_sim *s, struct mw_errbuf *e)
{
	struct sockaddr_in to;
	socklen_t len = sizeof to;
	int fd = mw_sim_udp_open(s->bind_host, 0, e);
	if (fd < 0)
		return fd;
	int rc;
	if (getpeername(s->relay.outer, (struct sockaddr *)&to, &len) < 0 ||
		connect(fd, (struct sockaddr *)&to, len) < 0)
		rc = mw_fail(e, MW_E_IO, "cannot connect: %s", strerror(errno));
	else
		rc = watch(s, fd, e);
	if (rc < 0) {
		close(fd);
		return rc;
	}
	close(s->relay.outer); /* leaves the epoll set by itself */
	s->relay.outer = fd;
	return 0;
}

uint16_t mw_sim_port(const struct mw_sim *s)
{
	return mw_sim_udp_port(s->relay.outer);
}
