#include "store/writer.h"
#include "store/apply.h"
#include "store/schema.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

struct mw_writer {
	sqlite3 *db;
	struct mw_apply apply;
	char *path;
	dev_t dev; /* which file `path` was when it was opened */
	ino_t ino;
	int lock_fd;
	bool is_stale; /* `apply` knows things of a transaction that was rolled back */

	mw_writer_wake_cb *wake;
	void *ud;
	pthread_t thread;
	bool has_thread;
	pthread_mutex_t mutex; /* guards what follows */
	pthread_cond_t given, finished;
	struct mw_batch *todo, *done;
	bool stop;
};

/* ---- one batch ---- */

static int64_t now_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* SQLite says FULL only for ENOSPC. A quota or a limit on file size comes as a failed write; to whoever runs
 * the host all of these are one thing: the file takes nothing more. */
static int status_of(int extended)
{
	switch (extended) {
	case SQLITE_IOERR_WRITE:
	case SQLITE_IOERR_SHMSIZE:
		return MW_E_FULL;
	default:
		return (extended & 0xff) == SQLITE_FULL || (extended & 0xff) == SQLITE_READONLY ? MW_E_FULL : MW_E_IO;
	}
}

/* SQLite goes on writing into a file that was deleted or moved away: everything acknowledged would be lost.
 */
static int check_file(const struct mw_writer *w, struct mw_errbuf *e)
{
	struct stat st;
	if (stat(w->path, &st) == 0 && st.st_dev == w->dev && st.st_ino == w->ino)
		return 0;
	return mw_fail(e, MW_E_IO, "%s was deleted, moved or replaced while in use; restart the host", w->path);
}

static int run(struct mw_writer *w, const char *sql)
{
	return sqlite3_exec(w->db, sql, NULL, NULL, NULL);
}

static void commit(struct mw_writer *w, struct mw_batch *b)
{
	b->status = check_file(w, &b->error);
	if (b->status == 0 && w->is_stale)
		b->status = mw_apply_reload(&w->apply, &b->error);
	if (b->status < 0) {
		b->status = MW_E_IO;
		return;
	}
	w->is_stale = false;
	int rc = run(w, "BEGIN IMMEDIATE");
	if (rc == SQLITE_OK)
		rc = mw_apply_batch(&w->apply, b);
	if (rc == SQLITE_OK)
		rc = run(w, "COMMIT");
	if (rc == SQLITE_OK)
		return;
	b->status = status_of(sqlite3_extended_errcode(w->db));
	b->n_feed = b->n_ignored = 0;
	mw_fail(&b->error, b->status, "%s: %s (%d)", w->path,
		rc == SQLITE_NOMEM ? "out of memory" : sqlite3_errmsg(w->db), sqlite3_extended_errcode(w->db));
	if (!sqlite3_get_autocommit(w->db))
		run(w, "ROLLBACK");
	w->is_stale = true;
}

static void work(struct mw_writer *w, struct mw_batch *b)
{
	int64_t start = now_us();
	b->status = 0;
	if (b->n_rows)
		commit(w, b);
	b->last_seq = w->apply.last_seq;
	int64_t took = now_us() - start;
	b->commit_us = took > UINT32_MAX ? UINT32_MAX : (uint32_t)took;
}

/* ---- thread ---- */

static void *thread_main(void *ud)
{
	struct mw_writer *w = ud;
	pthread_mutex_lock(&w->mutex);
	while (!w->stop) {
		struct mw_batch *b = w->todo;
		if (!b) {
			pthread_cond_wait(&w->given, &w->mutex);
			continue;
		}
		w->todo = NULL;
		pthread_mutex_unlock(&w->mutex);
		work(w, b);
		pthread_mutex_lock(&w->mutex);
		w->done = b;
		pthread_cond_signal(&w->finished);
		w->wake(w->ud);
	}
	pthread_mutex_unlock(&w->mutex);
	return NULL;
}

void mw_writer_give(struct mw_writer *w, struct mw_batch *b)
{
	pthread_mutex_lock(&w->mutex);
	w->todo = b;
	pthread_cond_signal(&w->given);
	pthread_mutex_unlock(&w->mutex);
}

struct mw_batch *mw_writer_take(struct mw_writer *w, bool wait)
{
	pthread_mutex_lock(&w->mutex);
	while (wait && !w->done)
		pthread_cond_wait(&w->finished, &w->mutex);
	struct mw_batch *b = w->done;
	w->done = NULL;
	pthread_mutex_unlock(&w->mutex);
	return b;
}

int64_t mw_writer_last_seq(const struct mw_writer *w)
{
	return w->apply.last_seq;
}

/* ---- opening and closing ---- */

