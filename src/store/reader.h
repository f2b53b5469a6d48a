/** @file reader.h  Reading the store: plain, blocking queries on a connection of one's own.
 *
 * Used at start-up (loading), by commands that look into a store beside a running host, and by the reader
 * pool's threads (pool.h). Never on the loop thread of a running host. One reader belongs to one thread at a
 * time. */
#pragma once
#include "base/err.h"
#include "store/row.h"

struct mw_reader;

/** Opens read-only. MW_E_NOTFOUND style failures say which file and what to do. NULL on failure. */
struct mw_reader *mw_reader_open(const char *path, struct mw_errbuf *e);
void mw_reader_close(struct mw_reader *r);
/** From any thread: the query under way and all later ones fail with MW_E_CANCELED. For an orderly stop. */
void mw_reader_interrupt(struct mw_reader *r);

/** Row callbacks: everything borrowed for the call; return false to stop. */
typedef bool mw_device_row_cb(
	void *ud, const struct mw_device_row *device, const struct mw_registration_row *registration_or_null);
typedef bool mw_observation_row_cb(void *ud, const struct mw_observation_row *row);
typedef bool mw_feed_row_cb(void *ud, const struct mw_feed_row *row);

/** All devices by id, each with its registration if it is registered.
 *  @param endpoint  only this one; empty = all */
int mw_reader_devices(
	struct mw_reader *r, struct mw_bytes endpoint, mw_device_row_cb *cb, void *ud, struct mw_errbuf *e);
struct mw_device_query {
	struct mw_bytes endpoint; /**< empty = all */
	int64_t after_id;         /**< cursor: only devices with a higher number */
	int64_t limit;            /**< 0 = 1000 */
};
/** As mw_reader_devices, a page at a time. */
int mw_reader_device_page(struct mw_reader *r, const struct mw_device_query *q, mw_device_row_cb *cb,
	void *ud, struct mw_errbuf *e);
int mw_reader_observations(struct mw_reader *r, mw_observation_row_cb *cb, void *ud, struct mw_errbuf *e);

struct mw_feed_query {
	int64_t after_seq; /**< cursor: only items with a higher number; used when `newest_first` is off */
	bool newest_first;
	enum mw_feed_kind kind;         /**< 0 = all */
	struct mw_bytes endpoint, type; /**< empty = all */
	int64_t from_ms, to_ms;         /**< wall time, to exclusive; 0 = open */
	int64_t limit;                  /**< 0 = 1000 */
};
/** In the order of numbers. One device's items are found along its own list: newest first costs what it
 * gives; with a cursor it costs the device's items above the cursor. Without an endpoint, measurements are
 * looked through in order (filters by type and time save no reading), all other kinds by an index. */
int mw_reader_feed(
	struct mw_reader *r, const struct mw_feed_query *q, mw_feed_row_cb *cb, void *ud, struct mw_errbuf *e);
/** Alarms as they stand now (not their history), active ones first, newest first. Rows have kind ALARM. */
int mw_reader_alarms(struct mw_reader *r, struct mw_bytes endpoint, bool include_cleared, int64_t limit,
	mw_feed_row_cb *cb, void *ud, struct mw_errbuf *e);
/** Highest device id ever given and highest feed number; 0 when none. */
int mw_reader_marks(struct mw_reader *r, int64_t *last_device_id, int64_t *last_seq, struct mw_errbuf *e);
