#include "model/ddf.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

struct loader {
	struct mw_model *model;
	struct mw_ddf_stats *stats;
	mw_ddf_problem_cb *cb;
	void *ud;
	struct mw_errbuf *e;
};

/* Reads up to @p cap bytes; the count, or -1 with errno. */
static ssize_t read_all(int fd, uint8_t *data, size_t cap)
{
	size_t len = 0;
	while (len < cap) {
		ssize_t n = read(fd, data + len, cap - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (!n)
			break;
		len += (size_t)n;
	}
	return (ssize_t)len;
}

static int fail_errno(struct mw_errbuf *reason, const char *what)
{
	int code = errno == ENOENT || errno == ENOTDIR ? MW_E_NOTFOUND : MW_E_IO;
	if (errno == ENOMEM)
		code = MW_E_NOMEM;
	return mw_fail(reason, code, "%s: %s", what, strerror(errno));
}

/* Bytes of a regular file of legal size; a pipe or a device in the folder must not hang or flood us. */
static int read_opened(int fd, uint8_t **out, size_t *len, struct mw_errbuf *reason)
{
	struct stat st;
	if (fstat(fd, &st) < 0)
		return fail_errno(reason, "cannot be read");
	if (!S_ISREG(st.st_mode))
		return mw_fail(reason, MW_E_IO, "not a regular file; an object definition is an XML file");
	if (st.st_size > MW_DDF_FILE_MAX)
		return mw_fail(reason, MW_E_LIMIT, "the file is longer than %d bytes; split it", MW_DDF_FILE_MAX);
	uint8_t *data = malloc((size_t)st.st_size + 1);
	if (!data)
		return mw_fail(reason, MW_E_NOMEM, "out of memory");
	ssize_t n = read_all(fd, data, (size_t)st.st_size);
	if (n < 0) {
		free(data);
		return fail_errno(reason, "cannot be read");
	}
	*out = data;
	*len = (size_t)n;
	return 0;
}

static int read_file(const char *path, uint8_t **out, size_t *len, struct mw_errbuf *reason)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return fail_errno(reason, "cannot be opened");
	int rc = read_opened(fd, out, len, reason);
	close(fd);
	return rc;
}

int mw_ddf_load_file(struct mw_model *m, const char *path, struct mw_errbuf *e)
{
	uint8_t *data;
	size_t len = 0;
	struct mw_errbuf reason;
	int rc = read_file(path, &data, &len, &reason);
	if (rc < 0)
		return mw_fail(e, rc, "%.250s: %.200s", path, reason.text);
	rc = mw_ddf_parse(m, path, (struct mw_bytes){data, len}, e);
	free(data);
	return rc;
}

static int load_one(const struct loader *l, const char *path)
{
	uint8_t *data = NULL;
	size_t len = 0;
	struct mw_errbuf reason;
	int rc = read_file(path, &data, &len, &reason);
	if (rc < 0) {
		l->stats->failed++;
		if (l->cb)
			l->cb(l->ud, &(struct mw_ddf_problem){.file = path, .code = rc, .text = reason.text});
		return rc;
	}
	rc = mw_ddf_parse_counted(l->model, path, (struct mw_bytes){data, len}, l->stats, l->cb, l->ud, NULL);
	free(data);
	return rc;
}

static bool is_definition(const char *name)
{
	static const char *const others[] = {"Common.xml", "DDF.xml", "LWM2M_senml_units.xml"};
	size_t len = strlen(name);
	if (name[0] == '.' || len < 5 || strcasecmp(name + len - 4, ".xml"))
		return false;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (!strcmp(name, others[i]))
			return false;
	return true;
}

struct names {
	char **items;
	size_t n, cap;
};

static void names_deinit(struct names *names)
{
	for (size_t i = 0; i < names->n; i++)
		free(names->items[i]);
	free(names->items);
}

static int names_add(struct names *names, const char *name)
{
	if (names->n == names->cap) {
		size_t cap = names->cap ? names->cap * 2 : 64;
		void *grown = reallocarray(names->items, cap, sizeof(char *));
		if (!grown)
			return MW_E_NOMEM;
		names->items = grown;
		names->cap = cap;
	}
	char *copy = mw_strndup(name, strlen(name));
	if (!copy)
		return MW_E_NOMEM;
	names->items[names->n++] = copy;
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Sorted, as the first definition of a version wins and that must not depend on the file system. */
static int list_dir(const struct loader *l, const char *path, struct names *names)
{
	DIR *dir = opendir(path);
	if (!dir) {
		struct mw_errbuf reason;
		int rc = fail_errno(&reason, "cannot be opened as a folder");
		return mw_fail(l->e, rc, "%.250s: %.200s", path, reason.text);
	}
	int rc = 0;
	for (const struct dirent *entry; rc >= 0 && (errno = 0, entry = readdir(dir)) != NULL;) {
		if (is_definition(entry->d_name))
			rc = names_add(names, entry->d_name);
		else if (entry->d_name[0] != '.' && strcmp(entry->d_name, "version_history"))
			l->stats->skipped++;
	}
	if (rc < 0)
		mw_fail(l->e, rc, "%.250s: out of memory", path);
	else if (errno)
		rc = mw_fail(l->e, MW_E_IO, "%.250s: cannot be read: %s", path, strerror(errno));
	closedir(dir);
	if (names->n)
		qsort(names->items, names->n, sizeof(char *), by_name);
	return rc;
}

/* asprintf would hide its allocation from the tests that make allocations fail. */
static char *join(const char *dir, const char *name)
{
	size_t size = strlen(dir) + strlen(name) + 2;
	char *path = malloc(size);
	if (path)
		snprintf(path, size, "%s/%s", dir, name);
	return path;
}

static int load_folder(const struct loader *l, const char *path)
{
	struct names names = {0};
	int rc = list_dir(l, path, &names);
	for (size_t i = 0; rc >= 0 && i < names.n; i++) {
		char *file = join(path, names.items[i]);
		/* No memory is not the file's fault: the next one would fail the same way. */
		if (!file || load_one(l, file) == MW_E_NOMEM)
			rc = mw_fail(l->e, MW_E_NOMEM, "%.250s/%.200s: out of memory", path, names.items[i]);
		free(file);
	}
	names_deinit(&names);
	return rc;
}

int mw_ddf_load_dir(struct mw_model *m, const char *dir, struct mw_ddf_stats *stats, mw_ddf_problem_cb *cb,
	void *ud, struct mw_errbuf *e)
{
	struct mw_ddf_stats unused = {0};
	const struct loader l = {.model = m, .stats = stats ? stats : &unused, .cb = cb, .ud = ud, .e = e};
	int rc = load_folder(&l, dir);
	if (rc < 0)
		return rc;
	char *history = join(dir, "version_history");
	if (!history)
		return mw_fail(e, MW_E_NOMEM, "%.250s: out of memory", dir);
	struct stat st;
	if (stat(history, &st) == 0 && S_ISDIR(st.st_mode))
		rc = load_folder(&l, history);
	free(history);
	return rc;
}
