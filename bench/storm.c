/* storm: LwM2M devices by the million from one socket, to load a server on the same machine.
 *
 *   storm register|update|notify|echo --server 127.0.0.1:PORT [--devices N] [--seconds S] [--window W]
 *   storm run --phases register,update,notify ...
 *
 * Device i sends from 127.(1 + i / 65536).(i / 256 % 256).(i % 256): one socket, bound to 0.0.0.0, and
 * IP_PKTINFO says the source of each datagram. `update` and `notify` register first. A closed loop: at most W
 * requests are out, at most one a device (NSTART), each with its device's own message id, so that no server
 * may take one for a repetition. With few devices the 65536 ids of each come round within EXCHANGE_LIFETIME
 * (247 s): keep N above a 250th of the rate.
 *
 * One JSON line a phase on stdout. Exit code 0; 1 when a phase failed (stderr says how); 2 for wrong
 * arguments. */
#include "packet.h"
#include "wire.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <time.h>

enum {
	WINDOW_MAX = 32768,
	NO_SLOT = 0xffff,
	ID_MAX = 19,
	LOST_AFTER_MS = 2000,
	TRIES = 10,               /* of one registration */
	STALLED_MS = 15000,       /* registering without one answer for so long has failed */
	DRAIN_MS = LOST_AFTER_MS, /* after a phase, for the answers that are still under way */
	REGISTER_MAX_S = 3600,
	PROBES = 64,
};
#define NO_DEVICE WIRE_NO_DEVICE

enum kind { REGISTER, UPDATE, NOTIFY, ECHO_ONLY, N_KINDS };
static const char *const kind_names[] = {"register", "update", "notify", "echo"};

/* 24 bytes a device, 24 more if it can be observed. */
struct device {
	char id[ID_MAX]; /* what the server calls its registration */
	uint8_t id_len;
	uint16_t mid;  /* last one used */
	uint16_t slot; /* its request under way, or NO_SLOT */
};

struct observation {
	uint8_t token[8];
	uint8_t tkl, depth; /* depth 0 = not observed */
	uint16_t format, path[3];
	uint32_t seq;
};

struct slot {
	uint32_t device; /* NO_DEVICE = free */
	uint32_t sent_ms;
	uint16_t mid;
	uint8_t tries;
};

struct count {
	uint64_t ok, lost, other, resent;
};

struct storm {
	/* arguments */
	uint32_t n_devices, window, seconds, observe_wait, port;
	enum kind phases[16];
	unsigned n_phases;
	const char *links;

	struct device *devices;
	struct observation *observations; /* NULL unless a phase notifies */
	uint32_t n_observed;
	struct slot *slots;
	uint16_t *free_slots;
	uint32_t n_free;

	enum kind kind;
	struct count count;
	uint32_t next;      /* device to register */
	uint32_t now_ms;    /* read once a round */
	uint32_t answer_ms; /* when the last answer came */
	uint8_t bad_code;   /* first answer that was not the one wanted */
	uint64_t random;

	struct wire wire;
};

static uint32_t read_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint32_t)((uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000);
}

static uint32_t random_below(struct storm *s, uint32_t n)
{
	s->random ^= s->random << 13;
	s->random ^= s->random >> 7;
	s->random ^= s->random << 17;
	return (uint32_t)((s->random >> 32) * n >> 32);
}

static uint8_t *put_notification(struct storm *s, uint8_t *p, uint32_t device, uint16_t mid)
{
	struct observation *ob = &s->observations[device];
	p = put_header(p, CON, CONTENT, mid, ob->token, ob->tkl);
	p = put_uint_option(p, OBSERVE, ++ob->seq & 0xffffff);
	p = put_uint_option(p, CONTENT_FORMAT - OBSERVE, ob->format);
	return put_value(p, ob->format, ob->path, ob->depth, (float)random_below(s, 4000) / 100);
}

static void request_token(uint8_t token[4], uint32_t device, uint16_t mid)
{
	token[0] = (uint8_t)(mid >> 8);
	token[1] = (uint8_t)mid;
	token[2] = (uint8_t)(device >> 8);
	token[3] = (uint8_t)device;
}

