/* Auto-observe: the observations that protocols declare, for every device that lists the object.
 *
 * A device gets them when it registers and when its list of objects changes. When units change, all devices
 * are brought in line in small slices, so that neither the loop nor the network is flooded. */
#include "host/host.h"
#include "script/state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	SLICE = 32,   /* devices looked at in one go */
	SLICE_MS = 4, /* pause between two goes: at most 8,000 devices a second */
	PER_DEVICE_MAX = 512,
	ATTRIBUTES_MAX = 128,
};

enum change { START, CANCEL, ENSURE };

struct entry {
	uint32_t key;
	enum change change;
};

/* What is still to be done on the devices from `at` on. */
struct mw_auto {
	struct mw_device_ref at;
	int64_t timer;
	size_t n;
	struct entry *entries; /* ascending by key */
	uint32_t n_devices;
};

/* ---- one operation ---- */

static void done(struct mw_script_anchor *a)
{
	if (--a->refs == 0)
		free(a);
}

static void on_done(
	void *ud, struct mw_device_ref dev, const struct mw_path *path, const struct mw_result *res)
{
	struct mw_script_anchor *a = ud;
	(void)dev;
	if (a->s && !mw_l_result_ok(res))
		MW_LOG(mw_script_log(a->s), DEBUG, OBS, "auto-observe of /%u/%u/%u: %s%s%d.%02d", path->oid,
			path->iid, path->rid, res->err ? mw_err_text(res->err) : res->text, res->err ? ", " : " ",
			res->code >> 5, res->code & 31);
	done(a);
}

static struct mw_script_anchor *hold(struct mw_script *s)
{
	s->anchor->refs++;
	return s->anchor;
}

static void started(struct mw_script *s, const struct mw_path *path, int64_t id)
{
	if (id >= 0)
		return;
	done(s->anchor);
	if (id == MW_E_LIMIT || id == MW_E_NOMEM)
		MW_LOG(mw_script_log(s), WARN, OBS, "auto-observe of /%u/%u/%u not started: %s", path->oid, path->iid,
			path->rid, mw_host_error(s->host));
}

/* The attributes go first: operations of one device keep their order, so the first notification obeys them.
 */
static void observe(
	struct mw_script *s, struct mw_device_ref dev, const struct mw_path *path, const struct mw_rule *rule)
{
	char attributes[ATTRIBUTES_MAX];
	if (rule->attributes.len > 0 && rule->attributes.len < sizeof(attributes)) {
		memcpy(attributes, rule->attributes.data, rule->attributes.len);
		attributes[rule->attributes.len] = '\0';
		started(s, path, mw_write_attributes(s->host, dev, path, attributes, on_done, hold(s)));
	}
	started(s, path, mw_observe(s->host, dev, path, on_done, hold(s)));
}

static void cancel(struct mw_script *s, struct mw_device_ref dev, const struct mw_path *path)
{
	started(s, path, mw_cancel_observe(s->host, dev, path, MW_CANCEL_REQUEST, on_done, hold(s)));
}

/* ---- one device: the instances are gathered first, as starting an operation may change what is walked ----
 */

struct instances {
	const struct mw_script *s;
	const struct mw_auto *walk; /* NULL = the plan's rules */
	size_t n;
	uint16_t ids[PER_DEVICE_MAX][2];
};

static const struct entry *first_entry(const struct mw_auto *w, uint16_t oid)
{
	const struct entry *e = w->entries, *end = e + w->n;
	while (e < end && e->key >> 16 < oid)
		e++;
	return e;
}

static bool is_wanted(const struct instances *all, uint16_t oid)
{
	if (all->walk) {
		const struct entry *e = first_entry(all->walk, oid);
		return e < all->walk->entries + all->walk->n && e->key >> 16 == oid;
	}
	const struct mw_plan *p = all->s->plan;
	for (const struct mw_rule *r = mw_plan_first(p, oid); r < p->rules + p->n_rules && r->key >> 16 == oid;
		 r++) {
		if (r->observe)
			return true;
	}
	return false;
}

static void gather(void *ud, uint16_t oid, uint16_t iid)
{
	struct instances *all = ud;
	if (iid == MW_ID_NONE || all->n == PER_DEVICE_MAX || !is_wanted(all, oid))
		return;
	all->ids[all->n][0] = oid;
	all->ids[all->n++][1] = iid;
}

static struct mw_path path_of(uint16_t oid, uint16_t iid, uint32_t key)
{
	return (struct mw_path){oid, iid, (uint16_t)(key & 0xffff), MW_ID_NONE, 3};
}

void mw_auto_device(struct mw_script *s, struct mw_device_ref dev)
{
	struct instances all = {.s = s};
	const struct mw_plan *p = s->plan;
	if (p->n_observes == 0 || mw_device_links(s->host, dev, gather, &all) < 0)
		return;
	for (size_t i = 0; i < all.n; i++) {
		uint16_t oid = all.ids[i][0];
		for (const struct mw_rule *r = mw_plan_first(p, oid);
			 r < p->rules + p->n_rules && r->key >> 16 == oid; r++) {
			struct mw_path path = path_of(oid, all.ids[i][1], r->key);
			if (r->observe)
				observe(s, dev, &path, r);
		}
	}
}

/* ---- all devices ---- */

