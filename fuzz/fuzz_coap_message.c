#include "coap/message.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What was parsed is written again and must parse to the same. */
static void write_again(const struct mw_coap_msg *m, size_t size)
{
	uint8_t *memory = malloc(size + 16);
	struct mw_buf b;
	struct mw_coap_writer w;
	struct mw_coap_msg again;
	mw_buf_init(&b, memory, size + 16);
	mw_coap_begin(&w, &b, m->type, m->code, m->mid, &m->token);
	for (size_t i = 0; i < m->n_options; i++)
		mw_coap_put_opt(&w, m->options[i].number, m->options[i].value, m->options[i].len);
	if (mw_coap_end(&w, m->payload) < 0 || b.len > size) /* ours is the shortest form */
		abort();
	if (mw_coap_parse(&again, b.data, b.len) != MW_COAP_PARSED || again.n_options != m->n_options ||
		again.payload.len != m->payload.len || again.mid != m->mid)
		abort();
	for (size_t i = 0; i < m->n_options; i++)
		if (again.options[i].number != m->options[i].number || again.options[i].len != m->options[i].len ||
			(m->options[i].len &&
				memcmp(again.options[i].value, m->options[i].value, m->options[i].len) != 0))
			abort();
	free(memory);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mw_coap_msg m;
	if (size > 4096 || mw_coap_parse(&m, data, size) != MW_COAP_PARSED)
		return 0;
	struct mw_block b;
	uint32_t v;
	mw_coap_block(&m, MW_OPT_BLOCK1, &b);
	mw_coap_block(&m, MW_OPT_BLOCK2, &b);
	mw_coap_uint(&m, MW_OPT_OBSERVE, 0, &v);
	write_again(&m, size);
	return 0;
}