/* Builds and queues the request of this phase for a slot, the first time or again. */
static int send_request(struct storm *s, struct slot *slot)
{
	uint8_t *p = wire_begin(&s->wire), token[4];
	if (!p)
		return -1;
	slot->sent_ms = s->now_ms;
	slot->tries++;
	if (s->kind == NOTIFY) {
		p = put_notification(s, p, slot->device, slot->mid);
	} else {
		request_token(token, slot->device, slot->mid);
		p = put_header(p, CON, POST, slot->mid, token, sizeof(token));
		if (s->kind == REGISTER)
			p = put_register(p, slot->device, s->links);
		else
			p = put_update(p, s->devices[slot->device].id, s->devices[slot->device].id_len);
	}
	wire_put(&s->wire, slot->device, p);
	return 0;
}

/* Requests under way */

static void free_slot(struct storm *s, struct slot *slot)
{
	s->devices[slot->device].slot = NO_SLOT;
	slot->device = NO_DEVICE;
	s->free_slots[s->n_free++] = (uint16_t)(slot - s->slots);
}

static struct slot *find_slot(struct storm *s, uint32_t device, uint16_t mid)
{
	uint16_t i = s->devices[device].slot;
	return i != NO_SLOT && s->slots[i].mid == mid ? &s->slots[i] : NULL;
}

/* The device that sends next; NO_DEVICE when none can now. */
static uint32_t choose(struct storm *s)
{
	if (s->kind == REGISTER)
		return s->next < s->n_devices ? s->next++ : NO_DEVICE;
	uint32_t i = random_below(s, s->n_devices);
	for (unsigned probe = 0; probe < PROBES; probe++) {
		if (s->devices[i].slot == NO_SLOT && (s->kind != NOTIFY || s->observations[i].depth))
			return i;
		i = i + 1 == s->n_devices ? 0 : i + 1;
	}
	return NO_DEVICE;
}

static int fill_window(struct storm *s)
{
	while (s->n_free) {
		uint32_t device = choose(s);
		if (device == NO_DEVICE)
			return 0;
		uint16_t i = s->free_slots[--s->n_free];
		s->devices[device].slot = i;
		s->slots[i] = (struct slot){.device = device, .mid = ++s->devices[device].mid};
		if (send_request(s, &s->slots[i]) < 0)
			return -1;
	}
	return 0;
}

/* A registration is tried again, as a device would; anything else is lost, and another takes its place. */
static int look_for_lost(struct storm *s)
{
	for (uint32_t i = 0; i < s->window; i++) {
		struct slot *slot = &s->slots[i];
		if (slot->device == NO_DEVICE || s->now_ms - slot->sent_ms < LOST_AFTER_MS)
			continue;
		if (s->kind != REGISTER || slot->tries >= TRIES) {
			s->count.lost++;
			free_slot(s, slot);
			continue;
		}
		s->count.resent++;
		if (send_request(s, slot) < 0)
			return -1;
	}
	return 0;
}

static void drop_slots(struct storm *s)
{
	for (uint32_t i = 0; i < s->window; i++)
		if (s->slots[i].device != NO_DEVICE)
			free_slot(s, &s->slots[i]);
}

/* Datagrams in */

static bool keep_location(struct device *d, const struct packet *m)
{
	if (m->n_location != 2 || m->location_len[0] != 2 || memcmp(m->location[0], "rd", 2) != 0)
		return false;
	if (m->location_len[1] == 0 || m->location_len[1] > ID_MAX)
		return false;
	memcpy(d->id, m->location[1], m->location_len[1]);
	d->id_len = (uint8_t)m->location_len[1];
	return true;
}

static void end_request(struct storm *s, struct slot *slot, bool ok, uint8_t code)
{
	s->answer_ms = s->now_ms;
	if (ok)
		s->count.ok++;
	else if (s->count.other++ == 0)
		s->bad_code = code;
	free_slot(s, slot);
}

static int send_empty_ack(struct storm *s, uint32_t device, uint16_t mid)
{
	uint8_t *p = wire_begin(&s->wire);
	if (!p)
		return -1;
	wire_put(&s->wire, device, put_header(p, ACK, 0, mid, NULL, 0));
	return 0;
}

