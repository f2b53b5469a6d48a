#include "store/batch.h"

#include <stddef.h>
#include <string.h>

enum { ALIGN = 8, KEEP = 4 << 20 };

/* In front of every row: the row's struct and its strings follow. */
struct head {
	uint32_t size; /* of head, struct and strings, padded */
	uint32_t op;
};

struct ticket {
	mw_store_done_cb *cb;
	void *ud;
	size_t len; /* bytes follow */
};

/* Size of an operation's struct and where its strings are. */
struct shape {
	size_t size;
	uint8_t n_strings;
	uint16_t strings[7];
};

static const struct shape shapes[MW_BATCH_N_OPS] = {
	[MW_BATCH_PUT_DEVICE] = {sizeof(struct mw_device_row), 1, {offsetof(struct mw_device_row, endpoint)}},
	[MW_BATCH_PUT_REGISTRATION] = {sizeof(struct mw_registration_row), 7,
		{offsetof(struct mw_registration_row, peer), offsetof(struct mw_registration_row, peer_text),
			offsetof(struct mw_registration_row, version), offsetof(struct mw_registration_row, binding),
			offsetof(struct mw_registration_row, sms), offsetof(struct mw_registration_row, params),
			offsetof(struct mw_registration_row, links)}},
	[MW_BATCH_PUT_OBSERVATION] = {sizeof(struct mw_observation_row), 0, {0}},
	[MW_BATCH_PUT_FEED] = {sizeof(struct mw_feed_row), 4,
		{offsetof(struct mw_feed_row, type), offsetof(struct mw_feed_row, series),
			offsetof(struct mw_feed_row, unit), offsetof(struct mw_feed_row, text)}},
	[MW_BATCH_DELETE_REGISTRATION] = {sizeof(int64_t), 0, {0}},
	[MW_BATCH_DELETE_OBSERVATION] = {sizeof(int64_t), 0, {0}},
	[MW_BATCH_DELETE_OBSERVATIONS_OF] = {sizeof(int64_t), 0, {0}},
};

static size_t padded(size_t n)
{
	return (n + ALIGN - 1) / ALIGN * ALIGN;
}

void mw_batch_init(struct mw_batch *b)
{
	*b = (struct mw_batch){0};
	mw_buf_init_heap(&b->rows, SIZE_MAX / 4);
	mw_buf_init_heap(&b->tickets, SIZE_MAX / 4);
}

void mw_batch_deinit(struct mw_batch *b)
{
	mw_buf_deinit(&b->rows);
	mw_buf_deinit(&b->tickets);
}

static void clear_buf(struct mw_buf *b)
{
	if (b->cap > KEEP) {
		size_t limit = b->limit;
		mw_buf_deinit(b);
		mw_buf_init_heap(b, limit);
	}
	b->len = 0;
}

void mw_batch_clear(struct mw_batch *b)
{
	struct mw_buf rows = b->rows, tickets = b->tickets;
	clear_buf(&rows);
	clear_buf(&tickets);
	*b = (struct mw_batch){.rows = rows, .tickets = tickets};
}

size_t mw_batch_bytes(const struct mw_batch *b)
{
	return b->rows.len + b->tickets.len;
}

/* Room for @p n more bytes, which the caller fills; NULL when there is none. */
static uint8_t *extend(struct mw_buf *b, size_t n)
{
	if (!mw_buf_reserve(b, n)) {
		b->overflow = false; /* the next row may be smaller, or memory be there again */
		return NULL;
	}
	uint8_t *p = b->data + b->len;
	b->len += n;
	return p;
}

static struct mw_bytes string_at(const void *row, uint16_t offset)
{
	struct mw_bytes s;
	memcpy(&s, (const uint8_t *)row + offset, sizeof(s));
	return s;
}

int mw_batch_add(struct mw_batch *b, enum mw_batch_op op, const void *row, size_t left)
{
	const struct shape *shape = &shapes[op];
	size_t size = sizeof(struct head) + padded(shape->size);
	for (unsigned i = 0; i < shape->n_strings; i++) {
		size_t len = string_at(row, shape->strings[i]).len;
		if (len > left || len > UINT32_MAX / 16)
			return MW_E_FULL;
		size += len;
	}
	size = padded(size);
	if (size > left)
		return MW_E_FULL;
	uint8_t *p = extend(&b->rows, size);
	if (!p)
		return MW_E_NOMEM;
	struct head head = {(uint32_t)size, (uint32_t)op};
	memcpy(p, &head, sizeof(head));
	memcpy(p + sizeof(head), row, shape->size);
	p += sizeof(head) + padded(shape->size);
	for (unsigned i = 0; i < shape->n_strings; i++) {
		struct mw_bytes s = string_at(row, shape->strings[i]);
		if (s.len)
			memcpy(p, s.data, s.len);
		p += s.len;
	}
	b->n_rows++;
	return 0;
}

int mw_batch_add_ticket(
	struct mw_batch *b, mw_store_done_cb *cb, void *ud, const void *ticket, size_t len, size_t left)
{
	size_t size = sizeof(struct ticket) + padded(len);
	if (size > left)
		return MW_E_FULL;
	uint8_t *p = extend(&b->tickets, size);
	if (!p)
		return MW_E_NOMEM;
	struct ticket t = {cb, ud, len};
	memcpy(p, &t, sizeof(t));
	if (len)
		memcpy(p + sizeof(t), ticket, len);
	b->n_tickets++;
	return 0;
}

void *mw_batch_next(const struct mw_batch *b, size_t *at, enum mw_batch_op *op)
{
	if (*at >= b->rows.len)
		return NULL;
	struct head head;
	uint8_t *p = b->rows.data + *at;
	memcpy(&head, p, sizeof(head));
	*at += head.size;
	*op = (enum mw_batch_op)head.op;
	const struct shape *shape = &shapes[head.op];
	uint8_t *row = p + sizeof(head), *bytes = row + padded(shape->size);
	for (unsigned i = 0; i < shape->n_strings; i++) {
		/* The block may have moved while it grew: point at the copy only now. */
		struct mw_bytes s = string_at(row, shape->strings[i]);
		s.data = bytes;
		memcpy(row + shape->strings[i], &s, sizeof(s));
		bytes += s.len;
	}
	return row;
}

void mw_batch_complete(const struct mw_batch *b, int status)
{
	for (size_t at = 0; at < b->tickets.len;) {
		struct ticket t;
		memcpy(&t, b->tickets.data + at, sizeof(t));
		t.cb(t.ud, b->tickets.data + at + sizeof(t), status);
		at += sizeof(t) + padded(t.len);
	}
}
