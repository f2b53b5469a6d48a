#include "store/store.h"
#include "store/batch.h"
#include "store/heads.h"
#include "store/writer.h"

#include <stdlib.h>

/* The loop's side. Three batches go round: `current` collects, one is with the writer, one has its
 * completions run.
 *
 * When a batch goes to the writer: never from inside a put, but when the loop is about to wait for events
 * (prepare handle), if the writer is idle and a completion waits or commit_rows are there; rows that nobody
 * waits for go when the first of them is commit_ms old (timer). While the writer is busy, everything
 * collects: a lone request is committed at once, and under load the batches grow by themselves to what
 * arrives during one commit. */

enum { N_BATCHES = 3, N_HANDLES = 4 };

struct mw_store {
	struct mw_log *log;
	struct mw_writer *writer;
	uint32_t commit_ms, commit_rows;
	size_t max_pending;

	struct mw_batch batches[N_BATCHES];
	struct mw_batch *current, *writing;
	struct mw_batch *spare[N_BATCHES];
	size_t n_spare;

	uv_async_t finished;
	uv_timer_t timer;
	uv_prepare_t before_wait;
	uv_check_t after_poll;
	int n_open;   /* handles */
	bool is_late; /* the timer went off for `current` */
	bool is_completing, is_closing, close_wanted;

	mw_store_feed_cb *feed_cb;
	void *feed_ud;
	struct mw_store_stats stats;
	uint64_t failed_in_row, lost_rows;
};

/* ---- handing over ---- */

static bool is_empty(const struct mw_batch *b)
{
	return !b->n_rows && !b->n_tickets;
}

static void hand_over(struct mw_store *s)
{
	if (s->writing || !s->n_spare || is_empty(s->current))
		return;
	uv_timer_stop(&s->timer);
	s->is_late = false;
	s->writing = s->current;
	s->current = s->spare[--s->n_spare];
	mw_writer_give(s->writer, s->writing);
}

static void hand_over_if_due(struct mw_store *s)
{
	if (s->current->n_tickets || s->current->n_rows >= s->commit_rows || s->is_late)
		hand_over(s);
}

static void on_before_wait(uv_prepare_t *handle)
{
	hand_over_if_due(handle->data);
}

/* For loops of others that step without waiting: what this turn brought does not lie until the next one. */
static void on_after_poll(uv_check_t *handle)
{
	hand_over_if_due(handle->data);
}

static void on_timer(uv_timer_t *handle)
{
	struct mw_store *s = handle->data;
	s->is_late = true;
	hand_over_if_due(s);
}

/* ---- completing ---- */

static void note_failure(struct mw_store *s, const struct mw_batch *b)
{
	s->stats.failed_commits++;
	s->lost_rows += b->n_rows;
	if (!s->failed_in_row++)
		MW_LOG(s->log, ERROR, STORE,
			"commit failed, %u rows lost, nothing is acknowledged until this is mended: %s", b->n_rows,
			b->error.text);
}

static void note_success(struct mw_store *s, const struct mw_batch *b)
{
	if (s->failed_in_row)
		MW_LOG(s->log, ERROR, STORE, "commits work again after %llu that failed; %llu rows were lost",
			(unsigned long long)s->failed_in_row, (unsigned long long)s->lost_rows);
	s->failed_in_row = s->lost_rows = 0;
	if (b->n_ignored)
		MW_LOG(
			s->log, WARN, STORE, "%u new devices not stored: id or endpoint is there already", b->n_ignored);
	s->stats.commits++;
	s->stats.rows += b->n_rows;
	s->stats.feed_rows += b->n_feed;
	s->stats.last_seq = b->last_seq;
	s->stats.last_commit_us = b->commit_us;
	if (b->commit_us > s->stats.longest_commit_us)
		s->stats.longest_commit_us = b->commit_us;
}

static void complete(struct mw_store *s, struct mw_batch *b)
{
	if (b->status < 0) {
		note_failure(s, b);
		/* Tickets that came since may stand for rows of this batch: rather report a failure too many. */
		if (s->current->n_tickets)
			s->current->inherited = b->status;
	} else if (b->n_rows) {
		note_success(s, b);
	}
	/* The writer goes on while the completions run. */
	if (!s->is_closing)
		hand_over_if_due(s);
	s->is_completing = true;
	mw_batch_complete(b, b->status < 0 ? b->status : b->inherited);
	if (b->status == 0 && b->n_feed && s->feed_cb)
		s->feed_cb(s->feed_ud, b->last_seq);
	s->is_completing = false;
	mw_batch_clear(b);
	s->spare[s->n_spare++] = b;
}

