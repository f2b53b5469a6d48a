#include "lwm2m/params.h"
#include "base/err.h"
#include "codec/utf8.h"
#include "lwm2m/device.h"

#include <stdio.h>
#include <string.h>

struct parameter {
	struct mw_bytes key, value;
	bool has_value;
};

static struct parameter split(const struct mw_coap_opt *o)
{
	struct parameter p = {.key = {o->value, o->len}};
	const uint8_t *eq = o->len ? memchr(o->value, '=', o->len) : NULL;
	if (eq) {
		p.key.len = (size_t)(eq - o->value);
		p.value = (struct mw_bytes){eq + 1, o->len - p.key.len - 1};
		p.has_value = true;
	}
	return p;
}

static bool is_key(const struct parameter *p, const char *name)
{
	return p->key.len == strlen(name) && !memcmp(p->key.data, name, p->key.len);
}

/* Endpoint names end up in logs, files and URLs: they are UTF-8 (as CoAP demands) and free of control
 * characters. */
static bool is_clean_utf8(struct mw_bytes s)
{
	if (!mw_utf8_valid(s.data, s.len))
		return false;
	for (size_t i = 0; i < s.len; i++) {
		bool is_c1 =
			s.data[i] == 0xc2 && s.data[i + 1] < 0xa0; /* U+0080 to U+009F; valid, so there is a next byte */
		if (s.data[i] < 0x20 || s.data[i] == 0x7f || is_c1)
			return false;
	}
	return true;
}

static int parse_endpoint(struct mw_params *p, const struct parameter *q, struct mw_errbuf *why)
{
	if (!q->value.len || q->value.len > MW_ENDPOINT_MAX || !is_clean_utf8(q->value)) {
		mw_fail(why, 0, "ep must be 1 to %d bytes of UTF-8 without control characters", MW_ENDPOINT_MAX);
		return MW_COAP_BAD_REQUEST;
	}
	p->endpoint = q->value;
	return 0;
}

static int parse_lifetime(struct mw_params *p, const struct parameter *q, struct mw_errbuf *why)
{
	uint64_t v = 0;
	bool good = q->value.len > 0 && q->value.len <= 10;
	for (size_t i = 0; good && i < q->value.len; i++) {
		good = q->value.data[i] >= '0' && q->value.data[i] <= '9';
		v = v * 10 + (q->value.data[i] & 15u);
	}
	if (!good || v > UINT32_MAX) {
		mw_fail(why, 0, "lt must be seconds, 0 to 4294967295");
		return MW_COAP_BAD_REQUEST;
	}
	p->lifetime_s = (uint32_t)v;
	return 0;
}

static int parse_version(struct mw_params *p, const struct parameter *q, struct mw_errbuf *why)
{
	const uint8_t *s = q->value.data;
	size_t n = q->value.len, dot = 0, dots = 0;
	bool good = n >= 3 && n <= 11;
	for (size_t i = 0; good && i < n; i++) {
		if (s[i] == '.')
			dot = i, dots++;
		else
			good = s[i] >= '0' && s[i] <= '9';
	}
	good = good && dots == 1 && dot > 0 && dot < n - 1;
	good = good && !(s[0] == '0' && dot > 1) && !(s[dot + 1] == '0' && n - dot > 2); /* no leading zeros */
	if (!good) {
		mw_fail(why, 0, "lwm2m must look like 1.1");
		return MW_COAP_BAD_REQUEST;
	}
	if (n != 3 || s[0] != '1' || s[2] > '2') {
		mw_fail(why, 0, "lwm2m %.*s is not supported; 1.0, 1.1 and 1.2 are", (int)n, (const char *)s);
		return MW_COAP_PRECONDITION_FAILED;
	}
	p->version = (uint8_t)(10 + s[2] - '0');
	return 0;
}

