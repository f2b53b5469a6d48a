#include "codec/senml_cbor.h"
#include "codec/cbor.h"
#include "codec/cbor_value.h"
#include "codec/senml.h"

#include <string.h>

/* RFC 8428, table 4. */
enum label {
	LABEL_BASE_VERSION = -1,
	LABEL_BASE_NAME = -2,
	LABEL_BASE_TIME = -3,
	LABEL_BASE_VALUE = -5,
	LABEL_NAME = 0,
	LABEL_VALUE = 2,
	LABEL_STRING = 3,
	LABEL_BOOLEAN = 4,
	LABEL_TIME = 6,
	LABEL_DATA = 8,
	LABEL_LINK = 100,  /* the text "vlo": LwM2M's own */
	LABEL_OTHER = 101, /* unit, sum, and all that we do not know */
};

enum { VERSION_MAX = 10, TAGS_MAX = 8 };

/* ---- decoding ---- */

static int read_label(struct mw_cbor *c, enum label *out)
{
	struct mw_cbor_item item;
	struct mw_bytes s;
	int rc = mw_cbor_next(c, &item);
	if (rc < 0)
		return rc;
	*out = LABEL_OTHER;
	if (item.kind == MW_CBOR_UNSIGNED || item.kind == MW_CBOR_NEGATIVE) {
		if (item.u < 16)
			*out = (enum label)(item.kind == MW_CBOR_UNSIGNED ? (int)item.u : -1 - (int)item.u);
		return 0;
	}
	if (item.kind != MW_CBOR_TEXT)
		return mw_fail(c->e, MW_E_FORMAT, "SenML: label at byte %zu is neither number nor text", item.at);
	if ((rc = mw_cbor_string(c, &item, &s)) < 0)
		return rc;
	if (s.len == 3 && !memcmp(s.data, "vlo", 3))
		*out = LABEL_LINK;
	else if (s.len && s.data[s.len - 1] == '_') /* RFC 8428, section 4.4: must be understood */
		return mw_fail(
			c->e, MW_E_FORMAT, "SenML: label at byte %zu ends with \"_\" and is not understood", item.at);
	return 0;
}

static int read_text(struct mw_cbor *c, const struct mw_cbor_item *item, struct mw_bytes *out)
{
	if (item->kind != MW_CBOR_TEXT)
		return mw_fail(c->e, MW_E_FORMAT, "SenML: name at byte %zu is not text", item->at);
	return mw_cbor_string(c, item, out);
}

static int read_double(struct mw_cbor *c, const struct mw_cbor_item *item, double *out)
{
	struct mw_value v;
	int rc = mw_cbor_number(c, item, &v);
	if (rc < 0)
		return rc;
	*out = v.type == MW_TYPE_FLOAT ? v.f : v.type == MW_TYPE_UNSIGNED ? (double)v.u : (double)v.i;
	return 0;
}

/* The CBOR type decides, not the label: a boolean under "v" loses nothing. */
static int read_value(
	struct mw_cbor *c, const struct mw_cbor_item *item, enum label label, struct mw_senml_record *r)
{
	if (item->kind == MW_CBOR_NULL)
		return 0;
	if (r->has_value)
		return mw_fail(
			c->e, MW_E_FORMAT, "SenML record at byte %zu has a second value at byte %zu", r->at, item->at);
	r->has_value = true;
	int rc = mw_cbor_value_read(c, item, &r->value);
	if (rc == 0 && label == LABEL_LINK)
		(void)mw_value_convert(&r->value, MW_TYPE_OBJLNK);
	return rc;
}

static int read_field(struct mw_cbor *c, enum label label, struct mw_senml_record *r)
{
	struct mw_cbor_item item;
	double version;
	int rc = mw_cbor_next(c, &item);
	if (rc < 0)
		return rc;
	switch (label) {
	case LABEL_BASE_VERSION:
		rc = read_double(c, &item, &version);
		if (rc == 0 && version > VERSION_MAX)
			return mw_fail(c->e, MW_E_UNSUPPORTED, "SenML version %g at byte %zu; up to %d is understood",
				version, item.at, VERSION_MAX);
		return rc;
	case LABEL_BASE_NAME:
		r->has_bn = true;
		return read_text(c, &item, &r->bn);
	case LABEL_BASE_TIME:
		r->has_bt = true;
		return read_double(c, &item, &r->bt);
	case LABEL_BASE_VALUE:
		r->has_bv = true;
		return mw_cbor_number(c, &item, &r->bv);
	case LABEL_NAME:
		r->has_n = true;
		return read_text(c, &item, &r->n);
	case LABEL_TIME:
		r->has_t = true;
		return read_double(c, &item, &r->t);
	case LABEL_VALUE:
	case LABEL_STRING:
	case LABEL_BOOLEAN:
	case LABEL_DATA:
	case LABEL_LINK:
		return read_value(c, &item, label, r);
	case LABEL_OTHER:
		break;
	}
	return mw_cbor_skip(c, &item);
}

static int read_record(struct mw_cbor *c, struct mw_senml_record *r)
{
	struct mw_cbor_item map;
	int rc = mw_cbor_next(c, &map);
	if (rc < 0)
		return rc;
	if (map.kind != MW_CBOR_MAP)
		return mw_fail(c->e, MW_E_FORMAT, "SenML record at byte %zu is not a map", map.at);
	*r = (struct mw_senml_record){.at = map.at};
	uint64_t left = map.u;
	while ((rc = mw_cbor_more(c, &map, &left)) > 0) {
		enum label label;
		if ((rc = read_label(c, &label)) < 0 || (rc = read_field(c, label, r)) < 0)
			return rc;
	}
	return rc;
}

