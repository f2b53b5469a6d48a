/* Auto-observe: the observations that protocols declare, for every device that lists the object.
 *
 * A device gets those that it lacks when it registers and when its list of objects changes. When units
 * change, all devices are brought in line in small slices. What is to be done on one device is a job: it
 * keeps a few operations under way and starts the next one when one ends, so that neither the loop, nor the
 * network, nor the queue of requests to one device is flooded. A device without a job takes no memory. */
#include "codec/value.h"
#include "host/host.h"
#include "script/state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	SLICE = 32,   /* devices looked at in one go */
	SLICE_MS = 4, /* pause between two goes: at most 8,000 devices a second */
	PER_DEVICE_MAX = 512,
	IN_FLIGHT_MAX = 4, /* operations of one job; a step starts at most two */
	ATTRIBUTES_MAX = 128,
	REASON_MAX = 100,
};

/* ENSURE leaves alone what is observed already; START writes the attributes all the same, as they have
 * changed.
 */
enum change { ENSURE, START, CANCEL };

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

struct step {
	uint16_t oid, iid, rid;
	uint8_t change;
	bool has_attributes; /* they are written, or on their way */
};

/* Exists while operations are under way; then freed by the last one's callback. */
struct mw_auto_job {
	struct mw_script_anchor *anchor;
	struct mw_device_ref dev;
	bool is_full;       /* more steps than PER_DEVICE_MAX */
	uint32_t in_flight; /* operations */
	uint32_t at, n, cap;
	struct step *steps;
	uint32_t n_started, n_refused; /* n_refused: operations */
	char reason[REASON_MAX];
};

/* ---- what went wrong: one line for each device, as hundreds of instances fail for one reason ---- */

/* Path and reason, without a blank or a code where there is none: "/3/0/9 4.04 no such thing". */
static void describe(char *out, size_t cap, const struct mw_path *path, const struct mw_result *res)
{
	char at[MW_PATH_TEXT_MAX];
	mw_path_print(path, at);
	if (res->err)
		snprintf(out, cap, "%s %s", at, mw_err_text(res->err));
	else
		snprintf(
			out, cap, "%s %d.%02d%s%s", at, res->code >> 5, res->code & 31, *res->text ? " " : "", res->text);
}

static void note_refused(struct mw_auto_job *j, const struct mw_path *path, const struct mw_result *res)
{
	if (j->n_refused++)
		return;
	describe(j->reason, sizeof(j->reason), path, res);
}

static void report(struct mw_script *s, const struct mw_auto_job *j)
{
	struct mw_bytes ep = mw_script_endpoint(s, j->dev);
	if (j->n_refused)
		MW_LOG(mw_script_log(s), WARN, OBS, "ep=%.*s auto-observe: %u of %u failed, the first: %s",
			(int)ep.len, (const char *)ep.data, j->n_refused, j->n_started, j->reason);
	if (j->is_full)
		MW_LOG(mw_script_log(s), WARN, OBS,
			"ep=%.*s auto-observe: the device has too many instances, those beyond %d are left out",
			(int)ep.len, (const char *)ep.data, PER_DEVICE_MAX);
}

/* ---- the job of one device ---- */

static void on_done(
	void *ud, struct mw_device_ref dev, const struct mw_path *path, const struct mw_result *res);

static void free_job(struct mw_auto_job *j)
{
	if (j->anchor->s)
		mw_devmap_remove(&j->anchor->s->jobs, j->dev.index);
	if (--j->anchor->refs == 0)
		free(j->anchor);
	free(j->steps);
	free(j);
}

static struct mw_path path_of(const struct step *st)
{
	return (struct mw_path){st->oid, st->iid, st->rid, MW_ID_NONE, 3};
}

/* Counts what was started, and what failed unless the device has gone. 0 or the failure; MW_E_LIMIT while
 * others are under way: try again when one has ended. */
static int started(struct mw_auto_job *j, const struct mw_path *path, int64_t id)
{
	if ((id == MW_E_LIMIT && j->in_flight > 0) || id == MW_E_STATE || id == MW_E_NOTFOUND)
		return (int)id;
	j->n_started++;
	if (id >= 0)
		j->in_flight++;
	else
		note_refused(j, path, &(struct mw_result){.err = (int)id, .text = ""});
	return id < 0 ? (int)id : 0;
}