static void on_finished(uv_async_t *handle)
{
	struct mw_store *s = handle->data;
	if (s->is_closing || s->is_completing)
		return;
	/* A loop: should a completion run the event loop itself, it takes the next batch's wake-up away. */
	for (struct mw_batch *b; (b = mw_writer_take(s->writer, false)) != NULL;) {
		s->writing = NULL;
		complete(s, b);
	}
	if (s->close_wanted) {
		s->close_wanted = false;
		mw_store_close(s);
	}
}

static void wake_loop(void *ud)
{
	struct mw_store *s = ud;
	uv_async_send(&s->finished);
}

/* ---- opening and closing ---- */

static void free_store(struct mw_store *s)
{
	for (int i = 0; i < N_BATCHES; i++)
		mw_batch_deinit(&s->batches[i]);
	free(s);
}

static void on_handle_closed(uv_handle_t *handle)
{
	struct mw_store *s = handle->data;
	if (!--s->n_open)
		free_store(s);
}

static int open_handles(struct mw_store *s, uv_loop_t *loop)
{
	int rc = uv_async_init(loop, &s->finished, on_finished);
	if (rc < 0)
		return rc;
	uv_timer_init(loop, &s->timer);
	uv_prepare_init(loop, &s->before_wait);
	uv_prepare_start(&s->before_wait, on_before_wait);
	uv_check_init(loop, &s->after_poll);
	uv_check_start(&s->after_poll, on_after_poll);
	/* Only `finished` keeps the loop alive: as long as the store is open, there is something to wait for. */
	uv_unref((uv_handle_t *)&s->timer);
	uv_unref((uv_handle_t *)&s->before_wait);
	uv_unref((uv_handle_t *)&s->after_poll);
	s->finished.data = s->timer.data = s->before_wait.data = s->after_poll.data = s;
	s->n_open = N_HANDLES;
	return 0;
}

static void close_handles(struct mw_store *s)
{
	uv_close((uv_handle_t *)&s->finished, on_handle_closed);
	uv_close((uv_handle_t *)&s->timer, on_handle_closed);
	uv_close((uv_handle_t *)&s->before_wait, on_handle_closed);
	uv_close((uv_handle_t *)&s->after_poll, on_handle_closed);
}

static struct mw_store *new_store(const struct mw_store_config *config, struct mw_log *log)
{
	struct mw_store *s = calloc(1, sizeof(*s));
	if (!s)
		return NULL;
	s->log = log;
	s->commit_ms = config->commit_ms ? config->commit_ms : 5;
	s->commit_rows = config->commit_rows ? config->commit_rows : 1000;
	s->max_pending = config->max_pending ? config->max_pending : (size_t)64 << 20;
	for (size_t i = 0; i < N_BATCHES; i++) {
		mw_batch_init(&s->batches[i]);
		s->spare[i] = &s->batches[i];
	}
	s->current = s->spare[N_BATCHES - 1];
	s->n_spare = N_BATCHES - 1;
	return s;
}

struct mw_store *mw_store_open(
	uv_loop_t *loop, const struct mw_store_config *config, struct mw_log *log, struct mw_errbuf *e)
{
	struct mw_store *s = new_store(config, log);
	if (!s) {
		mw_fail(e, MW_E_NOMEM, "out of memory");
		return NULL;
	}
	/* The writer first: it wakes nobody before it has a batch, and can be closed at once when the rest fails.
	 */
	s->writer = mw_writer_open(config->path, wake_loop, s, e);
	int rc = s->writer ? open_handles(s, loop) : MW_E_IO;
	if (s->writer && rc < 0)
		mw_fail(e, MW_E_IO, "cannot add the store to the event loop: %s", uv_strerror(rc));
	if (rc < 0) {
		mw_writer_close(s->writer);
		free_store(s);
		return NULL;
	}
	s->stats.last_seq = mw_writer_last_seq(s->writer);
	return s;
}