static int parse_binding(struct mw_params *p, const struct parameter *q, struct mw_errbuf *why)
{
	static const char letters[] = "UTSNMH";
	for (size_t i = 0; i < q->value.len; i++) {
		char c = (char)q->value.data[i];
		const char *at = c ? strchr(letters, c) : NULL;
		bool twice = c == 'Q' ? p->binding_queue : at && p->binding >> (at - letters) & 1;
		if (twice || (!at && c != 'Q')) {
			mw_fail(why, 0, "b must be letters of UTSNMH and Q, each once");
			return MW_COAP_BAD_REQUEST;
		}
		if (c == 'Q')
			p->binding_queue = true;
		else
			p->binding |= (uint8_t)(1 << (at - letters));
	}
	if (!p->binding) {
		mw_fail(why, 0, "b must name a binding, e.g. U");
		return MW_COAP_BAD_REQUEST;
	}
	return 0;
}

static int parse_sms(struct mw_params *p, const struct parameter *q, struct mw_errbuf *why)
{
	if (q->value.len > MW_PARAM_SMS_MAX || !is_clean_utf8(q->value)) {
		mw_fail(why, 0, "sms must be at most %d characters", MW_PARAM_SMS_MAX);
		return MW_COAP_BAD_REQUEST;
	}
	p->sms = q->value;
	return 0;
}

/* Parameters that the standard does not know are kept for scripts, whatever they are, as long as they are
 * text. */
static int keep_extra(struct mw_params *p, const struct parameter *q, struct mw_errbuf *why)
{
	size_t used = strlen(p->extra);
	struct mw_bytes all = {q->key.data, q->key.len + (q->has_value ? 1 + q->value.len : 0)};
	if (!all.len)
		return 0;
	if (!is_clean_utf8(all) || used + all.len + 2 > sizeof(p->extra)) {
		mw_fail(
			why, 0, "unknown parameters must be text of at most %d bytes in all", MW_PARAMS_EXTRA_MAX - 2);
		return MW_COAP_BAD_REQUEST;
	}
	snprintf(p->extra + used, sizeof(p->extra) - used, "%s%.*s", used ? "&" : "", (int)all.len,
		(const char *)all.data);
	return 0;
}

static int parse_one(struct mw_params *p, const struct parameter *q, struct mw_errbuf *why)
{
	struct {
		const char *key;
		bool *seen;
		int (*parse)(struct mw_params *, const struct parameter *, struct mw_errbuf *);
	} known[] = {
		{"ep", &p->has_endpoint, parse_endpoint},
		{"lt", &p->has_lifetime, parse_lifetime},
		{"lwm2m", &p->has_version, parse_version},
		{"b", &p->has_binding, parse_binding},
		{"Q", &p->queue_flag, NULL},
		{"sms", &p->has_sms, parse_sms},
	};
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (!is_key(q, known[i].key))
			continue;
		if (*known[i].seen) {
			mw_fail(why, 0, "parameter %s is there twice", known[i].key);
			return MW_COAP_BAD_REQUEST;
		}
		*known[i].seen = true;
		return known[i].parse ? known[i].parse(p, q, why) : 0;
	}
	if (is_key(q, "pid")) /* repeatable; kept with the unknown ones, since we resolve no profiles */
		p->has_profile = true;
	return keep_extra(p, q, why);
}

int mw_params_parse(struct mw_params *p, const struct mw_coap_msg *msg, struct mw_errbuf *why)
{
	memset(p, 0, offsetof(struct mw_params, extra));
	p->extra[0] = 0;
	for (size_t i = 0; i < msg->n_options; i++) {
		if (msg->options[i].number != MW_OPT_URI_QUERY)
			continue;
		struct parameter q = split(&msg->options[i]);
		int code = parse_one(p, &q, why);
		if (code)
			return code;
	}
	return 0;
}

int mw_params_check_binding(const struct mw_params *p, uint8_t version, struct mw_errbuf *why)
{
	static const uint8_t allowed[] = {
		MW_BINDING_U | MW_BINDING_S,
		MW_BINDING_U | MW_BINDING_T | MW_BINDING_S | MW_BINDING_N,
		MW_BINDING_U | MW_BINDING_T | MW_BINDING_S | MW_BINDING_N | MW_BINDING_M | MW_BINDING_H,
	};
	if (!p->has_binding || !(p->binding & ~allowed[version - MW_LWM2M_1_0]))
		return 0;
	mw_fail(why, 0, "b names a binding that LwM2M %s does not have", mw_version_name(version));
	return MW_COAP_BAD_REQUEST;
}
