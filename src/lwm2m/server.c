#include "lwm2m/server.h"
#include "lwm2m/observation.h"
#include "lwm2m/op.h"
#include "lwm2m/registration.h"
#include "lwm2m/trace.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_SEGMENTS = 3, MAX_PREFETCH = 64 };

static void on_request(void *ud, const struct mw_coap_request *rq);

struct mw_lwm2m *mw_lwm2m_new(const struct mw_lwm2m_config *config, const struct mw_coap_transport *transport,
	const struct mw_durable *durable, mw_lwm2m_event_cb *event, void *event_ud, struct mw_wheel *wheel,
	const struct mw_clock *clock, struct mw_log *log, const struct mw_hash_key *key,
	const struct mw_model *model)
{
	struct mw_lwm2m *l = calloc(1, sizeof(*l));
	if (!l)
		return NULL;
	l->config = *config;
	l->durable = *durable;
	l->event = event;
	l->event_ud = event_ud;
	l->model = model;
	l->wheel = wheel;
	l->clock = *clock;
	l->log = log;
	mw_devices_init(&l->devices, key, config->max_devices);
	mw_pool_init(&l->observations, sizeof(struct mw_observation));
	mw_pool_init(&l->ops, sizeof(struct mw_op));
	mw_nodes_init(&l->scratch, 0);
	struct mw_coap_handlers handlers = {.request = on_request,
		.notification = mw_observation_notified,
		.observed = mw_observation_request,
		.trace = mw_trace_message,
		.ud = l};
	l->coap = mw_coap_new(&config->coap, transport, &handlers, wheel, clock, log, key);
	if (!l->coap) {
		mw_lwm2m_free(l);
		return NULL;
	}
	return l;
}

void mw_lwm2m_free(struct mw_lwm2m *l)
{
	if (!l)
		return;
	struct mw_device_ref at = {0};
	struct mw_device *d;
	while ((d = mw_devices_next(&l->devices, &at))) {
		mw_op_abort_all(l, d);
		mw_wheel_remove(l->wheel, &d->timer);
	}
	if (l->coap)
		mw_coap_free(l->coap);
	mw_devices_deinit(&l->devices);
	mw_pool_deinit(&l->observations);
	mw_pool_deinit(&l->ops);
	mw_nodes_deinit(&l->scratch);
	free(l);
}

/* The location in a datagram that looks like `POST /rd/<location>` without options in front, as Updates do; 0
 * for any other. Only a hint for the cache: nothing is decided by it. */
static uint64_t guess_location(const struct mw_datagram *dg)
{
	static const uint8_t before[] = {0xb2, 'r', 'd', 0x0d, 0x00}; /* Uri-Path "rd", Uri-Path of 13 bytes */
	size_t at = dg->len ? 4 + (dg->data[0] & 15u) : 0;
	if (dg->len < at + sizeof(before) + 13 || memcmp(dg->data + at, before, sizeof(before)) != 0)
		return 0;
	return mw_location_parse(dg->data + at + sizeof(before), 13);
}

/* The first passes only ask for memory: with a million devices every look-up is a cache miss, and the misses
 * of a whole batch can be under way at once. */
static void prefetch_batch(struct mw_lwm2m *l, const struct mw_datagram *batch, size_t n)
{
	uint64_t locations[MAX_PREFETCH];
	n = n < MAX_PREFETCH ? n : MAX_PREFETCH;
	for (size_t i = 0; i < n; i++) {
		mw_coap_prefetch(l->coap, &batch[i].from, batch[i].data, batch[i].len);
		locations[i] = guess_location(&batch[i]);
		if (locations[i])
			mw_devices_prefetch_index(&l->devices, locations[i]);
	}
	for (size_t i = 0; i < n; i++)
		if (locations[i])
			mw_devices_prefetch_device(&l->devices, locations[i]);
}

void mw_lwm2m_input_batch(struct mw_lwm2m *l, const struct mw_datagram *batch, size_t n)
{
	prefetch_batch(l, batch, n);
	for (size_t i = 0; i < n; i++)
		mw_coap_input(l->coap, &batch[i].from, batch[i].data, batch[i].len);
}

int mw_lwm2m_emit(struct mw_lwm2m *l, struct mw_event *ev)
{
	ev->received_ms = mw_wall_now(&l->clock).ms;
	return l->event ? l->event(l->event_ud, ev) : 0;
}

/* Uri-Path segments of the request; more than MAX_SEGMENTS are counted but not kept. */
static size_t path_segments(const struct mw_coap_msg *msg, struct mw_bytes *out)
{
	size_t n = 0;
	for (size_t i = 0; i < msg->n_options; i++) {
		if (msg->options[i].number != MW_OPT_URI_PATH)
			continue;
		if (n < MAX_SEGMENTS)
			out[n] = (struct mw_bytes){msg->options[i].value, msg->options[i].len};
		n++;
	}
	return n;
}

static void refuse(struct mw_lwm2m *l, const struct mw_coap_request *rq, int code, const char *words)
{
	struct mw_errbuf why;
	mw_fail(&why, 0, "%s", words);
	mw_registration_refuse(l, &rq->reply, code, &why);
}

static void on_request(void *ud, const struct mw_coap_request *rq)
{
	struct mw_lwm2m *l = ud;
	struct mw_bytes path[MAX_SEGMENTS];
	size_t n = path_segments(rq->msg, path);
	uint8_t method = rq->msg->code;
	if (n == 0 || n > 2 || path[0].len != 2 || memcmp(path[0].data, "rd", 2) != 0) {
		refuse(l, rq, MW_COAP_NOT_FOUND, "there is only /rd here");
	} else if (rq->msg->type != MW_COAP_CON) {
		/* Transport 6.4: these operations must be confirmable, and an unconfirmed 2.01 helps nobody. */
		refuse(l, rq, MW_COAP_BAD_REQUEST, "send it confirmable");
	} else if (n == 1 && method == MW_COAP_POST) {
		mw_registration_register(l, rq);
	} else if (n == 2 && method == MW_COAP_POST) {
		mw_registration_update(l, rq, path[1]);
	} else if (n == 2 && method == MW_COAP_DELETE) {
		mw_registration_deregister(l, rq, path[1]);
	} else {
		refuse(l, rq, MW_COAP_NOT_ALLOWED,
			n == 1 ? "POST to register" : "POST to update, DELETE to de-register");
	}
}
