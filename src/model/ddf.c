/* The parser is a small state machine fed by expat: `place` says where in the document we are, and text is
 * gathered only inside elements that we know. Nothing recurses, and memory is bounded by the limits in ddf.h.
 */
#include "model/ddf_parser.h"
#include "model/ddf_word.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A prefix ("lwm2m:Object") says nothing that we need. */
static const char *local_name(const char *name)
{
	const char *colon = strrchr(name, ':');
	return colon ? colon + 1 : name;
}

static struct mw_bytes bytes_of(const char *s)
{
	return (struct mw_bytes){(const uint8_t *)s, strlen(s)};
}

static void enter_unknown(struct mw_ddf_parser *p, const char *name)
{
	static const char *const inside[] = {[MW_DDF_IN_ROOT] = "LWM2M",
		[MW_DDF_IN_OBJECT] = "Object",
		[MW_DDF_IN_RESOURCES] = "Resources",
		[MW_DDF_IN_ITEM] = "Item"};
	mw__ddf_warn(p, mw__ddf_line(p), "unknown element <%s> in <%s> is ignored",
		mw__ddf_shown(p, bytes_of(name)), inside[p->place]);
	p->outer = p->place;
	p->place = MW_DDF_IN_UNKNOWN;
}

static void enter_field(struct mw_ddf_parser *p, const struct mw_ddf_field *fields, const char *name)
{
	const struct mw_ddf_field *f = fields;
	while (f->element && strcmp(f->element, name))
		f++;
	if (!f->element) {
		enter_unknown(p, name);
		return;
	}
	p->field = f;
	p->field_line = mw__ddf_line(p);
	p->text.len = 0;
	p->outer = p->place;
	p->place = MW_DDF_IN_FIELD;
}

static void enter_root(struct mw_ddf_parser *p, const char *name)
{
	if (strcmp(name, "LWM2M")) {
		mw__ddf_fail(p, mw__ddf_line(p), MW_E_FORMAT,
			"the document is a <%s>; an object definition is an <LWM2M>", mw__ddf_shown(p, bytes_of(name)));
		return;
	}
	p->place = MW_DDF_IN_ROOT;
}

static void enter_object(struct mw_ddf_parser *p)
{
	p->object_line = mw__ddf_line(p);
	if (p->n_done == MW_DDF_OBJECTS_MAX) {
		mw__ddf_fail(
			p, p->object_line, MW_E_LIMIT, "more than %d objects; split the file", MW_DDF_OBJECTS_MAX);
		return;
	}
	mw_draft_deinit(&p->draft);
	mw_draft_init(&p->draft);
	memset(p->seen, 0, sizeof(p->seen));
	p->has_oid = false;
	p->place = MW_DDF_IN_OBJECT;
	if (mw_draft_text(&p->draft, &p->draft.source, bytes_of(p->file)) < 0)
		mw__ddf_fail_memory(p);
}

static const char *attribute(const char **attributes, const char *name)
{
	for (; attributes[0]; attributes += 2)
		if (!strcmp(attributes[0], name))
			return attributes[1];
	return NULL;
}

static void ignore_item(struct mw_ddf_parser *p)
{
	p->outer = p->place;
	p->place = MW_DDF_IN_UNKNOWN;
}

static void enter_item(struct mw_ddf_parser *p, const char **attributes)
{
	p->item_line = mw__ddf_line(p);
	p->item = (struct mw_resource_draft){0};
	const char *id = attribute(attributes, "ID");
	if (!id) {
		mw__ddf_fail(p, p->item_line, MW_E_FORMAT,
			"an <Item> without ID; write <Item ID=\"0\"> with the resource's number");
		return;
	}
	struct mw_bytes text = mw_ddf_trim(bytes_of(id));
	int rc = mw_ddf_id(text, &p->item.rid);
	uint16_t rid = p->item.rid;
	if (rc == MW_E_FORMAT) {
		mw__ddf_fail(
			p, p->item_line, rc, "Item ID is \"%s\"; write a number from 0 to 65534", mw__ddf_shown(p, text));
	} else if (rc < 0) {
		mw__ddf_warn(p, p->item_line, "resource %s is ignored; ids end at 65534", mw__ddf_shown(p, text));
		ignore_item(p);
	} else if (p->seen[rid / 8] & 1u << rid % 8) {
		mw__ddf_warn(p, p->item_line, "resource %u is defined twice; the first one is used", rid);
		ignore_item(p);
	} else if (p->draft.n_resources == MW_DDF_ITEMS_MAX) {
		mw__ddf_fail(p, p->item_line, MW_E_LIMIT, "more than %d resources in one object", MW_DDF_ITEMS_MAX);
	} else {
		p->seen[rid / 8] |= (uint8_t)(1u << rid % 8);
		p->place = MW_DDF_IN_ITEM;
	}
}

