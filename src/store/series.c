#include "store/series.h"
#include "base/random.h"

#include <stdlib.h>
#include <string.h>

enum { N_ENTRIES = 4096, TEXT_MAX = 100 };

struct mw_series_entry {
	uint64_t hash;
	int64_t id; /* 0 = free */
	uint8_t len[3];
	char text[TEXT_MAX];
};

int mw_series_init(struct mw_series *s, sqlite3 *db)
{
	*s = (struct mw_series){0};
	s->cache = calloc(N_ENTRIES, sizeof(*s->cache));
	if (!s->cache)
		return SQLITE_NOMEM;
	mw_random(&s->key, sizeof(s->key));
	int rc = sqlite3_prepare_v3(db, "SELECT id FROM series WHERE type = ? AND series = ? AND unit = ?", -1,
		SQLITE_PREPARE_PERSISTENT, &s->find, NULL);
	if (rc != SQLITE_OK)
		return rc;
	return sqlite3_prepare_v3(db, "INSERT INTO series(type, series, unit) VALUES(?, ?, ?) RETURNING id", -1,
		SQLITE_PREPARE_PERSISTENT, &s->add, NULL);
}

void mw_series_deinit(struct mw_series *s)
{
	sqlite3_finalize(s->find);
	sqlite3_finalize(s->add);
	free(s->cache);
	*s = (struct mw_series){0};
}

void mw_series_forget(struct mw_series *s)
{
	memset(s->cache, 0, N_ENTRIES * sizeof(*s->cache));
}

static int ask(sqlite3_stmt *st, const struct mw_bytes triple[3], int64_t *id)
{
	for (int i = 0; i < 3; i++)
		sqlite3_bind_text(
			st, i + 1, triple[i].len ? (const char *)triple[i].data : "", (int)triple[i].len, SQLITE_STATIC);
	*id = sqlite3_step(st) == SQLITE_ROW ? sqlite3_column_int64(st, 0) : 0;
	return sqlite3_reset(st);
}

static int look_up(struct mw_series *s, const struct mw_bytes triple[3], int64_t *id)
{
	int rc = ask(s->find, triple, id);
	if (rc == SQLITE_OK && !*id)
		rc = ask(s->add, triple, id);
	return rc;
}

int mw_series_id(struct mw_series *s, const struct mw_bytes triple[3], int64_t *id)
{
	char text[TEXT_MAX];
	size_t len = 0;
	for (int i = 0; i < 3; i++) {
		if (triple[i].len > TEXT_MAX - len)
			return look_up(s, triple, id); /* too long to keep */
		if (triple[i].len)
			memcpy(text + len, triple[i].data, triple[i].len);
		len += triple[i].len;
	}
	uint64_t hash = mw_hash(&s->key, text, len);
	struct mw_series_entry *entry = &s->cache[hash % N_ENTRIES];
	if (entry->id && entry->hash == hash && entry->len[0] == triple[0].len &&
		entry->len[1] == triple[1].len && entry->len[2] == triple[2].len && !memcmp(entry->text, text, len)) {
		*id = entry->id;
		return SQLITE_OK;
	}
	int rc = look_up(s, triple, id);
	if (rc == SQLITE_OK) {
		*entry = (struct mw_series_entry){.hash = hash, .id = *id};
		for (int i = 0; i < 3; i++)
			entry->len[i] = (uint8_t)triple[i].len;
		memcpy(entry->text, text, len);
	}
	return rc;
}
