/** @file utf8.h  Is it UTF-8?  LwM2M Strings are (LwM2M Core, Appendix C), and what is not would break JSON
 * later. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

/** True for well-formed UTF-8 (RFC 3629): no overlong forms, no surrogates, nothing above U+10FFFF. */
bool mw_utf8_valid(const void *data, size_t len);