static int read_pack(struct mw_senml *s, struct mw_bytes payload)
{
	struct mw_cbor c;
	struct mw_cbor_item array;
	struct mw_senml_record r;
	mw_cbor_init(&c, payload, s->out, s->e);
	int rc = mw_cbor_next(&c, &array);
	for (int n = 0; rc == 0 && array.kind == MW_CBOR_TAG && n < TAGS_MAX; n++)
		rc = mw_cbor_next(&c, &array);
	if (rc < 0)
		return rc;
	if (array.kind != MW_CBOR_ARRAY)
		return mw_fail(
			s->e, MW_E_FORMAT, "SenML is an array of records, but no array begins at byte %zu", array.at);
	uint64_t left = array.u;
	while ((rc = mw_cbor_more(&c, &array, &left)) > 0)
		if ((rc = read_record(&c, &r)) < 0 || (rc = mw_senml_resolve(s, &r)) < 0)
			return rc;
	if (rc == 0 && c.at != c.len)
		return mw_fail(s->e, MW_E_FORMAT, "SenML: %zu bytes behind its end at byte %zu", c.len - c.at, c.at);
	return rc;
}

int mw_senml_cbor_decode(const struct mw_path *base, struct mw_bytes payload, const struct mw_types *types,
	double now_s, struct mw_nodes *out, struct mw_errbuf *e)
{
	struct mw_senml s = {.base = base, .types = types, .now_s = now_s, .out = out, .e = e};
	return read_pack(&s, payload);
}

int mw_senml_cbor_decode_paths(struct mw_bytes payload, struct mw_nodes *out, struct mw_errbuf *e)
{
	struct mw_senml s = {.out = out, .e = e};
	return read_pack(&s, payload);
}

/* ---- encoding ---- */

static void put_label(struct mw_buf *out, enum label label)
{
	mw_cbor_put_int(out, label);
}

static void put_text(struct mw_buf *out, enum label label, const char *text, size_t len)
{
	put_label(out, label);
	mw_cbor_put_string(out, 3, (struct mw_bytes){(const uint8_t *)text, len});
}

static void put_time(struct mw_buf *out, enum label label, double t)
{
	struct mw_value v = {.type = MW_TYPE_FLOAT, .f = t};
	put_label(out, label);
	if (mw_value_convert(&v, MW_TYPE_INTEGER) == 0)
		mw_cbor_put_int(out, v.i);
	else
		mw_cbor_put_double(out, t);
}

static int put_value(struct mw_buf *out, const struct mw_node *node, struct mw_errbuf *e)
{
	switch (node->value.type) {
	case MW_TYPE_STRING:
	case MW_TYPE_CORELNK:
		put_label(out, LABEL_STRING);
		break;
	case MW_TYPE_BOOLEAN:
		put_label(out, LABEL_BOOLEAN);
		break;
	case MW_TYPE_OPAQUE:
		put_label(out, LABEL_DATA);
		break;
	case MW_TYPE_OBJLNK:
		mw_cbor_put_string(out, 3, (struct mw_bytes){(const uint8_t *)"vlo", 3});
		break;
	case MW_TYPE_INTEGER:
	case MW_TYPE_UNSIGNED:
	case MW_TYPE_FLOAT:
	case MW_TYPE_TIME:
	case MW_TYPE_NONE:
		put_label(out, LABEL_VALUE);
		break;
	}
	return mw_cbor_value_encode(&node->value, out, e);
}

static int put_record(struct mw_buf *out, const struct mw_senml_plan *plan, const struct mw_node *node,
	bool is_first, struct mw_errbuf *e)
{
	char base[MW_PATH_TEXT_MAX + 1], name[MW_PATH_TEXT_MAX];
	size_t base_len = is_first ? mw_senml_base_name(plan, base) : 0;
	size_t name_len = mw_senml_name(plan, &node->path, name);
	bool has_bt = is_first && plan->has_bt;
	double t = plan->has_bt ? node->time_s - plan->bt : node->time_s;
	bool has_t = plan->has_bt ? t != 0 : node->has_time;
	mw_cbor_put_head(out, 5, 1u + (base_len > 0) + (name_len > 0) + has_bt + has_t);
	if (base_len)
		put_text(out, LABEL_BASE_NAME, base, base_len);
	if (has_bt)
		put_time(out, LABEL_BASE_TIME, plan->bt);
	if (name_len)
		put_text(out, LABEL_NAME, name, name_len);
	int rc = put_value(out, node, e);
	if (has_t)
		put_time(out, LABEL_TIME, t);
	return rc;
}

int mw_senml_cbor_encode(const struct mw_path *base, const struct mw_node *nodes, size_t n,
	struct mw_buf *out, struct mw_errbuf *e)
{
	struct mw_senml_plan plan;
	int rc = mw_senml_plan(&plan, base, nodes, n, e);
	if (rc < 0)
		return rc;
	mw_cbor_put_head(out, 4, n);
	for (size_t i = 0; i < n && rc == 0; i++)
		rc = put_record(out, &plan, &nodes[i], i == 0, e);
	return rc;
}

int mw_senml_cbor_encode_paths(const struct mw_path *paths, size_t n, struct mw_buf *out)
{
	char text[MW_PATH_TEXT_MAX];
	mw_cbor_put_head(out, 4, n);
	for (size_t i = 0; i < n; i++) {
		mw_cbor_put_head(out, 5, 1);
		put_text(out, LABEL_NAME, text, mw_path_print(&paths[i], text));
	}
	return out->overflow ? MW_E_LIMIT : 0;
}
