#include "codec/value.h"
#include "codec/number.h"
#include "codec/utf8.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

const char *mw_type_name(enum mw_type type)
{
	switch (type) {
	case MW_TYPE_STRING:
		return "String";
	case MW_TYPE_INTEGER:
		return "Integer";
	case MW_TYPE_UNSIGNED:
		return "Unsigned Integer";
	case MW_TYPE_FLOAT:
		return "Float";
	case MW_TYPE_BOOLEAN:
		return "Boolean";
	case MW_TYPE_OPAQUE:
		return "Opaque";
	case MW_TYPE_TIME:
		return "Time";
	case MW_TYPE_OBJLNK:
		return "Objlnk";
	case MW_TYPE_CORELNK:
		return "Corelnk";
	case MW_TYPE_NONE:
		break;
	}
	return "none";
}

enum mw_type mw_types_lookup(const struct mw_types *t, uint16_t oid, uint16_t rid, bool *multiple)
{
	bool ignored;
	if (!multiple)
		multiple = &ignored;
	*multiple = false;
	return t && t->type_of ? t->type_of(t->ud, oid, rid, multiple) : MW_TYPE_NONE;
}

/* One id of a link; FFFF stands for 65535, as one example of the standard prints the null link. */
static size_t parse_link_id(struct mw_bytes s, size_t i, uint16_t *id)
{
	unsigned v = 0;
	size_t start = i;
	if (s.len - i >= 4 && (!memcmp(s.data + i, "FFFF", 4) || !memcmp(s.data + i, "ffff", 4)))
		return *id = MW_ID_NONE, 4;
	for (; i < s.len && s.data[i] >= '0' && s.data[i] <= '9'; i++) {
		v = v * 10 + (unsigned)(s.data[i] - '0');
		if (v > UINT16_MAX)
			return 0;
	}
	*id = (uint16_t)v;
	return i - start;
}

static bool parse_objlnk(struct mw_bytes s, struct mw_value *out)
{
	size_t n = parse_link_id(s, 0, &out->link.oid);
	if (!n || n == s.len || s.data[n++] != ':')
		return false;
	size_t m = parse_link_id(s, n, &out->link.iid);
	return m && n + m == s.len;
}

static bool parse_boolean(struct mw_bytes s, bool *out)
{
	*out = (s.len == 1 && s.data[0] == '1') || (s.len == 4 && !memcmp(s.data, "true", 4));
	return *out || (s.len == 1 && s.data[0] == '0') || (s.len == 5 && !memcmp(s.data, "false", 5));
}

static bool convert_text(struct mw_bytes s, enum mw_type want, struct mw_value *out)
{
	switch (want) {
	case MW_TYPE_INTEGER:
	case MW_TYPE_TIME:
		return mw_number_parse_i64(s.data, s.len, &out->i);
	case MW_TYPE_UNSIGNED:
		return mw_number_parse_u64(s.data, s.len, &out->u);
	case MW_TYPE_FLOAT:
		return mw_number_parse_double(s.data, s.len, &out->f);
	case MW_TYPE_BOOLEAN:
		return parse_boolean(s, &out->b);
	case MW_TYPE_OBJLNK:
		return parse_objlnk(s, out);
	case MW_TYPE_STRING:
	case MW_TYPE_CORELNK:
	case MW_TYPE_OPAQUE:
		out->s = s;
		return true;
	case MW_TYPE_NONE:
		break;
	}
	return false;
}

/* A whole number as sign and magnitude reaches every other type without loss of digits. */
static bool convert_whole(bool negative, uint64_t magnitude, enum mw_type want, struct mw_value *out)
{
	switch (want) {
	case MW_TYPE_INTEGER:
	case MW_TYPE_TIME:
		if (magnitude > (uint64_t)INT64_MAX + negative)
			return false;
		out->i = negative ? (int64_t)(0 - magnitude) : (int64_t)magnitude;
		return true;
	case MW_TYPE_UNSIGNED:
		out->u = magnitude;
		return !negative || !magnitude;
	case MW_TYPE_FLOAT:
		out->f = negative ? -(double)magnitude : (double)magnitude;
		uint64_t back;
		return mw_number_double_to_u64(fabs(out->f), &back) && back == magnitude;
	case MW_TYPE_BOOLEAN:
		out->b = magnitude == 1;
		return magnitude <= 1 && !(negative && magnitude);
	default:
		return false;
	}
}