static void apply(
	struct mw_script *s, struct mw_device_ref dev, const struct mw_path *path, const struct entry *e)
{
	const struct mw_rule *rule = mw_plan_rule(s->plan, path->oid, path->rid);
	if (e->change == CANCEL)
		cancel(s, dev, path);
	else if (rule && rule->observe)
		observe(s, dev, path, rule);
}

static void align_device(struct mw_script *s, struct mw_device_ref dev, const struct mw_auto *w)
{
	struct instances all = {.s = s, .walk = w};
	struct mw_device_info info;
	if (mw_device_info(s->host, dev, &info) < 0 || !info.registered ||
		mw_device_links(s->host, dev, gather, &all) < 0)
		return;
	for (size_t i = 0; i < all.n; i++) {
		const struct entry *e = first_entry(w, all.ids[i][0]);
		for (; e < w->entries + w->n && e->key >> 16 == all.ids[i][0]; e++) {
			struct mw_path path = path_of(all.ids[i][0], all.ids[i][1], e->key);
			/* Observations survive a restart: what is observed already is left in peace. */
			if (e->change != ENSURE || !mw_is_observed(s->host, dev, &path))
				apply(s, dev, &path, e);
		}
	}
}

void mw_auto_free(struct mw_script *s)
{
	if (!s->walk)
		return;
	if (s->walk->timer)
		mw_host_after_cancel(s->host, s->walk->timer);
	free(s->walk->entries);
	free(s->walk);
	s->walk = NULL;
}

static void on_slice(void *ud)
{
	struct mw_script *s = ud;
	struct mw_auto *w = s->walk;
	bool more = true;
	w->timer = 0;
	for (int i = 0; i < SLICE && more; i++) {
		more = mw_device_next(s->host, &w->at);
		if (more) {
			align_device(s, w->at, w);
			w->n_devices++;
		}
	}
	if (more)
		w->timer = mw_host_after(s->host, SLICE_MS, on_slice, s);
	if (more && w->timer > 0)
		return;
	MW_LOG(mw_script_log(s), INFO, RELOAD, "observations of %u devices brought in line%s", w->n_devices,
		more ? "; the others follow when they register" : "");
	w->timer = 0;
	mw_auto_free(s);
}

static struct entry *find(struct mw_auto *w, uint32_t key)
{
	for (size_t i = 0; i < w->n; i++) {
		if (w->entries[i].key == key)
			return &w->entries[i];
	}
	return NULL;
}

/* Memory was made before: there are never more entries than rules old and new and what was left to do. */
static void add(struct mw_auto *w, uint32_t key, enum change change)
{
	struct entry *e = find(w, key);
	if (e) {
		e->change = change;
		return;
	}
	size_t at = w->n++;
	for (; at > 0 && w->entries[at - 1].key > key; at--)
		w->entries[at] = w->entries[at - 1];
	w->entries[at] = (struct entry){key, change};
}

static bool same_observation(const struct mw_rule *a, const struct mw_rule *b)
{
	return a->observe && b->observe && a->attributes.len == b->attributes.len &&
		   (a->attributes.len == 0 || memcmp(a->attributes.data, b->attributes.data, a->attributes.len) == 0);
}

static void add_differences(struct mw_auto *w, const struct mw_plan *before, const struct mw_plan *after)
{
	for (size_t i = 0; before && i < before->n_rules; i++) {
		const struct mw_rule *old = &before->rules[i];
		const struct mw_rule *now =
			mw_plan_rule(after, (uint16_t)(old->key >> 16), (uint16_t)(old->key & 0xffff));
		if (old->observe && (!now || !now->observe))
			add(w, old->key, CANCEL);
	}
	for (size_t i = 0; i < after->n_rules; i++) {
		const struct mw_rule *now = &after->rules[i];
		const struct mw_rule *old =
			before ? mw_plan_rule(before, (uint16_t)(now->key >> 16), (uint16_t)(now->key & 0xffff)) : NULL;
		if (now->observe && (!old || !same_observation(old, now)))
			add(w, now->key, before ? START : ENSURE);
	}
}

void mw_auto_walk(struct mw_script *s, const struct mw_plan *before, const struct mw_plan *after)
{
	if (!s->host || (after->n_observes == 0 && (!before || before->n_observes == 0)))
		return;
	struct mw_auto *w = s->walk ? s->walk : calloc(1, sizeof(*w));
	size_t cap = (w ? w->n : 0) + after->n_observes + (before ? before->n_observes : 0);
	struct entry *entries = w ? realloc(w->entries, cap * sizeof(*entries)) : NULL;
	if (entries)
		w->entries = entries;
	if (!entries || (!w->timer && (w->timer = mw_host_after(s->host, SLICE_MS, on_slice, s)) < 0)) {
		MW_LOG(mw_script_log(s), ERROR, RELOAD,
			"out of memory: devices keep their observations until they register");
		if (w && w->timer < 0)
			w->timer = 0;
		s->walk = w;
		mw_auto_free(s);
		return;
	}
	s->walk = w;
	add_differences(w, before, after);
	w->at = (struct mw_device_ref){0}; /* from the start, also with what an unfinished walk left to do */
	w->n_devices = 0;
	if (w->n > 0)
		return;
	mw_auto_free(s);
}
