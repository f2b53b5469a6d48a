/* Watching is one uv_fs_event for each folder (inotify does not look into sub-folders) and a timer that waits
 * for the end of a series of events. Reading happens on the loop's thread pool. */
#include "host/watch.h"
#include "base/buf.h"
#include "host/scan.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	DEBOUNCE_MS = 200,
	RETRY_MS = 2000, /* the folder itself is gone: look again */
	PATIENCE = 10,   /* times the debounce: somebody writes all the time, so look in between */
	ROUNDS_MAX = 4,  /* looks in a row because new folders appear */
};

/* A folder that is watched. The handle comes first, so that closing it frees this. */
struct folder {
	uv_fs_event_t handle;
	struct folder *next;
	struct mw_watch *w;
	dev_t dev;
	ino_t ino;
	char name[];
};

struct mw_watch {
	uv_loop_t *loop;
	struct mw_log *log;
	mw_watch_cb *cb;
	void *ud;
	char *path, *suffix;
	uint32_t debounce_ms;
	uint64_t first_event; /* of the series, loop time */
	uint64_t last_poke, scanned_poke;
	uv_timer_t timer;
	uv_work_t work;
	struct folder *folders;
	struct mw_scan scan; /* the worker's while `working` */
	unsigned n_handles;  /* not closed yet */
	int rounds;
	bool working, again, closing, complained;
};

int mw_watch_read(const char *folder, const char *suffix, mw_watch_cb *cb, void *ud, struct mw_errbuf *e)
{
	struct mw_scan s = {.folder = folder, .suffix = suffix};
	mw_scan_run(&s);
	int rc = s.rc;
	if (rc < 0)
		mw_fail(e, rc, "%s", s.e.text);
	else
		cb(ud, &(struct mw_watch_look){.files = s.files, .n_files = s.n_files});
	mw_scan_deinit(&s);
	return rc;
}

/* ---- the end ---- */

static void free_when_idle(struct mw_watch *w)
{
	if (!w->closing || w->working || w->n_handles > 0)
		return;
	mw_scan_deinit(&w->scan);
	free(w->path);
	free(w->suffix);
	free(w);
}

static void on_folder_closed(uv_handle_t *handle)
{
	struct folder *f = handle->data;
	struct mw_watch *w = f->w;
	w->n_handles--;
	free(f);
	free_when_idle(w);
}

static void on_timer_closed(uv_handle_t *handle)
{
	struct mw_watch *w = handle->data;
	w->n_handles--;
	free_when_idle(w);
}

static void close_folder(struct folder *f)
{
	uv_close((uv_handle_t *)&f->handle, on_folder_closed);
}

void mw_watch_free(struct mw_watch *w)
{
	if (!w)
		return;
	w->closing = true;
	uv_close((uv_handle_t *)&w->timer, on_timer_closed);
	while (w->folders) {
		struct folder *f = w->folders;
		w->folders = f->next;
		close_folder(f);
	}
	if (w->working)
		uv_cancel((uv_req_t *)&w->work); /* if it runs already, its end is waited for */
}

/* ---- events to looks ---- */

static void look(struct mw_watch *w);

static void on_timer(uv_timer_t *timer)
{
	struct mw_watch *w = timer->data;
	w->rounds = 0;
	look(w);
}

static void look_in(struct mw_watch *w, uint32_t ms)
{
	uv_timer_start(&w->timer, on_timer, ms, 0);
}

static void on_event(uv_fs_event_t *handle, const char *filename, int events, int status)
{
	struct folder *f = handle->data;
	(void)filename;
	(void)events;
	(void)status; /* an error, too, is a reason to look */
	struct mw_watch *w = f->w;
	if (w->closing)
		return;
	if (!uv_is_active((uv_handle_t *)&w->timer))
		w->first_event = uv_now(w->loop);
	else if (uv_now(w->loop) - w->first_event > (uint64_t)PATIENCE * w->debounce_ms)
		return;
	look_in(w, w->debounce_ms);
}

static int add_folder(struct mw_watch *w, const struct mw_scan_dir *dir)
{
	char path[PATH_MAX];
	size_t size = strlen(dir->name) + 1;
	struct folder *f = calloc(1, sizeof(*f) + size);
	if (!f)
		return UV_ENOMEM;
	mw_strcopy(f->name, size, dir->name);
	f->w = w;
	f->dev = dir->dev;
	f->ino = dir->ino;
	int rc = uv_fs_event_init(w->loop, &f->handle);
	if (rc < 0) {
		free(f);
		return rc;
	}
	f->handle.data = f;
	w->n_handles++;
	snprintf(path, sizeof(path), "%s%s%s", w->path, *dir->name ? "/" : "", dir->name);
	rc = uv_fs_event_start(&f->handle, on_event, path, 0);
	if (rc < 0) {
		close_folder(f);
		return rc;
	}
	f->next = w->folders;
	w->folders = f;
	return 0;
}

static bool is_same(const struct folder *f, const struct mw_scan_dir *d)
{
	return f->dev == d->dev && f->ino == d->ino && strcmp(f->name, d->name) == 0;
}