static void XMLCALL on_start(void *ud, const XML_Char *full_name, const XML_Char **attributes)
{
	struct mw_ddf_parser *p = ud;
	if (p->rc < 0)
		return;
	if (++p->depth > MW_DDF_DEPTH_MAX) {
		mw__ddf_fail(
			p, mw__ddf_line(p), MW_E_LIMIT, "more than %d elements inside each other", MW_DDF_DEPTH_MAX);
		return;
	}
	const char *name = local_name(full_name);
	switch (p->place) {
	case MW_DDF_OUTSIDE:
		enter_root(p, name);
		break;
	case MW_DDF_IN_ROOT:
		if (!strcmp(name, "Object"))
			enter_object(p);
		else
			enter_unknown(p, name);
		break;
	case MW_DDF_IN_OBJECT:
		if (!strcmp(name, "Resources"))
			p->place = MW_DDF_IN_RESOURCES;
		else
			enter_field(p, mw__ddf_object_fields, name);
		break;
	case MW_DDF_IN_RESOURCES:
		if (!strcmp(name, "Item"))
			enter_item(p, attributes);
		else
			enter_unknown(p, name);
		break;
	case MW_DDF_IN_ITEM:
		enter_field(p, mw__ddf_item_fields, name);
		break;
	case MW_DDF_IN_FIELD: /* markup inside a description: its text counts */
	case MW_DDF_IN_UNKNOWN:
		p->inner++;
		break;
	}
}

static void on_text(void *ud, const XML_Char *text, int len)
{
	struct mw_ddf_parser *p = ud;
	if (p->rc < 0 || p->place != MW_DDF_IN_FIELD)
		return;
	struct mw_bytes more = {(const uint8_t *)text, (size_t)len};
	if (!p->text.len) { /* indentation before the text does not count against the limit */
		struct mw_bytes trimmed = mw_ddf_trim(more);
		more.len -= (size_t)(trimmed.data - more.data);
		more.data = trimmed.data;
	}
	if (more.len > p->field->max - p->text.len) {
		mw__ddf_fail(p, p->field_line, MW_E_LIMIT, "%s is longer than %zu bytes; shorten it",
			p->field->element, p->field->max);
		return;
	}
	mw_buf_put(&p->text, more.data, more.len);
	if (p->text.overflow)
		mw__ddf_fail_memory(p);
}

static void leave_field(struct mw_ddf_parser *p)
{
	p->place = p->outer;
	p->field->set(p, mw_ddf_trim(mw_buf_bytes(&p->text)));
}

static void leave_item(struct mw_ddf_parser *p)
{
	p->place = MW_DDF_IN_RESOURCES;
	/* Something that can be read or written has a value; text can hold any. */
	if (p->item.type == MW_TYPE_NONE && p->item.operations & (MW_OP_R | MW_OP_W))
		p->item.type = MW_TYPE_STRING;
	if (mw_draft_add(&p->draft, &p->item) < 0)
		mw__ddf_fail_memory(p);
	p->stats.items++;
}

static void leave_object(struct mw_ddf_parser *p)
{
	p->place = MW_DDF_IN_ROOT;
	if (!p->has_oid) {
		mw__ddf_fail(p, p->object_line, MW_E_FORMAT,
			"an <Object> without <ObjectID>; add it with the object's number");
		return;
	}
	struct mw_object_def *def = mw_draft_finish(&p->draft);
	if (!def) {
		mw__ddf_fail_memory(p);
		return;
	}
	p->done[p->n_done++] = (struct mw_ddf_finished){def, p->object_line};
}

static void XMLCALL on_end(void *ud, const XML_Char *name)
{
	struct mw_ddf_parser *p = ud;
	(void)name; /* expat has made sure that it is the one that was opened */
	if (p->rc < 0)
		return;
	p->depth--;
	if (p->inner) {
		p->inner--;
		return;
	}
	switch (p->place) {
	case MW_DDF_OUTSIDE:
		break;
	case MW_DDF_IN_ROOT:
		p->place = MW_DDF_OUTSIDE;
		break;
	case MW_DDF_IN_OBJECT:
		leave_object(p);
		break;
	case MW_DDF_IN_RESOURCES:
		p->place = MW_DDF_IN_OBJECT;
		break;
	case MW_DDF_IN_ITEM:
		leave_item(p);
		break;
	case MW_DDF_IN_FIELD:
		leave_field(p);
		break;
	case MW_DDF_IN_UNKNOWN:
		p->place = p->outer;
		break;
	}
}

static void XMLCALL on_doctype(
	void *ud, const XML_Char *name, const XML_Char *sysid, const XML_Char *pubid, int has_internal_subset)
{
	struct mw_ddf_parser *p = ud;
	(void)name, (void)sysid, (void)pubid, (void)has_internal_subset;
	mw__ddf_fail(p, mw__ddf_line(p), MW_E_FORMAT,
		"a DOCTYPE is not allowed (entities could be hidden in it); remove it");
}

