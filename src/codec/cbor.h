/** @file cbor.h  CBOR (RFC 8949): a pull reader over libcbor's streaming decoder, and a writer of the
 * shortest forms. */
#pragma once
#include "codec/value.h"

enum mw_cbor_kind {
	MW_CBOR_UNSIGNED, /**< u */
	MW_CBOR_NEGATIVE, /**< -1 - u */
	MW_CBOR_BYTES,    /**< s, or the start of chunks */
	MW_CBOR_TEXT,     /**< s, or the start of chunks */
	MW_CBOR_ARRAY,    /**< u items follow, or (indefinite) all until BREAK */
	MW_CBOR_MAP,      /**< u pairs follow, or (indefinite) all until BREAK */
	MW_CBOR_TAG,      /**< number u; the tagged item follows */
	MW_CBOR_FLOAT,    /**< f */
	MW_CBOR_BOOL,     /**< u is 0 or 1 */
	MW_CBOR_NULL,     /**< null or undefined */
	MW_CBOR_BREAK,
};

struct mw_cbor_item {
	enum mw_cbor_kind kind;
	bool is_indefinite;
	uint64_t u;
	double f;
	struct mw_bytes s; /**< borrowed from the input */
	size_t at;         /**< byte position of the item's first byte */
};

struct mw_cbor {
	const uint8_t *data;
	size_t len, at;
	struct mw_nodes *nodes; /**< joined chunks live here */
	struct mw_errbuf *e;
};

/** @param nodes, e  borrowed; @p e may be NULL */
void mw_cbor_init(struct mw_cbor *c, struct mw_bytes input, struct mw_nodes *nodes, struct mw_errbuf *e);
/** Next item; contents of arrays, maps and tags come as items of their own. MW_E_FORMAT: cut off, or no CBOR.
 */
int mw_cbor_next(struct mw_cbor *c, struct mw_cbor_item *item);
/** Passes over the contents of @p item, which mw_cbor_next just gave. MW_E_FORMAT also when nested too deep
 * (16). */
int mw_cbor_skip(struct mw_cbor *c, const struct mw_cbor_item *item);
/** Whether a collection has another element: counts @p left down, or looks for the break of an indefinite
 * one.
 *  @return 1, 0 or MW_E_FORMAT */
int mw_cbor_more(struct mw_cbor *c, const struct mw_cbor_item *collection, uint64_t *left);
/** Bytes of a BYTES or TEXT item, chunks joined in the node list's arena. MW_E_FORMAT, MW_E_NOMEM */
int mw_cbor_string(struct mw_cbor *c, const struct mw_cbor_item *item, struct mw_bytes *out);
/** The number that starts with @p item as INTEGER, UNSIGNED (from 2^63) or FLOAT; decimal fractions (tag 4)
 * that are whole come out exact. MW_E_FORMAT: no number, or below -2^63 */
int mw_cbor_number(struct mw_cbor *c, const struct mw_cbor_item *item, struct mw_value *out);

/** Writers; preferred (shortest) serialization. */
void mw_cbor_put_head(struct mw_buf *out, unsigned major, uint64_t u);
void mw_cbor_put_int(struct mw_buf *out, int64_t i);
void mw_cbor_put_double(struct mw_buf *out, double f);
/** @param major  2 = bytes, 3 = text */
void mw_cbor_put_string(struct mw_buf *out, unsigned major, struct mw_bytes s);