static int on_response(struct storm *s, uint32_t device, struct packet *m, const uint8_t *data, size_t len)
{
	if (m->type == CON && send_empty_ack(s, device, m->mid) < 0)
		return -1;
	uint16_t mid = (uint16_t)(m->tkl == 4 ? m->token[0] << 8 | m->token[1] : 0);
	uint8_t token[4];
	request_token(token, device, mid);
	struct slot *slot = find_slot(s, device, mid);
	if (!slot || m->tkl != 4 || memcmp(token, m->token, 4) != 0 || s->kind == NOTIFY)
		return 0;
	bool ok = m->code == (s->kind == REGISTER ? CREATED : CHANGED);
	if (ok && s->kind == REGISTER)
		ok = packet_options(m, data, len) && keep_location(&s->devices[device], m);
	end_request(s, slot, ok, m->code);
	return 0;
}

static void on_empty(struct storm *s, uint32_t device, const struct packet *m)
{
	struct slot *slot = find_slot(s, device, m->mid);
	if (!slot)
		return;
	if (m->type == RST) {
		end_request(s, slot, false, 0);
		if (s->kind == NOTIFY && s->observations[device].depth) {
			s->observations[device].depth = 0;
			s->n_observed--;
		}
	} else if (m->type == ACK && s->kind == NOTIFY) {
		end_request(s, slot, true, 0);
	} /* an empty ACK to a request: the answer comes apart */
}

static void observe(struct storm *s, uint32_t device, const struct packet *m, unsigned format)
{
	struct observation *ob = &s->observations[device];
	s->n_observed += ob->depth == 0;
	*ob = (struct observation){
		.tkl = m->tkl, .format = (uint16_t)format, .depth = (uint8_t)m->n_path, .seq = 1};
	ob->path[0] = m->path[0];
	ob->path[1] = m->n_path > 1 ? m->path[1] : 0;
	ob->path[2] = m->n_path > 2 ? m->path[2] : 5700;
	memcpy(ob->token, m->token, m->tkl);
}

static uint8_t *put_read_reply(struct storm *s, uint8_t *p, uint32_t device, const struct packet *m)
{
	unsigned type = m->type == CON ? ACK : NON;
	unsigned format = m->accept < 0 ? TLV : m->accept <= UINT16_MAX ? (unsigned)m->accept : UINT16_MAX;
	if (!m->numeric_path || m->n_path < 1 || m->n_path > 3)
		return put_header(p, type, NOT_FOUND, m->mid, m->token, m->tkl);
	if (format != TLV && format != SENML_CBOR && format != SENML_JSON && (format != TEXT || m->n_path != 3))
		return put_header(p, type, NOT_ACCEPTABLE, m->mid, m->token, m->tkl);
	uint16_t path[3] = {m->path[0], m->n_path > 1 ? m->path[1] : 0, m->n_path > 2 ? m->path[2] : 5700};
	bool observed = s->observations && m->observe == 0;
	p = put_header(p, type, CONTENT, m->mid, m->token, m->tkl);
	if (observed) {
		observe(s, device, m, format);
		p = put_uint_option(p, OBSERVE, 1);
	} else if (s->observations && m->observe == 1 && s->observations[device].depth) {
		s->observations[device].depth = 0;
		s->n_observed--;
	}
	p = put_uint_option(p, observed ? CONTENT_FORMAT - OBSERVE : CONTENT_FORMAT, format);
	return put_value(p, format, path, m->n_path, 21.5f);
}

/* The server asks the device. */
static int on_request(struct storm *s, uint32_t device, struct packet *m, const uint8_t *data, size_t len)
{
	if (!packet_options(m, data, len))
		return 0;
	uint8_t *p = wire_begin(&s->wire);
	if (!p)
		return -1;
	if (m->code == GET) {
		p = put_read_reply(s, p, device, m);
	} else {
		unsigned code = m->code == DELETE ? DELETED : m->code < DELETE ? CHANGED : NOT_ALLOWED;
		p = put_header(p, m->type == CON ? ACK : NON, code, m->mid, m->token, m->tkl);
	}
	wire_put(&s->wire, device, p);
	return 0;
}

