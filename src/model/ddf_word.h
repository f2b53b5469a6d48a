/** @file ddf_word.h  The keywords and numbers inside a DDF's elements, read with the leniency that real files
 * need.
 *
 * All take trimmed text. Private to the DDF parser. */
#pragma once
#include "codec/value.h"

/** Text without the spaces, tabs and line ends around it. */
struct mw_bytes mw_ddf_trim(struct mw_bytes text);
/** "String" ... "Corelnk" in any case, with or without space inside; "" and "none" are MW_TYPE_NONE.
 *  MW_E_FORMAT for another word. */
int mw_ddf_type(struct mw_bytes text, enum mw_type *out);
/** Any of the letters R, W, E in any case and order, or "" -> MW_OP_* bits. MW_E_FORMAT otherwise. */
int mw_ddf_operations(struct mw_bytes text, uint8_t *out);
/** 0..65534. MW_E_FORMAT: no decimal number; MW_E_LIMIT: too large. */
int mw_ddf_id(struct mw_bytes text, uint16_t *out);
/** True for @p yes, false for @p no or "", in any case. A misspelt word counts by its first letter: 1 is
 * returned then, for a warning. MW_E_FORMAT when that is neither's. */
int mw_ddf_choice(struct mw_bytes text, const char *yes, const char *no, bool *out);
