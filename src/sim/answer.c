/** @file answer.c  What the server asks of the device, and what the device says unasked: responses, late
 * answers and notifications. All requests come to one "unknown" resource; Observe is by hand, as libcoap's
 * own needs a resource object for every path. Only a path whose value leaves in blocks gets one: libcoap
 * finds the later blocks by it. */
#include "sim/session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = 1024 };

static void release_body(coap_session_t *session, void *body)
{
	(void)session;
	free(body);
}

static void on_request(coap_resource_t *resource, coap_session_t *session, const coap_pdu_t *request,
	const coap_string_t *query, coap_pdu_t *response);

static void add_handlers(coap_resource_t *r)
{
	for (int method = COAP_REQUEST_GET; method <= COAP_REQUEST_IPATCH; method++)
		coap_register_request_handler(r, (coap_request_t)method, on_request);
}

bool mw_sim_answer_init(struct mw_sim *s)
{
	coap_resource_t *r = coap_resource_unknown_init2(on_request, 0);
	if (!r)
		return false;
	add_handlers(r);
	coap_add_resource(s->ctx, r);
	return true;
}

/** The resource object of @p path, made when it is not there yet. */
static coap_resource_t *resource_of(struct mw_sim *s, const char *path)
{
	coap_str_const_t name = {strlen(path), (const uint8_t *)path};
	coap_resource_t *r = coap_get_resource_from_uri_path(s->ctx, &name);
	if (r)
		return r;
	r = coap_resource_init(&name, 0);
	if (r) {
		add_handlers(r);
		coap_add_resource(s->ctx, r);
	}
	return r;
}

static void add_uint(coap_pdu_t *pdu, uint16_t number, unsigned value)
{
	uint8_t buf[4];
	coap_add_option(pdu, number, coap_encode_var_safe(buf, sizeof buf, value), buf);
}

static void add_location(coap_pdu_t *pdu, const char *location)
{
	while (*location) {
		size_t len = strcspn(location, "/");
		if (len)
			coap_add_option(pdu, COAP_OPTION_LOCATION_PATH, len, (const uint8_t *)location);
		location += len + (location[len] == '/');
	}
}

static bool has_block2(const coap_pdu_t *request)
{
	coap_opt_iterator_t it;
	return coap_check_option(request, COAP_OPTION_BLOCK2, &it) != NULL;
}

/** Body in blocks, by libcoap. @p request decides about block size and carries the path's method. */
static bool add_blocks(struct mw_sim *s, coap_pdu_t *pdu, const coap_pdu_t *request, const char *path,
	const coap_string_t *query, const struct mw_sim_reply *reply)
{
	coap_resource_t *r = resource_of(s, path);
	uint8_t *body = r ? malloc(reply->payload.len) : NULL;
	if (!body)
		return false;
	memcpy(body, reply->payload.data, reply->payload.len);
	uint16_t format = reply->format == MW_FORMAT_NONE ? 0 : (uint16_t)reply->format;
	return coap_add_data_large_response(
		r, s->session, request, pdu, query, format, -1, 0, reply->payload.len, body, release_body, body);
}

/** Fills @p pdu; false when out of memory. @p pdu has its token already. */
static bool fill(struct mw_sim *s, coap_pdu_t *pdu, const coap_pdu_t *request, const char *path,
	const coap_string_t *query, const struct mw_sim_reply *reply)
{
	size_t len = reply->payload.len;
	coap_pdu_set_code(pdu, (coap_pdu_code_t)reply->code);
	if (reply->has_observe)
		add_uint(pdu, COAP_OPTION_OBSERVE, reply->observe & 0xffffff);
	add_location(pdu, reply->location);
	bool is_content = reply->code == COAP_RESPONSE_CODE_CONTENT;
	if (is_content && len && (len > BLOCK || has_block2(request)))
		return add_blocks(s, pdu, request, path, query, reply);
	if (reply->format != MW_FORMAT_NONE)
		add_uint(pdu, COAP_OPTION_CONTENT_FORMAT, reply->format);
	return !len || coap_add_data(pdu, len, reply->payload.data);
}

static void late_add(struct mw_sim *s, coap_bin_const_t token, const char *path, struct mw_sim_reply *reply)
{
	struct mw_sim_late *l = calloc(1, sizeof *l);
	if (!l)
		return; /* as if the answer had been lost on the way */
	l->reply = *reply;
	reply->payload = (struct mw_buf){0};
	l->token.len = token.length;
	memcpy(l->token.data, token.s, token.length);
	snprintf(l->path, sizeof l->path, "%s", path);
	*s->late_end = l;
	s->late_end = &l->next;
}

static void path_of(const coap_pdu_t *request, char *out, size_t size)
{
	coap_string_t *path = coap_get_uri_path(request);
	snprintf(out, size, "%.*s", path ? (int)path->length : 0, path ? (const char *)path->s : "");
	coap_delete_string(path);
}

