/** @file number.h  Decimal text to exact numbers and back, independent of the locale. 64-bit integers never
 * become floating point on the way. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Longest text that is taken for a number. The longest plain decimal of a double has 343 characters. */
enum { MW_NUMBER_TEXT_MAX = 400 };

/** Whole decimal number with optional sign; a fraction of zeros ("5.0") is allowed, as is an exponent when
 * the result is an exact integer below 2^53 ("1e3"). False: not such a number, or out of range. */
bool mw_number_parse_i64(const void *text, size_t len, int64_t *out);
bool mw_number_parse_u64(const void *text, size_t len, uint64_t *out);
/** Decimal with optional fraction and exponent. Refuses "inf", "nan", hexadecimal, and what overflows. */
bool mw_number_parse_double(const void *text, size_t len, double *out);

/** Shortest correctly rounded text that reads back as exactly @p v, e.g. "21.5", "1e+30", "nan"; returns the
 * length. */
size_t mw_number_print(double v, char out[MW_NUMBER_TEXT_MAX]);
/** The same without an exponent, as text/plain wants it (LwM2M Core, Appendix C). @p v must be finite. */
size_t mw_number_print_plain(double v, char out[MW_NUMBER_TEXT_MAX]);

/** True when @p v is integral and fits; then @p out is exactly @p v. */
bool mw_number_double_to_i64(double v, int64_t *out);
bool mw_number_double_to_u64(double v, uint64_t *out);