static void run_expat(struct mw_ddf_parser *p, struct mw_bytes xml)
{
	XML_SetUserData(p->xml, p);
	XML_SetElementHandler(p->xml, on_start, on_end);
	XML_SetCharacterDataHandler(p->xml, on_text);
	XML_SetStartDoctypeDeclHandler(p->xml, on_doctype);
	const char *text = xml.len ? (const char *)xml.data : "";
	if (XML_Parse(p->xml, text, (int)xml.len, 1) == XML_STATUS_OK || p->rc < 0)
		return;
	enum XML_Error code = XML_GetErrorCode(p->xml);
	if (code == XML_ERROR_NO_MEMORY)
		mw__ddf_fail_memory(p);
	else if (code == XML_ERROR_NO_ELEMENTS)
		mw__ddf_fail(
			p, mw__ddf_line(p), MW_E_FORMAT, "no element found; an object definition is an <LWM2M> document");
	else
		mw__ddf_fail(p, mw__ddf_line(p), MW_E_FORMAT,
			"not well-formed XML at column %lu: %s; correct the markup there",
			(unsigned long)XML_GetCurrentColumnNumber(p->xml) + 1, XML_ErrorString(code));
}

static void tell_duplicate(struct mw_ddf_parser *p, const struct mw_object_def *def, unsigned line)
{
	const struct mw_object_def *first = mw_model_exact(p->model, def->oid, def->version);
	bool is_same = mw_object_eq(first, def);
	p->stats.duplicates++;
	if (!is_same) {
		p->stats.conflicts++;
		mw__ddf_warn(p, line,
			"object %u version %u.%u differs from the one of %s, which is used; give one of them another "
			"version",
			def->oid, def->version.major, def->version.minor, mw__ddf_tail(first->source));
	} else if (!p->stats.warnings) {
		/* A plain copy is no warning, but a caller with one file wants to know. */
		char text[320];
		snprintf(text, sizeof(text), "object %u version %u.%u was read from %s already", def->oid,
			def->version.major, def->version.minor, mw__ddf_tail(first->source));
		mw__ddf_message(p->e, p->file, line, text);
	}
}

static void add_objects(struct mw_ddf_parser *p)
{
	if (!p->n_done) {
		mw__ddf_fail(
			p, mw__ddf_line(p), MW_E_FORMAT, "no <Object> in the <LWM2M>; an object definition has one");
		return;
	}
	int rc = mw_model_reserve(p->model, p->n_done);
	if (rc == MW_E_LIMIT)
		mw__ddf_fail(
			p, p->done[0].line, rc, "the registry is full at %d object definitions", MW_MODEL_OBJECTS_MAX);
	else if (rc < 0)
		mw__ddf_fail_memory(p);
	for (size_t i = 0; p->rc >= 0 && i < p->n_done; i++) {
		struct mw_ddf_finished *f = &p->done[i];
		if (mw_model_add(p->model, f->def) == MW_E_EXISTS) {
			tell_duplicate(p, f->def, f->line);
			continue;
		}
		f->def = NULL;
		p->stats.objects++;
	}
}

static void parser_deinit(struct mw_ddf_parser *p)
{
	for (size_t i = 0; i < p->n_done; i++)
		free(p->done[i].def);
	mw_draft_deinit(&p->draft);
	mw_buf_deinit(&p->text);
	XML_ParserFree(p->xml);
}

static void count(struct mw_ddf_stats *sum, const struct mw_ddf_stats *file, bool has_failed)
{
	if (!sum)
		return;
	if (has_failed) {
		sum->failed++;
		return;
	}
	sum->files++;
	sum->objects += file->objects;
	sum->duplicates += file->duplicates;
	sum->conflicts += file->conflicts;
	sum->items += file->items;
	sum->warnings += file->warnings;
}

int mw_ddf_parse_counted(struct mw_model *m, const char *file_name, struct mw_bytes xml,
	struct mw_ddf_stats *stats, mw_ddf_problem_cb *cb, void *ud, struct mw_errbuf *e)
{
	/* Named here rather than left to expat, so that all memory goes the same way as ours. UTF-8 whatever the
	 * declaration says: the schema knows no other encoding, and a wrong label must not turn text into other
	 * text. */
	static const XML_Memory_Handling_Suite memory = {malloc, realloc, free};
	struct mw_ddf_parser p = {.model = m, .file = file_name, .cb = cb, .ud = ud, .e = e};
	if (e)
		e->text[0] = 0;
	if (xml.len > MW_DDF_FILE_MAX)
		mw__ddf_fail(&p, 1, MW_E_LIMIT, "the file is longer than %d bytes; split it", MW_DDF_FILE_MAX);
	else if (!(p.xml = XML_ParserCreate_MM("UTF-8", &memory, NULL)))
		mw__ddf_fail(&p, 1, MW_E_NOMEM, "out of memory");
	mw_buf_init_heap(&p.text, MW_DDF_TEXT_MAX + 1);
	mw_draft_init(&p.draft);
	if (p.rc >= 0)
		run_expat(&p, xml);
	if (p.rc >= 0)
		add_objects(&p);
	count(stats, &p.stats, p.rc < 0);
	int rc = p.rc < 0 ? p.rc : (int)p.stats.objects;
	parser_deinit(&p);
	return rc;
}

int mw_ddf_parse(struct mw_model *m, const char *file_name, struct mw_bytes xml, struct mw_errbuf *e)
{
	return mw_ddf_parse_counted(m, file_name, xml, NULL, NULL, NULL, e);
}
