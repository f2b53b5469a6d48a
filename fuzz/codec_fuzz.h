/** @file codec_fuzz.h  What the codec targets share: the first byte of the input picks the request's path and
 * whether definitions are known; what decodes must encode, decode to the same again, and encode to the same
 * bytes. */
#pragma once
#include "codec/format.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FUZZ_CHECK(what)                                                                                     \
	do {                                                                                                     \
		if (!(what)) {                                                                                       \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #what);                               \
			abort();                                                                                         \
		}                                                                                                    \
	} while (0)

/** Type by resource id, so that a mutation of one byte reaches every type. */
static inline enum mw_type fuzz_type(const void *ud, uint16_t oid, uint16_t rid, bool *multiple)
{
	(void)ud;
	(void)oid;
	*multiple = rid % 2;
	return (enum mw_type)(rid % (MW_TYPE_CORELNK + 1));
}

static inline struct mw_path fuzz_base(uint8_t selector)
{
	const uint16_t ids[] = {3, 0, (uint16_t)(selector >> 4), 1};
	return mw_path_of(ids, selector & 7u);
}

static inline bool fuzz_same_bytes(struct mw_bytes a, struct mw_bytes b)
{
	return a.len == b.len && (!a.len || !memcmp(a.data, b.data, a.len));
}

/** CBOR says of a time that it is one only in a tag, which is not written: TIME may come back as INTEGER. */
static inline bool fuzz_same_value(struct mw_value a, struct mw_value b)
{
	if (a.type == MW_TYPE_TIME)
		a.type = MW_TYPE_INTEGER;
	if (b.type == MW_TYPE_TIME)
		b.type = MW_TYPE_INTEGER;
	if (a.type != b.type)
		return false;
	switch (a.type) {
	case MW_TYPE_FLOAT:
		return a.f == b.f || (isnan(a.f) && isnan(b.f));
	case MW_TYPE_BOOLEAN:
		return a.b == b.b;
	case MW_TYPE_OBJLNK:
		return a.link.oid == b.link.oid && a.link.iid == b.link.iid;
	case MW_TYPE_STRING:
	case MW_TYPE_CORELNK:
	case MW_TYPE_OPAQUE:
		return fuzz_same_bytes(a.s, b.s);
	default:
		return a.u == b.u;
	}
}

static inline void fuzz_same_nodes(const struct mw_nodes *a, const struct mw_nodes *b)
{
	FUZZ_CHECK(a->len == b->len);
	for (size_t i = 0; i < a->len; i++) {
		const struct mw_node *x = &a->items[i], *y = &b->items[i];
		FUZZ_CHECK(mw_path_eq(&x->path, &y->path));
		FUZZ_CHECK(x->has_time == y->has_time && x->time_s == y->time_s);
		FUZZ_CHECK(fuzz_same_value(x->value, y->value));
	}
}

static inline void fuzz_print(const struct mw_nodes *nodes, const struct mw_path *base)
{
	char text[1024];
	for (size_t i = 0; i < nodes->len; i++) {
		struct mw_buf b;
		FUZZ_CHECK(nodes->items[i].path.depth >= 3);
		FUZZ_CHECK(mw_path_is_under(&nodes->items[i].path, base));
		mw_buf_init(&b, text, sizeof(text));
		mw_value_print(&nodes->items[i].value, &b);
	}
}

/** @param may_change  this value has no form of its own in the format (raw bytes in text/plain) */
static inline int fuzz_round_trip(
	unsigned format, const uint8_t *data, size_t size, bool (*may_change)(const struct mw_node *node))
{
	static const struct mw_types known = {fuzz_type, NULL};
	struct mw_nodes first, second;
	struct mw_buf once, twice;
	struct mw_errbuf e;
	if (!size)
		return 0;
	const struct mw_types *types = data[0] & 8 ? &known : NULL;
	struct mw_path base = fuzz_base(data[0]);
	mw_nodes_init(&first, 1000);
	mw_nodes_init(&second, 1000);
	mw_buf_init_heap(&once, 1 << 22);
	mw_buf_init_heap(&twice, 1 << 22);
	int rc = mw_decode(format, &base, (struct mw_bytes){data + 1, size - 1}, types, 0, &first, &e);
	fuzz_print(&first, &base);
	if (rc < 0)
		FUZZ_CHECK(memchr(e.text, 0, sizeof(e.text)));
	else {
		FUZZ_CHECK(mw_encode(format, &base, first.items, first.len, &once, &e) == 0);
		FUZZ_CHECK(mw_decode(format, &base, mw_buf_bytes(&once), types, 0, &second, &e) == 0);
		if (!may_change || !first.len || !may_change(first.items)) {
			fuzz_same_nodes(&first, &second);
			FUZZ_CHECK(mw_encode(format, &base, second.items, second.len, &twice, &e) == 0);
			FUZZ_CHECK(fuzz_same_bytes(mw_buf_bytes(&once), mw_buf_bytes(&twice)));
		}
	}
	mw_buf_deinit(&once);
	mw_buf_deinit(&twice);
	mw_nodes_deinit(&first);
	mw_nodes_deinit(&second);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
