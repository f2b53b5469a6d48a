#include "lwm2m/links.h"
#include "base/err.h"
#include "codec/linkformat.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_LINKS = 4096, MAX_RAW = 65536, MAX_VERSIONS = 64 };

struct raw_key {
	const char *text;
	size_t len;
};

void mw_interned_links_init(struct mw_interned_links *t, const struct mw_hash_key *key)
{
	*t = (struct mw_interned_links){.key = key};
	mw_pool_init(&t->pool, sizeof(struct mw_links));
	mw_index_init(&t->by_raw);
}

static void free_contents(struct mw_links *l)
{
	free(l->raw);
	free(l->items);
	free(l->versions);
	free(l->prefix);
}

void mw_interned_links_deinit(struct mw_interned_links *t)
{
	mw_index_deinit(&t->by_raw);
	mw_pool_deinit(&t->pool);
}

static bool has_raw(const void *ud, uint32_t index, const void *key)
{
	const struct mw_interned_links *t = ud;
	const struct raw_key *k = key;
	const struct mw_links *l = mw_pool_at(&t->pool, index);
	return l->raw_len == k->len && !memcmp(l->raw, k->text, k->len);
}

static struct mw_links *find(const struct mw_interned_links *t, const char *text, size_t len)
{
	struct raw_key key = {text, len};
	uint32_t index = mw_index_find(&t->by_raw, mw_hash(t->key, text, len), has_raw, t, &key);
	return index == MW_INDEX_NONE ? NULL : mw_pool_at(&t->pool, index);
}

/* ---- parsing ---- */

/* Objects that no registration may list: they hold keys (Core "Register"). */
static bool is_secret(uint16_t oid)
{
	return oid == 0 || oid == 21 || oid == 23;
}

/* The root has no numeric segment, so an object that carries the attribute stays an object. */
static bool is_lwm2m_root(const struct mw_linkformat_link *link)
{
	struct mw_linkformat_attr rt;
	struct mw_bytes word;
	struct mw_path path;
	if (!mw_linkformat_attr_find(link, "rt", &rt) || mw_linkformat_path(link, &path, NULL) < 0 ||
		path.depth > 0)
		return false;
	struct mw_bytes rest = rt.value;
	while (mw_linkformat_word_next(&rest, &word))
		if (word.len == 9 && !memcmp(word.data, "oma.lwm2m", 9))
			return true;
	return false;
}

static void read_formats(struct mw_links *l, const struct mw_linkformat_link *link)
{
	struct mw_linkformat_attr ct;
	struct mw_bytes word;
	l->n_formats = 0;
	if (!mw_linkformat_attr_find(link, "ct", &ct))
		return;
	struct mw_bytes rest = ct.value;
	while (l->n_formats < MW_LINKS_MAX_FORMATS && mw_linkformat_word_next(&rest, &word)) {
		char text[8] = "", *end = text;
		if (word.len > 0 && word.len < sizeof(text))
			memcpy(text, word.data, word.len);
		unsigned long v = strtoul(text, &end, 10);
		if (end != text && !*end && v < UINT16_MAX)
			l->formats[l->n_formats++] = (uint16_t)v;
	}
}

static int read_root(struct mw_links *l, const struct mw_linkformat_link *link)
{
	const uint8_t *start = link->target.data - 1; /* with the '<' */
	const uint8_t *end =
		link->attrs.len ? link->attrs.data + link->attrs.len : link->target.data + link->target.len + 1;
	size_t len = link->target.len;
	while (len && link->target.data[len - 1] == '/')
		len--;
	free(l->prefix);
	l->prefix = len ? mw_strndup(link->target.data, len) : NULL;
	if (len && !l->prefix)
		return MW_E_NOMEM;
	l->has_root = true;
	l->root = (struct mw_bytes){start, (size_t)(end - start)};
	read_formats(l, link);
	return 0;
}

static int read_version(struct mw_links *l, uint16_t oid, const struct mw_linkformat_link *link)
{
	struct mw_linkformat_attr ver;
	if (!mw_linkformat_attr_find(link, "ver", &ver))
		return 0;
	unsigned part[2] = {0, 0}, at = 0, digits = 0;
	for (size_t i = 0; i < ver.value.len; i++) {
		uint8_t c = ver.value.data[i];
		if (c == '.' && at == 0 && digits)
			at = 1, digits = 0;
		else if (c >= '0' && c <= '9' && part[at] < 26)
			part[at] = part[at] * 10 + (c - 48u), digits++;
		else
			return 0; /* an odd version is as good as none */
	}
	if (!digits || part[0] > 255 || part[1] > 255)
		return 0;
	for (uint32_t i = 0; i < l->n_versions; i++)
		if (l->versions[i].oid == oid)
			return 0;
	if (l->n_versions == MAX_VERSIONS)
		return 0; /* the list is searched for every value: objects beyond take the enabler's default */
	struct mw_link_version *v = realloc(l->versions, (l->n_versions + 1) * sizeof(*v));
	if (!v)
		return MW_E_NOMEM;
	l->versions = v;
	v[l->n_versions++] = (struct mw_link_version){oid, (uint8_t)part[0], (uint8_t)part[1]};
	return 0;
}

static int read_object(struct mw_links *l, const struct mw_path *path, const struct mw_linkformat_link *link)
{
	if (is_secret(path->oid))
		return 0;
	if (l->n_items == MAX_LINKS)
		return MW_E_LIMIT;
	if ((l->n_items & (l->n_items - 1)) == 0) { /* 0 or a power of two: the room is used up */
		size_t cap = l->n_items ? l->n_items * 2 : 1;
		struct mw_link *items = realloc(l->items, cap * sizeof(*items));
		if (!items)
			return MW_E_NOMEM;
		l->items = items;
	}
	l->items[l->n_items++] = (struct mw_link){path->oid, path->iid};
	return read_version(l, path->oid, link);
}

