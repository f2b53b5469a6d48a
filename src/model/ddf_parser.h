/** @file ddf_parser.h  What the parts of the DDF parser share: its state, and how it reports. Private to
 * ddf*.c. */
#pragma once
#include "model/ddf.h"
#include "model/draft.h"

#include <expat.h>

enum mw_ddf_place {
	MW_DDF_OUTSIDE,
	MW_DDF_IN_ROOT,
	MW_DDF_IN_OBJECT,
	MW_DDF_IN_RESOURCES,
	MW_DDF_IN_ITEM,
	MW_DDF_IN_FIELD,
	MW_DDF_IN_UNKNOWN
};

struct mw_ddf_parser;

/* An element that holds text. `set` gets it trimmed; it reports its own failures. */
struct mw_ddf_field {
	const char *element;
	size_t max;
	void (*set)(struct mw_ddf_parser *p, struct mw_bytes text);
};

struct mw_ddf_finished {
	struct mw_object_def *def;
	unsigned line;
};

struct mw_ddf_parser {
	XML_Parser xml;
	struct mw_model *model;
	const char *file;
	mw_ddf_problem_cb *cb;
	void *ud;
	struct mw_errbuf *e;
	struct mw_ddf_stats stats; /* of this file */
	int rc;                    /* first failure; handlers do nothing once it is set */

	enum mw_ddf_place place, outer; /* `outer`: where to go on after a field or an unknown element */
	unsigned depth;                 /* of all open elements */
	unsigned inner;                 /* elements open inside the field or unknown element */
	const struct mw_ddf_field *field;
	struct mw_buf text;
	unsigned field_line, item_line, object_line;

	struct mw_object_draft draft;
	bool has_oid;
	struct mw_resource_draft item;
	uint8_t seen[8192]; /* one bit per resource id of the object */
	struct mw_ddf_finished done[MW_DDF_OBJECTS_MAX];
	size_t n_done;
	char shown[44]; /* see mw__ddf_shown */
};

/** Elements of <Object> and of <Item> that hold text; the last one has no name. */
extern const struct mw_ddf_field mw__ddf_object_fields[];
extern const struct mw_ddf_field mw__ddf_item_fields[];

/** Line that expat is at; 0 before it has begun. */
unsigned mw__ddf_line(const struct mw_ddf_parser *p);
/** Records the first failure and stops expat. */
void mw__ddf_fail(struct mw_ddf_parser *p, unsigned line, int code, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
void mw__ddf_fail_memory(struct mw_ddf_parser *p);
void mw__ddf_warn(struct mw_ddf_parser *p, unsigned line, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/** "file:line: text" into @p e, which may be NULL. */
void mw__ddf_message(struct mw_errbuf *e, const char *file, unsigned line, const char *text);
/** The beginning of @p text fit for a one-line message: whole characters, no control characters. Valid until
 * the next call. */
const char *mw__ddf_shown(struct mw_ddf_parser *p, struct mw_bytes text);
/** The end of a path: short, whole characters, and it has the file's name. */
const char *mw__ddf_tail(const char *path);
