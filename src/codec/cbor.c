#include "codec/cbor.h"

#include <cbor.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEPTH_MAX = 16 };

/* ---- callbacks of libcbor: exactly one is called for one head; it fills the item ---- */

static void set_u(void *ctx, enum mw_cbor_kind kind, uint64_t u)
{
	struct mw_cbor_item *item = ctx;
	item->kind = kind;
	item->u = u;
}

static void on_u8(void *ctx, uint8_t u)
{
	set_u(ctx, MW_CBOR_UNSIGNED, u);
}

static void on_u16(void *ctx, uint16_t u)
{
	set_u(ctx, MW_CBOR_UNSIGNED, u);
}

static void on_u32(void *ctx, uint32_t u)
{
	set_u(ctx, MW_CBOR_UNSIGNED, u);
}

static void on_u64(void *ctx, uint64_t u)
{
	set_u(ctx, MW_CBOR_UNSIGNED, u);
}

static void on_neg8(void *ctx, uint8_t u)
{
	set_u(ctx, MW_CBOR_NEGATIVE, u);
}

static void on_neg16(void *ctx, uint16_t u)
{
	set_u(ctx, MW_CBOR_NEGATIVE, u);
}

static void on_neg32(void *ctx, uint32_t u)
{
	set_u(ctx, MW_CBOR_NEGATIVE, u);
}

static void on_neg64(void *ctx, uint64_t u)
{
	set_u(ctx, MW_CBOR_NEGATIVE, u);
}

static void on_bytes(void *ctx, cbor_data data, size_t len)
{
	struct mw_cbor_item *item = ctx;
	item->kind = MW_CBOR_BYTES;
	item->s = (struct mw_bytes){data, len};
}

static void on_text(void *ctx, cbor_data data, size_t len)
{
	struct mw_cbor_item *item = ctx;
	item->kind = MW_CBOR_TEXT;
	item->s = (struct mw_bytes){data, len};
}

static void set_indefinite(void *ctx, enum mw_cbor_kind kind)
{
	struct mw_cbor_item *item = ctx;
	item->kind = kind;
	item->is_indefinite = true;
}

static void on_chunked_bytes(void *ctx)
{
	set_indefinite(ctx, MW_CBOR_BYTES);
}

static void on_chunked_text(void *ctx)
{
	set_indefinite(ctx, MW_CBOR_TEXT);
}

static void on_open_array(void *ctx)
{
	set_indefinite(ctx, MW_CBOR_ARRAY);
}

static void on_open_map(void *ctx)
{
	set_indefinite(ctx, MW_CBOR_MAP);
}

static void on_array(void *ctx, size_t n)
{
	set_u(ctx, MW_CBOR_ARRAY, n);
}

static void on_map(void *ctx, size_t n)
{
	set_u(ctx, MW_CBOR_MAP, n);
}

static void on_tag(void *ctx, uint64_t tag)
{
	set_u(ctx, MW_CBOR_TAG, tag);
}

static void on_double(void *ctx, double f)
{
	struct mw_cbor_item *item = ctx;
	item->kind = MW_CBOR_FLOAT;
	item->f = f;
}

static void on_float(void *ctx, float f)
{
	on_double(ctx, (double)f);
}

static void on_bool(void *ctx, bool b)
{
	set_u(ctx, MW_CBOR_BOOL, b);
}

static void on_null(void *ctx)
{
	set_u(ctx, MW_CBOR_NULL, 0);
}

static void on_break(void *ctx)
{
	set_u(ctx, MW_CBOR_BREAK, 0);
}

static const struct cbor_callbacks callbacks = {
	.uint8 = on_u8,
	.uint16 = on_u16,
	.uint32 = on_u32,
	.uint64 = on_u64,
	.negint8 = on_neg8,
	.negint16 = on_neg16,
	.negint32 = on_neg32,
	.negint64 = on_neg64,
	.byte_string_start = on_chunked_bytes,
	.byte_string = on_bytes,
	.string = on_text,
	.string_start = on_chunked_text,
	.indef_array_start = on_open_array,
	.array_start = on_array,
	.indef_map_start = on_open_map,
	.map_start = on_map,
	.tag = on_tag,
	.float2 = on_float,
	.float4 = on_float,
	.float8 = on_double,
	.undefined = on_null,
	.null = on_null,
	.boolean = on_bool,
	.indef_break = on_break,
};

