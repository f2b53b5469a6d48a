/* One log line a message, for whoever turns the level of group coap up: DEBUG shows the header, TRACE also
 * the options. Payloads are never shown: they are the device's private matter. */
#include "lwm2m/trace.h"
#include "base/buf.h"

enum { MAX_SHOWN = 64 }; /* bytes of options */

static void print_hex(struct mw_buf *b, const uint8_t *data, size_t len)
{
	for (size_t i = 0; i < len; i++)
		mw_buf_printf(b, "%02x", data[i]);
}

/* " path=/3303/0/5700" of a request; queries are not shown, they may hold what a device calls its secrets. */
static void print_path(struct mw_buf *b, const struct mw_coap_msg *m)
{
	const char *before = " path=/";
	for (size_t i = 0; i < m->n_options; i++) {
		if (m->options[i].number != MW_OPT_URI_PATH)
			continue;
		mw_buf_put_str(b, before);
		mw_buf_put(b, m->options[i].value, m->options[i].len < 40 ? m->options[i].len : 40);
		before = "/";
	}
}

/* Everything between the token and the payload. */
static struct mw_bytes options_of(const struct mw_coap_msg *m, struct mw_bytes datagram)
{
	size_t start = 4u + m->token.len;
	size_t end = m->payload.len ? (size_t)(m->payload.data - datagram.data) - 1 : datagram.len;
	size_t len = end > start ? end - start : 0;
	return (struct mw_bytes){datagram.data + start, len < MAX_SHOWN ? len : MAX_SHOWN};
}

void mw_trace_message(void *ud, bool outgoing, const struct mw_addr *peer, struct mw_bytes datagram)
{
	static const char *const types[] = {"CON", "NON", "ACK", "RST"};
	struct mw_lwm2m *l = ud;
	if (!MW_LOG_ON(l->log, DEBUG, COAP))
		return;
	char addr[MW_ADDR_TEXT_MAX], code[5], text[256 + 2 * (MW_COAP_TOKEN_MAX + MAX_SHOWN)];
	struct mw_coap_msg m;
	struct mw_buf b;
	if (mw_coap_parse(&m, datagram.data, datagram.len) != MW_COAP_PARSED) {
		MW_LOG(l->log, DEBUG, COAP, "%s %s malformed, %zu bytes", outgoing ? "->" : "<-",
			mw_addr_print(peer, addr), datagram.len);
		return;
	}
	mw_buf_init(&b, text, sizeof(text) - 1);
	print_hex(&b, m.token.bytes, m.token.len);
	if (mw_coap_is_request(m.code))
		print_path(&b, &m);
	if (MW_LOG_ON(l->log, TRACE, COAP)) {
		struct mw_bytes options = options_of(&m, datagram);
		mw_buf_put_str(&b, " options=");
		print_hex(&b, options.data, options.len);
	}
	text[b.len] = 0;
	MW_LOG(l->log, DEBUG, COAP, "%s %s %s %s payload=%zu mid=%u tok=%s", outgoing ? "->" : "<-",
		mw_addr_print(peer, addr), types[m.type], mw_coap_code_print(m.code, code), m.payload.len, m.mid,
		text);
}
