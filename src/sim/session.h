/** @file session.h  Private to src/sim: the inside of one simulated device. */
#pragma once
#include "sim/sim.h"
#include <coap3/coap.h>

enum { MW_SIM_PENDING_MAX = 32, MW_SIM_TOKEN_MAX = 8 };

struct mw_sim_token {
	uint8_t data[MW_SIM_TOKEN_MAX];
	size_t len;
};

/** A request of ours without an answer so far; id 0 = free. */
struct mw_sim_pending {
	uint64_t id;
	struct mw_sim_token token;
};

/** A request body on its way in, block by block. */
struct mw_sim_upload {
	char path[64];
	struct mw_buf body;
};

/** An answer that leaves by itself in the next step. */
struct mw_sim_late {
	struct mw_sim_late *next;
	struct mw_sim_token token;
	char path[64];
	struct mw_sim_reply reply;
};

struct mw_sim {
	struct mw_sim_relay relay;
	struct mw_sim_events events;
	char bind_host[48];
	coap_context_t *ctx;
	coap_session_t *session;
	int epfd;
	bool is_closing; /**< no callbacks any more */
	uint64_t last_id;
	struct mw_sim_pending pending[MW_SIM_PENDING_MAX];
	struct mw_sim_late *late, **late_end;
	struct mw_sim_upload upload;
};

/** Registers the handlers for what the server asks of the device. false = out of memory. */
bool mw_sim_answer_init(struct mw_sim *s);
/** Sends what was answered separately. */
void mw_sim_answer_late(struct mw_sim *s);
/** Forgets it. */
void mw_sim_answer_deinit(struct mw_sim *s);
/** Copies a received PDU's parts (by reference). */
void mw_sim_message_read(struct mw_sim_message *m, const coap_pdu_t *pdu);
