#include "codec/cbor_value.h"
#include "codec/utf8.h"

#include <stdio.h>

enum { TAGS_MAX = 8, TAG_DATE = 0, TAG_SECONDS = 1, TAG_DECIMAL = 4 };

/* Two or four digits at @p s, or -1. */
static int digits(const uint8_t *s, int n)
{
	int v = 0;
	for (int i = 0; i < n; i++) {
		if (s[i] < '0' || s[i] > '9')
			return -1;
		v = v * 10 + (s[i] - '0');
	}
	return v;
}

/* Days from 1970-01-01 in the Gregorian calendar. March is counted as the first month, so that the leap day
 * is the last of its year; 400 years are 146097 days. */
static int64_t days_since_1970(int year, int month, int day)
{
	int64_t y = month > 2 ? year : year - 1;
	int64_t m = month > 2 ? month - 3 : month + 9;
	int64_t century_days = y * 365 + y / 4 - y / 100 + y / 400;
	return century_days + (m * 153 + 2) / 5 + (day - 1) - 719468;
}

/* "+02:00" or "Z" as seconds to subtract. */
static bool parse_offset(const uint8_t *s, size_t len, int *offset_s)
{
	*offset_s = 0;
	if (len == 1 && (*s == 'Z' || *s == 'z'))
		return true;
	if (len != 6 || (s[0] != '+' && s[0] != '-') || s[3] != ':')
		return false;
	int hours = digits(s + 1, 2), minutes = digits(s + 4, 2);
	*offset_s = (hours * 3600 + minutes * 60) * (s[0] == '-' ? -1 : 1);
	return hours >= 0 && hours < 24 && minutes >= 0 && minutes < 60;
}

/* RFC 3339 date and time (what tag 0 carries) with whole seconds, as no data type of LwM2M keeps a fraction.
 */
static bool parse_date(struct mw_bytes text, int64_t *out)
{
	const uint8_t *s = text.data;
	if (text.len < 20 || s[4] != '-' || s[7] != '-' || (s[10] | 0x20) != 't' || s[13] != ':' || s[16] != ':')
		return false;
	int year = digits(s, 4), month = digits(s + 5, 2), day = digits(s + 8, 2);
	int hour = digits(s + 11, 2), minute = digits(s + 14, 2), second = digits(s + 17, 2), offset_s;
	if (year < 0 || month < 1 || month > 12 || day < 1 || day > 31 || hour < 0 || hour > 23 || minute < 0 ||
		minute > 59 || second < 0 || second > 60)
		return false;
	size_t i = 19;
	if (s[i] == '.')
		for (i++; i < text.len && s[i] == '0'; i++)
			;
	if (!parse_offset(s + i, text.len - i, &offset_s))
		return false;
	*out = days_since_1970(year, month, day) * 86400 + hour * 3600 + minute * 60 + second - offset_s;
	return true;
}

static int no_value(const struct mw_cbor *c, const struct mw_cbor_item *item, const char *what)
{
	return mw_fail(
		c->e, MW_E_FORMAT, "CBOR: %s at byte %zu; one number, boolean or string is wanted", what, item->at);
}

static int read_untagged(struct mw_cbor *c, const struct mw_cbor_item *item, struct mw_value *out)
{
	struct mw_bytes s;
	int rc;
	switch (item->kind) {
	case MW_CBOR_BOOL:
		*out = (struct mw_value){.type = MW_TYPE_BOOLEAN, .b = item->u == 1};
		return 0;
	case MW_CBOR_TEXT:
	case MW_CBOR_BYTES:
		if ((rc = mw_cbor_string(c, item, &s)) < 0)
			return rc;
		*out = (struct mw_value){.type = MW_TYPE_OPAQUE, .s = s};
		if (item->kind == MW_CBOR_TEXT && mw_utf8_valid(s.data, s.len))
			out->type = MW_TYPE_STRING;
		return 0;
	case MW_CBOR_ARRAY:
	case MW_CBOR_MAP:
		return no_value(c, item, "array or map");
	case MW_CBOR_NULL:
		return no_value(c, item, "null");
	case MW_CBOR_BREAK:
		return no_value(c, item, "break");
	case MW_CBOR_UNSIGNED:
	case MW_CBOR_NEGATIVE:
	case MW_CBOR_FLOAT:
	case MW_CBOR_TAG:
		break;
	}
	return mw_cbor_number(c, item, out);
}

