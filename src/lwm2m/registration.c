#include "lwm2m/registration.h"
#include "base/err.h"
#include "codec/format.h"
#include "lwm2m/observation.h"
#include "lwm2m/op.h"
#include "lwm2m/params.h"

#include <inttypes.h>
#include <string.h>

enum { RETRY_AFTER_S = 60 }; /* Max-Age of 5.03: when a device may try again */

enum ticket_kind { TICKET_REGISTER, TICKET_UPDATE, TICKET_DEREGISTER };

/* What has to be done once a change is on the disk. */
struct ticket {
	struct mw_coap_reply reply;
	struct mw_device_ref dev;
	uint64_t location; /* of the registration that it is about; a newer one has another */
	uint8_t kind;
};

static void on_durable(void *ud, const void *ticket, int status);
static void on_timer(struct mw_timer *t, void *ud);

void mw_registration_refuse(
	struct mw_lwm2m *l, const struct mw_coap_reply *reply, int code, const struct mw_errbuf *why)
{
	struct mw_coap_response resp = {
		.code = (uint8_t)code,
		.content_format = MW_COAP_NO_FORMAT,
		.max_age_s = code == MW_COAP_UNAVAILABLE ? RETRY_AFTER_S : 0,
		.payload = {(const uint8_t *)why->text, strlen(why->text)},
	};
	mw_coap_respond(l->coap, reply, &resp);
}

static void answer(struct mw_lwm2m *l, const struct mw_coap_reply *reply, int code)
{
	struct mw_coap_response resp = {.code = (uint8_t)code, .content_format = MW_COAP_NO_FORMAT};
	mw_coap_respond(l->coap, reply, &resp);
}

static void refuse_register(
	struct mw_lwm2m *l, const struct mw_coap_request *rq, int code, const struct mw_errbuf *why)
{
	char addr[MW_ADDR_TEXT_MAX];
	uint64_t held_back;
	l->stats.refused_registrations++;
	if (mw_log_gate_pass(&l->refusals, mw_mono_now(&l->clock).ms, &held_back))
		MW_LOG(l->log, WARN, REG,
			"registration from %s refused with %d.%02d: %s (%" PRIu64 " like it not shown)",
			mw_addr_print(&rq->reply.to, addr), code >> 5, code & 31, why->text, held_back);
	mw_registration_refuse(l, &rq->reply, code, why);
}

static int64_t deadline(struct mw_lwm2m *l, const struct mw_device *d)
{
	if (!d->lifetime_s)
		return INT64_MAX;
	return mw_mono_now(&l->clock).ms + ((int64_t)d->lifetime_s + l->config.lifetime_grace_s) * 1000;
}

/* The timer is not moved at each keep-alive: it fires at the old deadline, sees the new one and is set again.
 */
void mw_registration_touch(struct mw_lwm2m *l, struct mw_device *d)
{
	int64_t before = d->expires_ms;
	d->expires_ms = deadline(l, d);
	d->heard_ms = mw_mono_now(&l->clock).ms;
	bool earlier = d->expires_ms < before;
	if (d->expires_ms == INT64_MAX)
		mw_wheel_remove(l->wheel, &d->timer);
	else if (earlier || !mw_timer_is_armed(&d->timer))
		mw_wheel_add(l->wheel, &d->timer, (struct mw_mono){d->expires_ms}, on_timer);
}

/* Everything that belongs to the registration and not to the device ends here; the store is told by the
 * caller. */
static void end_in_memory(struct mw_lwm2m *l, struct mw_device *d)
{
	mw_op_abort_all(l, d);
	mw_observation_remove_all(l, d);
	mw_wheel_remove(l->wheel, &d->timer);
	mw_devices_set_location(&l->devices, d, 0);
	mw_links_unref(&l->devices.lists, d->links);
	d->links = NULL;
	d->announced = false;
}

static void emit(struct mw_lwm2m *l, struct mw_device *d, enum mw_event_kind kind, bool objects_changed)
{
	d->reported = kind == MW_EVENT_REGISTERED || kind == MW_EVENT_UPDATED;
	d->new_objects = false;
	struct mw_event ev = {.kind = kind, .dev = mw_device_ref_of(d), .objects_changed = objects_changed};
	mw_lwm2m_emit(l, &ev);
}

