#include "codec/number.h"
#include "base/buf.h"

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Reads digits into *v; false when there is none or when the number needs more than 64 bits. */
static bool scan_u64(const char **p, const char *end, uint64_t *v)
{
	const char *start = *p;
	*v = 0;
	for (; *p < end && is_digit(**p); (*p)++) {
		unsigned digit = (unsigned)(**p - '0');
		if (*v > (UINT64_MAX - digit) / 10)
			return false;
		*v = *v * 10 + digit;
	}
	return *p > start;
}

/* Sign and magnitude of a whole number; ".000" behind it is no loss. */
static bool parse_whole(const char *p, size_t len, bool *negative, uint64_t *magnitude)
{
	const char *end = p + len;
	*negative = p < end && *p == '-';
	if (p < end && (*p == '-' || *p == '+'))
		p++;
	if (!scan_u64(&p, end, magnitude))
		return false;
	if (p < end && *p == '.')
		for (p++; p < end && *p == '0'; p++)
			;
	return p == end;
}

bool mw_number_parse_i64(const void *text, size_t len, int64_t *out)
{
	bool negative;
	uint64_t u;
	double f;
	if (len && parse_whole(text, len, &negative, &u)) {
		if (u > (uint64_t)INT64_MAX + negative)
			return false;
		*out = negative ? (int64_t)(0 - u) : (int64_t)u;
		return true;
	}
	return mw_number_parse_double(text, len, &f) && fabs(f) < 0x1p53 && mw_number_double_to_i64(f, out);
}

bool mw_number_parse_u64(const void *text, size_t len, uint64_t *out)
{
	bool negative;
	uint64_t u;
	double f;
	if (len && parse_whole(text, len, &negative, &u)) {
		if (negative && u)
			return false;
		*out = u;
		return true;
	}
	return mw_number_parse_double(text, len, &f) && fabs(f) < 0x1p53 && mw_number_double_to_u64(f, out);
}

/* strtod takes much more than decimals, so the grammar is checked first. */
static bool is_decimal(const char *p, const char *end)
{
	size_t n_digits = 0;
	if (p < end && (*p == '-' || *p == '+'))
		p++;
	for (; p < end && is_digit(*p); p++)
		n_digits++;
	if (p < end && *p == '.')
		for (p++; p < end && is_digit(*p); p++)
			n_digits++;
	if (!n_digits)
		return false;
	if (p < end && (*p == 'e' || *p == 'E')) {
		p++;
		if (p < end && (*p == '-' || *p == '+'))
			p++;
		if (p == end)
			return false;
		while (p < end && is_digit(*p))
			p++;
	}
	return p == end;
}

bool mw_number_parse_double(const void *text, size_t len, double *out)
{
	char copy[MW_NUMBER_TEXT_MAX + 1];
	if (!len || len > MW_NUMBER_TEXT_MAX || !is_decimal(text, (const char *)text + len))
		return false;
	memcpy(copy, text, len);
	copy[len] = 0;
	char *point = strchr(copy, '.');
	if (point)
		*point = *localeconv()->decimal_point;
	char *rest;
	double v = strtod(copy, &rest);
	if (*rest || !isfinite(v))
		return false;
	*out = v;
	return true;
}

/* Shortest of "%.{1..17}e" that reads back as v: sign, digits and decimal exponent. */
static size_t shortest(double v, char *text, size_t cap)
{
	for (int precision = 0; precision < 17; precision++) {
		int n = snprintf(text, cap, "%.*e", precision, v);
		if (strtod(text, NULL) == v)
			return (size_t)n;
	}
	return strlen(text);
}

static size_t print_decimal(double v, bool plain, char *out)
{
	char text[40], digits[20];
	size_t n = shortest(v, text, sizeof(text)), n_digits = 0;
	char *out_start = out, *exponent = memchr(text, 'e', n);
	for (char *p = text; p < exponent; p++)
		if (is_digit(*p))
			digits[n_digits++] = *p;
	int e = (int)strtol(exponent + 1, NULL, 10);
	while (n_digits > 1 && digits[n_digits - 1] == '0')
		n_digits--;
	if (text[0] == '-')
		*out++ = '-';
	if (!plain && (e < -5 || e > 16)) {
		*out++ = digits[0];
		if (n_digits > 1)
			*out++ = '.';
		memcpy(out, digits + 1, n_digits - 1);
		out += n_digits - 1;
		out += snprintf(out, 8, "e%+03d", e);
	} else if (e < 0) {
		*out++ = '0';
		*out++ = '.';
		for (int i = -1; i > e; i--)
			*out++ = '0';
		memcpy(out, digits, n_digits);
		out += n_digits;
	} else {
		for (size_t i = 0; i < n_digits || i <= (size_t)e; i++) {
			if (i == (size_t)e + 1)
				*out++ = '.';
			*out++ = i < n_digits ? digits[i] : '0';
		}
	}
	*out = 0;
	return (size_t)(out - out_start);
}

size_t mw_number_print(double v, char out[MW_NUMBER_TEXT_MAX])
{
	if (isfinite(v))
		return print_decimal(v, false, out);
	mw_strcopy(out, MW_NUMBER_TEXT_MAX, isnan(v) ? "nan" : v < 0 ? "-inf" : "inf");
	return strlen(out);
}

size_t mw_number_print_plain(double v, char out[MW_NUMBER_TEXT_MAX])
{
	return print_decimal(v, true, out);
}

bool mw_number_double_to_i64(double v, int64_t *out)
{
	if (!(v >= -0x1p63 && v < 0x1p63) || v != trunc(v))
		return false;
	*out = (int64_t)v;
	return true;
}

bool mw_number_double_to_u64(double v, uint64_t *out)
{
	if (!(v >= 0 && v < 0x1p64) || v != trunc(v))
		return false;
	*out = (uint64_t)v;
	return true;
}