/* SQLite would create it with the umask's mode; what is in it is nobody else's business. */
static int create_file(struct mw_writer *w, struct mw_errbuf *e)
{
	int fd = open(w->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd >= 0)
		close(fd);
	else if (errno != EEXIST)
		return mw_fail(e, MW_E_IO, "cannot create %s: %s; its folder must exist and be writable", w->path,
			strerror(errno));
	struct stat st;
	if (stat(w->path, &st) < 0)
		return mw_fail(e, MW_E_IO, "cannot open %s: %s", w->path, strerror(errno));
	w->dev = st.st_dev;
	w->ino = st.st_ino;
	return 0;
}

/* Two hosts on one store would give the same numbers twice. The lock is beside the file that a symbolic link
 * leads to, and not on it: closing any descriptor of the file itself would drop SQLite's own locks. */
static int lock(struct mw_writer *w, struct mw_errbuf *e)
{
	char *real = realpath(w->path, NULL);
	size_t size = real ? strlen(real) + sizeof("-lock") : 0;
	char *name = real ? malloc(size) : NULL;
	int rc = name ? 0 : mw_fail(e, MW_E_IO, "cannot find %s again: %s", w->path, strerror(errno));
	if (rc == 0) {
		snprintf(name, size, "%s-lock", real);
		w->lock_fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		if (w->lock_fd < 0)
			rc = mw_fail(e, MW_E_IO, "cannot create %s: %s; its folder must exist and be writable", name,
				strerror(errno));
		else if (flock(w->lock_fd, LOCK_EX | LOCK_NB) < 0)
			rc = mw_fail(e, MW_E_STATE,
				"%s is in use by another running host; stop that one or name another file", w->path);
	}
	free(name);
	free(real);
	return rc;
}

static int open_file(struct mw_writer *w, struct mw_errbuf *e)
{
	struct mw_errbuf why = {0};
	int rc = create_file(w, e);
	if (rc == 0)
		rc = lock(w, e);
	if (rc < 0)
		return rc;
	if (sqlite3_open_v2(w->path, &w->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK)
		rc = mw_fail(&why, MW_E_IO, "%s", w->db ? sqlite3_errmsg(w->db) : "out of memory");
	sqlite3_busy_timeout(w->db, 5000);
	if (rc == 0 && sqlite3_db_readonly(w->db, "main") != 0)
		rc = mw_fail(&why, MW_E_IO, "it is not writable, and nothing is acknowledged that is not written");
	if (rc == 0)
		rc = mw_schema_migrate(w->db, mw_schema_steps, mw_schema_n_steps, &why);
	if (rc == 0)
		rc = mw_schema_setup(w->db, false, &why);
	if (rc == 0)
		rc = mw_apply_init(&w->apply, w->db, &why);
	return rc < 0 ? mw_fail(e, rc, "%s: %.400s", w->path, why.text) : 0;
}

static int start_thread(struct mw_writer *w, struct mw_errbuf *e)
{
	int rc = pthread_create(&w->thread, NULL, thread_main, w);
	if (rc)
		return mw_fail(e, MW_E_NOMEM, "cannot start the store's thread: %s", strerror(rc));
	w->has_thread = true;
	return 0;
}

struct mw_writer *mw_writer_open(const char *path, mw_writer_wake_cb *wake, void *ud, struct mw_errbuf *e)
{
	struct mw_writer *w = calloc(1, sizeof(*w));
	if (!w) {
		mw_fail(e, MW_E_NOMEM, "out of memory");
		return NULL;
	}
	w->lock_fd = -1;
	w->wake = wake;
	w->ud = ud;
	pthread_mutex_init(&w->mutex, NULL);
	pthread_cond_init(&w->given, NULL);
	pthread_cond_init(&w->finished, NULL);
	w->path = mw_strndup(path, strlen(path));
	int rc = w->path ? open_file(w, e) : mw_fail(e, MW_E_NOMEM, "out of memory");
	if (rc == 0)
		rc = start_thread(w, e);
	if (rc == 0)
		return w;
	mw_writer_close(w);
	return NULL;
}

void mw_writer_close(struct mw_writer *w)
{
	if (!w)
		return;
	if (w->has_thread) {
		pthread_mutex_lock(&w->mutex);
		w->stop = true;
		pthread_cond_signal(&w->given);
		pthread_mutex_unlock(&w->mutex);
		pthread_join(w->thread, NULL);
	}
	mw_apply_deinit(&w->apply);
	sqlite3_close(w->db);
	if (w->lock_fd >= 0)
		close(w->lock_fd);
	pthread_cond_destroy(&w->finished);
	pthread_cond_destroy(&w->given);
	pthread_mutex_destroy(&w->mutex);
	free(w->path);
	free(w);
}
