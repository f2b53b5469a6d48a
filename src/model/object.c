#include "model/object.h"

#include <string.h>

const struct mw_resource_def *mw_object_resource(const struct mw_object_def *def, uint16_t rid)
{
	size_t lo = 0, hi = def ? def->n_resources : 0;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		const struct mw_resource_def *r = &def->resources[mid];
		if (r->rid == rid)
			return r;
		if (r->rid < rid)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

static bool str_eq(const char *a, const char *b)
{
	return strcmp(a, b) == 0;
}

static bool resource_eq(const struct mw_resource_def *a, const struct mw_resource_def *b)
{
	return a->rid == b->rid && a->operations == b->operations && a->multiple == b->multiple &&
		   a->mandatory == b->mandatory && a->type == b->type && str_eq(a->name, b->name) &&
		   str_eq(a->range_text, b->range_text) && str_eq(a->units, b->units) &&
		   str_eq(a->description, b->description);
}

bool mw_object_eq(const struct mw_object_def *a, const struct mw_object_def *b)
{
	if (a->oid != b->oid || mw_version_cmp(a->version, b->version) || mw_version_cmp(a->lwm2m, b->lwm2m) ||
		a->multiple != b->multiple || a->mandatory != b->mandatory || a->n_resources != b->n_resources ||
		!str_eq(a->name, b->name) || !str_eq(a->urn, b->urn) || !str_eq(a->description, b->description) ||
		!str_eq(a->description2, b->description2))
		return false;
	for (size_t i = 0; i < a->n_resources; i++)
		if (!resource_eq(&a->resources[i], &b->resources[i]))
			return false;
	return true;
}
