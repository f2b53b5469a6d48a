#define FX_BODY 4096
#include "../test/coap_fixture.h"

/* The input is a sequence of steps: one byte says what, one for which peer or how long, and a datagram with
 * its length in front where one is needed. Answers to the endpoint's own messages could not guess token and
 * message id, so one kind of step copies them from what was sent last. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { N_PEERS = 3 };

static void on_result(void *ud, const struct mw_coap_result *r)
{
	fx_on_result(ud, r);
}

static void start_request(struct fx *f, uint8_t kind, uint32_t peer)
{
	static const uint8_t codes[] = {MW_COAP_GET, MW_COAP_FETCH, MW_COAP_POST, MW_COAP_PUT};
	uint8_t payload[300] = {0};
	struct mw_coap_token token = fx_token("obs");
	struct mw_coap_send rq = fx_request(peer, codes[kind & 3], "/3/0");
	rq.payload = (struct mw_bytes){payload, kind & 4 ? sizeof(payload) : kind & 8};
	if (kind & 16) {
		rq.observe = kind & 32 ? 1 : 0;
		rq.token = &token;
		rq.cookie = kind;
	}
	mw_coap_request(f->c, &rq, on_result, f);
}

static void feed(struct fx *f, uint32_t peer, const uint8_t *data, size_t len, bool is_answer)
{
	uint8_t *copy = malloc(len + 1); /* its own block, so that reading past the end is found */
	struct mw_addr from = fx_addr(peer);
	memcpy(copy, data, len);
	if (is_answer && f->n_sent && len >= 4) {
		const struct fx_datagram *last = &f->sent[f->n_sent - 1];
		size_t token_len = last->data[0] & 15;
		from = last->to;
		copy[2] = last->data[2];
		copy[3] = last->data[3];
		if (len >= 4 + token_len && token_len <= 8) {
			copy[0] = (uint8_t)((copy[0] & 0x30) | 0x40 | token_len);
			memcpy(copy + 4, last->data + 4, token_len);
		}
	}
	mw_coap_input(f->c, &from, copy, len);
	free(copy);
}

static void respond(struct fx *f, uint8_t kind)
{
	static uint8_t body[700];
	struct mw_coap_response r = {.code = kind & 1 ? MW_COAP_CONTENT : MW_COAP_BAD_REQUEST,
		.content_format = kind & 2 ? 40 : MW_COAP_NO_FORMAT,
		.payload = {body, kind & 4 ? sizeof(body) : kind & 8}};
	if (f->seen.requests)
		mw_coap_respond(f->c, &f->seen.reply, &r);
}

/* In one leap: the fixture's small steps would cost most of the time. */
static void pass_ms(struct fx *f, int64_t ms)
{
	f->now += ms;
	while (mw_wheel_run(&f->wheel, fx_mono(f), 100) == 100)
		;
}

static void step(struct fx *f, uint8_t what, uint8_t arg, const uint8_t *data, size_t len)
{
	struct mw_coap_token token = fx_token("obs");
	switch (what % 10) {
	case 0:
	case 1:
		feed(f, arg % N_PEERS, data, len, false);
		break;
	case 2:
	case 3:
		feed(f, arg % N_PEERS, data, len, true);
		break;
	case 4:
		start_request(f, arg, arg % N_PEERS);
		break;
	case 5:
		respond(f, arg);
		break;
	case 6:
		pass_ms(f, (int64_t)arg * arg * 4);
		break;
	case 7:
		f->verdict = (enum mw_coap_verdict)(arg & 3);
		f->answers = arg & 4;
		f->observed_path = arg & 8 ? "/3/0" : NULL;
		break;
	case 8:
		mw_coap_observe_restore(f->c, &token, arg);
		break;
	default:
		if (arg & 1)
			mw_coap_observe_forget(f->c, &token);
		else if (f->seen.notifications)
			mw_coap_ack(f->c, &f->seen.notify_reply);
	}
	if (f->n_sent > FX_QUEUE / 2) { /* keep the last one for answers */
		f->sent[0] = f->sent[f->n_sent - 1];
		f->n_sent = 1;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct fx f;
	const struct mw_coap_config config = {.block_szx = 2,
		.block_body_max = 1000,
		.block_peer_max = 2000,
		.block_total_max = 4000,
		.dedup_bytes = 1,
		.max_observations = 2,
		.max_peer_queue = 3,
		.max_exchanges = 6};
	fx_open(&f, &config);
	while (size >= 3) {
		size_t len = data[2] < size - 3 ? data[2] : size - 3;
		bool has_datagram = data[0] % 10 < 4;
		step(&f, data[0], data[1], data + 3, has_datagram ? len : 0);
		size_t used = has_datagram ? 3 + len : 2;
		data += used;
		size -= used;
	}
	fx_close(&f);
	if (mw_wheel_next_ms(&f.wheel, fx_mono(&f)) >=
		0) /* slots may be marked by mistake, timers may not be left */
		for (int level = 0; level < MW_WHEEL_LEVELS; level++)
			for (int slot = 0; slot < MW_WHEEL_SLOTS; slot++)
				if (f.wheel.slots[level][slot])
					abort();
	return 0;
}