static int write_attributes(
	struct mw_script *s, struct mw_auto_job *j, struct step *st, const struct mw_bytes *attributes)
{
	char text[ATTRIBUTES_MAX];
	struct mw_path path = path_of(st);
	if (st->has_attributes || attributes->len == 0 || attributes->len >= sizeof(text))
		return 0;
	memcpy(text, attributes->data, attributes->len);
	text[attributes->len] = '\0';
	int rc = started(j, &path, mw_write_attributes(s->host, j->dev, &path, text, on_done, j));
	st->has_attributes = rc == 0;
	return rc;
}

/* The units may have changed since the step was planned: what counts is what they want now. The attributes go
 * first: operations of one device keep their order, so the first notification obeys them. */
static int run_step(struct mw_script *s, struct mw_auto_job *j, struct step *st)
{
	struct mw_path path = path_of(st);
	const struct mw_rule *rule = mw_plan_rule(s->plan, st->oid, st->rid);
	bool is_wanted = rule && rule->observe, is_observed = mw_is_observed(s->host, j->dev, &path);
	if (!is_wanted && st->change == CANCEL && is_observed)
		return started(j, &path, mw_cancel_observe(s->host, j->dev, &path, MW_CANCEL_REQUEST, on_done, j));
	if (!is_wanted || st->change == CANCEL || (is_observed && st->change == ENSURE))
		return 0;
	int rc = write_attributes(s, j, st, &rule->attributes);
	if (rc < 0 || is_observed)
		return rc;
	return started(j, &path, mw_observe(s->host, j->dev, &path, on_done, j));
}

/* Starts what may be started now. The job is gone when this returns and nothing is under way. */
static void go_on(struct mw_script *s, struct mw_auto_job *j)
{
	struct mw_device_info info;
	if (mw_device_info(s->host, j->dev, &info) < 0 || !info.registered)
		j->at = j->n; /* its next registration starts afresh */
	while (j->at < j->n && j->in_flight + 2 <= IN_FLIGHT_MAX) {
		int rc = run_step(s, j, &j->steps[j->at]);
		if (rc == MW_E_LIMIT && j->in_flight > 0)
			return;
		j->at = rc == MW_E_STATE || rc == MW_E_NOTFOUND ? j->n : j->at + 1;
	}
	if (j->at < j->n || j->in_flight > 0)
		return;
	report(s, j);
	free_job(j);
}

/* 4.04 and 4.05 only say that the device does not have the resource, or cannot observe it. */
static bool is_worth_a_warning(const struct mw_result *res)
{
	return res->err ? res->err != MW_E_CANCELED : res->code != 0x84 && res->code != 0x85;
}

static void on_done(
	void *ud, struct mw_device_ref dev, const struct mw_path *path, const struct mw_result *res)
{
	struct mw_auto_job *j = ud;
	struct mw_script *s = j->anchor->s;
	j->in_flight--;
	if (!s) {
		if (j->in_flight == 0)
			free_job(j);
		return;
	}
	if (!mw_l_result_ok(res)) {
		char text[REASON_MAX];
		describe(text, sizeof(text), path, res);
		struct mw_bytes ep = mw_script_endpoint(s, dev);
		MW_LOG(mw_script_log(s), DEBUG, OBS, "ep=%.*s auto-observe: %s", (int)ep.len, (const char *)ep.data,
			text);
		if (is_worth_a_warning(res))
			note_refused(j, path, res);
	}
	go_on(s, j);
}

/* ---- planning: what a device lacks is gathered first, as starting an operation may change what is walked
 * ----
 */

struct wanted {
	struct mw_script *s;
	struct mw_device_ref dev;
	const struct mw_auto *walk; /* NULL = the plan's rules */
	bool is_full;
	size_t n;
	struct step steps[PER_DEVICE_MAX];
};

static void want(struct wanted *all, uint16_t oid, uint16_t iid, uint32_t key, enum change change)
{
	struct step st = {oid, iid, (uint16_t)(key & 0xffff), (uint8_t)change, false};
	struct mw_path path = path_of(&st);
	if (change != START && mw_is_observed(all->s->host, all->dev, &path) == (change == ENSURE))
		return; /* as it should be: observing it again would only read it */
	all->is_full |= all->n == PER_DEVICE_MAX;
	if (!all->is_full)
		all->steps[all->n++] = st;
}

static const struct entry *first_entry(const struct mw_auto *w, uint16_t oid)
{
	const struct entry *e = w->entries, *end = e + w->n;
	while (e < end && e->key >> 16 < oid)
		e++;
	return e;
}

