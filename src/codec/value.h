/** @file value.h  Paths and typed values: what every content format decodes to and is encoded from.
 *  LwM2M Core, "Identifiers" (paths) and Appendix C (data types). */
#pragma once
#include "base/buf.h"
#include "base/err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** An id that is not there. 65535 is reserved by LwM2M Core, so it can never be a real one. */
#define MW_ID_NONE UINT16_MAX

/** Path of 0 to 4 ids; ids beyond `depth` are MW_ID_NONE. Root has depth 0. */
struct mw_path {
	uint16_t oid, iid, rid, riid;
	uint8_t depth;
};

enum { MW_PATH_TEXT_MAX = 25 }; /* "/65534/65534/65534/65534" and NUL */

#define MW_PATH(...) mw_path_of((const uint16_t[]){__VA_ARGS__}, sizeof((const uint16_t[]){__VA_ARGS__}) / 2)
struct mw_path mw_path_of(const uint16_t *ids, size_t n);
/** Parses "/3303/0/5700", "/" (root) or, lenient, without the leading slash and with one trailing slash.
 *  MW_E_PATH: not a number, 65535 or above, deeper than 4. */
int mw_path_parse(struct mw_path *out, const char *text, size_t len);
/** Writes at most MW_PATH_TEXT_MAX bytes with NUL; returns the length. */
size_t mw_path_print(const struct mw_path *p, char *out);
bool mw_path_eq(const struct mw_path *a, const struct mw_path *b);
/** True when @p p is @p top or lies below it. */
bool mw_path_is_under(const struct mw_path *p, const struct mw_path *top);
/** The path one level below @p p with @p id; @p p must not be of depth 4. */
struct mw_path mw_path_child(const struct mw_path *p, uint16_t id);

enum mw_type {
	MW_TYPE_NONE, /**< executable, or type not known */
	MW_TYPE_STRING,
	MW_TYPE_INTEGER,
	MW_TYPE_UNSIGNED,
	MW_TYPE_FLOAT,
	MW_TYPE_BOOLEAN,
	MW_TYPE_OPAQUE,
	MW_TYPE_TIME,
	MW_TYPE_OBJLNK,
	MW_TYPE_CORELNK,
};

/** "String", "Unsigned Integer", ... as in object definitions; static memory. */
const char *mw_type_name(enum mw_type type);

struct mw_value {
	enum mw_type type;
	union {
		int64_t i;  /**< INTEGER, TIME (seconds since 1970) */
		uint64_t u; /**< UNSIGNED */
		double f;   /**< FLOAT */
		bool b;     /**< BOOLEAN */
		struct {
			uint16_t oid, iid;
		} link;           /**< OBJLNK; both 65535 = null link */
		struct mw_bytes s; /**< STRING, OPAQUE, CORELNK; borrowed from the payload or the node list */
	};
};

/** One decoded resource (depth 3) or resource instance (depth 4), in the order of the payload. */
struct mw_node {
	struct mw_path path;
	struct mw_value value;
	bool has_time;
	double time_s; /**< SenML base time + time, resolved to Unix seconds when the caller gave `now_s` */
};

/** Growing list of nodes with an arena for bytes that are not verbatim in the payload (base64, chunks). */
struct mw_nodes {
	struct mw_node *items;
	size_t len, cap, max;
	void *arena; /**< list of blocks; private to value.c */
};

/** @param max  refuse more nodes than this (MW_E_LIMIT); 0 = 65536 */
void mw_nodes_init(struct mw_nodes *n, size_t max);
void mw_nodes_deinit(struct mw_nodes *n);
/** Forgets the nodes and their bytes, keeps the memory of the list. */
void mw_nodes_clear(struct mw_nodes *n);
int mw_nodes_add(struct mw_nodes *n, const struct mw_node *node);
/** Bytes that live as long as the list; NULL when out of memory. */
uint8_t *mw_nodes_bytes(struct mw_nodes *n, size_t len);

/** What a codec asks about a resource: its data type, and whether it is a multiple one. Implemented by the model
 *  layer; a codec must work with NULL (or an answer of MW_TYPE_NONE) and then guesses by the encoding, so that data
 *  of unknown objects is kept. */
struct mw_types {
	enum mw_type (*type_of)(const void *ud, uint16_t oid, uint16_t rid, bool *multiple);
	const void *ud;
};

enum mw_type mw_types_lookup(const struct mw_types *t, uint16_t oid, uint16_t rid, bool *multiple);

/** Converts @p v in place to @p want where nothing is lost: integral floats to Integer, 0/1 to Boolean, Integer to
 *  Time or Unsigned, numeric strings to numbers, "3:0" to Objlnk. MW_E_TYPE when not possible. */
int mw_value_convert(struct mw_value *v, enum mw_type want);
/** Text of the value for tables and logs: numbers in shortest exact form, opaque as hex, Objlnk "o:i". */
void mw_value_print(const struct mw_value *v, struct mw_buf *out);