static void on_timer(struct mw_timer *t, void *ud)
{
	struct mw_lwm2m *l = ud;
	struct mw_device *d = MW_CONTAINER_OF(t, struct mw_device, timer);
	if (mw_mono_now(&l->clock).ms < d->expires_ms) {
		mw_wheel_add(l->wheel, t, (struct mw_mono){d->expires_ms}, on_timer);
		return;
	}
	l->stats.expirations++;
	MW_LOG(l->log, INFO, REG, "ep=%s registration expired", d->endpoint);
	end_in_memory(l, d);
	l->durable.delete_registration(l->durable.ud, d);
	emit(l, d, MW_EVENT_EXPIRED, false);
}

/* A Register that could not be stored: in memory there is no registration now, so neither may the store keep
 * the one before (if it still takes anything), nor listeners believe in it. */
static void give_up(struct mw_lwm2m *l, struct mw_device *d)
{
	end_in_memory(l, d);
	l->durable.delete_registration(l->durable.ud, d);
	if (d->reported)
		emit(l, d, MW_EVENT_DEREGISTERED, false);
}

/* ---- Register ---- */

/* The checks that need no state. 0 or the code to refuse with. */
static int check_register(const struct mw_params *p, const struct mw_coap_request *rq, struct mw_errbuf *why)
{
	uint32_t format;
	if (mw_coap_uint(rq->msg, MW_OPT_CONTENT_FORMAT, MW_FORMAT_LINK, &format) < 0 ||
		format != MW_FORMAT_LINK) {
		mw_fail(why, 0, "the payload must be link-format (40)");
		return MW_COAP_UNSUPPORTED_FORMAT;
	}
	if (!p->has_version) {
		mw_fail(why, 0, "parameter lwm2m is missing, e.g. lwm2m=1.1");
		return MW_COAP_BAD_REQUEST;
	}
	if (!p->has_endpoint) {
		mw_fail(why, 0, "parameter ep is missing, and without security there is no other name");
		return MW_COAP_BAD_REQUEST;
	}
	if (!rq->body.len && p->version >= MW_LWM2M_1_2) {
		mw_fail(why, 0, "no object list, and none is known for this device or its profile");
		return MW_COAP_CONFLICT;
	}
	if (!rq->body.len) {
		mw_fail(why, 0, "the object list is missing");
		return MW_COAP_BAD_REQUEST;
	}
	return mw_params_check_binding(p, p->version, why);
}

static int set_extra(struct mw_device *d, const struct mw_params *p)
{
	char sms[MW_PARAM_SMS_MAX + 1] = "";
	if (p->sms.len)
		memcpy(sms, p->sms.data, p->sms.len);
	sms[p->sms.len] = 0;
	return mw_device_set_extra(d, sms, p->extra);
}

/* The new registration replaces the old one in memory. Takes @p links over. 0 or an error: then d is
 * unregistered. */
static int apply_register(struct mw_lwm2m *l, struct mw_device *d, const struct mw_params *p,
	const struct mw_coap_request *rq, struct mw_links *links)
{
	uint64_t location;
	do
		mw_random_pooled(&l->random, &location, sizeof(location));
	while (!location || mw_devices_at_location(&l->devices, location));
	end_in_memory(l, d);
	d->links = links;
	int rc = set_extra(d, p);
	if (rc == 0)
		rc = mw_devices_set_location(&l->devices, d, location);
	if (rc < 0) {
		end_in_memory(l, d);
		return rc;
	}
	d->addr = rq->reply.to;
	d->version = p->version;
	d->binding = p->has_binding ? p->binding : MW_BINDING_U;
	d->queue_mode = p->queue_flag || p->binding_queue;
	d->lifetime_s = p->has_lifetime ? p->lifetime_s : l->config.default_lifetime_s;
	d->registered_ms = mw_wall_now(&l->clock).ms;
	d->format = MW_FORMAT_NONE;
	d->expires_ms = INT64_MAX;
	d->unsaved = true;
	mw_registration_touch(l, d);
	return 0;
}

static int save_register(struct mw_lwm2m *l, struct mw_device *d, const struct mw_coap_request *rq)
{
	const struct mw_durable *db = &l->durable;
	struct ticket t = {
		.reply = rq->reply, .dev = mw_device_ref_of(d), .location = d->location, .kind = TICKET_REGISTER};
	int rc = db->put_registration(db->ud, d);
	if (rc == 0)
		rc = db->commit(db->ud, on_durable, l, &t, sizeof(t));
	return rc;
}

