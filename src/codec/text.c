#include "codec/text.h"
#include "codec/base64.h"
#include "codec/number.h"
#include "codec/utf8.h"

#include <inttypes.h>
#include <math.h>

static struct mw_bytes trim(struct mw_bytes s)
{
	while (s.len && (s.data[s.len - 1] <= ' '))
		s.len--;
	while (s.len && *s.data <= ' ') {
		s.data++;
		s.len--;
	}
	return s;
}

static int need_resource(const struct mw_path *base, const char *what, struct mw_errbuf *e)
{
	char path[MW_PATH_TEXT_MAX];
	if (base->depth >= 3)
		return 0;
	mw_path_print(base, path);
	return mw_fail(e, MW_E_FORMAT, "%s carries one resource, but %s is not one; at byte 0", what, path);
}

static int add(struct mw_nodes *out, const struct mw_node *node, struct mw_errbuf *e)
{
	int rc = mw_nodes_add(out, node);
	return rc < 0 ? mw_fail(e, rc, "%s: no room for the value", mw_err_text(rc)) : 0;
}

/* Opaque in text is Base64; what is none stays as it came. */
static int decode_base64(struct mw_value *v, struct mw_nodes *out)
{
	uint8_t *bytes = mw_nodes_bytes(out, MW_BASE64_MAX(v->s.len));
	if (!bytes)
		return MW_E_NOMEM;
	int64_t len = mw_base64_decode(v->s, bytes);
	if (len >= 0)
		*v = (struct mw_value){.type = MW_TYPE_OPAQUE, .s = {bytes, (size_t)len}};
	return 0;
}

int mw_text_decode(const struct mw_path *base, struct mw_bytes payload, const struct mw_types *types,
	struct mw_nodes *out, struct mw_errbuf *e)
{
	struct mw_node node = {.path = *base, .value = {.type = MW_TYPE_OPAQUE, .s = payload}};
	int rc = need_resource(base, "text/plain", e);
	if (rc < 0)
		return rc;
	enum mw_type want = mw_types_lookup(types, base->oid, base->rid, NULL);
	if (!mw_utf8_valid(payload.data, payload.len))
		return add(out, &node, e);
	node.value.type = MW_TYPE_STRING;
	if (want == MW_TYPE_OPAQUE) {
		if (decode_base64(&node.value, out) < 0)
			return mw_fail(e, MW_E_NOMEM, "out of memory for %zu characters of Base64", payload.len);
	} else if (want == MW_TYPE_CORELNK) {
		node.value.type = MW_TYPE_CORELNK;
	} else if (want != MW_TYPE_NONE && want != MW_TYPE_STRING) {
		node.value.s = trim(payload);
		if (mw_value_convert(&node.value, want) < 0)
			node.value.s = payload;
	}
	return add(out, &node, e);
}

int mw_text_encode(const struct mw_value *v, struct mw_buf *out, struct mw_errbuf *e)
{
	char text[MW_NUMBER_TEXT_MAX];
	switch (v->type) {
	case MW_TYPE_NONE:
		return mw_fail(e, MW_E_TYPE, "a resource without a value has no text form");
	case MW_TYPE_STRING:
	case MW_TYPE_CORELNK:
		if (!mw_utf8_valid(v->s.data, v->s.len))
			return mw_fail(e, MW_E_TYPE, "%s is not UTF-8; send such bytes as Opaque", mw_type_name(v->type));
		mw_buf_put(out, v->s.data, v->s.len);
		return 0;
	case MW_TYPE_OPAQUE:
		mw_base64_encode(v->s, false, out);
		return 0;
	case MW_TYPE_FLOAT:
		if (!isfinite(v->f))
			return mw_fail(e, MW_E_TYPE, "text/plain has no form for NaN and infinite numbers");
		mw_buf_put(out, text, mw_number_print_plain(v->f, text));
		return 0;
	case MW_TYPE_BOOLEAN:
		mw_buf_put_u8(out, v->b ? '1' : '0');
		return 0;
	case MW_TYPE_INTEGER:
	case MW_TYPE_UNSIGNED:
	case MW_TYPE_TIME:
	case MW_TYPE_OBJLNK:
		mw_value_print(v, out);
		return 0;
	}
	return mw_fail(e, MW_E_TYPE, "data type %d does not exist", (int)v->type);
}

int mw_opaque_decode(const struct mw_path *base, struct mw_bytes payload, const struct mw_types *types,
	struct mw_nodes *out, struct mw_errbuf *e)
{
	struct mw_node node = {.path = *base, .value = {.type = MW_TYPE_OPAQUE, .s = payload}};
	int rc = need_resource(base, "application/octet-stream", e);
	if (rc < 0)
		return rc;
	mw_node_apply_type(&node, types);
	return add(out, &node, e);
}

int mw_opaque_encode(const struct mw_value *v, struct mw_buf *out, struct mw_errbuf *e)
{
	if (v->type != MW_TYPE_OPAQUE)
		return mw_fail(
			e, MW_E_TYPE, "octet-stream carries Opaque, not %s; choose text or TLV", mw_type_name(v->type));
	mw_buf_put(out, v->s.data, v->s.len);
	return 0;
}
