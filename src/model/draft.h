/** @file draft.h  An object definition under construction. The DDF parser fills one; so can a test. */
#pragma once
#include "model/object.h"

/** A string inside the draft's text buffer; {0, 0} is the empty string. */
struct mw_draft_str {
	uint32_t at, len;
};

struct mw_resource_draft {
	uint16_t rid;
	uint8_t operations;
	bool multiple, mandatory;
	enum mw_type type;
	struct mw_draft_str name, range_text, units, description;
};

struct mw_object_draft {
	uint16_t oid;
	struct mw_version version, lwm2m;
	bool multiple, mandatory;
	struct mw_draft_str name, urn, description, description2, source;
	struct mw_resource_draft *resources; /**< in any order; no id twice */
	size_t n_resources, cap;
	struct mw_buf text;
};

/** An empty object, versions 1.0. */
void mw_draft_init(struct mw_object_draft *d);
void mw_draft_deinit(struct mw_object_draft *d);
/** Copies @p text into the draft. MW_E_NOMEM. */
int mw_draft_text(struct mw_object_draft *d, struct mw_draft_str *out, struct mw_bytes text);
/** Adds a copy of @p r, whose strings came from mw_draft_text(). MW_E_NOMEM. */
int mw_draft_add(struct mw_object_draft *d, const struct mw_resource_draft *r);
/** Builds the definition: sorts the resources (in the draft, too) and reads their ranges.
 *  @return the object, to be given to mw_model_add() or free(); NULL when out of memory */
struct mw_object_def *mw_draft_finish(struct mw_object_draft *d);