/* The device of that name, made if need be, with its own row on the way to the disk. A new one is forgotten
 * when even that fails, so that a full disk does not fill the table. NULL: 5.03 for the reason in @p why. */
static struct mw_device *device_for(struct mw_lwm2m *l, const struct mw_params *p, struct mw_errbuf *why)
{
	const char *endpoint = (const char *)p->endpoint.data;
	struct mw_device *d = mw_devices_find(&l->devices, endpoint, p->endpoint.len);
	bool is_new = !d;
	if (is_new)
		d = mw_devices_add(&l->devices, endpoint, p->endpoint.len, 0);
	if (!d) {
		mw_fail(why, 0, "no room for another device (max_devices is %u)", l->config.max_devices);
		return NULL;
	}
	int rc = d->stored ? 0 : l->durable.put_device(l->durable.ud, d);
	if (rc < 0) {
		mw_fail(why, 0, "cannot register now: %s", mw_err_text(rc));
		if (is_new)
			mw_devices_remove(&l->devices, d);
		return NULL;
	}
	return d;
}

void mw_registration_register(struct mw_lwm2m *l, const struct mw_coap_request *rq)
{
	struct mw_params p;
	struct mw_errbuf why = {0};
	int code = mw_params_parse(&p, rq->msg, &why);
	if (!code)
		code = check_register(&p, rq, &why);
	if (code) {
		refuse_register(l, rq, code, &why);
		return;
	}
	struct mw_links *links;
	int rc = mw_links_intern(&l->devices.lists, rq->body, NULL, &links);
	if (rc < 0) {
		mw_fail(
			&why, 0, "object list: %s", rc == MW_E_FORMAT ? "no link to an object in it" : mw_err_text(rc));
		refuse_register(l, rq, rc == MW_E_NOMEM ? MW_COAP_UNAVAILABLE : MW_COAP_BAD_REQUEST, &why);
		return;
	}
	struct mw_device *d = device_for(l, &p, &why);
	if (!d) {
		mw_links_unref(&l->devices.lists, links);
		refuse_register(l, rq, MW_COAP_UNAVAILABLE, &why);
		return;
	}
	rc = apply_register(l, d, &p, rq, links);
	if (rc == 0)
		rc = save_register(l, d, rq);
	if (rc < 0) {
		give_up(l, d);
		mw_fail(&why, 0, "cannot register now: %s", mw_err_text(rc));
		refuse_register(l, rq, MW_COAP_UNAVAILABLE, &why);
	}
}

/* ---- Update ---- */

/* True when the request is a plain keep-alive: nothing in it that a restart would need. What an earlier
 * Update could not store is tried again with the next one, whatever that says. */
static bool is_keep_alive(const struct mw_device *d, const struct mw_coap_request *rq)
{
	return !d->unsaved && !rq->body.len && !mw_coap_find(rq->msg, MW_OPT_URI_QUERY) &&
		   mw_addr_eq(&d->addr, &rq->reply.to);
}

/* Applies the parameters; true when something is different now. */
static bool apply_params(struct mw_device *d, const struct mw_params *p, const struct mw_addr *from)
{
	uint8_t binding = p->has_binding ? p->binding : d->binding;
	/* Q is a flag, so that its absence says nothing, except where the letters of 1.0 are sent anew. */
	bool queue =
		p->queue_flag ||
		(p->has_binding ? p->binding_queue || (d->version > MW_LWM2M_1_0 && d->queue_mode) : d->queue_mode);
	uint32_t lifetime_s = p->has_lifetime ? p->lifetime_s : d->lifetime_s;
	bool changed = binding != d->binding || queue != d->queue_mode || lifetime_s != d->lifetime_s;
	d->binding = binding;
	d->queue_mode = queue;
	d->lifetime_s = lifetime_s;
	if (!mw_addr_eq(&d->addr, from)) {
		d->addr = *from; /* without security, knowing the random location is what proves the device */
		changed = true;
	}
	return changed;
}

