/** @file range.h  The RangeEnumeration text of an object definition, as a constraint that a value can be held
 * against.
 *
 * The field is free text that people fill in by habit: "0..100", "0-255 bytes", "10,26", "0..3, 99", "8 bit".
 * What can be read without guessing becomes a constraint; all other text means no constraint. Definitions in
 * the field are often narrower than devices, so a violation is a reason to warn, and to refuse only where an
 * operator asked so. */
#pragma once
#include "codec/value.h"

enum mw_range_kind {
	MW_RANGE_NONE,
	MW_RANGE_INTEGER,  /**< spans hold `i`; Integer and Time */
	MW_RANGE_UNSIGNED, /**< spans hold `u` */
	MW_RANGE_FLOAT,    /**< spans hold `f` */
	MW_RANGE_LENGTH,   /**< spans hold `u`: length of a String or Opaque */
};

union mw_bound {
	int64_t i;
	uint64_t u;
	double f;
};

/** Both ends belong to it. A single value of a list has lo == hi. */
struct mw_span {
	union mw_bound lo, hi;
};

enum { MW_RANGE_SPANS_MAX = 32 };

/** A value is allowed when it lies in one of the spans: one span is a range, several are a list of values and
 * ranges. */
struct mw_range {
	enum mw_range_kind kind;
	uint8_t n_spans;             /**< 0 exactly when `kind` is NONE */
	const struct mw_span *spans; /**< borrowed */
};

/** Reads @p text as the constraint of a resource of @p type. Never fails: what is not understood gives NONE.
 *  - String, Opaque: numbers are lengths; a single number is the greatest length.
 *  - numbers: "8 bit", "2 bytes" is a width; a lone number says nothing. Integer of n bits may be signed or
 *    not, so both readings are allowed.
 *  - a range written backwards ("-30..-120") is turned round.
 *  @param spans  caller's memory; the result borrows it */
struct mw_range mw_range_parse(
	const char *text, size_t len, enum mw_type type, struct mw_span spans[MW_RANGE_SPANS_MAX]);

/** False when @p v breaks the constraint. True when there is none, or none for the type of @p v. As
 * definitions do not say whether a String's length is in bytes or in characters, a String passes when either
 * reading allows it. */
bool mw_range_holds(const struct mw_range *r, const struct mw_value *v);