void mw_store_close(struct mw_store *s)
{
	if (!s || s->is_closing)
		return;
	if (s->is_completing) {
		s->close_wanted = true; /* from inside a completion: its batch is still needed */
		return;
	}
	/* Rows that completions add while this runs are refused, so two rounds at most: writing, then current. */
	s->is_closing = true;
	while (s->writing || !is_empty(s->current)) {
		if (!s->writing)
			hand_over(s);
		struct mw_batch *b = mw_writer_take(s->writer, true);
		s->writing = NULL;
		complete(s, b);
	}
	mw_writer_close(s->writer);
	s->writer = NULL;
	close_handles(s);
}

/* ---- putting ---- */

static size_t pending(const struct mw_store *s)
{
	return mw_batch_bytes(s->current) + (s->writing ? mw_batch_bytes(s->writing) : 0);
}

static size_t left(const struct mw_store *s)
{
	size_t n = pending(s);
	return n < s->max_pending ? s->max_pending - n : 0;
}

static int put(struct mw_store *s, enum mw_batch_op op, const void *row)
{
	if (s->is_closing || s->close_wanted)
		return MW_E_STATE;
	int rc = mw_batch_add(s->current, op, row, left(s));
	if (rc == 0 && s->current->n_rows == 1)
		uv_timer_start(&s->timer, on_timer, s->commit_ms, 0);
	return rc;
}

int mw_store_put_device(struct mw_store *s, const struct mw_device_row *row)
{
	return row->endpoint.len ? put(s, MW_BATCH_PUT_DEVICE, row) : MW_E_ARG;
}

int mw_store_put_registration(struct mw_store *s, const struct mw_registration_row *row)
{
	return put(s, MW_BATCH_PUT_REGISTRATION, row);
}

int mw_store_delete_registration(struct mw_store *s, int64_t device_id)
{
	return put(s, MW_BATCH_DELETE_REGISTRATION, &device_id);
}

int mw_store_put_observation(struct mw_store *s, const struct mw_observation_row *row)
{
	return put(s, MW_BATCH_PUT_OBSERVATION, row);
}

int mw_store_delete_observation(struct mw_store *s, uint64_t token)
{
	int64_t stored = (int64_t)token;
	return put(s, MW_BATCH_DELETE_OBSERVATION, &stored);
}

int mw_store_delete_observations_of(struct mw_store *s, int64_t device_id)
{
	return put(s, MW_BATCH_DELETE_OBSERVATIONS_OF, &device_id);
}

/* What the tables could not hold is refused here: on the writer's side it would fail everybody's batch. */
static int check_feed(const struct mw_feed_row *row)
{
	const struct mw_value *v = &row->value;
	if (v->type != MW_TYPE_NONE && v->type != MW_TYPE_INTEGER && v->type != MW_TYPE_FLOAT &&
		!(v->type == MW_TYPE_UNSIGNED && v->u <= INT64_MAX))
		return MW_E_TYPE;
	if (row->kind < MW_FEED_MEASUREMENT || row->kind > MW_FEED_LIFECYCLE)
		return MW_E_ARG;
	if (row->kind == MW_FEED_ALARM && (row->status < MW_ALARM_ACTIVE || row->status > MW_ALARM_CLEARED))
		return MW_E_ARG;
	if (row->severity > MW_SEVERITY_CRITICAL)
		return MW_E_ARG;
	return row->device_id >= 0 && row->device_id <= MW_HEADS_MAX_DEVICE ? 0 : MW_E_ARG;
}

int mw_store_put_feed(struct mw_store *s, const struct mw_feed_row *row)
{
	int rc = check_feed(row);
	return rc < 0 ? rc : put(s, MW_BATCH_PUT_FEED, row);
}

int mw_store_commit(struct mw_store *s, mw_store_done_cb *cb, void *ud, const void *ticket, size_t ticket_len)
{
	if (ticket_len > MW_STORE_TICKET_MAX)
		return MW_E_LIMIT;
	if (s->is_closing || s->close_wanted)
		return MW_E_STATE;
	return mw_batch_add_ticket(s->current, cb, ud, ticket, ticket_len, left(s));
}

void mw_store_on_feed(struct mw_store *s, mw_store_feed_cb *cb, void *ud)
{
	s->feed_cb = cb;
	s->feed_ud = ud;
}

void mw_store_stats(struct mw_store *s, struct mw_store_stats *out)
{
	*out = s->stats;
	out->pending_bytes = pending(s);
}
