/** @file packet.h  The few CoAP datagrams that storm.c sends and reads (RFC 7252, RFC 7641, LwM2M 1.1),
 * written for speed and on purpose without the server's own codec: a mistake there must not hide itself here.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { CON, NON, ACK, RST };
enum {
	GET = 1,
	POST = 2,
	DELETE = 4,
	CREATED = 65,
	DELETED = 66,
	CHANGED = 68,
	CONTENT = 69,
	NOT_FOUND = 132,
	NOT_ALLOWED = 133,
	NOT_ACCEPTABLE = 134
};
enum { OBSERVE = 6, LOCATION_PATH = 8, URI_PATH = 11, CONTENT_FORMAT = 12, URI_QUERY = 15, ACCEPT = 17 };
enum { TEXT = 0, LINK = 40, SENML_JSON = 110, SENML_CBOR = 112, TLV = 11542 };
enum { PACKET_MAX = 256 };

/* Reading */

struct packet {
	uint8_t type, code, tkl;
	uint16_t mid;
	const uint8_t *token;
	int64_t observe, accept; /**< -1 = absent */
	unsigned n_path;         /**< Uri-Path segments; path[] holds the first three if all are numbers */
	bool numeric_path;
	uint16_t path[3];
	unsigned n_location;
	const uint8_t *location[2];
	size_t location_len[2];
};

static inline int64_t packet_uint(const uint8_t *v, size_t len)
{
	int64_t n = 0;
	for (size_t i = 0; i < len && i < 4; i++)
		n = n << 8 | v[i];
	return n;
}

static inline void packet_path_segment(struct packet *m, const uint8_t *v, size_t len)
{
	unsigned n = 0;
	bool ok = len >= 1 && len <= 5;
	for (size_t i = 0; ok && i < len; i++) {
		ok = v[i] >= '0' && v[i] <= '9';
		n = n * 10 + v[i] - '0';
	}
	if (!ok || n > UINT16_MAX)
		m->numeric_path = false;
	else if (m->n_path < 3)
		m->path[m->n_path] = (uint16_t)n;
	m->n_path++;
}

static inline void packet_option(struct packet *m, unsigned number, const uint8_t *v, size_t len)
{
	if (number == OBSERVE) {
		m->observe = packet_uint(v, len);
	} else if (number == ACCEPT) {
		m->accept = packet_uint(v, len);
	} else if (number == URI_PATH) {
		packet_path_segment(m, v, len);
	} else if (number == LOCATION_PATH) {
		if (m->n_location < 2) {
			m->location[m->n_location] = v;
			m->location_len[m->n_location] = len;
		}
		m->n_location++;
	}
}

/* The 13 and 14 forms of an option's delta or length; false when the datagram ends too early or for 15. */
static inline bool packet_extend(unsigned *nibble, const uint8_t **p, const uint8_t *end)
{
	unsigned bytes = *nibble == 13 ? 1 : *nibble == 14 ? 2 : 0;
	if (*nibble == 15 || (size_t)(end - *p) < bytes)
		return false;
	if (bytes == 1)
		*nibble = 13u + (*p)[0];
	else if (bytes == 2)
		*nibble = 269u + ((unsigned)(*p)[0] << 8 | (*p)[1]);
	*p += bytes;
	return true;
}

/** Header and token only; for the hot path. */
static inline bool packet_header(struct packet *m, const uint8_t *data, size_t len)
{
	if (len < 4 || data[0] >> 6 != 1 || (data[0] & 15) > 8 || len < 4u + (data[0] & 15))
		return false;
	m->type = data[0] >> 4 & 3;
	m->tkl = data[0] & 15;
	m->code = data[1];
	m->mid = (uint16_t)(data[2] << 8 | data[3]);
	m->token = data + 4;
	return true;
}

/** The options, after packet_header. */
static inline bool packet_options(struct packet *m, const uint8_t *data, size_t len)
{
	const uint8_t *p = data + 4 + m->tkl, *end = data + len;
	unsigned number = 0;
	m->observe = m->accept = -1;
	m->n_path = m->n_location = 0;
	m->numeric_path = true;
	while (p < end && *p != 0xff) {
		unsigned delta = *p >> 4, size = *p & 15;
		p++;
		if (!packet_extend(&delta, &p, end) || !packet_extend(&size, &p, end) || (size_t)(end - p) < size)
			return false;
		number += delta;
		packet_option(m, number, p, size);
		p += size;
	}
	return true;
}