enum upload { UPLOAD_WHOLE, UPLOAD_MORE, UPLOAD_BAD };

/** Gathers a body that comes in blocks; libcoap answers the blocks, and puts the bodies together too, but
 * in 4.3.1 only when the peer announced the size (Size1). @p m has the whole payload after UPLOAD_WHOLE. */
static enum upload gather(
	struct mw_sim *s, struct mw_sim_message *m, const coap_pdu_t *request, const char *path)
{
	struct mw_sim_upload *u = &s->upload;
	const uint8_t *data;
	size_t len, offset, total;
	if (!coap_get_data_large(request, &len, &data, &offset, &total) || (!offset && len >= total))
		return UPLOAD_WHOLE;
	if (!offset) {
		mw_buf_deinit(&u->body);
		mw_buf_init_heap(&u->body, MW_SIM_PAYLOAD_MAX);
		snprintf(u->path, sizeof u->path, "%s", path);
	}
	if (offset != u->body.len || strcmp(u->path, path) != 0)
		return UPLOAD_BAD;
	mw_buf_put(&u->body, data, len);
	if (u->body.overflow)
		return UPLOAD_BAD;
	m->payload = mw_buf_bytes(&u->body);
	return offset + len < total ? UPLOAD_MORE : UPLOAD_WHOLE;
}

static void on_request(coap_resource_t *resource, coap_session_t *session, const coap_pdu_t *request,
	const coap_string_t *query, coap_pdu_t *response)
{
	(void)resource;
	struct mw_sim *s = coap_get_app_data(coap_session_get_context(session));
	if (s->is_closing)
		return;
	struct mw_sim_message m;
	char path[64];
	mw_sim_message_read(&m, request);
	path_of(request, path, sizeof path);
	enum upload upload = gather(s, &m, request, path);
	if (upload != UPLOAD_WHOLE) {
		coap_pdu_set_code(
			response, upload == UPLOAD_MORE ? COAP_RESPONSE_CODE_CONTINUE : COAP_RESPONSE_CODE_INCOMPLETE);
		return;
	}
	struct mw_sim_reply reply = {.code = COAP_RESPONSE_CODE_INTERNAL_ERROR, .format = MW_FORMAT_NONE};
	mw_buf_init_heap(&reply.payload, MW_SIM_PAYLOAD_MAX);
	s->events.request(s->events.ud, &m, &reply);
	/* A response whose code stays 0 makes libcoap send the empty ACK. */
	if (reply.mode == MW_SIM_SEPARATE)
		late_add(s, coap_pdu_get_token(request), path, &reply);
	else if (reply.mode == MW_SIM_PIGGYBACK && !fill(s, response, request, path, query, &reply))
		coap_pdu_set_code(response, COAP_RESPONSE_CODE_INTERNAL_ERROR);
	mw_buf_deinit(&reply.payload);
}

int mw_sim_notify(struct mw_sim *s, unsigned type, struct mw_bytes token, const char *path,
	const struct mw_sim_reply *reply)
{
	if (token.len > MW_SIM_TOKEN_MAX)
		return MW_E_ARG;
	/* libcoap plans the blocks of a body by the request; there is none, so we show it the one that would
	 * fetch it. */
	coap_pdu_t *get = coap_pdu_init(COAP_MESSAGE_CON, COAP_REQUEST_CODE_GET, 0, 128);
	coap_pdu_t *pdu = coap_pdu_init(type == MW_SIM_NON ? COAP_MESSAGE_NON : COAP_MESSAGE_CON,
		(coap_pdu_code_t)reply->code, coap_new_message_id(s->session), coap_session_max_pdu_size(s->session));
	int rc = MW_E_NOMEM;
	if (!get || !pdu || !coap_add_token(get, token.len, token.data) ||
		!coap_add_token(pdu, token.len, token.data) || !fill(s, pdu, get, path, NULL, reply)) {
		coap_delete_pdu(pdu);
		goto done;
	}
	rc = coap_send(s->session, pdu);
	if (rc == COAP_INVALID_MID)
		rc = MW_E_IO;
	mw_sim_relay_pump_out(&s->relay);
done:
	coap_delete_pdu(get);
	return rc;
}

void mw_sim_answer_late(struct mw_sim *s)
{
	while (s->late) {
		struct mw_sim_late *l = s->late;
		s->late = l->next;
		if (!s->late)
			s->late_end = &s->late;
		mw_sim_notify(s, MW_SIM_CON, (struct mw_bytes){l->token.data, l->token.len}, l->path, &l->reply);
		mw_buf_deinit(&l->reply.payload);
		free(l);
	}
}

void mw_sim_answer_deinit(struct mw_sim *s)
{
	while (s->late) {
		struct mw_sim_late *l = s->late;
		s->late = l->next;
		mw_buf_deinit(&l->reply.payload);
		free(l);
	}
	s->late_end = &s->late;
	mw_buf_deinit(&s->upload.body);
}