/* ---- reader ---- */

void mw_cbor_init(struct mw_cbor *c, struct mw_bytes input, struct mw_nodes *nodes, struct mw_errbuf *e)
{
	*c = (struct mw_cbor){.data = input.data, .len = input.len, .nodes = nodes, .e = e};
}

int mw_cbor_next(struct mw_cbor *c, struct mw_cbor_item *item)
{
	*item = (struct mw_cbor_item){.at = c->at};
	if (c->at == c->len)
		return mw_fail(c->e, MW_E_FORMAT, "CBOR ends at byte %zu where another item must follow", c->at);
	struct cbor_decoder_result r = cbor_stream_decode(c->data + c->at, c->len - c->at, &callbacks, item);
	if (r.status == CBOR_DECODER_FINISHED && r.read <= c->len - c->at) {
		c->at += r.read;
		return 0;
	}
	if (r.status == CBOR_DECODER_NEDATA)
		return mw_fail(
			c->e, MW_E_FORMAT, "CBOR is cut off: the item at byte %zu goes on behind the end", c->at);
	return mw_fail(c->e, MW_E_FORMAT, "no CBOR item at byte %zu (first byte 0x%02x)", c->at, c->data[c->at]);
}

int mw_cbor_more(struct mw_cbor *c, const struct mw_cbor_item *collection, uint64_t *left)
{
	if (!collection->is_indefinite)
		return *left ? (--*left, 1) : 0;
	if (c->at == c->len)
		return mw_fail(c->e, MW_E_FORMAT, "CBOR: what begins at byte %zu has no end", collection->at);
	if (c->data[c->at] != 0xff)
		return 1;
	c->at++;
	return 0;
}

/* Items that follow the head of @p item: UINT64_MAX until a break. */
static int contents(struct mw_cbor *c, const struct mw_cbor_item *item, uint64_t *n)
{
	*n = 0;
	if (item->kind == MW_CBOR_TAG)
		*n = 1;
	else if (item->is_indefinite)
		*n = UINT64_MAX;
	else if (item->kind == MW_CBOR_ARRAY || item->kind == MW_CBOR_MAP) {
		/* Every item takes a byte: a larger count is a lie, and refusing it here bounds all loops. */
		uint64_t n_per_entry = item->kind == MW_CBOR_MAP ? 2 : 1;
		if (item->u > (c->len - c->at) / n_per_entry)
			return mw_fail(c->e, MW_E_FORMAT,
				"CBOR: %llu entries announced at byte %zu, but only %zu bytes follow",
				(unsigned long long)item->u, item->at, c->len - c->at);
		*n = item->u * n_per_entry;
	}
	return 0;
}

int mw_cbor_skip(struct mw_cbor *c, const struct mw_cbor_item *item)
{
	uint64_t left[DEPTH_MAX];
	size_t depth = 0;
	struct mw_cbor_item next = *item;
	for (;;) {
		if (next.kind == MW_CBOR_BREAK) {
			if (!depth || left[depth - 1] != UINT64_MAX)
				return mw_fail(c->e, MW_E_FORMAT, "CBOR: break at byte %zu ends nothing", next.at);
			depth--;
		} else {
			uint64_t n;
			int rc = contents(c, &next, &n);
			if (rc < 0)
				return rc;
			if (n && depth == DEPTH_MAX)
				return mw_fail(
					c->e, MW_E_FORMAT, "CBOR: nested deeper than %d at byte %zu", DEPTH_MAX, next.at);
			if (n)
				left[depth++] = n;
		}
		while (depth && !left[depth - 1])
			depth--;
		if (!depth)
			return 0;
		if (left[depth - 1] != UINT64_MAX)
			left[depth - 1]--;
		int rc = mw_cbor_next(c, &next);
		if (rc < 0)
			return rc;
	}
}

