/** @file version.h  Two-part version numbers: of the LwM2M enabler ("lwm2m=1.1") and of objects ("ver=2.0").
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Major 0 never names a real version: {0, 0} means "not told". */
struct mw_version {
	uint16_t major, minor;
};

/** Parses "1.1", or "1" as 1.0; spaces around it are ignored.
 *  MW_E_FORMAT: anything else, a part above 65534, or major 0; @p out is untouched then. */
int mw_version_parse(struct mw_version *out, const char *text, size_t len);
/** Less than, equal to or greater than 0, as strcmp. */
int mw_version_cmp(struct mw_version a, struct mw_version b);
