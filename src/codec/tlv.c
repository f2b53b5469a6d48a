#include "codec/tlv.h"
#include "codec/utf8.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* Bits 7-6 of the type byte. */
enum kind { INSTANCE, RESOURCE_INSTANCE, MULTIPLE, RESOURCE };

enum { ID_IS_16_BIT = 0x20, LEN_MAX = 0xffffff, HEADERS_MAX = 18 };

struct entry {
	enum kind kind;
	uint16_t id;
	struct mw_bytes value;
	size_t at; /* of the type byte, from the start of the payload */
};

struct decoder {
	const uint8_t *start;
	const struct mw_path *base;
	const struct mw_types *types;
	struct mw_nodes *out;
	struct mw_errbuf *e;
};

static const char *kind_name(enum kind kind)
{
	static const char *const names[] = {
		"object instance", "resource instance", "multiple resource", "resource"};
	return names[kind];
}

static int wrong_id(struct decoder *d, const struct entry *t)
{
	char path[MW_PATH_TEXT_MAX];
	mw_path_print(d->base, path);
	return mw_fail(d->e, MW_E_FORMAT, "TLV at byte %zu: %s %u does not belong to %s", t->at,
		kind_name(t->kind), t->id, path);
}

/* One TLV within what is left of the enclosing one. */
static int read_entry(struct decoder *d, struct mw_cur *c, struct entry *t)
{
	t->at = (size_t)(c->p - d->start);
	uint8_t type = mw_cur_u8(c);
	t->kind = (enum kind)(type >> 6);
	t->id = (uint16_t)mw_cur_be(c, type & ID_IS_16_BIT ? 2 : 1);
	unsigned len_bytes = type >> 3 & 3;
	size_t len = len_bytes ? (size_t)mw_cur_be(c, len_bytes) : type & 7;
	if (c->failed)
		return mw_fail(d->e, MW_E_FORMAT, "TLV at byte %zu: cut off in its header", t->at);
	size_t left = mw_cur_left(c);
	t->value = mw_cur_take(c, len);
	if (c->failed)
		return mw_fail(
			d->e, MW_E_FORMAT, "TLV at byte %zu: %zu bytes of value announced, %zu there", t->at, len, left);
	if (t->id == MW_ID_NONE)
		return mw_fail(d->e, MW_E_FORMAT, "TLV at byte %zu: id 65535 is reserved", t->at);
	return 0;
}

static bool is_integer_len(size_t len)
{
	return len == 1 || len == 2 || len == 4 || len == 8;
}

static bool decode_float(struct mw_bytes s, uint64_t bits, double *out)
{
	uint32_t bits32 = (uint32_t)bits;
	float f;
	if (s.len == 8)
		memcpy(out, &bits, sizeof(*out));
	memcpy(&f, &bits32, sizeof(f));
	if (s.len == 4)
		*out = (double)f;
	return s.len == 4 || s.len == 8;
}

/* False when the bytes are no value of that type. */
static bool decode_as(enum mw_type type, struct mw_bytes s, struct mw_value *v)
{
	struct mw_cur c;
	mw_cur_init(&c, s.data, s.len);
	uint64_t u = s.len && s.len <= 8 ? mw_cur_be(&c, (unsigned)s.len) : 0;
	switch (type) {
	case MW_TYPE_INTEGER:
	case MW_TYPE_TIME:
		if (!s.len || !is_integer_len(s.len))
			return false;
		/* Extends the sign: shifts the sign bit to the top and back. */
		v->i = (int64_t)(u << (64 - 8 * s.len)) >> (64 - 8 * s.len);
		return true;
	case MW_TYPE_UNSIGNED:
		v->u = u;
		return is_integer_len(s.len);
	case MW_TYPE_FLOAT:
		return decode_float(s, u, &v->f);
	case MW_TYPE_BOOLEAN:
		v->b = u == 1;
		return s.len == 1 && u <= 1;
	case MW_TYPE_OBJLNK:
		v->link.oid = (uint16_t)(u >> 16);
		v->link.iid = (uint16_t)u;
		return s.len == 4;
	case MW_TYPE_STRING:
	case MW_TYPE_CORELNK:
		v->s = s;
		return mw_utf8_valid(s.data, s.len);
	case MW_TYPE_OPAQUE:
	case MW_TYPE_NONE:
		break;
	}
	return false;
}