int mw_cbor_value_read(struct mw_cbor *c, const struct mw_cbor_item *first, struct mw_value *out)
{
	struct mw_cbor_item item = *first;
	bool is_date = false, is_seconds = false;
	int64_t seconds;
	int rc;
	for (int n = 0; item.kind == MW_CBOR_TAG && item.u != TAG_DECIMAL; n++) {
		if (n == TAGS_MAX)
			return no_value(c, &item, "too many tags");
		is_date = item.u == TAG_DATE;
		is_seconds = item.u == TAG_SECONDS;
		if ((rc = mw_cbor_next(c, &item)) < 0)
			return rc;
	}
	if ((rc = read_untagged(c, &item, out)) < 0)
		return rc;
	/* A time that is tagged as one is one even when no definition says so. */
	if (is_seconds)
		(void)mw_value_convert(out, MW_TYPE_TIME);
	else if (is_date && out->type == MW_TYPE_STRING && parse_date(out->s, &seconds))
		*out = (struct mw_value){.type = MW_TYPE_TIME, .i = seconds};
	return 0;
}

int mw_cbor_value_decode(const struct mw_path *base, struct mw_bytes payload, const struct mw_types *types,
	struct mw_nodes *out, struct mw_errbuf *e)
{
	struct mw_node node = {.path = *base};
	struct mw_cbor c;
	struct mw_cbor_item first;
	if (base->depth < 3)
		return mw_fail(e, MW_E_FORMAT,
			"application/cbor carries one resource; ask for an object or instance with "
			"SenML or TLV; at byte 0");
	mw_cbor_init(&c, payload, out, e);
	int rc = mw_cbor_next(&c, &first);
	if (rc < 0 || (rc = mw_cbor_value_read(&c, &first, &node.value)) < 0)
		return rc;
	if (c.at != c.len)
		return mw_fail(
			e, MW_E_FORMAT, "CBOR: %zu bytes behind the value, which ends at byte %zu", c.len - c.at, c.at);
	mw_node_apply_type(&node, types);
	rc = mw_nodes_add(out, &node);
	return rc < 0 ? mw_fail(e, rc, "%s: no room for the value", mw_err_text(rc)) : 0;
}

int mw_cbor_value_encode(const struct mw_value *v, struct mw_buf *out, struct mw_errbuf *e)
{
	char text[12];
	switch (v->type) {
	case MW_TYPE_INTEGER:
	case MW_TYPE_TIME:
		mw_cbor_put_int(out, v->i);
		return 0;
	case MW_TYPE_UNSIGNED:
		mw_cbor_put_head(out, 0, v->u);
		return 0;
	case MW_TYPE_FLOAT:
		mw_cbor_put_double(out, v->f);
		return 0;
	case MW_TYPE_BOOLEAN:
		mw_buf_put_u8(out, v->b ? 0xf5 : 0xf4);
		return 0;
	case MW_TYPE_OPAQUE:
		mw_cbor_put_string(out, 2, v->s);
		return 0;
	case MW_TYPE_STRING:
	case MW_TYPE_CORELNK:
		if (!mw_utf8_valid(v->s.data, v->s.len))
			return mw_fail(e, MW_E_TYPE, "%s is not UTF-8; send such bytes as Opaque", mw_type_name(v->type));
		mw_cbor_put_string(out, 3, v->s);
		return 0;
	case MW_TYPE_OBJLNK: {
		int len = snprintf(text, sizeof(text), "%u:%u", v->link.oid, v->link.iid);
		mw_cbor_put_string(out, 3, (struct mw_bytes){(const uint8_t *)text, (size_t)len});
		return 0;
	}
	case MW_TYPE_NONE:
		break;
	}
	return mw_fail(e, MW_E_TYPE, "a resource without a value has no CBOR form");
}
