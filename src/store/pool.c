#include "store/pool.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_THREADS = 64 };

struct thread {
	struct mw_reader_pool *pool;
	pthread_t id;
	struct mw_reader *reader; /* set by the thread under the mutex; read by close under it */
};

struct mw_reader_pool {
	char *path;
	uint32_t max_queued;
	uv_async_t finished;
	size_t n_open_jobs; /* accepted, `done` not yet run */
	bool is_delivering, is_closing, close_wanted;

	struct thread threads[MAX_THREADS];
	uint32_t n_threads;

	pthread_mutex_t mutex; /* guards what follows, and each thread's `reader` */
	pthread_cond_t queued;
	struct mw_list todo, done;
	uint32_t n_queued;
	bool stop;
};

static struct mw_reader_job *job_of(struct mw_list *node)
{
	return MW_CONTAINER_OF(node, struct mw_reader_job, node);
}

static struct mw_reader_job *pop(struct mw_list *list)
{
	if (mw_list_is_empty(list))
		return NULL;
	struct mw_list *node = list->next;
	mw_list_remove(node);
	return job_of(node);
}

/* ---- threads ---- */

static int run_job(struct thread *t, struct mw_reader_job *job)
{
	if (!t->reader) {
		struct mw_reader *reader = mw_reader_open(t->pool->path, &job->error);
		if (!reader)
			return MW_E_IO; /* the next job tries again */
		pthread_mutex_lock(&t->pool->mutex);
		t->reader = reader;
		bool stop = t->pool->stop;
		pthread_mutex_unlock(&t->pool->mutex);
		if (stop)
			mw_reader_interrupt(reader);
	}
	return job->run(t->reader, job);
}

static void *thread_main(void *ud)
{
	struct thread *t = ud;
	struct mw_reader_pool *p = t->pool;
	pthread_mutex_lock(&p->mutex);
	while (!p->stop) {
		struct mw_reader_job *job = pop(&p->todo);
		if (!job) {
			pthread_cond_wait(&p->queued, &p->mutex);
			continue;
		}
		p->n_queued--;
		pthread_mutex_unlock(&p->mutex);
		job->status = run_job(t, job);
		pthread_mutex_lock(&p->mutex);
		mw_list_add_tail(&p->done, &job->node);
		uv_async_send(&p->finished);
	}
	pthread_mutex_unlock(&p->mutex);
	return NULL;
}

/* ---- delivering ---- */

static void deliver(struct mw_reader_pool *p)
{
	p->is_delivering = true;
	for (;;) {
		pthread_mutex_lock(&p->mutex);
		struct mw_reader_job *job = pop(&p->done);
		pthread_mutex_unlock(&p->mutex);
		if (!job)
			break;
		if (!--p->n_open_jobs)
			uv_unref((uv_handle_t *)&p->finished);
		job->done(job, job->status);
	}
	p->is_delivering = false;
}

static void on_finished(uv_async_t *handle)
{
	struct mw_reader_pool *p = handle->data;
	if (p->is_closing || p->is_delivering)
		return;
	deliver(p);
	if (p->close_wanted) {
		p->close_wanted = false;
		mw_reader_pool_close(p);
	}
}

int mw_reader_pool_submit(struct mw_reader_pool *p, struct mw_reader_job *job)
{
	if (p->is_closing || p->close_wanted)
		return MW_E_STATE;
	job->error.text[0] = 0;
	pthread_mutex_lock(&p->mutex);
	bool is_full = p->n_queued >= p->max_queued;
	if (!is_full) {
		mw_list_add_tail(&p->todo, &job->node);
		p->n_queued++;
		pthread_cond_signal(&p->queued);
	}
	pthread_mutex_unlock(&p->mutex);
	if (is_full)
		return MW_E_LIMIT;
	if (!p->n_open_jobs++)
		uv_ref((uv_handle_t *)&p->finished);
	return 0;
}

/* ---- opening and closing ---- */

static void free_pool(struct mw_reader_pool *p)
{
	pthread_cond_destroy(&p->queued);
	pthread_mutex_destroy(&p->mutex);
	free(p->path);
	free(p);
}

static void on_handle_closed(uv_handle_t *handle)
{
	free_pool(handle->data);
}

static void stop_threads(struct mw_reader_pool *p)
{
	pthread_mutex_lock(&p->mutex);
	p->stop = true;
	for (struct mw_reader_job *job; (job = pop(&p->todo)) != NULL;) {
		job->status = mw_fail(&job->error, MW_E_CANCELED, "the host is stopping");
		mw_list_add_tail(&p->done, &job->node);
	}
	p->n_queued = 0;
	for (uint32_t i = 0; i < p->n_threads; i++)
		if (p->threads[i].reader)
			mw_reader_interrupt(p->threads[i].reader);
	pthread_cond_broadcast(&p->queued);
	pthread_mutex_unlock(&p->mutex);
	for (uint32_t i = 0; i < p->n_threads; i++) {
		pthread_join(p->threads[i].id, NULL);
		mw_reader_close(p->threads[i].reader);
	}
	p->n_threads = 0;
}

void mw_reader_pool_close(struct mw_reader_pool *p)
{
	if (!p || p->is_closing)
		return;
	if (p->is_delivering) {
		p->close_wanted = true;
		return;
	}
	p->is_closing = true;
	stop_threads(p);
	deliver(p);
	uv_close((uv_handle_t *)&p->finished, on_handle_closed);
}

static int start_threads(struct mw_reader_pool *p, uint32_t n, struct mw_errbuf *e)
{
	for (uint32_t i = 0; i < n; i++) {
		p->threads[i].pool = p;
		int rc = pthread_create(&p->threads[i].id, NULL, thread_main, &p->threads[i]);
		if (rc)
			return mw_fail(e, MW_E_NOMEM, "cannot start reader thread %u: %s", i + 1, strerror(rc));
		p->n_threads++;
	}
	return 0;
}

struct mw_reader_pool *mw_reader_pool_open(
	uv_loop_t *loop, const struct mw_reader_pool_config *config, struct mw_errbuf *e)
{
	uint32_t n = config->n_threads ? config->n_threads : 2;
	struct mw_reader_pool *p = calloc(1, sizeof(*p));
	if (!p) {
		mw_fail(e, MW_E_NOMEM, "out of memory");
		return NULL;
	}
	p->max_queued = config->max_queued ? config->max_queued : 256;
	mw_list_init(&p->todo);
	mw_list_init(&p->done);
	pthread_mutex_init(&p->mutex, NULL);
	pthread_cond_init(&p->queued, NULL);
	p->path = mw_strndup(config->path, strlen(config->path));
	int rc = p->path ? 0 : mw_fail(e, MW_E_NOMEM, "out of memory");
	if (rc == 0 && n > MAX_THREADS)
		rc = mw_fail(e, MW_E_ARG, "%u reader threads asked for; at most %d make sense", n, MAX_THREADS);
	if (rc == 0 && uv_async_init(loop, &p->finished, on_finished) < 0)
		rc = mw_fail(e, MW_E_IO, "cannot add the reader pool to the event loop");
	if (rc < 0) {
		free_pool(p);
		return NULL;
	}
	p->finished.data = p;
	uv_unref((uv_handle_t *)&p->finished);
	if (start_threads(p, n, e) < 0) {
		mw_reader_pool_close(p);
		return NULL;
	}
	return p;
}
