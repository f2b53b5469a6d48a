#include "codec/senml.h"

#include <math.h>
#include <string.h>

enum { NAME_MAX_LEN = 255 };

/* Times below are relative to now (RFC 8428, section 4.5.3). */
static const double first_absolute_s = 268435456.0;

/* ---- records to nodes ---- */

static int no_name(const struct mw_senml *s, const struct mw_senml_record *r, const char *name, size_t len)
{
	char shown[65], base[MW_PATH_TEXT_MAX];
	size_t n = len < sizeof(shown) - 1 ? len : sizeof(shown) - 1;
	for (size_t i = 0; i < n; i++)
		shown[i] = name[i] >= ' ' && name[i] < 127 ? name[i] : '?';
	shown[n] = 0;
	if (!s->base)
		return mw_fail(s->e, MW_E_FORMAT, "SenML record at byte %zu: \"%s\" is no path", r->at, shown);
	mw_path_print(s->base, base);
	return mw_fail(
		s->e, MW_E_FORMAT, "SenML record at byte %zu: \"%s\" is no resource under %s", r->at, shown, base);
}

/* Some clients name resources as seen from the path that was asked for. */
static bool parse_below_base(const struct mw_path *base, const char *name, size_t len, struct mw_path *out)
{
	char full[MW_PATH_TEXT_MAX + 1 + NAME_MAX_LEN];
	if (!len) {
		*out = *base;
		return true;
	}
	size_t n = base->depth ? mw_path_print(base, full) : 0;
	full[n++] = '/';
	memcpy(full + n, name, len);
	return *name != '/' && mw_path_parse(out, full, n + len) == 0;
}

static bool is_resource_under(const struct mw_path *p, const struct mw_path *base)
{
	return p->depth >= 3 && mw_path_is_under(p, base);
}

static int resolve_name(const struct mw_senml *s, const struct mw_senml_record *r, struct mw_path *out)
{
	char name[NAME_MAX_LEN];
	size_t len = s->bn.len + r->n.len;
	if (s->bn.len > sizeof(name) || r->n.len > sizeof(name) - s->bn.len)
		return mw_fail(s->e, MW_E_FORMAT, "SenML record at byte %zu: name is longer than %zu characters",
			r->at, sizeof(name));
	if (s->bn.len)
		memcpy(name, s->bn.data, s->bn.len);
	if (r->n.len)
		memcpy(name + s->bn.len, r->n.data, r->n.len);
	if (mw_path_parse_prefixed(out, name, len, NULL) == 0 && (!s->base || is_resource_under(out, s->base)))
		return 0;
	if (s->base && parse_below_base(s->base, name, len, out) && is_resource_under(out, s->base))
		return 0;
	return no_name(s, r, name, len);
}

static bool is_number(const struct mw_value *v)
{
	return v->type == MW_TYPE_INTEGER || v->type == MW_TYPE_UNSIGNED || v->type == MW_TYPE_FLOAT;
}

static double as_double(const struct mw_value *v)
{
	return v->type == MW_TYPE_FLOAT ? v->f : v->type == MW_TYPE_UNSIGNED ? (double)v->u : (double)v->i;
}

/* LwM2M does not use base values, but SenML has them; whole numbers are added exactly or refused. */
static int add_base_value(const struct mw_senml *s, const struct mw_senml_record *r, struct mw_value *v)
{
	struct mw_value bv = s->bv;
	if (!is_number(&bv) || !is_number(v))
		return 0;
	if (bv.type == MW_TYPE_FLOAT || v->type == MW_TYPE_FLOAT) {
		*v = (struct mw_value){.type = MW_TYPE_FLOAT, .f = as_double(&bv) + as_double(v)};
		return 0;
	}
	struct mw_value a = bv, b = *v;
	int64_t i;
	uint64_t u;
	if (mw_value_convert(&a, MW_TYPE_INTEGER) == 0 && mw_value_convert(&b, MW_TYPE_INTEGER) == 0 &&
		!__builtin_add_overflow(a.i, b.i, &i)) {
		*v = (struct mw_value){.type = MW_TYPE_INTEGER, .i = i};
		return 0;
	}
	a = bv;
	b = *v;
	if (mw_value_convert(&a, MW_TYPE_UNSIGNED) == 0 && mw_value_convert(&b, MW_TYPE_UNSIGNED) == 0 &&
		!__builtin_add_overflow(a.u, b.u, &u)) {
		*v = (struct mw_value){.type = MW_TYPE_UNSIGNED, .u = u};
		return 0;
	}
	return mw_fail(
		s->e, MW_E_FORMAT, "SenML record at byte %zu: base value and value add up beyond 64 bits", r->at);
}

static int set_time(const struct mw_senml *s, const struct mw_senml_record *r, struct mw_node *node)
{
	double t = (s->has_bt ? s->bt : 0) + (r->has_t ? r->t : 0);
	if (!isfinite(t))
		return mw_fail(s->e, MW_E_FORMAT, "SenML record at byte %zu: time is not a finite number", r->at);
	node->has_time = s->has_bt || r->has_t;
	if (node->has_time)
		node->time_s = t < first_absolute_s ? s->now_s + t : t;
	return 0;
}

