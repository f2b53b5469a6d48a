#include "model/draft.h"

#include <stdlib.h>
#include <string.h>

/* A definition file is limited to far less, see ddf.c; so a buffer that does not grow means no memory. */
enum { TEXT_MAX = 32 << 20 };

void mw_draft_init(struct mw_object_draft *d)
{
	*d = (struct mw_object_draft){.version = {1, 0}, .lwm2m = {1, 0}};
	mw_buf_init_heap(&d->text, TEXT_MAX);
}

void mw_draft_deinit(struct mw_object_draft *d)
{
	free(d->resources);
	mw_buf_deinit(&d->text);
	*d = (struct mw_object_draft){0};
}

int mw_draft_text(struct mw_object_draft *d, struct mw_draft_str *out, struct mw_bytes text)
{
	if (!d->text.len)
		mw_buf_put_u8(&d->text, 0); /* place 0 is the empty string of all fields that nobody sets */
	if (text.len >= TEXT_MAX || !mw_buf_reserve(&d->text, text.len + 1))
		return MW_E_NOMEM;
	*out = (struct mw_draft_str){(uint32_t)d->text.len, (uint32_t)text.len};
	mw_buf_put(&d->text, text.data, text.len);
	mw_buf_put_u8(&d->text, 0);
	return 0;
}

int mw_draft_add(struct mw_object_draft *d, const struct mw_resource_draft *r)
{
	if (d->n_resources == d->cap) {
		size_t cap = d->cap ? d->cap * 2 : 16;
		void *grown = reallocarray(d->resources, cap, sizeof(*r));
		if (!grown)
			return MW_E_NOMEM;
		d->resources = grown;
		d->cap = cap;
	}
	d->resources[d->n_resources++] = *r;
	return 0;
}

static int by_rid(const void *a, const void *b)
{
	const struct mw_resource_draft *x = a, *y = b;
	return (x->rid > y->rid) - (x->rid < y->rid);
}

static struct mw_range parse_range(
	const struct mw_object_draft *d, const struct mw_resource_draft *r, struct mw_span *spans)
{
	if (!r->range_text.len)
		return (struct mw_range){.kind = MW_RANGE_NONE};
	return mw_range_parse((const char *)d->text.data + r->range_text.at, r->range_text.len, r->type, spans);
}

static size_t count_spans(const struct mw_object_draft *d)
{
	struct mw_span spans[MW_RANGE_SPANS_MAX];
	size_t n = 0;
	for (size_t i = 0; i < d->n_resources; i++)
		n += parse_range(d, &d->resources[i], spans).n_spans;
	return n;
}

static void fill_resources(const struct mw_object_draft *d, const char *text,
	struct mw_resource_def *resources, struct mw_span *next_span)
{
	for (size_t i = 0; i < d->n_resources; i++) {
		const struct mw_resource_draft *r = &d->resources[i];
		struct mw_span spans[MW_RANGE_SPANS_MAX];
		struct mw_range range = parse_range(d, r, spans);
		if (range.n_spans) {
			memcpy(next_span, spans, range.n_spans * sizeof(*spans));
			range.spans = next_span;
			next_span += range.n_spans;
		}
		resources[i] = (struct mw_resource_def){
			.rid = r->rid,
			.operations = r->operations,
			.multiple = r->multiple,
			.mandatory = r->mandatory,
			.type = r->type,
			.name = text + r->name.at,
			.range_text = text + r->range_text.at,
			.range = range,
			.units = text + r->units.at,
			.description = text + r->description.at,
		};
	}
}

struct mw_object_def *mw_draft_finish(struct mw_object_draft *d)
{
	struct mw_draft_str empty;
	if (!d->text.len && mw_draft_text(d, &empty, (struct mw_bytes){0}) < 0)
		return NULL;
	if (d->n_resources)
		qsort(d->resources, d->n_resources, sizeof(*d->resources), by_rid);
	size_t resources_size = d->n_resources * sizeof(struct mw_resource_def);
	size_t spans_size = count_spans(d) * sizeof(struct mw_span);
	struct mw_object_def *def = malloc(sizeof(*def) + resources_size + spans_size + d->text.len);
	if (!def)
		return NULL;
	/* All three have the same alignment, so they can follow each other without gaps. */
	_Static_assert(_Alignof(struct mw_object_def) >= _Alignof(struct mw_resource_def), "layout");
	_Static_assert(_Alignof(struct mw_resource_def) >= _Alignof(struct mw_span), "layout");
	struct mw_resource_def *resources = (void *)(def + 1);
	struct mw_span *spans = (void *)(resources + d->n_resources);
	char *text = (char *)spans + spans_size;
	memcpy(text, d->text.data, d->text.len);
	fill_resources(d, text, resources, spans);
	*def = (struct mw_object_def){
		.oid = d->oid,
		.version = d->version,
		.lwm2m = d->lwm2m,
		.multiple = d->multiple,
		.mandatory = d->mandatory,
		.name = text + d->name.at,
		.urn = text + d->urn.at,
		.description = text + d->description.at,
		.description2 = text + d->description2.at,
		.source = text + d->source.at,
		.resources = resources,
		.n_resources = d->n_resources,
	};
	return def;
}
