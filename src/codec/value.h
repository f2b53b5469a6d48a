/** @file value.h  Paths and typed values: what every content format decodes to and is encoded from.
 *  LwM2M Core, "Identifiers" (paths) and Appendix C (data types). */
#pragma once
#include "base/buf.h"
#include "base/err.h"
#include "moonwire.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MW_PATH_TEXT_MAX = 25 }; /* "/65534/65534/65534/65534" and NUL */

#define MW_PATH(...) mw_path_of((const uint16_t[]){__VA_ARGS__}, sizeof((const uint16_t[]){__VA_ARGS__}) / 2)
struct mw_path mw_path_of(const uint16_t *ids, size_t n);
/** mw_path_parse behind any leading segments that are not numbers: "/lwm2m/3/0/0" (alternate path of a
 * client) or
 *  "/d01/3/0" (prefix of a gateway).
 *  @param prefix_len  length of what was passed over, 6 for "/lwm2m/3"; may be NULL */
int mw_path_parse_prefixed(struct mw_path *out, const char *text, size_t len, size_t *prefix_len);
/** Writes at most MW_PATH_TEXT_MAX bytes with NUL; returns the length. */
size_t mw_path_print(const struct mw_path *p, char *out);
bool mw_path_eq(const struct mw_path *a, const struct mw_path *b);
/** True when @p p is @p top or lies below it. */
bool mw_path_is_under(const struct mw_path *p, const struct mw_path *top);
/** The path one level below @p p with @p id; @p p must not be of depth 4. */
struct mw_path mw_path_child(const struct mw_path *p, uint16_t id);

/** "String", "Unsigned Integer", ... as in object definitions; static memory. */
const char *mw_type_name(enum mw_type type);

/** Growing list of nodes with an arena for bytes that are not verbatim in the payload (base64, chunks). */
struct mw_nodes {
	struct mw_node *items;
	size_t len, cap, max;
	void *arena; /**< list of blocks; private to nodes.c */
};

/** @param max  refuse more nodes than this (MW_E_LIMIT); 0 = 65536 */
void mw_nodes_init(struct mw_nodes *n, size_t max);
void mw_nodes_deinit(struct mw_nodes *n);
/** Forgets the nodes and their bytes, keeps the memory of the list. */
void mw_nodes_clear(struct mw_nodes *n);
int mw_nodes_add(struct mw_nodes *n, const struct mw_node *node);
/** Bytes that live as long as the list; NULL when out of memory. */
uint8_t *mw_nodes_bytes(struct mw_nodes *n, size_t len);

/** What a codec asks about a resource: its data type, and whether it is a multiple one. Implemented by the
 * model layer; a codec must work with NULL (or an answer of MW_TYPE_NONE) and then guesses by the encoding,
 * so that data of unknown objects is kept. */
struct mw_types {
	enum mw_type (*type_of)(const void *ud, uint16_t oid, uint16_t rid, bool *multiple);
	const void *ud;
};

enum mw_type mw_types_lookup(const struct mw_types *t, uint16_t oid, uint16_t rid, bool *multiple);

/** Converts @p v in place to @p want where nothing is lost: integral floats to Integer, 0/1 to Boolean,
 * Integer to Time or Unsigned, numeric strings to numbers, "3:0" to Objlnk, UTF-8 bytes to String. MW_E_TYPE
 * when not possible; @p v is unchanged then. */
int mw_value_convert(struct mw_value *v, enum mw_type want);
/** Gives @p node the type that its definition says, if known and if the value converts; else it keeps the
 * type that the encoding suggested: one odd value must not cost the rest of a payload. */
void mw_node_apply_type(struct mw_node *node, const struct mw_types *types);
/** Text of the value for tables and logs: numbers in shortest exact form, opaque as hex, Objlnk "o:i". */
void mw_value_print(const struct mw_value *v, struct mw_buf *out);
