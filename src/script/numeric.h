/** @file numeric.h  What number a value stands for in a measurement. */
#pragma once
#include "moonwire.h"

/** Integer, Unsigned, Float and Time as they are (Time becomes Integer), Boolean 0 or 1, and text that is a
 * number: decimal, scientific, hexadecimal with 0x, octal with a leading 0 if all digits are 0 to 7 ("029" is
 * decimal). A sign and surrounding blanks are allowed. Infinities and not-a-number are no numbers.
 *  @return 0 or MW_E_TYPE; @p out is INTEGER, UNSIGNED (up to 2^63-1) or FLOAT */
int mw_numeric(const struct mw_value *v, struct mw_value *out);