int mw_cbor_string(struct mw_cbor *c, const struct mw_cbor_item *item, struct mw_bytes *out)
{
	if (!item->is_indefinite) {
		*out = item->s;
		return 0;
	}
	size_t first = c->at, total = 0, len = 0;
	uint8_t *joined = NULL;
	for (int pass = 0; pass < 2; pass++) {
		int more, rc;
		c->at = first;
		while ((more = mw_cbor_more(c, item, NULL)) > 0) {
			struct mw_cbor_item chunk;
			if ((rc = mw_cbor_next(c, &chunk)) < 0)
				return rc;
			if (chunk.kind != item->kind || chunk.is_indefinite)
				return mw_fail(c->e, MW_E_FORMAT, "CBOR: byte %zu is no chunk of the string at byte %zu",
					chunk.at, item->at);
			if (pass && chunk.s.len)
				memcpy(joined + len, chunk.s.data, chunk.s.len);
			len += chunk.s.len;
		}
		if (more < 0)
			return more;
		if (pass == 0) {
			total = len;
			len = 0;
			joined = mw_nodes_bytes(c->nodes, total);
			if (!joined)
				return mw_fail(c->e, MW_E_NOMEM, "out of memory for a string of %zu bytes", total);
		}
	}
	*out = (struct mw_bytes){joined, total};
	return 0;
}

/* ---- numbers ---- */

static int whole(struct mw_cbor *c, const struct mw_cbor_item *item, struct mw_value *out)
{
	if (item->kind == MW_CBOR_NEGATIVE && item->u > (uint64_t)INT64_MAX)
		return mw_fail(c->e, MW_E_FORMAT, "CBOR: integer at byte %zu is below -2^63", item->at);
	if (item->kind == MW_CBOR_NEGATIVE)
		*out = (struct mw_value){.type = MW_TYPE_INTEGER, .i = -1 - (int64_t)item->u};
	else if (item->u <= (uint64_t)INT64_MAX)
		*out = (struct mw_value){.type = MW_TYPE_INTEGER, .i = (int64_t)item->u};
	else
		*out = (struct mw_value){.type = MW_TYPE_UNSIGNED, .u = item->u};
	return 0;
}

static bool is_whole(const struct mw_cbor_item *item)
{
	return item->kind == MW_CBOR_UNSIGNED || item->kind == MW_CBOR_NEGATIVE;
}

/* mantissa * 10^exponent: exact as a whole number where it is one, else the nearest double. */
static void scale(const struct mw_value *mantissa, int64_t exponent, struct mw_value *out)
{
	bool negative = mantissa->type == MW_TYPE_INTEGER && mantissa->i < 0;
	uint64_t m = mantissa->type == MW_TYPE_UNSIGNED ? mantissa->u
				 : negative                         ? 0 - (uint64_t)mantissa->i
													: (uint64_t)mantissa->i;
	uint64_t exact = m;
	int64_t left = m ? exponent : 0;
	for (; left < 0 && exact % 10 == 0; left++)
		exact /= 10;
	for (; left > 0 && exact <= UINT64_MAX / 10; left--)
		exact *= 10;
	if (!left && exact <= (uint64_t)INT64_MAX) {
		*out = (struct mw_value){.type = MW_TYPE_INTEGER, .i = negative ? -(int64_t)exact : (int64_t)exact};
	} else if (!left && !negative) {
		*out = (struct mw_value){.type = MW_TYPE_UNSIGNED, .u = exact};
	} else {
		char text[48];
		int e = exponent < -400 ? -400 : exponent > 400 ? 400 : (int)exponent;
		snprintf(text, sizeof(text), "%s%llue%d", negative ? "-" : "", (unsigned long long)m, e);
		*out = (struct mw_value){.type = MW_TYPE_FLOAT, .f = strtod(text, NULL)};
	}
}

/* Tag 4: array of exponent and mantissa (RFC 8949, section 3.4.4). */
static int decimal_fraction(struct mw_cbor *c, struct mw_value *out)
{
	struct mw_cbor_item array, parts[2];
	struct mw_value exponent, mantissa;
	size_t n = 0;
	int rc = mw_cbor_next(c, &array);
	if (rc < 0)
		return rc;
	if (array.kind != MW_CBOR_ARRAY)
		goto bad;
	uint64_t left = array.u;
	while ((rc = mw_cbor_more(c, &array, &left)) > 0) {
		if (n == 2)
			goto bad;
		if ((rc = mw_cbor_next(c, &parts[n])) < 0)
			return rc;
		if (!is_whole(&parts[n++]))
			goto bad;
	}
	if (rc < 0)
		return rc;
	if (n == 2) {
		if ((rc = whole(c, &parts[0], &exponent)) < 0 || (rc = whole(c, &parts[1], &mantissa)) < 0)
			return rc;
		scale(&mantissa, exponent.type == MW_TYPE_INTEGER ? exponent.i : INT64_MAX, out);
		return 0;
	}
bad:
	return mw_fail(
		c->e, MW_E_FORMAT, "CBOR: decimal fraction at byte %zu must be [exponent, mantissa]", array.at);
}

