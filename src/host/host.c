#include "host/core.h"
#include "base/err.h"
#include "base/random.h"
#include "lwm2m/op.h"
#include "model/ddf.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TIMERS_PER_STEP = 2000, DEFAULT_PORT = 5783 };

/* ---- the loop ---- */

static void on_next_timer(uv_timer_t *t)
{
	(void)t; /* waking up is all: prepare turns the wheel */
}

static void on_prepare(uv_prepare_t *p)
{
	struct mw_host *h = p->data;
	mw_wheel_run(&h->wheel, mw_mono_now(&h->clock), TIMERS_PER_STEP);
	int64_t ms = mw_wheel_next_ms(&h->wheel, mw_mono_now(&h->clock));
	if (ms < 0)
		uv_timer_stop(&h->next_timer);
	else
		uv_timer_start(&h->next_timer, on_next_timer, (uint64_t)ms, 0);
}

static void on_stop(uv_async_t *a)
{
	struct mw_host *h = a->data;
	uv_stop(&h->loop);
}

static void on_datagrams(void *ud, const struct mw_datagram *batch, size_t n)
{
	struct mw_host *h = ud;
	mw_lwm2m_input_batch(h->lwm2m, batch, n);
}

static int send_datagram(void *ud, const struct mw_addr *to, const uint8_t *data, size_t len)
{
	struct mw_host *h = ud;
	return mw_udp_send(h->udp, to, data, len);
}

static int open_loop(struct mw_host *h, struct mw_errbuf *why)
{
	int rc = uv_loop_init(&h->loop);
	if (rc < 0)
		return mw_fail(why, MW_E_IO, "cannot make an event loop: %s", uv_strerror(rc));
	h->loop_ready = true;
	uv_prepare_init(&h->loop, &h->prepare);
	uv_timer_init(&h->loop, &h->next_timer);
	uv_async_init(&h->loop, &h->stop, on_stop);
	h->prepare.data = h->next_timer.data = h->stop.data = h;
	uv_prepare_start(&h->prepare, on_prepare);
	return 0;
}

/* ---- opening ---- */

/* "127.0.0.1:5783", "[::1]:5783", "0.0.0.0" (default port). */
static int split_listen(const char *text, char *host, size_t host_len, uint16_t *port, struct mw_errbuf *why)
{
	const char *colon = text[0] == '[' ? strchr(text, ']') : strchr(text, ':');
	size_t len = text[0] == '[' && colon ? (size_t)(colon - text - 1)
				 : colon                 ? (size_t)(colon - text)
										 : strlen(text);
	const char *digits = !colon ? NULL : text[0] == '[' ? (colon[1] == ':' ? colon + 2 : NULL) : colon + 1;
	unsigned long number = digits ? strtoul(digits, NULL, 10) : DEFAULT_PORT;
	size_t n_digits = digits ? strspn(digits, "0123456789") : 0;
	bool bad_port = digits && (!n_digits || n_digits > 5 || digits[n_digits] || number > UINT16_MAX);
	bool bad_end = text[0] == '[' && (!colon || (colon[1] && colon[1] != ':'));
	if (!len || len >= host_len || bad_end || bad_port)
		return mw_fail(
			why, MW_E_CONFIG, "listen address \"%s\" is not like 127.0.0.1:5783 or [::1]:5783", text);
	memcpy(host, text + (text[0] == '['), len);
	host[len] = 0;
	*port = (uint16_t)number;
	return 0;
}

static int listen_on(struct mw_host *h, const char *text, struct mw_errbuf *why)
{
	char host[INET6_ADDRSTRLEN + 16], bound[MW_ADDR_TEXT_MAX];
	uint16_t port = 0, bound_port = 0;
	int rc = split_listen(text, host, sizeof(host), &port, why);
	if (rc == 0)
		rc = mw_udp_listen(h->udp, host, port, &bound_port, why);
	if (rc < 0)
		return rc;
	snprintf(bound, sizeof(bound), strchr(host, ':') ? "[%s]:%u" : "%s:%u", host, bound_port);
	h->listen[h->n_listen] = mw_strndup(bound, strlen(bound));
	if (!h->listen[h->n_listen])
		return mw_fail(why, MW_E_NOMEM, "out of memory");
	h->n_listen++;
	MW_LOG(&h->log, INFO, NET, "listening on coap://%s", bound);
	return 0;
}