static int add_value(struct decoder *d, const struct mw_path *path, const struct entry *t)
{
	enum mw_type type = mw_types_lookup(d->types, path->oid, path->rid, NULL);
	struct mw_node node = {.path = *path, .value = {.type = type}};
	if (!decode_as(type, t->value, &node.value))
		node.value = (struct mw_value){.type = MW_TYPE_OPAQUE, .s = t->value};
	int rc = mw_nodes_add(d->out, &node);
	if (rc < 0)
		return mw_fail(d->e, rc, "TLV at byte %zu: %s after %zu values", t->at, mw_err_text(rc), d->out->len);
	return 0;
}

static int decode_resource_instance(struct decoder *d, const struct mw_path *resource, const struct entry *t)
{
	if (d->base->depth == 4 && t->id != d->base->riid)
		return wrong_id(d, t);
	struct mw_path path = mw_path_child(resource, t->id);
	return add_value(d, &path, t);
}

static int decode_multiple(struct decoder *d, const struct mw_path *resource, const struct entry *outer)
{
	struct mw_cur c;
	struct entry t;
	mw_cur_init(&c, outer->value.data, outer->value.len);
	while (mw_cur_left(&c)) {
		int rc = read_entry(d, &c, &t);
		if (rc == 0 && t.kind != RESOURCE_INSTANCE)
			rc = mw_fail(d->e, MW_E_FORMAT,
				"TLV at byte %zu: %s inside multiple resource %u; only resource "
				"instances can be there",
				t.at, kind_name(t.kind), outer->id);
		if (rc == 0)
			rc = decode_resource_instance(d, resource, &t);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* A RESOURCE or MULTIPLE of the object instance @p instance. */
static int decode_resource(struct decoder *d, const struct mw_path *instance, const struct entry *t)
{
	const struct mw_path *base = d->base;
	/* Some clients answer a resource instance with kind 11 and either id. */
	if (base->depth == 4 && t->kind == RESOURCE && (t->id == base->riid || t->id == base->rid))
		return add_value(d, base, t);
	if (base->depth >= 3 && t->id != base->rid)
		return wrong_id(d, t);
	struct mw_path path = mw_path_child(instance, t->id);
	return t->kind == MULTIPLE ? decode_multiple(d, &path, t) : add_value(d, &path, t);
}

static int decode_instance(struct decoder *d, const struct mw_path *instance, const struct entry *outer)
{
	struct mw_cur c;
	struct entry t;
	mw_cur_init(&c, outer->value.data, outer->value.len);
	while (mw_cur_left(&c)) {
		int rc = read_entry(d, &c, &t);
		if (rc == 0 && t.kind != RESOURCE && t.kind != MULTIPLE)
			rc = mw_fail(d->e, MW_E_FORMAT,
				"TLV at byte %zu: %s inside object instance %u; only resources can "
				"be there",
				t.at, kind_name(t.kind), outer->id);
		if (rc == 0)
			rc = decode_resource(d, instance, &t);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int decode_outermost(struct decoder *d, const struct entry *t)
{
	const struct mw_path *base = d->base;
	uint16_t iid = t->kind == INSTANCE ? t->id : base->depth > 1 ? base->iid : 0;
	struct mw_path instance = MW_PATH(base->oid, iid), resource;
	switch (t->kind) {
	case INSTANCE:
		if (base->depth > 1 && t->id != base->iid)
			return wrong_id(d, t);
		return decode_instance(d, &instance, t);
	case RESOURCE_INSTANCE:
		if (base->depth < 3)
			return mw_fail(d->e, MW_E_FORMAT,
				"TLV at byte %zu: resource instance %u outside a multiple resource", t->at, t->id);
		resource = mw_path_child(&instance, base->rid);
		return decode_resource_instance(d, &resource, t);
	case MULTIPLE:
	case RESOURCE:
		break;
	}
	return decode_resource(d, &instance, t);
}

int mw_tlv_decode(const struct mw_path *base, struct mw_bytes payload, const struct mw_types *types,
	struct mw_nodes *out, struct mw_errbuf *e)
{
	struct decoder d = {payload.data, base, types, out, e};
	struct mw_cur c;
	struct entry t;
	if (!base->depth)
		return mw_fail(e, MW_E_UNSUPPORTED, "TLV does not name objects; read / with SenML");
	mw_cur_init(&c, payload.data, payload.len);
	while (mw_cur_left(&c)) {
		int rc = read_entry(&d, &c, &t);
		if (rc == 0)
			rc = decode_outermost(&d, &t);
		if (rc < 0)
			return rc;
	}
	return 0;
}

bool mw_tlv_names_instance(struct mw_bytes payload)
{
	return payload.len && payload.data[0] >> 6 == INSTANCE;
}

/* ---- encoding: lengths stand in front of contents, so every level is measured before it is written ---- */

static unsigned integer_len(int64_t i)
{
	if (i >= INT8_MIN && i <= INT8_MAX)
		return 1;
	if (i >= INT16_MIN && i <= INT16_MAX)
		return 2;
	return i >= INT32_MIN && i <= INT32_MAX ? 4 : 8;
}

static unsigned unsigned_len(uint64_t u)
{
	return u <= UINT8_MAX ? 1 : u <= UINT16_MAX ? 2 : u <= UINT32_MAX ? 4 : 8;
}

static bool is_exact_as_float(double f)
{
	return !isfinite(f) || (fabs(f) <= FLT_MAX && (double)(float)f == f);
}

static size_t value_len(const struct mw_value *v)
{
	switch (v->type) {
	case MW_TYPE_INTEGER:
	case MW_TYPE_TIME:
		return integer_len(v->i);
	case MW_TYPE_UNSIGNED:
		return unsigned_len(v->u);
	case MW_TYPE_FLOAT:
		return is_exact_as_float(v->f) ? 4 : 8;
	case MW_TYPE_BOOLEAN:
		return 1;
	case MW_TYPE_OBJLNK:
		return 4;
	case MW_TYPE_STRING:
	case MW_TYPE_CORELNK:
	case MW_TYPE_OPAQUE:
		return v->s.len;
	case MW_TYPE_NONE:
		break;
	}
	return 0;
}

static size_t entry_len(uint16_t id, size_t len)
{
	return (id > 0xff ? 3u : 2u) + (len < 8 ? 0u : len <= 0xff ? 1u : len <= 0xffff ? 2u : 3u) + len;
}

static void put_header(struct mw_buf *out, enum kind kind, uint16_t id, size_t len)
{
	unsigned len_bytes = len < 8 ? 0 : len <= 0xff ? 1 : len <= 0xffff ? 2 : 3;
	unsigned type = (unsigned)kind << 6 | (id > 0xff ? ID_IS_16_BIT : 0) | len_bytes << 3;
	mw_buf_put_u8(out, (uint8_t)(len_bytes ? type : type | (unsigned)len));
	mw_buf_put_be(out, id, id > 0xff ? 2 : 1);
	if (len_bytes)
		mw_buf_put_be(out, len, len_bytes);
}

static void put_value(struct mw_buf *out, const struct mw_value *v)
{
	unsigned len = (unsigned)value_len(v);
	uint64_t bits;
	float f;
	uint32_t bits32;
	switch (v->type) {
	case MW_TYPE_INTEGER:
	case MW_TYPE_TIME:
		mw_buf_put_be(out, (uint64_t)v->i, len);
		break;
	case MW_TYPE_UNSIGNED:
		mw_buf_put_be(out, v->u, len);
		break;
	case MW_TYPE_FLOAT:
		memcpy(&bits, &v->f, sizeof(bits));
		if (len == 4) {
			f = (float)v->f;
			memcpy(&bits32, &f, sizeof(bits32));
			bits = bits32;
		}
		mw_buf_put_be(out, bits, len);
		break;
	case MW_TYPE_BOOLEAN:
		mw_buf_put_u8(out, v->b);
		break;
	case MW_TYPE_OBJLNK:
		mw_buf_put_be(out, (uint64_t)v->link.oid << 16 | v->link.iid, 4);
		break;
	case MW_TYPE_STRING:
	case MW_TYPE_CORELNK:
	case MW_TYPE_OPAQUE:
		mw_buf_put(out, v->s.data, v->s.len);
		break;
	case MW_TYPE_NONE:
		break;
	}
}

static void put_entry(struct mw_buf *out, enum kind kind, uint16_t id, const struct mw_value *v)
{
	put_header(out, kind, id, value_len(v));
	put_value(out, v);
}

/* Nodes at the front that are instances of one and the same resource. */
static size_t count_siblings(const struct mw_node *nodes, size_t n)
{
	size_t i = 1;
	while (i < n && nodes[i].path.depth == 4 && nodes[i].path.rid == nodes->path.rid)
		i++;
	return i;
}

static size_t siblings_len(const struct mw_node *nodes, size_t n)
{
	size_t len = 0;
	for (size_t i = 0; i < n; i++)
		len += entry_len(nodes[i].path.riid, value_len(&nodes[i].value));
	return len;
}

/* The resources of one object instance. @return their length; with @p out NULL nothing is written. */
static size_t put_resources(const struct mw_node *nodes, size_t n, struct mw_buf *out)
{
	size_t total = 0;
	for (size_t i = 0, step; i < n; i += step) {
		const struct mw_node *node = &nodes[i];
		step = node->path.depth == 4 ? count_siblings(node, n - i) : 1;
		size_t len = node->path.depth == 4 ? siblings_len(node, step) : value_len(&node->value);
		total += entry_len(node->path.rid, len);
		if (!out)
			continue;
		if (node->path.depth == 3) {
			put_entry(out, RESOURCE, node->path.rid, &node->value);
			continue;
		}
		put_header(out, MULTIPLE, node->path.rid, len);
		for (size_t k = 0; k < step; k++)
			put_entry(out, RESOURCE_INSTANCE, node[k].path.riid, &node[k].value);
	}
	return total;
}

static int check_node(const struct mw_path *base, const struct mw_node *node, struct mw_errbuf *e)
{
	char path[MW_PATH_TEXT_MAX];
	const struct mw_path *p = &node->path;
	const struct mw_value *v = &node->value;
	bool ids_ok = p->rid != MW_ID_NONE && (p->depth < 4 || p->riid != MW_ID_NONE);
	mw_path_print(p, path);
	if (p->depth < 3 || !ids_ok || !mw_path_is_under(p, base))
		return mw_fail(e, MW_E_PATH, "TLV: %s is not a resource of what is written", path);
	if (v->type == MW_TYPE_NONE)
		return mw_fail(e, MW_E_TYPE, "TLV: %s has no value", path);
	if ((v->type == MW_TYPE_STRING || v->type == MW_TYPE_CORELNK) && !mw_utf8_valid(v->s.data, v->s.len))
		return mw_fail(e, MW_E_TYPE, "TLV: %s is not UTF-8; send such bytes as Opaque", path);
	return 0;
}

int mw_tlv_encode(const struct mw_path *base, const struct mw_node *nodes, size_t n, struct mw_buf *out,
	struct mw_errbuf *e)
{
	size_t total = 0;
	if (!base->depth)
		return mw_fail(e, MW_E_UNSUPPORTED, "TLV does not name objects; write under / with SenML");
	for (size_t i = 0; i < n; i++) {
		int rc = check_node(base, &nodes[i], e);
		if (rc < 0)
			return rc;
		size_t len = value_len(&nodes[i].value);
		total = len > LEN_MAX || total > LEN_MAX ? LEN_MAX + 1u : total + len + HEADERS_MAX;
	}
	/* Counted with all headers that a value can need, so nothing below exceeds a length field. */
	if (total > LEN_MAX)
		return mw_fail(e, MW_E_LIMIT, "TLV lengths end at %u bytes; use SenML or block-wise opaque", LEN_MAX);
	if (base->depth == 4) {
		for (size_t i = 0; i < n; i++)
			put_entry(out, RESOURCE_INSTANCE, base->riid, &nodes[i].value);
		return 0;
	}
	if (base->depth > 1) {
		put_resources(nodes, n, out);
		return 0;
	}
	for (size_t i = 0, step; i < n; i += step) {
		for (step = 1; i + step < n && nodes[i + step].path.iid == nodes[i].path.iid; step++)
			;
		if (nodes[i].path.iid != MW_ID_NONE)
			put_header(out, INSTANCE, nodes[i].path.iid, put_resources(nodes + i, step, NULL));
		put_resources(nodes + i, step, out);
	}
	return 0;
}
