/* The elements that hold text, and what each does with it. A new element is one function and one line of a
 * table. */
#include "model/ddf_parser.h"
#include "model/ddf_word.h"

#include <string.h>

static void keep_text(struct mw_ddf_parser *p, struct mw_draft_str *out, struct mw_bytes text)
{
	if (text.len && mw_draft_text(&p->draft, out, text) < 0)
		mw__ddf_fail_memory(p);
}

static void set_choice(
	struct mw_ddf_parser *p, struct mw_bytes text, const char *yes, const char *no, bool *out)
{
	int rc = mw_ddf_choice(text, yes, no, out);
	if (rc < 0)
		mw__ddf_fail(p, p->field_line, rc, "%s is \"%s\"; write %s or %s", p->field->element,
			mw__ddf_shown(p, text), yes, no);
	else if (rc > 0)
		mw__ddf_warn(p, p->field_line, "%s is \"%s\"; taken as %s", p->field->element, mw__ddf_shown(p, text),
			*out ? yes : no);
}

static void object_name(struct mw_ddf_parser *p, struct mw_bytes text)
{
	keep_text(p, &p->draft.name, text);
}

static void object_description(struct mw_ddf_parser *p, struct mw_bytes text)
{
	keep_text(p, &p->draft.description, text);
}

static void object_description2(struct mw_ddf_parser *p, struct mw_bytes text)
{
	keep_text(p, &p->draft.description2, text);
}

static void object_id(struct mw_ddf_parser *p, struct mw_bytes text)
{
	if (mw_ddf_id(text, &p->draft.oid) < 0)
		mw__ddf_fail(p, p->field_line, MW_E_FORMAT, "ObjectID is \"%s\"; write a number from 0 to 65534",
			mw__ddf_shown(p, text));
	else
		p->has_oid = true;
}

static void object_urn(struct mw_ddf_parser *p, struct mw_bytes text)
{
	keep_text(p, &p->draft.urn, text);
}

/* Informative, and often wrong: not worth a refusal. A patch level ("1.2.1") is cut off. */
static void object_lwm2m(struct mw_ddf_parser *p, struct mw_bytes text)
{
	const char *s = (const char *)text.data;
	const char *dot = text.len ? memchr(s, '.', text.len) : NULL;
	const char *second = dot ? memchr(dot + 1, '.', text.len - (size_t)(dot + 1 - s)) : NULL;
	if (text.len && mw_version_parse(&p->draft.lwm2m, s, second ? (size_t)(second - s) : text.len) < 0)
		mw__ddf_warn(p, p->field_line, "LWM2MVersion is \"%s\"; taken as 1.0", mw__ddf_shown(p, text));
}

static void object_version(struct mw_ddf_parser *p, struct mw_bytes text)
{
	if (text.len && mw_version_parse(&p->draft.version, (const char *)text.data, text.len) < 0)
		mw__ddf_fail(p, p->field_line, MW_E_FORMAT,
			"ObjectVersion is \"%s\"; write major.minor such as 1.0, or leave it out",
			mw__ddf_shown(p, text));
}

static void object_multiple(struct mw_ddf_parser *p, struct mw_bytes text)
{
	set_choice(p, text, "Multiple", "Single", &p->draft.multiple);
}

static void object_mandatory(struct mw_ddf_parser *p, struct mw_bytes text)
{
	set_choice(p, text, "Mandatory", "Optional", &p->draft.mandatory);
}

static void item_name(struct mw_ddf_parser *p, struct mw_bytes text)
{
	keep_text(p, &p->item.name, text);
}

static void item_operations(struct mw_ddf_parser *p, struct mw_bytes text)
{
	if (mw_ddf_operations(text, &p->item.operations) < 0)
		mw__ddf_fail(p, p->field_line, MW_E_FORMAT,
			"Operations is \"%s\"; write R, W, RW or E, or nothing if only a "
			"bootstrap-server may use it",
			mw__ddf_shown(p, text));
}

static void item_multiple(struct mw_ddf_parser *p, struct mw_bytes text)
{
	set_choice(p, text, "Multiple", "Single", &p->item.multiple);
}

static void item_mandatory(struct mw_ddf_parser *p, struct mw_bytes text)
{
	set_choice(p, text, "Mandatory", "Optional", &p->item.mandatory);
}

static void item_type(struct mw_ddf_parser *p, struct mw_bytes text)
{
	if (mw_ddf_type(text, &p->item.type) < 0)
		mw__ddf_fail(p, p->field_line, MW_E_FORMAT,
			"Type is \"%s\"; write String, Integer, Unsigned Integer, Float, Boolean, "
			"Opaque, Time, Objlnk or Corelnk, or nothing for a resource that is only executed",
			mw__ddf_shown(p, text));
}

static void item_range(struct mw_ddf_parser *p, struct mw_bytes text)
{
	keep_text(p, &p->item.range_text, text);
}

static void item_units(struct mw_ddf_parser *p, struct mw_bytes text)
{
	keep_text(p, &p->item.units, text);
}

static void item_description(struct mw_ddf_parser *p, struct mw_bytes text)
{
	keep_text(p, &p->item.description, text);
}

const struct mw_ddf_field mw__ddf_object_fields[] = {
	{"Name", MW_DDF_NAME_MAX, object_name},
	{"Description1", MW_DDF_TEXT_MAX, object_description},
	{"ObjectID", MW_DDF_NAME_MAX, object_id},
	{"ObjectURN", MW_DDF_NAME_MAX, object_urn},
	{"LWM2MVersion", MW_DDF_NAME_MAX, object_lwm2m},
	{"ObjectVersion", MW_DDF_NAME_MAX, object_version},
	{"MultipleInstances", MW_DDF_NAME_MAX, object_multiple},
	{"Mandatory", MW_DDF_NAME_MAX, object_mandatory},
	{"Description2", MW_DDF_TEXT_MAX, object_description2},
	{NULL, 0, NULL},
};

const struct mw_ddf_field mw__ddf_item_fields[] = {
	{"Name", MW_DDF_NAME_MAX, item_name},
	{"Operations", MW_DDF_NAME_MAX, item_operations},
	{"MultipleInstances", MW_DDF_NAME_MAX, item_multiple},
	{"Mandatory", MW_DDF_NAME_MAX, item_mandatory},
	{"Type", MW_DDF_NAME_MAX, item_type},
	{"RangeEnumeration", MW_DDF_RANGE_MAX, item_range},
	{"Units", MW_DDF_NAME_MAX, item_units},
	{"Description", MW_DDF_TEXT_MAX, item_description},
	{NULL, 0, NULL},
};