static void gather(void *ud, uint16_t oid, uint16_t iid)
{
	struct wanted *all = ud;
	if (iid == MW_ID_NONE)
		return;
	if (all->walk) {
		const struct entry *e = first_entry(all->walk, oid), *end = all->walk->entries + all->walk->n;
		for (; e < end && e->key >> 16 == oid; e++)
			want(all, oid, iid, e->key, e->change);
		return;
	}
	const struct mw_plan *p = all->s->plan;
	const struct mw_rule *r = mw_plan_first(p, oid), *end = p->rules + p->n_rules;
	for (; r < end && r->key >> 16 == oid; r++) {
		if (r->observe)
			want(all, oid, iid, r->key, ENSURE);
	}
}

/* A later change of the same resource takes the place of one that has not begun. */
static void add_step(struct mw_auto_job *j, const struct step *st)
{
	for (uint32_t i = j->at; i < j->n; i++) {
		struct step *old = &j->steps[i];
		if (old->oid != st->oid || old->iid != st->iid || old->rid != st->rid)
			continue;
		if (st->change != ENSURE || old->change == CANCEL)
			*old = *st;
		return;
	}
	if (j->n < j->cap)
		j->steps[j->n++] = *st;
	else
		j->is_full = true;
}

static struct mw_auto_job *new_job(struct mw_script *s, struct mw_device_ref dev)
{
	struct mw_auto_job *j = calloc(1, sizeof(*j));
	if (!j || mw_devmap_set(&s->jobs, dev.index, j) < 0) {
		free(j);
		return NULL;
	}
	j->dev = dev;
	j->anchor = s->anchor;
	j->anchor->refs++;
	return j;
}

/* Room for @p n more steps, up to PER_DEVICE_MAX; steps that are done make room first. */
static bool reserve(struct mw_auto_job *j, size_t n)
{
	j->n -= j->at;
	if (j->at)
		memmove(j->steps, j->steps + j->at, j->n * sizeof(*j->steps));
	j->at = 0;
	size_t cap = j->n + n > PER_DEVICE_MAX ? PER_DEVICE_MAX : j->n + n;
	if (cap <= j->cap)
		return true;
	struct step *steps = realloc(j->steps, cap * sizeof(*steps));
	if (!steps)
		return false;
	j->steps = steps;
	j->cap = (uint32_t)cap;
	return true;
}

/* Cancelling comes first: it makes room among the observations that a device may have. */
static void enqueue(struct mw_script *s, const struct wanted *all)
{
	if (all->n == 0)
		return;
	struct mw_auto_job *j = mw_devmap_get(&s->jobs, all->dev.index);
	bool is_new = !j;
	if (is_new)
		j = new_job(s, all->dev);
	if (!j || !reserve(j, all->n)) {
		struct mw_bytes ep = mw_script_endpoint(s, all->dev);
		MW_LOG(mw_script_log(s), ERROR, OBS, "ep=%.*s auto-observe: out of memory", (int)ep.len,
			(const char *)ep.data);
		if (j && is_new)
			free_job(j);
		return;
	}
	j->is_full |= all->is_full;
	for (int pass = 0; pass < 2; pass++) {
		for (size_t i = 0; i < all->n; i++) {
			if ((all->steps[i].change == CANCEL) == (pass == 0))
				add_step(j, &all->steps[i]);
		}
	}
	go_on(s, j);
}

void mw_auto_device(struct mw_script *s, struct mw_device_ref dev)
{
	struct wanted all = {.s = s, .dev = dev};
	if (s->plan->n_observes > 0 && mw_device_links(s->host, dev, gather, &all) == 0)
		enqueue(s, &all);
}

/* ---- all devices ---- */

static void align_device(struct mw_script *s, struct mw_device_ref dev, const struct mw_auto *w)
{
	struct wanted all = {.s = s, .dev = dev, .walk = w};
	struct mw_device_info info;
	if (mw_device_info(s->host, dev, &info) == 0 && info.registered &&
		mw_device_links(s->host, dev, gather, &all) == 0)
		enqueue(s, &all);
}

static void free_walk(struct mw_script *s)
{
	if (!s->walk)
		return;
	if (s->walk->timer)
		mw_host_after_cancel(s->host, s->walk->timer);
	free(s->walk->entries);
	free(s->walk);
	s->walk = NULL;
}

/* Jobs go with their last operation. */
void mw_auto_free(struct mw_script *s)
{
	free_walk(s);
	mw_devmap_deinit(&s->jobs);
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
	free_walk(s);
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
		free_walk(s);
		return;
	}
	s->walk = w;
	add_differences(w, before, after);
	w->at = (struct mw_device_ref){0}; /* from the start, also with what an unfinished walk left to do */
	w->n_devices = 0;
	if (w->n > 0)
		return;
	free_walk(s);
}