static int apply_sms(struct mw_device *d, const struct mw_params *p, bool *changed)
{
	if (!p->has_sms)
		return 0;
	struct mw_params with = {.sms = p->sms};
	if (d->extra)
		mw_strcopy(with.extra, sizeof(with.extra), d->extra->params);
	*changed = true;
	return set_extra(d, &with);
}

static int apply_objects(struct mw_lwm2m *l, struct mw_device *d, const struct mw_coap_request *rq)
{
	if (!rq->body.len)
		return 0;
	struct mw_links *links;
	int rc = mw_links_intern(&l->devices.lists, rq->body, d->links, &links);
	if (rc < 0)
		return rc;
	if (links != d->links) /* interned: the same list is the same pointer */
		d->new_objects = d->unsaved = true;
	mw_links_unref(&l->devices.lists, d->links);
	d->links = links;
	return 0;
}

static void save_update(struct mw_lwm2m *l, struct mw_device *d, const struct mw_coap_request *rq)
{
	const struct mw_durable *db = &l->durable;
	struct ticket t = {
		.reply = rq->reply, .dev = mw_device_ref_of(d), .location = d->location, .kind = TICKET_UPDATE};
	d->unsaved = true;
	int rc = db->put_registration(db->ud, d);
	if (rc == 0)
		rc = db->commit(db->ud, on_durable, l, &t, sizeof(t));
	if (rc < 0) {
		struct mw_errbuf why;
		mw_fail(&why, 0, "cannot update now: %s", mw_err_text(rc));
		mw_registration_refuse(l, &rq->reply, MW_COAP_UNAVAILABLE, &why);
	}
}

void mw_registration_update(struct mw_lwm2m *l, const struct mw_coap_request *rq, struct mw_bytes location)
{
	struct mw_errbuf why = {0};
	struct mw_device *d = mw_devices_at_location(&l->devices, mw_location_parse(location.data, location.len));
	if (!d) {
		mw_fail(&why, 0, "no such registration: register again");
		mw_registration_refuse(l, &rq->reply, MW_COAP_NOT_FOUND, &why);
		return;
	}
	l->stats.updates++;
	if (is_keep_alive(d, rq)) {
		mw_registration_touch(l, d);
		answer(l, &rq->reply, MW_COAP_CHANGED);
		return;
	}
	struct mw_params p;
	int code = mw_params_parse(&p, rq->msg, &why);
	if (!code)
		code = mw_params_check_binding(&p, d->version, &why);
	bool sms_changed = false;
	if (!code) {
		int rc = apply_objects(l, d, rq);
		if (rc == 0)
			rc = apply_sms(d, &p, &sms_changed);
		if (rc < 0)
			code = rc == MW_E_NOMEM ? MW_COAP_UNAVAILABLE : MW_COAP_BAD_REQUEST;
		if (rc < 0)
			mw_fail(&why, 0, "object list: %s", mw_err_text(rc));
	}
	if (code) {
		uint64_t held_back;
		if (mw_log_gate_pass(&l->refusals, mw_mono_now(&l->clock).ms, &held_back))
			MW_LOG(l->log, WARN, REG, "ep=%s update refused with %d.%02d: %s", d->endpoint, code >> 5,
				code & 31, why.text);
		mw_registration_refuse(l, &rq->reply, code, &why);
		return;
	}
	bool changed = apply_params(d, &p, &rq->reply.to) || sms_changed || d->unsaved;
	mw_registration_touch(l, d);
	if (changed)
		save_update(l, d, rq);
	else
		answer(l, &rq->reply, MW_COAP_CHANGED);
}

/* ---- De-register ---- */

void mw_registration_deregister(
	struct mw_lwm2m *l, const struct mw_coap_request *rq, struct mw_bytes location)
{
	const struct mw_durable *db = &l->durable;
	struct mw_errbuf why = {0};
	struct mw_device *d = mw_devices_at_location(&l->devices, mw_location_parse(location.data, location.len));
	if (!d) {
		mw_fail(&why, 0, "no such registration");
		mw_registration_refuse(l, &rq->reply, MW_COAP_NOT_FOUND, &why);
		return;
	}
	struct ticket t = {.reply = rq->reply, .dev = mw_device_ref_of(d), .kind = TICKET_DEREGISTER};
	int rc = db->delete_registration(db->ud, d);
	if (rc == 0)
		rc = db->commit(db->ud, on_durable, l, &t, sizeof(t));
	if (rc < 0) { /* stays registered: the device asks again or its lifetime ends it */
		mw_fail(&why, 0, "cannot de-register now: %s", mw_err_text(rc));
		mw_registration_refuse(l, &rq->reply, MW_COAP_UNAVAILABLE, &why);
		return;
	}
	end_in_memory(l, d);
}

