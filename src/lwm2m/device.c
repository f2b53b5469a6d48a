#include "lwm2m/device.h"
#include "base/buf.h"

#include <stdlib.h>
#include <string.h>

struct name_key {
	const char *text;
	size_t len;
};

void mw_devices_init(struct mw_devices *t, const struct mw_hash_key *key, uint32_t max)
{
	*t = (struct mw_devices){.key = key, .max = max};
	mw_pool_init(&t->pool, sizeof(struct mw_device));
	mw_index_init(&t->by_endpoint);
	mw_index_init(&t->by_location);
	mw_interned_links_init(&t->lists, key);
}

static void free_contents(struct mw_devices *t, struct mw_device *d)
{
	free(d->endpoint);
	mw_links_unref(&t->lists, d->links);
	if (d->extra) {
		free(d->extra->sms);
		free(d->extra->params);
		free(d->extra);
	}
}

void mw_devices_deinit(struct mw_devices *t)
{
	struct mw_device_ref at = {0};
	struct mw_device *d;
	while ((d = mw_devices_next(t, &at)))
		free_contents(t, d);
	mw_interned_links_deinit(&t->lists);
	mw_index_deinit(&t->by_endpoint);
	mw_index_deinit(&t->by_location);
	mw_pool_deinit(&t->pool);
}

static bool has_endpoint(const void *ud, uint32_t index, const void *key)
{
	const struct mw_devices *t = ud;
	const struct name_key *name = key;
	const struct mw_device *d = mw_pool_at(&t->pool, index);
	return d->endpoint_len == name->len && !memcmp(d->endpoint, name->text, name->len);
}

static bool has_location(const void *ud, uint32_t index, const void *key)
{
	const struct mw_devices *t = ud;
	const struct mw_device *d = mw_pool_at(&t->pool, index);
	return d->location == *(const uint64_t *)key;
}

struct mw_device *mw_devices_find(const struct mw_devices *t, const char *endpoint, size_t len)
{
	struct name_key key = {endpoint, len};
	uint32_t index = mw_index_find(&t->by_endpoint, mw_hash(t->key, endpoint, len), has_endpoint, t, &key);
	return index == MW_INDEX_NONE ? NULL : mw_pool_at(&t->pool, index);
}

/* A location is random: it is its own hash. */
struct mw_device *mw_devices_at_location(const struct mw_devices *t, uint64_t location)
{
	uint32_t index = mw_index_find(&t->by_location, location, has_location, t, &location);
	return index == MW_INDEX_NONE ? NULL : mw_pool_at(&t->pool, index);
}

void mw_devices_prefetch_index(const struct mw_devices *t, uint64_t location)
{
	mw_index_prefetch(&t->by_location, location);
}

void mw_devices_prefetch_device(const struct mw_devices *t, uint64_t location)
{
	uint32_t index = mw_index_peek(&t->by_location, location);
	if (index == MW_INDEX_NONE)
		return;
	const char *d = mw_pool_at(&t->pool, index);
	for (size_t line = 0; line < sizeof(struct mw_device); line += 64)
		__builtin_prefetch(d + line);
}

/* A free item keeps its generation and has no endpoint, so it can be told from a used one. */
struct mw_device *mw_devices_get(const struct mw_devices *t, struct mw_device_ref ref)
{
	if (ref.index >= t->pool.fresh)
		return NULL;
	struct mw_device *d = mw_pool_at(&t->pool, ref.index);
	return d->endpoint && d->generation == ref.generation ? d : NULL;
}

struct mw_device *mw_devices_next(const struct mw_devices *t, struct mw_device_ref *at)
{
	/* generation 0 is never given, so {0} means "before the first" */
	uint32_t index = at->generation ? at->index + 1 : 0;
	for (; index < t->pool.fresh; index++) {
		struct mw_device *d = mw_pool_at(&t->pool, index);
		if (!d->endpoint)
			continue;
		*at = mw_device_ref_of(d);
		return d;
	}
	return NULL;
}