static int open_sockets(struct mw_host *h, const struct mw_config *config, struct mw_errbuf *why)
{
	h->udp = mw_udp_new(&h->loop, &h->log, on_datagrams, h);
	if (!h->udp)
		return mw_fail(why, MW_E_NOMEM, "out of memory");
	if (config->listen[0]) {
		for (int i = 0; i < MW_LISTEN_MAX && config->listen[i]; i++) {
			int rc = listen_on(h, config->listen[i], why);
			if (rc < 0)
				return rc;
		}
		return 0;
	}
	int rc = listen_on(h, "127.0.0.1", why);
	if (rc < 0)
		return rc;
	struct mw_errbuf v6;
	if (listen_on(h, "[::1]", &v6) < 0) /* many machines have no IPv6, and nobody asked for it by name */
		MW_LOG(&h->log, WARN, NET, "not listening on IPv6: %s", v6.text);
	return 0;
}

static void on_bad_definition(void *ud, const struct mw_ddf_problem *p)
{
	struct mw_host *h = ud;
	if (p->code < 0)
		MW_LOG(&h->log, ERROR, HOST, "object definition left out: %s:%u: %s", p->file, p->line, p->text);
	else
		MW_LOG(&h->log, DEBUG, HOST, "object definition: %s:%u: %s", p->file, p->line, p->text);
}

static int load_definitions(struct mw_host *h, const char *folder, struct mw_errbuf *why)
{
	h->model = mw_model_new();
	if (!h->model)
		return mw_fail(why, MW_E_NOMEM, "out of memory");
	if (!folder)
		return 0;
	int rc = mw_ddf_load_dir(h->model, folder, NULL, on_bad_definition, h, why);
	if (rc == 0)
		MW_LOG(&h->log, INFO, HOST, "%zu object definitions from %s", mw_model_count(h->model), folder);
	return rc;
}

static uint32_t or_default(uint32_t value, uint32_t otherwise)
{
	return value ? value : otherwise;
}

static int open_lwm2m(struct mw_host *h, const struct mw_config *config, struct mw_errbuf *why)
{
	struct mw_lwm2m_config lc = {
		.lifetime_grace_s = or_default(config->lifetime_grace_s, 93),
		.default_lifetime_s = or_default(config->default_lifetime_s, 86400),
		.max_devices = or_default(config->max_devices, 2000000),
		.max_observations_per_device = or_default(config->max_observations_per_device, 128),
		.coap = {.ack_timeout_ms = config->ack_timeout_ms,
			.dedup_bytes = or_default(config->dedup_bytes, 64u << 20)},
	};
	struct mw_coap_transport transport = {.send = send_datagram, .ud = h};
	struct mw_durable durable = mw_host_durable(h);
	h->lwm2m = mw_lwm2m_new(
		&lc, &transport, &durable, mw_host_deliver, h, &h->wheel, &h->clock, &h->log, &h->key, h->model);
	h->wheel.ud = h->lwm2m; /* for timers of registrations, which are too many to hold a pointer each */
	return h->lwm2m ? 0 : mw_fail(why, MW_E_NOMEM, "out of memory");
}

static int open_all(struct mw_host *h, const struct mw_config *config, struct mw_errbuf *why)
{
	struct mw_store_config sc = {.path = config->store ? config->store : "moonwire.db",
		.commit_ms = config->commit_ms,
		.commit_rows = config->commit_rows};
	int rc = open_loop(h, why);
	if (rc == 0)
		rc = load_definitions(h, config->ddf, why);
	if (rc == 0 && !(h->store = mw_store_open(&h->loop, &sc, &h->log, why)))
		rc = MW_E_IO;
	if (rc == 0)
		rc = open_lwm2m(h, config, why);
	/* the sockets come before the registrations, which name the socket that their device used; nothing is
	 * read from them until the loop turns */
	if (rc == 0)
		rc = open_sockets(h, config, why);
	if (rc == 0)
		rc = mw_host_load(h, sc.path, why);
	if (rc == 0)
		mw_store_on_feed(h->store, mw_host_feed_committed, h);
	return rc;
}

struct mw_host *mw_host_open(const struct mw_config *config, struct mw_errbuf *why)
{
	struct mw_host *h = calloc(1, sizeof(*h));
	if (!h) {
		mw_fail(why, MW_E_NOMEM, "out of memory");
		return NULL;
	}
	mw_log_init(&h->log, config->log, config->log_ud, config->log_level);
	h->clock = mw_clock_system();
	mw_wheel_init(&h->wheel, mw_mono_now(&h->clock), NULL);
	mw_random(&h->key, sizeof(h->key));
	mw_list_init(&h->timers);
	if (open_all(h, config, why) < 0) {
		mw_host_close(h);
		return NULL;
	}
	return h;
}