static int by_id(const void *a, const void *b)
{
	const struct mw_link *x = a, *y = b;
	return x->oid != y->oid ? x->oid - y->oid : x->iid - y->iid;
}

/* Ascending, each once; "object without instance" only where no instance is listed (65535 sorts behind them).
 */
static void tidy(struct mw_links *l)
{
	if (!l->n_items)
		return;
	qsort(l->items, l->n_items, sizeof(*l->items), by_id);
	uint32_t n = 0;
	for (uint32_t i = 0; i < l->n_items; i++) {
		const struct mw_link *last = n ? &l->items[n - 1] : NULL;
		bool known = last && last->oid == l->items[i].oid &&
					 (l->items[i].iid == MW_ID_NONE || last->iid == l->items[i].iid);
		if (!known)
			l->items[n++] = l->items[i];
	}
	l->n_items = n;
}

/* Parses l->raw. The first link with rt="oma.lwm2m" is the root; without one, "/" is. */
static int parse(struct mw_links *l)
{
	struct mw_linkformat list;
	struct mw_linkformat_link link;
	bool marked = false;
	int rc = 0;
	mw_linkformat_init(&list, (struct mw_bytes){(const uint8_t *)l->raw, l->raw_len});
	while (rc == 0 && mw_linkformat_next(&list, &link)) {
		struct mw_path path;
		bool is_root = is_lwm2m_root(&link);
		if (is_root && !marked) {
			marked = true;
			rc = read_root(l, &link);
		} else if (!is_root && mw_linkformat_path(&link, &path, NULL) == 0) {
			if (path.depth > 0)
				rc = read_object(l, &path, &link);
			else if (!l->has_root && link.target.len == 1)
				rc = read_root(l, &link);
		} else if (!is_root) {
			l->n_skipped++;
		}
	}
	l->n_skipped += (uint32_t)list.n_skipped;
	tidy(l);
	return rc < 0 ? rc : l->n_items ? 0 : MW_E_FORMAT;
}

/* ---- interning ---- */

static int add(struct mw_interned_links *t, const char *text, size_t len, struct mw_links **out)
{
	uint32_t index = mw_pool_alloc(&t->pool);
	if (index == MW_POOL_NONE)
		return MW_E_NOMEM;
	struct mw_links *l = mw_pool_at(&t->pool, index);
	l->refs = 1;
	l->index = index;
	l->raw = mw_strndup(text, len);
	l->raw_len = len;
	int rc = l->raw ? parse(l) : MW_E_NOMEM;
	if (rc == 0)
		rc = mw_index_add(&t->by_raw, mw_hash(t->key, l->raw, l->raw_len), index);
	if (rc < 0) {
		free_contents(l);
		mw_pool_free(&t->pool, index);
		return rc;
	}
	*out = l;
	return 0;
}

static int intern_text(struct mw_interned_links *t, const char *text, size_t len, struct mw_links **out)
{
	struct mw_links *l = find(t, text, len);
	if (!l)
		return add(t, text, len, out);
	*out = mw_links_ref(l);
	return 0;
}

int mw_links_intern(struct mw_interned_links *t, struct mw_bytes payload, const struct mw_links *before,
	struct mw_links **out)
{
	struct mw_links *l;
	if (payload.len > MAX_RAW)
		return MW_E_LIMIT;
	int rc = intern_text(t, (const char *)payload.data, payload.len, &l);
	if (rc < 0)
		return rc;
	if (l->has_root || !before || !before->has_root) {
		*out = l;
		return 0;
	}
	/* Clients leave the root link out of an Update: formats and alternate path stay as registered. */
	size_t len = before->root.len + 1 + payload.len;
	char *text = len <= MAX_RAW ? malloc(len) : NULL; /* it must be readable again after a restart */
	if (text) {
		memcpy(text, before->root.data, before->root.len);
		text[before->root.len] = ',';
		memcpy(text + before->root.len + 1, payload.data, payload.len);
		rc = intern_text(t, text, len, out);
	}
	free(text);
	mw_links_unref(t, l);
	return text ? rc : len <= MAX_RAW ? MW_E_NOMEM : MW_E_LIMIT;
}

struct mw_links *mw_links_ref(struct mw_links *l)
{
	l->refs++;
	return l;
}

void mw_links_unref(struct mw_interned_links *t, struct mw_links *l)
{
	if (!l || --l->refs)
		return;
	mw_index_remove(&t->by_raw, mw_hash(t->key, l->raw, l->raw_len), l->index);
	free_contents(l);
	mw_pool_free(&t->pool, l->index);
}

/* ---- look-ups ---- */

bool mw_links_has(const struct mw_links *l, uint16_t oid, uint16_t iid)
{
	for (uint32_t i = 0; i < l->n_items && l->items[i].oid <= oid; i++)
		if (l->items[i].oid == oid && (iid == MW_ID_NONE || l->items[i].iid == iid))
			return true;
	return false;
}

bool mw_links_has_format(const struct mw_links *l, uint16_t format)
{
	for (unsigned i = 0; i < l->n_formats; i++)
		if (l->formats[i] == format)
			return true;
	return false;
}

const struct mw_link_version *mw_links_version(const struct mw_links *l, uint16_t oid)
{
	for (uint32_t i = 0; i < l->n_versions; i++)
		if (l->versions[i].oid == oid)
			return &l->versions[i];
	return NULL;
}
