#include "host/scan.h"
#include "base/buf.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DIRS_MAX = 256 };

static void set_failure(struct mw_scan *s, int rc, const char *text, const char *what)
{
	if (s->rc == 0)
		s->rc = mw_fail(&s->e, rc, "%s: %s", what, text);
}

static void *grow(void *items, size_t *cap, size_t item_size)
{
	size_t n = *cap ? *cap * 2 : 16;
	void *out = realloc(items, n * item_size);
	if (out)
		*cap = n;
	return out;
}

/* ---- one file ---- */

static int read_all(int fd, size_t size, struct mw_bytes *out, const char **why)
{
	uint8_t *data = malloc(size + 1);
	size_t n = 0;
	if (!data) {
		*why = "out of memory";
		return MW_E_NOMEM;
	}
	while (n < size) {
		ssize_t got = read(fd, data + n, size - n);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0) {
			*why = strerror(errno);
			free(data);
			return MW_E_IO;
		}
		if (got == 0)
			break; /* it has become shorter: another change event follows */
		n += (size_t)got;
	}
	data[n] = '\0';
	*out = (struct mw_bytes){data, n};
	return 0;
}

/* Not blocked by a pipe that somebody put there: opened without waiting, and only regular files are read. */
static int read_file(const char *path, struct mw_bytes *out, const char **why)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0) {
		*why = strerror(errno);
		return MW_E_IO;
	}
	int rc = MW_E_IO;
	if (fstat(fd, &st) < 0)
		*why = strerror(errno);
	else if (!S_ISREG(st.st_mode))
		*why = "not a regular file";
	else if (st.st_size > MW_WATCH_FILE_MAX)
		*why = "larger than 1 MiB";
	else
		rc = read_all(fd, (size_t)st.st_size, out, why);
	close(fd);
	return rc;
}

static void add_file(struct mw_scan *s, const char *path, const char *name)
{
	if (s->n_files == MW_WATCH_FILES_MAX) {
		set_failure(s, MW_E_LIMIT, "more than 4096 files", s->folder);
		return;
	}
	if (s->n_files == s->cap_files) {
		void *files = grow(s->files, &s->cap_files, sizeof(*s->files));
		if (!files) {
			set_failure(s, MW_E_NOMEM, "out of memory", s->folder);
			return;
		}
		s->files = files;
	}
	struct mw_watched_file f = {.name = strdup(name)};
	const char *why = "";
	f.err = read_file(path, &f.text, &why);
	f.why = strdup(why);
	if (!f.name || !f.why) {
		free((char *)f.name);
		free((char *)f.why);
		free((void *)f.text.data);
		set_failure(s, MW_E_NOMEM, "out of memory", s->folder);
		return;
	}
	s->files[s->n_files++] = f;
}

/* ---- folders ---- */

static bool add_dir(struct mw_scan *s, const char *name, const struct stat *st)
{
	if (s->n_dirs == DIRS_MAX) {
		set_failure(s, MW_E_LIMIT, "more than 256 folders", s->folder);
		return false;
	}
	if (s->n_dirs == s->cap_dirs) {
		void *dirs = grow(s->dirs, &s->cap_dirs, sizeof(*s->dirs));
		if (!dirs) {
			set_failure(s, MW_E_NOMEM, "out of memory", s->folder);
			return false;
		}
		s->dirs = dirs;
	}
	char *copy = strdup(name);
	if (!copy) {
		set_failure(s, MW_E_NOMEM, "out of memory", s->folder);
		return false;
	}
	s->dirs[s->n_dirs++] = (struct mw_scan_dir){copy, st->st_dev, st->st_ino};
	return true;
}

static bool has_suffix(const char *name, const char *suffix)
{
	size_t n = strlen(name), m = strlen(suffix);
	return n > m && strcmp(name + n - m, suffix) == 0;
}

/* Hidden files, and what editors leave behind: .x.swp, x~, #x# */
static bool is_left_out(const char *name)
{
	size_t n = strlen(name);
	for (size_t i = 0; i < n; i++) {
		if ((unsigned char)name[i] < ' ' || name[i] == 127)
			return true;
	}
	return name[0] == '.' || name[0] == '#' || name[n - 1] == '~';
}

static void scan_dir(struct mw_scan *s, const char *dir, int depth);

static void look_at(struct mw_scan *s, const char *dir, const char *entry, int depth)
{
	char name[PATH_MAX], path[PATH_MAX];
	struct stat st;
	int n = snprintf(name, sizeof(name), "%s%s%s", dir, *dir ? "/" : "", entry);
	int m = snprintf(path, sizeof(path), "%s/%s", s->folder, name);
	if (n >= (int)sizeof(name) || m >= (int)sizeof(path) || stat(path, &st) < 0)
		return; /* gone meanwhile, or a link to nowhere */
	if (S_ISDIR(st.st_mode) && depth < MW_WATCH_DEPTH_MAX) {
		if (add_dir(s, name, &st))
			scan_dir(s, name, depth + 1);
	} else if (S_ISREG(st.st_mode) && has_suffix(entry, s->suffix)) {
		add_file(s, path, name);
	}
}

/* Recursion is bounded by MW_WATCH_DEPTH_MAX, so a link to a folder above ends too. */
static void scan_dir(struct mw_scan *s, const char *dir, int depth)
{
	char path[PATH_MAX];
	struct dirent *entry;
	if (snprintf(path, sizeof(path), "%s/%s", s->folder, dir) >= (int)sizeof(path))
		return;
	DIR *d = opendir(path);
	if (!d) {
		if (depth == 0 || errno != ENOENT)
			set_failure(s, depth == 0 && errno == ENOENT ? MW_E_NOTFOUND : MW_E_IO, strerror(errno), path);
		return;
	}
	while (s->rc == 0 && (entry = readdir(d))) {
		if (!is_left_out(entry->d_name))
			look_at(s, dir, entry->d_name, depth);
	}
	closedir(d);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct mw_watched_file *)a)->name, ((const struct mw_watched_file *)b)->name);
}

void mw_scan_run(struct mw_scan *s)
{
	struct stat st;
	if (stat(s->folder, &st) < 0 || !S_ISDIR(st.st_mode)) {
		s->rc = mw_fail(&s->e, MW_E_NOTFOUND, "%s: no such folder", s->folder);
		return;
	}
	if (add_dir(s, "", &st))
		scan_dir(s, "", 0);
	if (s->n_files > 1)
		qsort(s->files, s->n_files, sizeof(*s->files), by_name);
}

void mw_scan_deinit(struct mw_scan *s)
{
	for (size_t i = 0; i < s->n_files; i++) {
		free((char *)s->files[i].name);
		free((char *)s->files[i].why);
		free((void *)s->files[i].text.data);
	}
	for (size_t i = 0; i < s->n_dirs; i++)
		free(s->dirs[i].name);
	free(s->files);
	free(s->dirs);
	*s = (struct mw_scan){0};
}