static int on_datagram(struct storm *s, uint32_t device, const uint8_t *data, size_t len)
{
	struct packet m;
	if (!packet_header(&m, data, len))
		return 0;
	if (s->kind == ECHO_ONLY) {
		struct slot *slot = find_slot(s, device, m.mid);
		if (slot)
			end_request(s, slot, m.type == CON && m.code == POST, m.code);
		return 0;
	}
	if (m.code == 0) {
		on_empty(s, device, &m);
		return 0;
	}
	return m.code < 32 ? on_request(s, device, &m, data, len) : on_response(s, device, &m, data, len);
}

/* One batch; returns how many datagrams came, or -1. */
static int receive(struct storm *s)
{
	int n = wire_receive(&s->wire);
	for (int i = 0; i < n; i++) {
		struct wire_in in = wire_datagram(&s->wire, i);
		if (in.device < s->n_devices && on_datagram(s, in.device, in.data, in.len) < 0)
			return -1;
	}
	return n;
}

/* Phases */

/* Sends what waits and reads what came, sleeping at most 5 ms when there is nothing. */
static int turn(struct storm *s)
{
	if (wire_flush(&s->wire) < 0)
		return -1;
	int n = receive(s);
	if (n != 0)
		return n;
	return wire_wait(&s->wire, 5);
}

static void print_phase(const struct storm *s, const char *name, const struct count *c, uint32_t ms)
{
	double seconds = ms ? ms / 1000.0 : 0.001;
	printf("{\"phase\":\"%s\",\"devices\":%u,\"seconds\":%.3f,\"ok\":%llu,\"lost\":%llu,\"other\":%llu,"
		   "\"resent\":%llu,\"rate\":%.0f}\n",
		name, s->n_devices, seconds, (unsigned long long)c->ok, (unsigned long long)c->lost,
		(unsigned long long)c->other, (unsigned long long)c->resent, (double)c->ok / seconds);
	fflush(stdout);
}

static bool phase_is_over(const struct storm *s, uint32_t start)
{
	if (s->kind != REGISTER)
		return s->now_ms - start >= s->seconds * 1000;
	bool stalled = s->now_ms - s->answer_ms >= STALLED_MS || s->now_ms - start >= REGISTER_MAX_S * 1000;
	return stalled || (s->next == s->n_devices && s->n_free == s->window);
}

static int check_phase(const struct storm *s, const struct count *c)
{
	if (c->other && s->bad_code)
		fprintf(stderr, "storm: %s: %llu answers were not the one wanted; the first was %u.%02u\n",
			kind_names[s->kind], (unsigned long long)c->other, s->bad_code >> 5, s->bad_code & 31);
	else if (c->other)
		fprintf(stderr, "storm: %s: %llu requests were answered by a reset, or wrongly\n",
			kind_names[s->kind], (unsigned long long)c->other);
	if (s->kind == REGISTER && c->ok != s->n_devices) {
		fprintf(
			stderr, "storm: only %llu of %u devices registered\n", (unsigned long long)c->ok, s->n_devices);
		return -1;
	}
	if (c->ok == 0 && c->other == 0) {
		fprintf(stderr, "storm: %s: no answer at all; does the server listen on UDP %s:%u?\n",
			kind_names[s->kind], inet_ntoa(s->wire.server.sin_addr), ntohs(s->wire.server.sin_port));
	}
	return c->ok ? 0 : -1;
}

static int run_phase(struct storm *s, enum kind kind)
{
	uint32_t start = read_ms(), looked = start;
	s->kind = kind;
	s->count = (struct count){0};
	s->next = 0;
	s->bad_code = 0;
	s->now_ms = s->answer_ms = start;
	while (!phase_is_over(s, start)) {
		if (fill_window(s) < 0 || turn(s) < 0)
			return -1;
		s->now_ms = read_ms();
		if (s->now_ms - looked < 100)
			continue;
		looked = s->now_ms;
		if (look_for_lost(s) < 0)
			return -1;
	}
	struct count count = s->count;
	uint32_t end = s->now_ms;
	for (; s->n_free < s->window && s->now_ms - end < DRAIN_MS; s->now_ms = read_ms())
		if (turn(s) < 0)
			return -1;
	count.lost =
		kind == REGISTER ? s->n_devices - count.ok - count.other : count.lost + s->window - s->n_free;
	print_phase(s, kind_names[kind], &count, end - start);
	drop_slots(s);
	return check_phase(s, &count);
}

