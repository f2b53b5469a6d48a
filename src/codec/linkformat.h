/** @file linkformat.h  application/link-format (40), RFC 6690, as registrations and Discover answers carry
 * it. Lenient: a link that cannot be understood is passed over and counted, never the reason to refuse the
 * others. Allocates nothing; what links mean is the business of the caller.
 *
 *     struct mw_linkformat list;
 *     struct mw_linkformat_link link;
 *     mw_linkformat_init(&list, payload);
 *     while (mw_linkformat_next(&list, &link))
 *         ... */
#pragma once
#include "base/buf.h"
#include "codec/value.h"

struct mw_linkformat {
	const uint8_t *p, *end;
	size_t n_skipped; /**< links that were passed over; final when mw_linkformat_next gave false */
};

/** Everything is borrowed from the payload. */
struct mw_linkformat_link {
	struct mw_bytes target; /**< between the angle brackets */
	struct mw_bytes attrs;  /**< behind them: ";ver=1.1;ct=60", or empty */
};

struct mw_linkformat_attr {
	struct mw_bytes name;
	struct mw_bytes value; /**< without its quotes, but with its backslashes: see mw_linkformat_unquote */
	bool has_value;        /**< false for a flag such as ";obs" */
	bool is_quoted;
};

void mw_linkformat_init(struct mw_linkformat *l, struct mw_bytes payload);
/** False at the end. */
bool mw_linkformat_next(struct mw_linkformat *l, struct mw_linkformat_link *link);

/** Next attribute in @p rest, which starts as a copy of `link.attrs` and is advanced. False at the end. */
bool mw_linkformat_attr_next(struct mw_bytes *rest, struct mw_linkformat_attr *attr);
/** First attribute called @p name (case matters). */
bool mw_linkformat_attr_find(
	const struct mw_linkformat_link *link, const char *name, struct mw_linkformat_attr *attr);
/** Next of the words in @p rest, which starts as a copy of `attr.value`: "60 110 112". False at the end. */
bool mw_linkformat_word_next(struct mw_bytes *rest, struct mw_bytes *word);
/** Copies the value without backslashes and terminates it with NUL.
 *  @return length; MW_E_LIMIT: it and its NUL do not fit into @p cap bytes */
int mw_linkformat_unquote(const struct mw_linkformat_attr *attr, char *out, size_t cap);

/** Path in a link's target, see mw_path_parse_prefixed; "/" for the root link of a client with an alternate
 * path.
 *  @param prefix  the segments passed over, such as "/lwm2m"; may be NULL */
int mw_linkformat_path(const struct mw_linkformat_link *link, struct mw_path *out, struct mw_bytes *prefix);
