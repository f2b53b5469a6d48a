#include "store/heads.h"
#include "store/schema.h"
#include "base/buf.h"

#include <stdlib.h>
#include <string.h>

enum { PER_PAGE = MW_SCHEMA_HEADS_PER_PAGE, DUE_ROWS = 65536 };

struct mw_heads_page {
	bool is_dirty;
	int64_t seq[PER_PAGE];
};

void mw_heads_deinit(struct mw_heads *h)
{
	for (size_t i = 0; i < h->n_pages; i++)
		free(h->pages[i]);
	free(h->pages);
	*h = (struct mw_heads){0};
}

static struct mw_heads_page *page_at(struct mw_heads *h, size_t n)
{
	if (n >= h->n_pages) {
		size_t want = n + 1 > h->n_pages * 2 ? n + 1 : h->n_pages * 2;
		struct mw_heads_page **pages = realloc(h->pages, want * sizeof(struct mw_heads_page *));
		if (!pages)
			return NULL;
		for (size_t i = h->n_pages; i < want; i++)
			pages[i] = NULL;
		h->pages = pages;
		h->n_pages = want;
	}
	if (!h->pages[n])
		h->pages[n] = calloc(1, sizeof(struct mw_heads_page));
	return h->pages[n];
}

int64_t *mw_heads_at(struct mw_heads *h, int64_t device)
{
	if (device < 0 || device > MW_HEADS_MAX_DEVICE)
		return NULL;
	struct mw_heads_page *page = page_at(h, (size_t)device / PER_PAGE);
	if (!page)
		return NULL;
	page->is_dirty = true;
	return &page->seq[device % PER_PAGE];
}

static int64_t number_in(const void *blob, int len, size_t i)
{
	struct mw_cur c;
	mw_cur_init(&c, blob, len > 0 ? (size_t)len : 0);
	mw_cur_take(&c, i * 8);
	return (int64_t)mw_cur_be(&c, 8);
}

static int load_pages(struct mw_heads *h, sqlite3_stmt *st)
{
	int rc;
	while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
		int64_t n = sqlite3_column_int64(st, 0);
		const void *blob = sqlite3_column_blob(st, 1);
		int len = sqlite3_column_bytes(st, 1);
		if (n < 0 || n > MW_HEADS_MAX_DEVICE / PER_PAGE)
			continue;
		struct mw_heads_page *page = page_at(h, (size_t)n);
		if (!page)
			return SQLITE_NOMEM;
		for (size_t i = 0; i < PER_PAGE; i++)
			page->seq[i] = number_in(blob, len, i);
	}
	return rc;
}

static int load_newer(struct mw_heads *h, sqlite3_stmt *st)
{
	int rc;
	while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
		int64_t device = sqlite3_column_int64(st, 1);
		int64_t *head = mw_heads_at(h, device);
		if (head)
			*head = sqlite3_column_int64(st, 0);
		else if (device >= 0 && device <= MW_HEADS_MAX_DEVICE)
			return SQLITE_NOMEM;
	}
	return rc;
}

int mw_heads_load(struct mw_heads *h, sqlite3 *db, struct mw_errbuf *e)
{
	mw_heads_deinit(h);
	int rc = mw_schema_number(db, "SELECT value FROM mark WHERE name = 'head'", &h->mark, e);
	if (rc < 0)
		return rc;
	sqlite3_stmt *st = NULL;
	rc = sqlite3_prepare_v2(db, "SELECT page, heads FROM feed_head", -1, &st, NULL);
	if (rc == SQLITE_OK)
		rc = load_pages(h, st);
	sqlite3_finalize(st);
	st = NULL;
	if (rc == SQLITE_DONE)
		rc = sqlite3_prepare_v2(db, "SELECT seq, device FROM feed WHERE seq > ? ORDER BY seq", -1, &st, NULL);
	if (rc == SQLITE_OK) {
		sqlite3_bind_int64(st, 1, h->mark);
		rc = load_newer(h, st);
	}
	sqlite3_finalize(st);
	if (rc == SQLITE_NOMEM)
		return mw_fail(e, MW_E_NOMEM, "out of memory while reading the feed's device list");
	if (rc != SQLITE_DONE)
		return mw_fail(e, MW_E_IO, "cannot read the feed's device list: %s", sqlite3_errmsg(db));
	return 0;
}

bool mw_heads_is_due(const struct mw_heads *h, int64_t last_seq)
{
	/* With very many devices nearly all pages change between two savings: then save less often, so that this
	 * stays a small part of what is written. */
	int64_t rows = (int64_t)h->n_pages * PER_PAGE;
	return last_seq - h->mark >= (rows > DUE_ROWS ? rows : DUE_ROWS);
}

static int save_page(sqlite3_stmt *st, size_t n, const struct mw_heads_page *page)
{
	uint8_t bytes[PER_PAGE * 8];
	struct mw_buf b;
	mw_buf_init(&b, bytes, sizeof(bytes));
	for (size_t i = 0; i < PER_PAGE; i++)
		mw_buf_put_be(&b, (uint64_t)page->seq[i], 8);
	sqlite3_bind_int64(st, 1, (int64_t)n);
	sqlite3_bind_blob(st, 2, bytes, (int)b.len, SQLITE_STATIC);
	sqlite3_step(st);
	return sqlite3_reset(st);
}

int mw_heads_save(struct mw_heads *h, sqlite3 *db, int64_t last_seq)
{
	sqlite3_stmt *st = NULL;
	int rc = sqlite3_prepare_v2(db, "REPLACE INTO feed_head(page, heads) VALUES(?, ?)", -1, &st, NULL);
	for (size_t i = 0; i < h->n_pages && rc == SQLITE_OK; i++) {
		if (!h->pages[i] || !h->pages[i]->is_dirty)
			continue;
		rc = save_page(st, i, h->pages[i]);
		h->pages[i]->is_dirty = false;
	}
	sqlite3_finalize(st);
	st = NULL;
	if (rc == SQLITE_OK)
		rc = sqlite3_prepare_v2(db, "UPDATE mark SET value = ? WHERE name = 'head'", -1, &st, NULL);
	if (rc == SQLITE_OK) {
		sqlite3_bind_int64(st, 1, last_seq);
		sqlite3_step(st);
		rc = sqlite3_reset(st);
	}
	sqlite3_finalize(st);
	if (rc == SQLITE_OK)
		h->mark = last_seq;
	return rc;
}

int mw_heads_read(sqlite3 *db, int64_t device, int64_t *out, struct mw_errbuf *e)
{
	sqlite3_stmt *st = NULL;
	int rc = sqlite3_prepare_v2(db, "SELECT heads FROM feed_head WHERE page = ?", -1, &st, NULL);
	int64_t seq = 0;
	if (rc == SQLITE_OK) {
		sqlite3_bind_int64(st, 1, device / PER_PAGE);
		rc = sqlite3_step(st);
	}
	if (rc == SQLITE_ROW) {
		const void *blob = sqlite3_column_blob(st, 0);
		seq = number_in(blob, sqlite3_column_bytes(st, 0), (size_t)device % PER_PAGE);
	}
	sqlite3_finalize(st);
	if (rc != SQLITE_ROW && rc != SQLITE_DONE)
		return mw_fail(e, MW_E_IO, "cannot read the feed's device list: %s", sqlite3_errmsg(db));
	*out = seq;
	return 0;
}
