#include "lwm2m/values.h"
#include "codec/format.h"

#include <inttypes.h>
#include <string.h>

/* The version that the device itself gives for an object comes first; without one, the enabler's default. */
static struct mw_version version_of(const void *ud, uint16_t oid)
{
	const struct mw_device *d = ud;
	const struct mw_link_version *v = mw_links_version(d->links, oid);
	if (v)
		return (struct mw_version){v->major, v->minor};
	return mw_model_default_version((struct mw_version){1, (uint16_t)(d->version - MW_LWM2M_1_0)}, oid);
}

int mw_values_decode(struct mw_lwm2m *l, const struct mw_device *d, const struct mw_path *path,
	unsigned format, struct mw_bytes body, struct mw_errbuf *e)
{
	struct mw_model_view view = {.model = l->model, .version_of = d->links ? version_of : NULL, .ud = d};
	struct mw_types types = mw_model_view_types(&view);
	double now_s = (double)mw_wall_now(&l->clock).ms / 1000;
	mw_nodes_clear(&l->scratch);
	int rc = mw_decode(format, path, body, &types, now_s, &l->scratch, e);
	if (rc < 0) {
		char text[MW_PATH_TEXT_MAX];
		mw_path_print(path, text);
		uint64_t held_back;
		l->stats.undecodable++;
		if (mw_log_gate_pass(&l->unreadable, mw_mono_now(&l->clock).ms, &held_back))
			MW_LOG(l->log, WARN, OP,
				"ep=%s payload of %s in %s cannot be read: %s (%" PRIu64 " like it not shown)", d->endpoint,
				text, mw_format_name(format), e->text, held_back);
		mw_nodes_clear(&l->scratch); /* half a payload is no value */
	}
	return rc;
}

int mw_values_emit(
	struct mw_lwm2m *l, const struct mw_device *d, const struct mw_path *path, enum mw_source source)
{
	if (!l->scratch.len)
		return 0;
	struct mw_event ev = {
		.kind = MW_EVENT_VALUES,
		.dev = mw_device_ref_of(d),
		.source = source,
		.path = *path,
		.nodes = l->scratch.items,
		.n_nodes = l->scratch.len,
	};
	return mw_lwm2m_emit(l, &ev);
}

/* Waits for the commit of what a message brought. */
struct ack_ticket {
	struct mw_coap_reply reply;
};

static void on_durable(void *ud, const void *ticket, int status)
{
	struct mw_lwm2m *l = ud;
	struct ack_ticket t;
	memcpy(&t, ticket, sizeof(t));
	if (status == 0)
		mw_coap_ack(l->coap, &t.reply);
	else
		mw_coap_drop(l->coap, &t.reply); /* the device sends it again, and then the disk may have room */
}

int mw_values_ack_when_stored(struct mw_lwm2m *l, const struct mw_coap_reply *reply)
{
	struct ack_ticket t = {.reply = *reply};
	return l->durable.commit(l->durable.ud, on_durable, l, &t, sizeof(t));
}

void mw_values_emit_answer(struct mw_lwm2m *l, const struct mw_device *d, const struct mw_path *path,
	enum mw_source source, const struct mw_coap_result *r)
{
	int rows = mw_values_emit(l, d, path, source);
	if (rows == 0 || !r->ack_later)
		return;
	*r->ack_later = true;
	if (rows < 0 || mw_values_ack_when_stored(l, &r->reply) < 0)
		mw_coap_drop(l->coap, &r->reply);
}
