/** @file ddf.h  Reads object definitions from DDF files (LwM2M.xsd, LWM2M-v1_1.xsd) into a registry.
 *
 * Lenient about what real files get wrong (order of elements, missing or empty ones, spaces, letter case);
 * strict about what would make a definition mean something else. A DOCTYPE is refused, so there are no
 * entities to expand and nothing is ever fetched. Messages read "file:line: what is wrong; what would be
 * right". */
#pragma once
#include "model/model.h"

enum {
	MW_DDF_FILE_MAX = 4 << 20, /**< bytes */
	MW_DDF_DEPTH_MAX = 32,     /**< nested elements */
	MW_DDF_OBJECTS_MAX = 64,   /**< objects in one file */
	MW_DDF_ITEMS_MAX = 4096,   /**< resources of one object */
	MW_DDF_NAME_MAX = 255,     /**< bytes of a name, URN, unit or keyword */
	MW_DDF_RANGE_MAX = 4095,   /**< bytes of a RangeEnumeration */
	MW_DDF_TEXT_MAX = 65535,   /**< bytes of a description */
	MW_DDF_WARNINGS_MAX = 16,  /**< told per file; further ones are only counted */
};

/** Counters; loading adds to them. A failed file counts in `failed` and nowhere else. */
struct mw_ddf_stats {
	size_t files;      /**< definition files that were read */
	size_t failed;     /**< refused; nothing of them is in the registry */
	size_t skipped;    /**< not definitions by their name */
	size_t objects;    /**< added to the registry */
	size_t duplicates; /**< object versions that were there already; the first one stays */
	size_t conflicts;  /**< those of `duplicates` that say something else than the first one */
	size_t items;      /**< resources read, those of duplicates included */
	size_t warnings;
};

struct mw_ddf_problem {
	const char *file;
	unsigned line;    /**< 0 = the file as a whole */
	int code;         /**< negative: the file was refused; 0: a warning, the file is in use */
	const char *text; /**< reason, without file and line */
};

/** @param p  borrowed, valid during the call only */
typedef void mw_ddf_problem_cb(void *ud, const struct mw_ddf_problem *p);

/** Reads one document and adds its objects, all of them or none.
 *  @param file_name  for messages and `source`
 *  @param e          may be NULL. On success it holds the first warning, or that the object was there
 *                    already, or an empty text
 *  @return number of objects added (0 when all were there already); MW_E_FORMAT, MW_E_LIMIT, MW_E_NOMEM */
int mw_ddf_parse(struct mw_model *m, const char *file_name, struct mw_bytes xml, struct mw_errbuf *e);

/** The same, with counters, and with every warning and the failure told to @p cb. @p stats,
 *  @p cb and @p e may be NULL. */
int mw_ddf_parse_counted(struct mw_model *m, const char *file_name, struct mw_bytes xml,
	struct mw_ddf_stats *stats, mw_ddf_problem_cb *cb, void *ud, struct mw_errbuf *e);

/** Reads one file as mw_ddf_parse(). Also MW_E_NOTFOUND, MW_E_IO. Blocks: not for the loop thread. */
int mw_ddf_load_file(struct mw_model *m, const char *path, struct mw_errbuf *e);

/** Reads all *.xml of @p dir in order of name, then those of its folder version_history when there is one.
 * Skips hidden files and the registry's files that define no object: Common.xml, DDF.xml,
 * LWM2M_senml_units.xml. A bad file is told to @p cb and stops nothing. Blocks: not for the loop thread.
 *  @param stats, cb, e  may be NULL
 *  @return 0; MW_E_NOTFOUND, MW_E_IO (the folder cannot be read), MW_E_NOMEM (part of it is loaded: free
 *          the registry) */
int mw_ddf_load_dir(struct mw_model *m, const char *dir, struct mw_ddf_stats *stats, mw_ddf_problem_cb *cb,
	void *ud, struct mw_errbuf *e);