/* ---- closing ---- */

static void close_handle(uv_handle_t *handle, void *ud)
{
	(void)ud;
	if (!uv_is_closing(handle))
		uv_close(handle, NULL);
}

/* While the store still takes what ends with them, such as observations that no device has confirmed. */
static void end_operations(struct mw_lwm2m *l)
{
	struct mw_device_ref at = {0};
	struct mw_device *d;
	while ((d = mw_devices_next(&l->devices, &at)))
		mw_op_abort_all(l, d);
}

void mw_host_close(struct mw_host *h)
{
	if (!h)
		return;
	if (h->lwm2m)
		end_operations(h->lwm2m);
	if (h->store)
		mw_store_close(h->store); /* its last completions still answer devices */
	mw_lwm2m_free(h->lwm2m);
	if (h->udp)
		mw_udp_free(h->udp);
	mw_host_free_timers(h);
	if (h->loop_ready) {
		uv_close((uv_handle_t *)&h->prepare, NULL);
		uv_close((uv_handle_t *)&h->next_timer, NULL);
		uv_close((uv_handle_t *)&h->stop, NULL);
		uv_run(&h->loop, UV_RUN_DEFAULT); /* the close callbacks */
		if (uv_loop_close(&h->loop) ==
			UV_EBUSY) { /* a handle that somebody forgot: its memory is his, not ours */
			uv_walk(&h->loop, close_handle, NULL);
			uv_run(&h->loop, UV_RUN_DEFAULT);
			uv_loop_close(&h->loop);
		}
	}
	mw_model_free(h->model);
	for (unsigned i = 0; i < h->n_listen; i++)
		free(h->listen[i]);
	free(h->listeners);
	free(h);
}

/* ---- driving ---- */

int mw_host_fd(struct mw_host *h)
{
	return uv_backend_fd(&h->loop);
}

int mw_host_timeout_ms(struct mw_host *h)
{
	uv_update_time(&h->loop);
	int loop_ms = uv_backend_timeout(&h->loop);
	int64_t wheel_ms = mw_wheel_next_ms(&h->wheel, mw_mono_now(&h->clock));
	if (wheel_ms < 0 || (loop_ms >= 0 && loop_ms < wheel_ms))
		return loop_ms;
	return wheel_ms > INT32_MAX ? INT32_MAX : (int)wheel_ms;
}

int mw_host_step(struct mw_host *h)
{
	uv_run(&h->loop, UV_RUN_NOWAIT);
	return 0;
}

int mw_host_run(struct mw_host *h)
{
	uv_run(&h->loop, UV_RUN_DEFAULT);
	return 0;
}

void mw_host_stop(struct mw_host *h)
{
	uv_async_send(&h->stop);
}

/* ---- small things ---- */

int mw_host_listen_address(struct mw_host *h, unsigned index, char *out, size_t out_len)
{
	if (index >= h->n_listen)
		return mw_host_fail(h, MW_E_NOTFOUND, "there are %u listen addresses", h->n_listen);
	if (strlen(h->listen[index]) >= out_len)
		return mw_host_fail(h, MW_E_ARG, "an address may need %d bytes", MW_ADDR_TEXT_MAX);
	mw_strcopy(out, out_len, h->listen[index]);
	return 0;
}

const char *mw_host_error(const struct mw_host *h)
{
	return h->error.text;
}

int mw_host_fail(struct mw_host *h, int code, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(h->error.text, sizeof(h->error.text), fmt, ap);
	va_end(ap);
	return code;
}

int mw_host_log_level(struct mw_host *h, const char *group, const char *level)
{
	int rc = mw_log_set(&h->log, group, level);
	if (rc < 0)
		mw_host_fail(h, rc, "no log group \"%s\" or level \"%s\"", group, level);
	return rc;
}

uv_loop_t *mw_host_loop(struct mw_host *h)
{
	return &h->loop;
}

struct mw_log *mw_host_log(struct mw_host *h)
{
	return &h->log;
}

int64_t mw_host_wall_ms(struct mw_host *h)
{
	return mw_wall_now(&h->clock).ms;
}

int64_t mw_host_mono_ms(struct mw_host *h)
{
	return mw_mono_now(&h->clock).ms;
}
