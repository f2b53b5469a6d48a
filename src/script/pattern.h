/** @file pattern.h  Lua patterns (manual, 6.4.1) with their work counted.
 *
 * The library's own matcher cannot be interrupted, and a short pattern can keep it busy for hours. This one
 * stops when its steps are used up. Pure: no Lua state, no allocation. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MW_PATTERN_CAPTURES = 32, MW_PATTERN_DEPTH = 180 };

struct mw_pattern {
	const char *subject, *subject_end;
	const char *pattern, *pattern_end; /**< without a leading '^' */
	int64_t steps;                     /**< left; a step costs about as much as a Lua instruction */
	const char *error;                 /**< why the pattern is no pattern; NULL = none */
	bool out_of_steps;
	int depth, n_captures;
	struct {
		const char *start;
		ptrdiff_t len; /**< or one of the two below */
	} captures[MW_PATTERN_CAPTURES];
};

enum { MW_PATTERN_OPEN = -1, MW_PATTERN_POSITION = -2 };

/** Matches at exactly @p at. NULL: no match, or `error` or `out_of_steps` is set.
 *  @return end of the match; `captures` hold what was captured */
const char *mw_pattern_match(struct mw_pattern *m, const char *at);
/** True when @p text has none of the characters that mean something. */
bool mw_pattern_is_plain(const char *text, size_t len);