/* ---- after the commit ---- */

static void on_registered(struct mw_lwm2m *l, struct mw_device *d, const struct mw_coap_reply *reply)
{
	char location[MW_LOCATION_TEXT_MAX], addr[MW_ADDR_TEXT_MAX];
	mw_location_print(d->location, location);
	struct mw_coap_response resp = {
		.code = MW_COAP_CREATED, .content_format = MW_COAP_NO_FORMAT, .location = {"rd", location}};
	mw_coap_respond(l->coap, reply, &resp);
	d->announced = true;
	l->stats.registrations++;
	MW_LOG(l->log, INFO, REG, "ep=%s registered from %s: LwM2M %s, lifetime %u s, %u objects and instances",
		d->endpoint, mw_addr_print(&d->addr, addr), mw_version_name(d->version), d->lifetime_s,
		d->links->n_items);
	if (d->links->n_skipped)
		MW_LOG(l->log, WARN, REG, "ep=%s %u links of its object list could not be read and were left out",
			d->endpoint, d->links->n_skipped);
	emit(l, d, MW_EVENT_REGISTERED, true);
}

/* @param d  NULL when the registration that it was about has ended meanwhile */
static void not_durable(struct mw_lwm2m *l, struct mw_device *d, const struct ticket *t, int status)
{
	struct mw_errbuf why;
	mw_fail(&why, 0, "cannot store it now: %s", mw_err_text(status));
	mw_registration_refuse(l, &t->reply, MW_COAP_UNAVAILABLE, &why);
	if (!d)
		return;
	if (t->kind == TICKET_REGISTER)
		give_up(l, d);
	else if (t->kind == TICKET_UPDATE)
		d->unsaved = true;
	else if (d->reported) /* it has ended all the same, only the disk does not know */
		emit(l, d, MW_EVENT_DEREGISTERED, false);
}

static void on_durable(void *ud, const void *ticket, int status)
{
	struct mw_lwm2m *l = ud;
	struct ticket t;
	memcpy(&t, ticket, sizeof(t));
	struct mw_device *d = mw_devices_get(&l->devices, t.dev);
	bool current = d && (t.kind == TICKET_DEREGISTER || d->location == t.location);
	if (status == 0 && d && t.kind != TICKET_DEREGISTER) {
		d->stored = true; /* even if a newer registration has taken over */
		if (current)
			d->unsaved = false;
	}
	if (status < 0) {
		not_durable(l, current ? d : NULL, &t, status);
	} else if (!current) {
		return; /* a newer registration of the same device has taken over; its answer counts */
	} else if (t.kind == TICKET_REGISTER) {
		on_registered(l, d, &t.reply);
	} else if (t.kind == TICKET_UPDATE) {
		answer(l, &t.reply, MW_COAP_CHANGED);
		emit(l, d, MW_EVENT_UPDATED, d->new_objects);
	} else {
		answer(l, &t.reply, MW_COAP_DELETED);
		l->stats.deregistrations++;
		MW_LOG(l->log, INFO, REG, "ep=%s de-registered", d->endpoint);
		emit(l, d, MW_EVENT_DEREGISTERED, false);
	}
}

/* ---- restart ---- */

int mw_registration_restore(struct mw_lwm2m *l, struct mw_device *d, uint64_t location, struct mw_bytes links)
{
	int rc = mw_links_intern(&l->devices.lists, links, NULL, &d->links);
	if (rc < 0)
		return rc;
	rc = location ? mw_devices_set_location(&l->devices, d, location) : MW_E_ARG;
	if (rc < 0) {
		mw_links_unref(&l->devices.lists, d->links);
		d->links = NULL;
		return rc;
	}
	d->format = MW_FORMAT_NONE;
	d->stored = d->announced = d->reported = true;
	d->expires_ms = INT64_MAX;
	mw_registration_touch(l, d);
	return 0;
}