static bool convert_float(double f, enum mw_type want, struct mw_value *out)
{
	int64_t i;
	uint64_t u;
	if (want == MW_TYPE_FLOAT)
		return out->f = f, true;
	if (mw_number_double_to_u64(f, &u))
		return convert_whole(false, u, want, out);
	return mw_number_double_to_i64(f, &i) && convert_whole(true, 0 - (uint64_t)i, want, out);
}

int mw_value_convert(struct mw_value *v, enum mw_type want)
{
	struct mw_value out = {.type = want};
	bool ok = false;
	if (v->type == want)
		return 0;
	switch (v->type) {
	case MW_TYPE_INTEGER:
	case MW_TYPE_TIME:
		ok = convert_whole(v->i < 0, v->i < 0 ? 0 - (uint64_t)v->i : (uint64_t)v->i, want, &out);
		break;
	case MW_TYPE_UNSIGNED:
		ok = convert_whole(false, v->u, want, &out);
		break;
	case MW_TYPE_FLOAT:
		ok = convert_float(v->f, want, &out);
		break;
	case MW_TYPE_BOOLEAN:
		ok = convert_whole(false, v->b, want, &out);
		break;
	case MW_TYPE_OPAQUE:
		/* Bytes may be text, but "1" in an octet-stream is a byte 0x31 and no number. */
		ok = (want == MW_TYPE_STRING || want == MW_TYPE_CORELNK) && mw_utf8_valid(v->s.data, v->s.len);
		out.s = v->s;
		break;
	case MW_TYPE_STRING:
	case MW_TYPE_CORELNK:
		ok = convert_text(v->s, want, &out);
		break;
	case MW_TYPE_OBJLNK:
	case MW_TYPE_NONE:
		break;
	}
	if (!ok)
		return MW_E_TYPE;
	*v = out;
	return 0;
}

void mw_node_apply_type(struct mw_node *node, const struct mw_types *types)
{
	enum mw_type want = mw_types_lookup(types, node->path.oid, node->path.rid, NULL);
	if (want != MW_TYPE_NONE)
		(void)mw_value_convert(&node->value, want);
}

void mw_value_print(const struct mw_value *v, struct mw_buf *out)
{
	char text[MW_NUMBER_TEXT_MAX];
	switch (v->type) {
	case MW_TYPE_INTEGER:
	case MW_TYPE_TIME:
		mw_buf_printf(out, "%" PRId64, v->i);
		break;
	case MW_TYPE_UNSIGNED:
		mw_buf_printf(out, "%" PRIu64, v->u);
		break;
	case MW_TYPE_FLOAT:
		mw_buf_put(out, text, mw_number_print(v->f, text));
		break;
	case MW_TYPE_BOOLEAN:
		mw_buf_put_str(out, v->b ? "true" : "false");
		break;
	case MW_TYPE_OBJLNK:
		mw_buf_printf(out, "%u:%u", v->link.oid, v->link.iid);
		break;
	case MW_TYPE_STRING:
	case MW_TYPE_CORELNK:
		mw_buf_put(out, v->s.data, v->s.len);
		break;
	case MW_TYPE_OPAQUE:
		for (size_t i = 0; i < v->s.len; i++) {
			mw_buf_put_u8(out, (uint8_t) "0123456789abcdef"[v->s.data[i] >> 4]);
			mw_buf_put_u8(out, (uint8_t) "0123456789abcdef"[v->s.data[i] & 15]);
		}
		break;
	case MW_TYPE_NONE:
		break;
	}
}