struct mw_device *mw_devices_add(struct mw_devices *t, const char *endpoint, size_t len, int64_t id)
{
	if (t->pool.n_used >= t->max || len > UINT16_MAX)
		return NULL;
	char *name = mw_strndup(endpoint, len);
	if (!name)
		return NULL;
	uint32_t index = mw_pool_alloc(&t->pool);
	if (index == MW_POOL_NONE || mw_index_add(&t->by_endpoint, mw_hash(t->key, name, len), index) < 0) {
		if (index != MW_POOL_NONE)
			mw_pool_free(&t->pool, index);
		free(name);
		return NULL;
	}
	struct mw_device *d = mw_pool_at(&t->pool, index);
	if (id > t->last_id)
		t->last_id = id;
	d->id = id ? id : ++t->last_id;
	d->index = index;
	/* From the device's number: a later device in the same place has another one. Never 0. */
	d->generation = (uint32_t)(d->id % UINT32_MAX) + 1;
	d->endpoint = name;
	d->endpoint_len = (uint16_t)len;
	d->first_observation = MW_POOL_NONE;
	d->first_op = MW_POOL_NONE;
	return d;
}

void mw_devices_remove(struct mw_devices *t, struct mw_device *d)
{
	mw_devices_set_location(t, d, 0);
	mw_index_remove(&t->by_endpoint, mw_hash(t->key, d->endpoint, d->endpoint_len), d->index);
	free_contents(t, d);
	d->endpoint = NULL;
	mw_pool_free(&t->pool, d->index);
}

int mw_devices_set_location(struct mw_devices *t, struct mw_device *d, uint64_t location)
{
	if (location) {
		int rc = mw_index_add(&t->by_location, location, d->index);
		if (rc < 0)
			return rc;
	}
	if (d->location)
		mw_index_remove(&t->by_location, d->location, d->index);
	d->location = location;
	return 0;
}

int mw_device_set_extra(struct mw_device *d, const char *sms, const char *params)
{
	struct mw_device_extra *extra = NULL;
	if (*sms || *params) {
		extra = calloc(1, sizeof(*extra));
		if (!extra)
			return MW_E_NOMEM;
		extra->sms = mw_strndup(sms, strlen(sms));
		extra->params = mw_strndup(params, strlen(params));
		if (!extra->sms || !extra->params) {
			free(extra->sms);
			free(extra->params);
			free(extra);
			return MW_E_NOMEM;
		}
	}
	if (d->extra) {
		free(d->extra->sms);
		free(d->extra->params);
		free(d->extra);
	}
	d->extra = extra;
	return 0;
}

static const char digits[] = "0123456789abcdefghijklmnopqrstuv";

void mw_location_print(uint64_t location, char out[MW_LOCATION_TEXT_MAX])
{
	for (int i = 12; i >= 0; i--, location >>= 5)
		out[i] = digits[location & 31];
	out[13] = 0;
}

uint64_t mw_location_parse(const uint8_t *text, size_t len)
{
	if (len != 13)
		return 0;
	uint64_t location = 0;
	for (size_t i = 0; i < len; i++) {
		uint8_t c = text[i];
		unsigned digit = c >= '0' && c <= '9' ? c - 48u : c >= 'a' && c <= 'v' ? c - 'a' + 10u : 32;
		if (digit == 32 || (i == 0 && digit > 15))
			return 0;
		location = location << 5 | digit;
	}
	return location;
}

const char *mw_version_name(uint8_t version)
{
	switch (version) {
	case MW_LWM2M_1_0:
		return "1.0";
	case MW_LWM2M_1_1:
		return "1.1";
	case MW_LWM2M_1_2:
		return "1.2";
	default:
		return "";
	}
}

const char *mw_binding_print(uint8_t binding, bool queue_mode, char *out)
{
	static const char letters[] = "UTSNMH";
	char *p = out;
	for (int i = 0; letters[i]; i++)
		if (binding & 1 << i)
			*p++ = letters[i];
	if (queue_mode)
		*p++ = 'Q';
	*p = 0;
	return out;
}