int mw_cbor_number(struct mw_cbor *c, const struct mw_cbor_item *item, struct mw_value *out)
{
	if (is_whole(item))
		return whole(c, item, out);
	if (item->kind == MW_CBOR_TAG && item->u == 4)
		return decimal_fraction(c, out);
	if (item->kind != MW_CBOR_FLOAT)
		return mw_fail(c->e, MW_E_FORMAT, "CBOR: a number must be at byte %zu", item->at);
	*out = (struct mw_value){.type = MW_TYPE_FLOAT, .f = item->f};
	return 0;
}

/* ---- writer ---- */

void mw_cbor_put_head(struct mw_buf *out, unsigned major, uint64_t u)
{
	unsigned top = major << 5;
	if (u < 24) {
		mw_buf_put_u8(out, (uint8_t)(top | (unsigned)u));
		return;
	}
	unsigned size_bits = u <= UINT8_MAX ? 0 : u <= UINT16_MAX ? 1 : u <= UINT32_MAX ? 2 : 3;
	mw_buf_put_u8(out, (uint8_t)(top | (24 + size_bits)));
	mw_buf_put_be(out, u, 1u << size_bits);
}

void mw_cbor_put_int(struct mw_buf *out, int64_t i)
{
	if (i < 0)
		mw_cbor_put_head(out, 1, (uint64_t)(-1 - i));
	else
		mw_cbor_put_head(out, 0, (uint64_t)i);
}

/* The 16-bit form, if it is exact: 5 bits of exponent (bias 15), 10 of fraction. */
static bool to_half(float f, uint16_t *half)
{
	uint32_t bits;
	memcpy(&bits, &f, sizeof(bits));
	uint32_t sign = bits >> 16 & 0x8000, fraction = bits & 0x7fffff;
	int exponent = (int)(bits >> 23 & 0xff) - 127;
	uint32_t out;
	if (exponent == -127 && !fraction) {
		out = 0;
	} else if (exponent >= -14 && exponent <= 15) {
		out = (uint32_t)(exponent + 15) << 10 | fraction >> 13;
		if (fraction & 0x1fff)
			return false;
	} else if (exponent >= -24 && exponent < -14) {
		uint32_t with_one = fraction | 0x800000, shift = (uint32_t)(-1 - exponent);
		out = with_one >> shift;
		if (with_one & ((1u << shift) - 1))
			return false;
	} else {
		return false;
	}
	*half = (uint16_t)(sign | out);
	return true;
}

void mw_cbor_put_double(struct mw_buf *out, double f)
{
	uint16_t half;
	uint32_t bits32;
	uint64_t bits;
	if (isnan(f) || isinf(f)) {
		mw_buf_put_u8(out, 0xf9);
		mw_buf_put_be(out, isnan(f) ? 0x7e00 : f < 0 ? 0xfc00 : 0x7c00, 2);
		return;
	}
	float single = fabs(f) <= (double)FLT_MAX ? (float)f : 0;
	if ((double)single != f) {
		memcpy(&bits, &f, sizeof(bits));
		mw_buf_put_u8(out, 0xfb);
		mw_buf_put_be(out, bits, 8);
	} else if (to_half(single, &half)) {
		mw_buf_put_u8(out, 0xf9);
		mw_buf_put_be(out, half, 2);
	} else {
		memcpy(&bits32, &single, sizeof(bits32));
		mw_buf_put_u8(out, 0xfa);
		mw_buf_put_be(out, bits32, 4);
	}
}

void mw_cbor_put_string(struct mw_buf *out, unsigned major, struct mw_bytes s)
{
	mw_cbor_put_head(out, major, s.len);
	mw_buf_put(out, s.data, s.len);
}
