#include "codec/format.h"
#include "codec/cbor_value.h"
#include "codec/senml_cbor.h"
#include "codec/text.h"
#include "codec/tlv.h"

const char *mw_format_name(unsigned format)
{
	switch (format) {
	case MW_FORMAT_TEXT:
	case MW_FORMAT_OLD_TEXT:
		return "text";
	case MW_FORMAT_LINK:
		return "link-format";
	case MW_FORMAT_OPAQUE:
		return "opaque";
	case MW_FORMAT_CBOR:
		return "cbor";
	case MW_FORMAT_SENML_JSON:
		return "senml+json";
	case MW_FORMAT_SENML_CBOR:
		return "senml+cbor";
	case MW_FORMAT_TLV:
	case MW_FORMAT_OLD_TLV:
		return "tlv";
	case MW_FORMAT_JSON:
	case MW_FORMAT_OLD_JSON:
		return "json";
	case MW_FORMAT_LWM2M_CBOR:
		return "lwm2m+cbor";
	default:
		return "unknown";
	}
}

static int unsupported(unsigned format, const char *what, struct mw_errbuf *e)
{
	if (format == MW_FORMAT_LINK)
		return mw_fail(e, MW_E_UNSUPPORTED, "link-format (40) lists resources and carries no values");
	return mw_fail(e, MW_E_UNSUPPORTED,
		"content format %u (%s) cannot be %s; text, opaque, CBOR, TLV and SenML CBOR can", format,
		mw_format_name(format), what);
}

int mw_decode(unsigned format, const struct mw_path *base, struct mw_bytes payload,
	const struct mw_types *types, double now_s, struct mw_nodes *out, struct mw_errbuf *e)
{
	if (format == MW_FORMAT_NONE)
		format = base->depth >= 3 ? MW_FORMAT_TEXT : MW_FORMAT_TLV;
	switch (format) {
	case MW_FORMAT_TEXT:
	case MW_FORMAT_OLD_TEXT:
		return mw_text_decode(base, payload, types, out, e);
	case MW_FORMAT_OPAQUE:
		return mw_opaque_decode(base, payload, types, out, e);
	case MW_FORMAT_CBOR:
		return mw_cbor_value_decode(base, payload, types, out, e);
	case MW_FORMAT_TLV:
	case MW_FORMAT_OLD_TLV:
		return mw_tlv_decode(base, payload, types, out, e);
	case MW_FORMAT_SENML_CBOR:
		return mw_senml_cbor_decode(base, payload, types, now_s, out, e);
	default:
		return unsupported(format, "read yet", e);
	}
}

/* Formats that carry one value take one node, which is the base itself. */
static int check_single(
	unsigned format, const struct mw_path *base, const struct mw_node *nodes, size_t n, struct mw_errbuf *e)
{
	char text[MW_PATH_TEXT_MAX];
	if (n != 1)
		return mw_fail(e, MW_E_TYPE, "%s carries exactly one value, not %zu", mw_format_name(format), n);
	mw_path_print(&nodes->path, text);
	if (nodes->path.depth < 3 || !mw_path_is_under(&nodes->path, base))
		return mw_fail(
			e, MW_E_PATH, "%s: %s is not the resource that is written", mw_format_name(format), text);
	return 0;
}

static int encode(unsigned format, const struct mw_path *base, const struct mw_node *nodes, size_t n,
	struct mw_buf *out, struct mw_errbuf *e)
{
	bool is_single = format == MW_FORMAT_TEXT || format == MW_FORMAT_OPAQUE || format == MW_FORMAT_CBOR;
	int rc = is_single ? check_single(format, base, nodes, n, e) : 0;
	if (rc < 0)
		return rc;
	switch (format) {
	case MW_FORMAT_TEXT:
		return mw_text_encode(&nodes->value, out, e);
	case MW_FORMAT_OPAQUE:
		return mw_opaque_encode(&nodes->value, out, e);
	case MW_FORMAT_CBOR:
		return mw_cbor_value_encode(&nodes->value, out, e);
	case MW_FORMAT_TLV:
		return mw_tlv_encode(base, nodes, n, out, e);
	case MW_FORMAT_SENML_CBOR:
		return mw_senml_cbor_encode(base, nodes, n, out, e);
	default:
		return unsupported(format, "written", e);
	}
}

int mw_encode(unsigned format, const struct mw_path *base, const struct mw_node *nodes, size_t n,
	struct mw_buf *out, struct mw_errbuf *e)
{
	size_t len = out->len;
	int rc = encode(format, base, nodes, n, out, e);
	if (rc == 0 && out->overflow)
		rc = mw_fail(e, MW_E_LIMIT, "%zu values as %s do not fit into the buffer", n, mw_format_name(format));
	if (rc < 0)
		out->len = len;
	return rc;
}