/* Writing: every function writes at @p p and returns the end. Callers keep within PACKET_MAX: all parts are
 * short. */

static inline uint8_t *put_header(
	uint8_t *p, unsigned type, unsigned code, uint16_t mid, const uint8_t *token, unsigned tkl)
{
	p[0] = (uint8_t)(1 << 6 | type << 4 | tkl);
	p[1] = (uint8_t)code;
	p[2] = (uint8_t)(mid >> 8);
	p[3] = (uint8_t)mid;
	if (tkl)
		memcpy(p + 4, token, tkl);
	return p + 4 + tkl;
}

/** @param delta  below 13; @param len  below 269 */
static inline uint8_t *put_option(uint8_t *p, unsigned delta, const void *value, size_t len)
{
	if (len < 13) {
		*p++ = (uint8_t)(delta << 4 | len);
	} else {
		*p++ = (uint8_t)(delta << 4 | 13);
		*p++ = (uint8_t)(len - 13);
	}
	memcpy(p, value, len);
	return p + len;
}

static inline uint8_t *put_uint_option(uint8_t *p, unsigned delta, uint32_t n)
{
	unsigned len = n > 0xffffff ? 4 : n > 0xffff ? 3 : n > 0xff ? 2 : n > 0;
	*p++ = (uint8_t)(delta << 4 | len);
	while (len--)
		*p++ = (uint8_t)(n >> 8 * len);
	return p;
}

static inline uint8_t *put_text_option(uint8_t *p, unsigned delta, const char *text)
{
	return put_option(p, delta, text, strlen(text));
}

/** @param links  payload in link-format */
static inline uint8_t *put_register(uint8_t *p, uint32_t device, const char *links)
{
	char ep[24];
	snprintf(ep, sizeof(ep), "ep=bench-%u", device);
	p = put_text_option(p, URI_PATH, "rd");
	p = put_uint_option(p, CONTENT_FORMAT - URI_PATH, LINK);
	p = put_text_option(p, URI_QUERY - CONTENT_FORMAT, ep);
	p = put_text_option(p, 0, "lt=86400");
	p = put_text_option(p, 0, "lwm2m=1.1");
	p = put_text_option(p, 0, "b=U");
	*p++ = 0xff;
	size_t len = strlen(links);
	memcpy(p, links, len);
	return p + len;
}

static inline uint8_t *put_update(uint8_t *p, const char *id, size_t id_len)
{
	memcpy(p, "\xb2rd", 3); /* Uri-Path "rd" */
	return put_option(p + 3, 0, id, id_len);
}

static inline uint8_t *put_float(uint8_t *p, float value)
{
	uint32_t bits;
	memcpy(&bits, &value, sizeof(bits));
	for (int shift = 24; shift >= 0; shift -= 8)
		*p++ = (uint8_t)(bits >> shift);
	return p;
}

/** Marker and one Float resource in @p format, which is one of TEXT, SENML_JSON, SENML_CBOR, TLV.
 *  @param depth  1..3: what the server asked for, object, instance or resource */
static inline uint8_t *put_value(
	uint8_t *p, unsigned format, const uint16_t path[3], unsigned depth, float value)
{
	char name[24];
	int n = snprintf(name, sizeof(name), "/%u/%u/%u", path[0], path[1], path[2]);
	*p++ = 0xff;
	if (format == TLV) {
		if (depth == 1) { /* around it the object instance: 8-bit length, 16-bit identifier */
			*p++ = 0x28;
			*p++ = (uint8_t)(path[1] >> 8);
			*p++ = (uint8_t)path[1];
			*p++ = 7;
		}
		*p++ = 0xe4; /* resource with value, 16-bit identifier, 4 bytes */
		*p++ = (uint8_t)(path[2] >> 8);
		*p++ = (uint8_t)path[2];
		return put_float(p, value);
	}
	if (format == SENML_CBOR) { /* [{0: name, 2: float}] */
		memcpy(p, "\x81\xa2\x00", 3);
		p += 3;
		*p++ = (uint8_t)(0x60 + n);
		memcpy(p, name, (size_t)n);
		p += n;
		*p++ = 0x02;
		*p++ = 0xfa;
		return put_float(p, value);
	}
	if (format == SENML_JSON)
		return p + sprintf((char *)p, "[{\"n\":\"%s\",\"v\":%.2f}]", name, (double)value);
	return p + sprintf((char *)p, "%.2f", (double)value);
}
