/** @file codec_helper.h  What the codec tests share: hexadecimal vectors, a few definitions, nodes as text.
 */
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "codec/format.h"

enum { TEXT_CAP = 8192 };

/** Hexadecimal text, spaces allowed and "quoted parts" taken literally, as a heap block of exactly its
 * length, so that a sanitizer sees the first byte read too much. */
static inline struct mw_bytes bytes_of(const char *hex)
{
	uint8_t *data = malloc(strlen(hex) + 1);
	size_t len = 0;
	assert_non_null(data);
	while (*hex) {
		unsigned byte;
		if (*hex == ' ') {
			hex++;
		} else if (*hex == '"') {
			for (hex++; *hex != '"'; hex++)
				data[len++] = (uint8_t)*hex;
			hex++;
		} else {
			assert_int_equal(sscanf(hex, "%2x", &byte), 1);
			data[len++] = (uint8_t)byte;
			hex += 2;
		}
	}
	uint8_t *exact = malloc(len ? len : 1);
	assert_non_null(exact);
	memcpy(exact, data, len);
	free(data);
	return (struct mw_bytes){exact, len};
}

static inline void bytes_free(struct mw_bytes b)
{
	free((void *)(uintptr_t)b.data);
}

/** A prefix of @p whole in a heap block of its own. */
static inline struct mw_bytes prefix_of(struct mw_bytes whole, size_t len)
{
	uint8_t *data = malloc(len ? len : 1);
	assert_non_null(data);
	memcpy(data, whole.data, len);
	return (struct mw_bytes){data, len};
}

struct definition {
	uint16_t oid, rid;
	enum mw_type type;
};

static inline enum mw_type definition_type(const void *ud, uint16_t oid, uint16_t rid, bool *multiple)
{
	const struct definition *d = ud;
	*multiple = false;
	for (; d->type != MW_TYPE_NONE; d++)
		if (d->oid == oid && d->rid == rid)
			return d->type;
	return MW_TYPE_NONE;
}

/** Server, Access Control, Device and test objects. */
static inline const struct mw_types *definitions(void)
{
	static const struct definition list[] = {{1, 0, MW_TYPE_INTEGER}, {1, 1, MW_TYPE_INTEGER},
		{1, 6, MW_TYPE_BOOLEAN}, {1, 7, MW_TYPE_STRING}, {2, 0, MW_TYPE_INTEGER}, {2, 1, MW_TYPE_INTEGER},
		{2, 2, MW_TYPE_INTEGER}, {2, 3, MW_TYPE_INTEGER}, {3, 0, MW_TYPE_STRING}, {3, 1, MW_TYPE_STRING},
		{3, 2, MW_TYPE_STRING}, {3, 3, MW_TYPE_STRING}, {3, 6, MW_TYPE_INTEGER}, {3, 7, MW_TYPE_INTEGER},
		{3, 8, MW_TYPE_INTEGER}, {3, 9, MW_TYPE_INTEGER}, {3, 10, MW_TYPE_INTEGER}, {3, 11, MW_TYPE_INTEGER},
		{3, 13, MW_TYPE_TIME}, {3, 14, MW_TYPE_STRING}, {3, 16, MW_TYPE_STRING}, {65, 0, MW_TYPE_OBJLNK},
		{65, 1, MW_TYPE_STRING}, {65, 2, MW_TYPE_INTEGER}, {66, 0, MW_TYPE_STRING}, {66, 1, MW_TYPE_STRING},
		{66, 2, MW_TYPE_OBJLNK}, {9, 1, MW_TYPE_STRING}, {9, 2, MW_TYPE_INTEGER}, {9, 3, MW_TYPE_UNSIGNED},
		{9, 4, MW_TYPE_FLOAT}, {9, 5, MW_TYPE_BOOLEAN}, {9, 6, MW_TYPE_OPAQUE}, {9, 7, MW_TYPE_TIME},
		{9, 8, MW_TYPE_OBJLNK}, {9, 9, MW_TYPE_CORELNK}, {0, 0, MW_TYPE_NONE}};
	static const struct mw_types types = {definition_type, list};
	return &types;
}

