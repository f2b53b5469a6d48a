/* A LwM2M server in a C program: prints every registration and every value of object 3303 (Temperature).
 *
 *   embed [listen address]        default 127.0.0.1:5783; the store is embed.db in the working directory
 *
 * It observes what it wants to see, since devices send nothing unasked. Only moonwire.h is needed. */
#include <moonwire.h>

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>

enum { TEMPERATURE = 3303, SENSOR_VALUE = 5700, INSTANCES_MAX = 16 };

static struct mw_host *running; /* signal handlers get no argument */

static void on_signal(int number)
{
	(void)number;
	mw_host_stop(running);
}

static void print_value(const struct mw_node *n)
{
	const struct mw_value *v = &n->value;
	printf("  /%u/%u/%u = ", n->path.oid, n->path.iid, n->path.rid);
	if (v->type == MW_TYPE_FLOAT)
		printf("%.15g\n", v->f);
	else if (v->type == MW_TYPE_INTEGER || v->type == MW_TYPE_TIME)
		printf("%" PRId64 "\n", v->i);
	else if (v->type == MW_TYPE_STRING)
		printf("\"%.*s\"\n", (int)v->s.len, (const char *)v->s.data);
	else
		printf("(a value of type %d)\n", (int)v->type);
}

/* The first value comes here and as MW_EVENT_VALUES; only failures are of interest. */
static void on_observed(
	void *ud, struct mw_device_ref dev, const struct mw_path *path, const struct mw_result *res)
{
	(void)ud;
	(void)dev;
	if (res->err || res->code >> 5 != 2)
		printf("  cannot observe /%u/%u/%u: %s\n", path->oid, path->iid, path->rid, res->text);
}

struct instances {
	size_t n;
	uint16_t iid[INSTANCES_MAX];
};

static void gather(void *ud, uint16_t oid, uint16_t iid)
{
	struct instances *all = ud;
	if (oid == TEMPERATURE && iid != MW_ID_NONE && all->n < INSTANCES_MAX)
		all->iid[all->n++] = iid;
}

static void observe_all(struct mw_host *host, struct mw_device_ref dev)
{
	struct instances all = {0};
	mw_device_links(host, dev, gather, &all);
	for (size_t i = 0; i < all.n; i++) {
		struct mw_path path = {TEMPERATURE, all.iid[i], SENSOR_VALUE, MW_ID_NONE, 3};
		mw_observe(host, dev, &path, on_observed, NULL);
	}
}

/* @return items put into the feed: none here, so notifications are acknowledged at once */
static int on_event(void *ud, struct mw_host *host, const struct mw_event *event)
{
	(void)ud;
	struct mw_device_info info;
	if (event->kind == MW_EVENT_FEED || mw_device_info(host, event->dev, &info) < 0)
		return 0;
	int len = (int)info.endpoint.len;
	const char *endpoint = (const char *)info.endpoint.data; /* valid until the next call of the host */
	if (event->kind == MW_EVENT_REGISTERED) {
		printf("%.*s registered from %s\n", len, endpoint, info.address);
		observe_all(host, event->dev);
	} else if (event->kind == MW_EVENT_VALUES) {
		printf("%.*s:\n", len, endpoint);
		for (size_t i = 0; i < event->n_nodes; i++)
			print_value(&event->nodes[i]);
	}
	return 0;
}

static void on_log(
	void *ud, enum mw_log_level level, enum mw_log_group group, const char *file, int line, const char *text)
{
	(void)ud;
	(void)file;
	(void)line;
	fprintf(stderr, "%s %s: %s\n", mw_log_level_name(level), mw_log_group_name(group), text);
}

int main(int argc, char **argv)
{
	struct mw_errbuf why;
	struct mw_config config = {.listen = {argc > 1 ? argv[1] : "127.0.0.1:5783"},
		.store = "embed.db",
		.log = on_log,
		.log_level = MW_LOG_WARN};
	running = mw_host_open(&config, &why);
	if (!running) {
		fprintf(stderr, "embed: %s\n", why.text);
		return 1;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	signal(SIGINT, on_signal);
	signal(SIGTERM, on_signal);
	mw_host_on_event(running, on_event, NULL);
	mw_host_run(running);
	mw_host_close(running);
	return 0;
}
