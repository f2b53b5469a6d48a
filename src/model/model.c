#include "model/model.h"

#include <stdlib.h>
#include <string.h>

struct mw_model {
	struct mw_object_def *
		*objects; /* ascending (oid, version): a look-up is a binary search, a listing a walk */
	size_t n, cap;
};

struct mw_model *mw_model_new(void)
{
	return calloc(1, sizeof(struct mw_model));
}

void mw_model_free(struct mw_model *m)
{
	if (!m)
		return;
	for (size_t i = 0; i < m->n; i++)
		free(m->objects[i]);
	free(m->objects);
	free(m);
}

int mw_model_reserve(struct mw_model *m, size_t n)
{
	if (n > MW_MODEL_OBJECTS_MAX - m->n)
		return MW_E_LIMIT;
	if (n <= m->cap - m->n)
		return 0;
	size_t cap = m->cap ? m->cap : 64;
	while (cap < m->n + n)
		cap *= 2;
	void *grown = reallocarray(m->objects, cap, sizeof(struct mw_object_def *));
	if (!grown)
		return MW_E_NOMEM;
	m->objects = grown;
	m->cap = cap;
	return 0;
}

static int compare(const struct mw_object_def *def, uint16_t oid, struct mw_version version)
{
	if (def->oid != oid)
		return def->oid < oid ? -1 : 1;
	return mw_version_cmp(def->version, version);
}

/* Index of the first definition that is not before (oid, version). */
static size_t lower_bound(const struct mw_model *m, uint16_t oid, struct mw_version version)
{
	size_t lo = 0, hi = m->n;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (compare(m->objects[mid], oid, version) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

int mw_model_add(struct mw_model *m, struct mw_object_def *def)
{
	size_t at = lower_bound(m, def->oid, def->version);
	if (at < m->n && compare(m->objects[at], def->oid, def->version) == 0)
		return MW_E_EXISTS;
	int rc = mw_model_reserve(m, 1);
	if (rc < 0)
		return rc;
	memmove(m->objects + at + 1, m->objects + at, (m->n - at) * sizeof(struct mw_object_def *));
	m->objects[at] = def;
	m->n++;
	return 0;
}

const struct mw_object_def *mw_model_at(const struct mw_model *m, size_t index)
{
	return index < m->n ? m->objects[index] : NULL;
}

size_t mw_model_count(const struct mw_model *m)
{
	return m->n;
}

/* The definition at @p index when it is one of @p oid, and of @p major unless that is 0. */
static const struct mw_object_def *at_if(const struct mw_model *m, size_t index, uint16_t oid, uint16_t major)
{
	const struct mw_object_def *def = mw_model_at(m, index);
	return def && def->oid == oid && (!major || def->version.major == major) ? def : NULL;
}

const struct mw_object_def *mw_model_exact(const struct mw_model *m, uint16_t oid, struct mw_version version)
{
	size_t at = lower_bound(m, oid, version);
	return at < m->n && compare(m->objects[at], oid, version) == 0 ? m->objects[at] : NULL;
}

const struct mw_object_def *mw_model_object(const struct mw_model *m, uint16_t oid, struct mw_version want)
{
	const struct mw_object_def *def = NULL;
	if (want.major) {
		size_t at = lower_bound(m, oid, want);
		def = at_if(m, at, oid, want.major);
		if (def && def->version.minor == want.minor)
			return def;
		const struct mw_object_def *below = at ? at_if(m, at - 1, oid, want.major) : NULL;
		if (below)
			return below;
	}
	if (!def) { /* no version of this major: the last one of the object */
		size_t end = lower_bound(m, oid, (struct mw_version){UINT16_MAX, UINT16_MAX});
		def = end ? at_if(m, end - 1, oid, 0) : NULL;
	}
	return def;
}

struct mw_version mw_model_default_version(struct mw_version lwm2m, uint16_t oid)
{
	static const struct {
		uint16_t oid;
		struct mw_version in_1_1, in_1_2;
	} core[] = {
		/* every object that is not 1.0 everywhere */
		{0, {1, 1}, {1, 2}}, {1, {1, 1}, {1, 2}}, {2, {1, 0}, {1, 1}}, {3, {1, 1}, {1, 2}},
		{4, {1, 2}, {1, 3}}, {5, {1, 0}, {1, 1}}, {21, {1, 0}, {2, 0}}, /* 1.2.0 had 1.1 */
	};
	const struct mw_version first = {1, 0};
	if (mw_version_cmp(lwm2m, first) <= 0)
		return first;
	bool is_1_1 = lwm2m.major == 1 && lwm2m.minor == 1;
	for (size_t i = 0; i < sizeof(core) / sizeof(core[0]); i++)
		if (core[i].oid == oid)
			return is_1_1 ? core[i].in_1_1 : core[i].in_1_2;
	return first;
}

static enum mw_type type_in(const struct mw_object_def *def, uint16_t rid, bool *multiple)
{
	const struct mw_resource_def *r = mw_object_resource(def, rid);
	if (multiple)
		*multiple = r && r->multiple;
	return r ? r->type : MW_TYPE_NONE;
}

static enum mw_type latest_type(const void *ud, uint16_t oid, uint16_t rid, bool *multiple)
{
	const struct mw_model *m = ud;
	return type_in(m ? mw_model_object(m, oid, (struct mw_version){0}) : NULL, rid, multiple);
}

struct mw_types mw_model_types(const struct mw_model *m)
{
	return (struct mw_types){.type_of = latest_type, .ud = m};
}

static enum mw_type view_type(const void *ud, uint16_t oid, uint16_t rid, bool *multiple)
{
	const struct mw_model_view *view = ud;
	if (!view->model)
		return type_in(NULL, rid, multiple);
	struct mw_version want = view->version_of ? view->version_of(view->ud, oid) : (struct mw_version){0};
	return type_in(mw_model_object(view->model, oid, want), rid, multiple);
}

struct mw_types mw_model_view_types(const struct mw_model_view *view)
{
	return (struct mw_types){.type_of = view_type, .ud = view};
}
