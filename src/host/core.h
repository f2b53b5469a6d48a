/** @file core.h  The host's own struct, shared by the files of this folder only.
 *
 * host.c opens, steps and closes; durable.c points the LwM2M layer at the store; load.c brings registrations
 * back; events.c delivers; api_*.c implement the public functions; stats.c counts. */
#pragma once
#include "base/hash.h"
#include "base/log.h"
#include "base/wheel.h"
#include "host/host.h"
#include "lwm2m/server.h"
#include "net/udp.h"
#include "store/store.h"

struct mw_listener {
	int id;
	mw_event_cb *cb;
	void *ud;
};

struct mw_host {
	uv_loop_t loop;
	uv_prepare_t prepare;  /* turns the wheel before the loop waits */
	uv_timer_t next_timer; /* wakes the loop for the wheel */
	uv_async_t stop;
	bool loop_ready; /* the members above are initialised */
	struct mw_log log;
	struct mw_clock clock;
	struct mw_wheel wheel;
	struct mw_hash_key key;
	struct mw_udp *udp;
	struct mw_store *store;
	struct mw_model *model;
	struct mw_lwm2m *lwm2m;
	char *listen[MW_LISTEN_MAX];
	unsigned n_listen;
	struct mw_listener *listeners;
	size_t n_listeners, cap_listeners;
	int last_listener;
	unsigned delivering;   /* events under delivery: then no listener moves */
	struct mw_list timers; /* of mw_host_after */
	int64_t last_timer;
	struct mw_errbuf error;
};

/* peer.c: a peer's address as bytes that another process, compiler or version can read. */
enum { MW_STORED_PEER_LEN = 1 + 16 + 4 + 2 + 16 + 4 + 4 };
void mw_peer_encode(const struct mw_udp *udp, const struct mw_addr *addr, uint8_t out[MW_STORED_PEER_LEN]);
/* A socket that is configured no more becomes the first one. MW_E_FORMAT: not written by mw_peer_encode. */
int mw_peer_decode(struct mw_udp *udp, struct mw_bytes in, struct mw_addr *out);

/* durable.c */
struct mw_durable mw_host_durable(struct mw_host *host);

/* load.c: devices, registrations and observations from the store's file. Start-up only: it reads on this
 * thread. */
int mw_host_load(struct mw_host *host, const char *store_path, struct mw_errbuf *e);

/* events.c */
int mw_host_deliver(void *ud, const struct mw_event *event);
void mw_host_feed_committed(void *ud, int64_t last_seq);

/* after.c */
void mw_host_free_timers(struct mw_host *host);