/* Drops watches of folders that are gone (or were replaced: then the name is the same, but the watch is on
 * the old one), and adds those of new ones. @return number of new ones, or a libuv error */
static int follow_folders(struct mw_watch *w)
{
	int added = 0;
	for (struct folder **at = &w->folders; *at;) {
		struct folder *f = *at;
		bool there = false;
		for (size_t i = 0; i < w->scan.n_dirs && !there; i++)
			there = is_same(f, &w->scan.dirs[i]);
		if (there) {
			at = &f->next;
			continue;
		}
		*at = f->next;
		close_folder(f);
	}
	for (size_t i = 0; i < w->scan.n_dirs; i++) {
		bool there = false;
		for (struct folder *f = w->folders; f && !there; f = f->next)
			there = is_same(f, &w->scan.dirs[i]);
		int rc = there ? 0 : add_folder(w, &w->scan.dirs[i]);
		if (rc < 0 && rc != UV_ENOENT)
			return rc;
		added += !there && rc == 0;
	}
	return added;
}

/* ---- looks, on a worker thread ---- */

static void on_work(uv_work_t *work)
{
	struct mw_watch *w = work->data;
	mw_scan_run(&w->scan);
}

static void complain(struct mw_watch *w, const char *text)
{
	if (!w->complained)
		MW_LOG(w->log, ERROR, RELOAD, "cannot watch scripts: %s; trying again", text);
	w->complained = true;
	if (!uv_is_active((uv_handle_t *)&w->timer)) /* a poke does not wait so long */
		look_in(w, RETRY_MS);
}

static void deliver(struct mw_watch *w)
{
	struct mw_watch_look look = {.poke = w->scanned_poke};
	if (w->scan.rc < 0) {
		complain(w, w->scan.e.text); /* what is in use stays in use */
		look.err = w->scan.rc;
		look.why = w->scan.e.text;
		w->cb(w->ud, &look);
		return;
	}
	int added = follow_folders(w);
	if (added < 0)
		complain(w, uv_strerror(added)); /* and yet deliver: what was read is good */
	else
		w->complained = false;
	if (added > 0 && ++w->rounds < ROUNDS_MAX) {
		w->again = true; /* a file may have come before the watch: look once more, then deliver */
		return;
	}
	look.files = w->scan.files;
	look.n_files = w->scan.n_files;
	w->cb(w->ud, &look);
}

static void on_work_done(uv_work_t *work, int status)
{
	struct mw_watch *w = work->data;
	w->working = false;
	if (!w->closing && status == 0)
		deliver(w);
	if (w->closing) {
		free_when_idle(w);
		return;
	}
	bool again = w->again;
	w->again = false;
	if (again)
		look(w);
}

static void look(struct mw_watch *w)
{
	if (w->working) {
		w->again = true;
		return;
	}
	mw_scan_deinit(&w->scan);
	w->scan.folder = w->path;
	w->scan.suffix = w->suffix;
	w->scanned_poke = w->last_poke;
	w->work.data = w;
	w->working = uv_queue_work(w->loop, &w->work, on_work, on_work_done) == 0;
	if (!w->working)
		look_in(w, RETRY_MS);
}

uint64_t mw_watch_poke(struct mw_watch *w)
{
	w->rounds = 0;
	look_in(w, 0);
	return ++w->last_poke;
}

/* ---- start ---- */

/* The folders as they are now; on the calling thread, as this is start-up. */
static int start(struct mw_watch *w, struct mw_errbuf *e)
{
	w->scan = (struct mw_scan){.folder = w->path, .suffix = w->suffix};
	mw_scan_run(&w->scan);
	if (w->scan.rc < 0)
		return mw_fail(e, w->scan.rc, "%s", w->scan.e.text);
	int rc = follow_folders(w);
	mw_scan_deinit(&w->scan);
	return rc < 0 ? mw_fail(e, MW_E_IO, "cannot watch %s: %s", w->path, uv_strerror(rc)) : 0;
}

struct mw_watch *mw_watch_new(uv_loop_t *loop, const char *folder, const char *suffix, uint32_t debounce_ms,
	struct mw_log *log, mw_watch_cb *cb, void *ud, struct mw_errbuf *e)
{
	struct mw_watch *w = calloc(1, sizeof(*w));
	if (w) {
		w->path = strdup(folder);
		w->suffix = strdup(suffix);
	}
	if (!w || !w->path || !w->suffix || uv_timer_init(loop, &w->timer) < 0) {
		mw_fail(e, MW_E_NOMEM, "out of memory");
		if (w) {
			free(w->path);
			free(w->suffix);
		}
		free(w);
		return NULL;
	}
	w->loop = loop;
	w->log = log;
	w->cb = cb;
	w->ud = ud;
	w->debounce_ms = debounce_ms ? debounce_ms : DEBOUNCE_MS;
	w->timer.data = w;
	w->n_handles = 1;
	uv_unref((uv_handle_t *)&w->timer);
	if (start(w, e) < 0) {
		mw_watch_free(w);
		return NULL;
	}
	return w;
}