/* In a list of paths a record may do no more than to set the base name for the ones behind it. */
static bool is_listed(const struct mw_senml_record *r)
{
	return r->has_n || (r->has_bn && (r->bn.len <= 1 || r->bn.data[r->bn.len - 1] != '/'));
}

int mw_senml_resolve(struct mw_senml *s, const struct mw_senml_record *r)
{
	struct mw_node node = {.value = r->value};
	int rc;
	if (r->has_bn)
		s->bn = r->bn;
	if (r->has_bt) {
		s->bt = r->bt;
		s->has_bt = true;
	}
	if (r->has_bv)
		s->bv = r->bv;
	if (s->base ? !r->has_value : !is_listed(r))
		return 0;
	if ((rc = resolve_name(s, r, &node.path)) < 0)
		return rc;
	if (!s->base)
		node.value = (struct mw_value){.type = MW_TYPE_NONE};
	else if ((rc = add_base_value(s, r, &node.value)) < 0 || (rc = set_time(s, r, &node)) < 0)
		return rc;
	else
		mw_node_apply_type(&node, s->types);
	rc = mw_nodes_add(s->out, &node);
	return rc < 0 ? mw_fail(s->e, rc, "SenML record at byte %zu: %s after %zu values", r->at, mw_err_text(rc),
						s->out->len)
				  : 0;
}

/* ---- nodes to records ---- */

/* @p p shortened to the ids that it shares with @p q. */
static struct mw_path common(const struct mw_path *p, const struct mw_path *q)
{
	const uint16_t a[4] = {p->oid, p->iid, p->rid, p->riid}, b[4] = {q->oid, q->iid, q->rid, q->riid};
	size_t n = 0;
	while (n < p->depth && n < q->depth && a[n] == b[n])
		n++;
	return mw_path_of(a, n);
}

static void plan_names(struct mw_senml_plan *plan, const struct mw_node *nodes, size_t n)
{
	uint8_t shallowest = 4;
	plan->is_whole = true;
	plan->prefix = nodes[0].path;
	for (size_t i = 0; i < n; i++) {
		plan->prefix = common(&plan->prefix, &nodes[i].path);
		plan->is_whole = plan->is_whole && mw_path_eq(&nodes[i].path, &nodes[0].path);
		if (nodes[i].path.depth < shallowest)
			shallowest = nodes[i].path.depth;
	}
	/* Each name keeps at least one id, so that the base name can end with the slash. */
	if (!plan->is_whole && plan->prefix.depth == shallowest) {
		const uint16_t ids[4] = {plan->prefix.oid, plan->prefix.iid, plan->prefix.rid, plan->prefix.riid};
		plan->prefix = mw_path_of(ids, shallowest - 1u);
	}
}

/* A base time serves when every node has a time and rounding leaves all of them as they were. */
static void plan_times(struct mw_senml_plan *plan, const struct mw_node *nodes, size_t n)
{
	plan->bt = nodes[0].time_s;
	plan->has_bt = true;
	for (size_t i = 0; i < n; i++)
		if (!nodes[i].has_time || plan->bt + (nodes[i].time_s - plan->bt) != nodes[i].time_s)
			plan->has_bt = false;
}

int mw_senml_plan(struct mw_senml_plan *plan, const struct mw_path *base, const struct mw_node *nodes,
	size_t n, struct mw_errbuf *e)
{
	*plan = (struct mw_senml_plan){.prefix = mw_path_of(NULL, 0)};
	for (size_t i = 0; i < n; i++) {
		const struct mw_path *p = &nodes[i].path;
		bool ids_ok = p->oid != MW_ID_NONE && p->iid != MW_ID_NONE && p->rid != MW_ID_NONE &&
					  (p->depth < 4 || p->riid != MW_ID_NONE);
		if (!ids_ok || !is_resource_under(p, base)) {
			char text[MW_PATH_TEXT_MAX];
			mw_path_print(p, text);
			return mw_fail(e, MW_E_PATH, "SenML: %s is not a resource of what is written", text);
		}
	}
	if (n) {
		plan_names(plan, nodes, n);
		plan_times(plan, nodes, n);
	}
	return 0;
}

size_t mw_senml_base_name(const struct mw_senml_plan *plan, char *out)
{
	*out = 0;
	if (!plan->prefix.depth)
		return 0;
	size_t len = mw_path_print(&plan->prefix, out);
	if (!plan->is_whole) {
		out[len++] = '/';
		out[len] = 0;
	}
	return len;
}

size_t mw_senml_name(const struct mw_senml_plan *plan, const struct mw_path *path, char *out)
{
	char base[MW_PATH_TEXT_MAX + 1];
	size_t skip = mw_senml_base_name(plan, base);
	size_t len = mw_path_print(path, out) - skip;
	memmove(out, out + skip, len + 1);
	return len;
}