static inline struct mw_path path_of(const char *text)
{
	struct mw_path p;
	assert_int_equal(mw_path_parse(&p, text, strlen(text)), 0);
	return p;
}

/** "/3/0/9 Integer 100|/3/0/13 Time 5 @1500|" */
static inline void dump(const struct mw_nodes *nodes, char *out)
{
	struct mw_buf b;
	mw_buf_init(&b, out, TEXT_CAP - 1);
	for (size_t i = 0; i < nodes->len; i++) {
		char path[MW_PATH_TEXT_MAX];
		mw_path_print(&nodes->items[i].path, path);
		mw_buf_printf(&b, "%s %s ", path, mw_type_name(nodes->items[i].value.type));
		mw_value_print(&nodes->items[i].value, &b);
		if (nodes->items[i].has_time)
			mw_buf_printf(&b, " @%.17g", nodes->items[i].time_s);
		mw_buf_put_str(&b, "|");
	}
	assert_false(b.overflow);
	out[b.len] = 0;
}

/** Every prefix of @p payload must be refused or decoded, but never read behind its end. */
static inline void truncate_everywhere(unsigned format, const struct mw_path *base, struct mw_bytes payload)
{
	for (size_t len = 0; len <= payload.len; len++) {
		struct mw_bytes cut = prefix_of(payload, len);
		struct mw_nodes nodes;
		struct mw_errbuf e = {0};
		char text[TEXT_CAP];
		mw_nodes_init(&nodes, 0);
		int rc = mw_decode(format, base, cut, definitions(), 0, &nodes, &e);
		if (rc < 0)
			assert_true(e.text[0] != 0);
		dump(&nodes, text);
		mw_nodes_deinit(&nodes);
		bytes_free(cut);
	}
}

enum {
	UNTYPED = 1, /**< decode without definitions */
	ONE_WAY = 2, /**< what is sent differs from what was received */
};

struct vector {
	const char *name;
	const char *base;
	const char *hex;
	const char *expected; /**< as dump writes it; NULL = must fail */
	unsigned flags;
	const char *error; /**< what the sentence must contain */
};

static inline void check_vector(unsigned format, const struct vector *v, double now_s)
{
	struct mw_path base = path_of(v->base);
	struct mw_bytes payload = bytes_of(v->hex);
	struct mw_nodes nodes;
	struct mw_errbuf e = {0};
	char text[TEXT_CAP];
	uint8_t sent[4096];
	struct mw_buf out;
	mw_nodes_init(&nodes, 0);
	mw_buf_init(&out, sent, sizeof(sent));
	int rc = mw_decode(format, &base, payload, v->flags & UNTYPED ? NULL : definitions(), now_s, &nodes, &e);
	if ((rc == 0) != (v->expected != NULL))
		fail_msg("%s: decoding gave %d (%s)", v->name, rc, e.text);
	if (!v->expected) {
		if (v->error && !strstr(e.text, v->error))
			fail_msg("%s: \"%s\" does not say \"%s\"", v->name, e.text, v->error);
	} else {
		dump(&nodes, text);
		if (strcmp(text, v->expected))
			fail_msg("%s:\n got  %s\n want %s", v->name, text, v->expected);
		rc = mw_encode(format, &base, nodes.items, nodes.len, &out, &e);
		if (!(v->flags & ONE_WAY)) {
			if (rc < 0)
				fail_msg("%s: encoding gave %d (%s)", v->name, rc, e.text);
			if (out.len != payload.len || memcmp(sent, payload.data, out.len))
				fail_msg("%s: encoded differently", v->name);
		}
	}
	mw_nodes_deinit(&nodes);
	truncate_everywhere(format, &base, payload);
	bytes_free(payload);
}