/* The server starts observing after the registrations, in its own time. */
static int wait_observed(struct storm *s)
{
	uint32_t start = s->now_ms = read_ms();
	while (s->n_observed < s->n_devices && s->now_ms - start < s->observe_wait * 1000) {
		if (turn(s) < 0)
			return -1;
		s->now_ms = read_ms();
	}
	if (wire_flush(&s->wire) < 0)
		return -1;
	print_phase(s, "observe", &(struct count){.ok = s->n_observed, .lost = s->n_devices - s->n_observed},
		s->now_ms - start);
	if (s->n_observed)
		return 0;
	fprintf(stderr,
		"storm: notify: the server observed no device within %u s; it must send an Observe for object "
		"3303, or wait longer with --observe-wait\n",
		s->observe_wait);
	return -1;
}

static int run(struct storm *s)
{
	for (unsigned i = 0; i < s->n_phases; i++) {
		if (s->phases[i] == NOTIFY && wait_observed(s) < 0)
			return -1;
		if (run_phase(s, s->phases[i]) < 0)
			return -1;
	}
	return 0;
}

/* Setting up */

static bool has_phase(const struct storm *s, enum kind kind)
{
	for (unsigned i = 0; i < s->n_phases; i++)
		if (s->phases[i] == kind)
			return true;
	return false;
}

static int init(struct storm *s)
{
	bool notify = has_phase(s, NOTIFY);
	s->links = notify ? "</>;rt=\"oma.lwm2m\";ct=112,</1/0>,</3/0>,</3303/0>"
					  : "</>;rt=\"oma.lwm2m\";ct=112,</1/0>,</3/0>";
	s->random = 0x9e3779b97f4a7c15u ^ (uint64_t)read_ms();
	if (s->window > s->n_devices)
		s->window = s->n_devices;
	s->devices = calloc(s->n_devices, sizeof(*s->devices));
	s->observations = notify ? calloc(s->n_devices, sizeof(*s->observations)) : NULL;
	s->slots = calloc(s->window, sizeof(*s->slots));
	s->free_slots = calloc(s->window, sizeof(*s->free_slots));
	if (!s->devices || !s->slots || !s->free_slots || (notify && !s->observations)) {
		fprintf(stderr, "storm: out of memory for %u devices\n", s->n_devices);
		return -1;
	}
	for (uint32_t i = 0; i < s->n_devices; i++) {
		struct device *d = &s->devices[i];
		d->slot = NO_SLOT;
		d->mid = (uint16_t)random_below(s, 65536);
		if (has_phase(s, ECHO_ONLY)) /* ids of the usual length */
			d->id_len = (uint8_t)snprintf(d->id, sizeof(d->id), "made%08x", i);
	}
	for (uint32_t i = 0; i < s->window; i++) {
		s->slots[i].device = NO_DEVICE;
		s->free_slots[s->n_free++] = (uint16_t)i;
	}
	return wire_open(&s->wire, (uint16_t)s->port);
}

static void deinit(struct storm *s)
{
	wire_close(&s->wire);
	free(s->devices);
	free(s->observations);
	free(s->slots);
	free(s->free_slots);
	free(s);
}

/* Arguments */

static const char usage[] =
	"usage: storm register|update|notify|echo|run --server 127.x.y.z:PORT [options]\n"
	"  --devices N       1..16646144 (1000)\n"
	"  --window W        requests under way at a time, 1..32768 (1024)\n"
	"  --seconds S       of each phase but register, 1..3600 (10)\n"
	"  --phases A,B,...  for `run`: register, update, notify in this order of your choice, or echo\n"
	"  --observe-wait S  how long `notify` waits for the server's Observe requests (10)\n"
	"  --port N          of ours, 0 = the kernel chooses (0)\n";

