/* Write-Attributes: PUT with the attributes as queries, no payload, no Content-Format (Core
 * "Write-Attributes"). */
#include "base/err.h"
#include "lwm2m/op.h"

#include <string.h>

enum { MAX_ATTRIBUTES = 16, MAX_TEXT = 256 };

static void on_result(void *ud, const struct mw_coap_result *r)
{
	mw_op_finish_coap(ud, r);
}

/* Cuts "pmin=10&pmax=300" in @p text into @p query; the number of attributes, or 0 when there are none or too
 * many. */
static size_t split(char *text, const char **query)
{
	size_t n = 0;
	for (char *rest = text, *one; (one = strsep(&rest, "&"));) {
		if (!*one || n == MAX_ATTRIBUTES)
			return 0;
		query[n++] = one;
	}
	query[n] = NULL;
	return n;
}

int64_t mw_op_write_attributes(struct mw_lwm2m *l, struct mw_device *d, const struct mw_path *path,
	const char *attributes, mw_result_cb *cb, void *ud, struct mw_errbuf *e)
{
	char text[MAX_TEXT];
	const char *query[MAX_ATTRIBUTES + 1];
	if (strlen(attributes) >= sizeof(text))
		return mw_fail(e, MW_E_ARG, "attributes are longer than %d bytes", MAX_TEXT - 1);
	mw_strcopy(text, sizeof(text), attributes);
	if (!split(text, query))
		return mw_fail(e, MW_E_ARG, "attributes must look like pmin=10&pmax=300, not \"%s\"", attributes);
	int rc;
	struct mw_op *op = mw_op_new(l, d, path, cb, ud, &rc, e);
	if (!op)
		return rc;
	struct mw_coap_send rq = {.code = MW_COAP_PUT,
		.observe = -1,
		.content_format = MW_COAP_NO_FORMAT,
		.accept = MW_COAP_NO_FORMAT,
		.query = query};
	rc = mw_op_send(op, &rq, on_result);
	if (rc < 0) {
		mw_op_discard(op);
		return mw_fail(e, rc, "cannot send to %s: %s", d->endpoint, mw_err_text(rc));
	}
	return mw_op_id(op);
}