static int parse_server(struct storm *s, const char *text)
{
	char ip[16] = "", *end;
	const char *colon = strchr(text, ':');
	if (!colon || (size_t)(colon - text) >= sizeof(ip))
		return -1;
	memcpy(ip, text, (size_t)(colon - text));
	unsigned long port = strtoul(colon + 1, &end, 10);
	s->wire.server = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	if (inet_pton(AF_INET, ip, &s->wire.server.sin_addr) != 1 || *end || port < 1 || port > 65535)
		return -1;
	if (ntohl(s->wire.server.sin_addr.s_addr) >> 24 == 127)
		return 0;
	fprintf(stderr, "storm: --server %s: only loopback, 127.0.0.0/8, may be stormed\n", text);
	return -1;
}

static int parse_phases(struct storm *s, const char *text)
{
	s->n_phases = 0;
	while (*text) {
		size_t len = strcspn(text, ",");
		unsigned k = 0;
		while (k < N_KINDS && (strlen(kind_names[k]) != len || memcmp(kind_names[k], text, len) != 0))
			k++;
		if (k == N_KINDS || s->n_phases == sizeof(s->phases) / sizeof(*s->phases))
			return -1;
		if ((k == UPDATE || k == NOTIFY) && !has_phase(s, REGISTER)) {
			fprintf(stderr, "storm: phase %s needs register before it\n", kind_names[k]);
			return -1;
		}
		s->phases[s->n_phases++] = (enum kind)k;
		text += len + (text[len] == ',');
	}
	if (has_phase(s, ECHO_ONLY) && s->n_phases > 1) {
		fprintf(stderr, "storm: echo talks to bench/limit and cannot be mixed with other phases\n");
		return -1;
	}
	return s->n_phases ? 0 : -1;
}

static int parse_mode(struct storm *s, const char *mode)
{
	if (!strcmp(mode, "update"))
		return parse_phases(s, "register,update");
	if (!strcmp(mode, "notify"))
		return parse_phases(s, "register,notify");
	return !strcmp(mode, "run") ? 0 : parse_phases(s, mode);
}

static int parse_option(struct storm *s, const char *name, const char *text)
{
	const struct {
		const char *name;
		uint32_t *value, min, max;
	} numbers[] = {
		{"--devices", &s->n_devices, 1, WIRE_DEVICES_MAX},
		{"--window", &s->window, 1, WINDOW_MAX},
		{"--seconds", &s->seconds, 1, 3600},
		{"--observe-wait", &s->observe_wait, 0, 3600},
		{"--port", &s->port, 0, 65535},
	};
	if (!strcmp(name, "--server"))
		return parse_server(s, text);
	if (!strcmp(name, "--phases"))
		return parse_phases(s, text);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
		if (strcmp(name, numbers[i].name) != 0)
			continue;
		char *end;
		unsigned long v = strtoul(text, &end, 10);
		if (!*text || *end || v < numbers[i].min || v > numbers[i].max)
			return -1;
		*numbers[i].value = (uint32_t)v;
		return 0;
	}
	return -1;
}

static int parse_arguments(struct storm *s, int argc, char **argv)
{
	if (argc < 2 || parse_mode(s, argv[1]) < 0)
		return -1;
	for (int i = 2; i < argc; i += 2) {
		if (i + 1 == argc || parse_option(s, argv[i], argv[i + 1]) < 0) {
			fprintf(stderr, "storm: bad option: %s %s\n", argv[i], i + 1 < argc ? argv[i + 1] : "(nothing)");
			return -1;
		}
	}
	return s->wire.server.sin_port && s->n_phases ? 0 : -1;
}

int main(int argc, char **argv)
{
	struct storm *s = calloc(1, sizeof(*s));
	if (!s)
		return EXIT_FAILURE;
	s->n_devices = 1000;
	s->window = 1024;
	s->seconds = s->observe_wait = 10;
	s->wire.fd = -1;
	int rc = 2;
	if (parse_arguments(s, argc, argv) < 0)
		fputs(usage, stderr);
	else
		rc = init(s) == 0 && run(s) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
	deinit(s);
	return rc;
}
