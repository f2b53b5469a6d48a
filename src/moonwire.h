// clang-format off
/** @file moonwire.h  Moonwire as a library: a LwM2M server in one process, driven by the caller's loop.
 *
 * The life of a host:
 *
 *     struct mw_errbuf why;
 *     struct mw_config config = { .listen = { "127.0.0.1:5783" }, .store = "devices.db" };
 *     struct mw_host *host = mw_host_open(&config, &why);
 *     mw_host_on_event(host, my_event, my_data);
 *     mw_host_run(host);      // or poll mw_host_fd() for mw_host_timeout_ms(), then mw_host_step(), in a loop of your own
 *     mw_host_close(host);
 *
 * Everything runs on the thread that calls mw_host_step or mw_host_run; no function may be called from another one,
 * except mw_host_stop. Callbacks run inside step and may start operations; they must not run or close the host. They never
 * run inside another call of yours, with one exception: mw_op_cancel and mw_host_close call back what they end, with
 * MW_E_CANCELED, before they return. Disk work happens on the host's own threads. Two hosts can live in one process: there
 * are no globals, no signal handlers, and nothing is ever printed (see `log`).
 *
 * Functions return >= 0 on success and a negative `enum mw_err` on failure. One that takes a callback and fails never calls
 * it; one that succeeds calls it exactly once. Scripts use these same functions: what a unit can do, C can do. */
// clang-format on
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// clang-format off
/* ---- errors -------------------------------------------------------------------------------------- */
// clang-format on

/** X(name, number, word used in logs and as Lua's third return value, sentence) */
#define MW_ERR_LIST(X)                                                                                       \
	X(NOMEM, -1, "ENOMEM", "out of memory")                                                                  \
	X(ARG, -2, "EARG", "bad argument")                                                                       \
	X(FORMAT, -3, "EFORMAT", "malformed input")                                                              \
	X(PATH, -4, "EPATH", "bad or unknown path")                                                              \
	X(TYPE, -5, "ETYPE", "wrong data type")                                                                  \
	X(STATE, -6, "ESTATE", "not possible in this state")                                                     \
	X(LIMIT, -7, "ELIMIT", "limit reached")                                                                  \
	X(NOTFOUND, -8, "ENOTFOUND", "not found")                                                                \
	X(EXISTS, -9, "EEXISTS", "exists already")                                                               \
	X(IO, -10, "EIO", "input/output error")                                                                  \
	X(TIMEOUT, -11, "ETIMEOUT", "no answer in time")                                                         \
	X(RESET, -12, "ERESET", "peer reset the exchange")                                                       \
	X(CANCELED, -13, "ECANCELED", "cancelled")                                                               \
	X(SCRIPT, -14, "ESCRIPT", "script failed")                                                               \
	X(UNSUPPORTED, -15, "EUNSUPPORTED", "not supported")                                                     \
	X(CONFIG, -16, "ECONFIG", "bad configuration")                                                           \
	X(FULL, -17, "EFULL", "store is full or not writable")

enum mw_err {
	MW_OK = 0,
#define X(name, number, word, text) MW_E_##name = number,
	MW_ERR_LIST(X)
#undef X
};

/** One failure in words. Caller's memory; `text` is always terminated once a function has failed. */
struct mw_errbuf {
	int code; /**< negative `enum mw_err` */
	char text[508];
};

/** The short word of @p code, e.g. "ENOTFOUND"; static memory. */
const char *mw_err_word(int code);
/** The sentence of @p code; static memory. */
const char *mw_err_text(int code);

// clang-format off
/* ---- paths and values (LwM2M Core, "Identifiers" and Appendix C) --------------------------------- */
// clang-format on

/** Borrowed bytes. */
struct mw_bytes {
	const uint8_t *data;
	size_t len;
};

/** An id that is not there. 65535 is reserved by LwM2M Core, so it can never be a real one. */
#define MW_ID_NONE UINT16_MAX

/** Path of 0 to 4 ids; ids beyond `depth` are MW_ID_NONE. The root has depth 0. */
struct mw_path {
	uint16_t oid, iid, rid, riid;
	uint8_t depth;
};

/** Parses "/3303/0/5700", "/" (root) or, lenient, without the leading slash and with one trailing slash.
 *  MW_E_PATH: not a number, 65535 or above, deeper than 4. */
int mw_path_parse(struct mw_path *out, const char *text, size_t len);

enum mw_type {
	MW_TYPE_NONE, /**< executable, or type not known */
	MW_TYPE_STRING,
	MW_TYPE_INTEGER,
	MW_TYPE_UNSIGNED,
	MW_TYPE_FLOAT,
	MW_TYPE_BOOLEAN,
	MW_TYPE_OPAQUE,
	MW_TYPE_TIME,
	MW_TYPE_OBJLNK,
	MW_TYPE_CORELNK,
};

struct mw_value {
	enum mw_type type;
	union {
		int64_t i;  /**< INTEGER, TIME (seconds since 1970) */
		uint64_t u; /**< UNSIGNED */
		double f;   /**< FLOAT */
		bool b;     /**< BOOLEAN */
		struct {
			uint16_t oid, iid;
		} link;            /**< OBJLNK; both 65535 = null link */
		struct mw_bytes s; /**< STRING, OPAQUE, CORELNK; borrowed */
	};
};

/** One resource (depth 3) or resource instance (depth 4) with its value. */
struct mw_node {
	struct mw_path path;
	struct mw_value value;
	bool has_time; /**< the device gave a time of its own */
	double time_s; /**< Unix seconds, if has_time */
};

// clang-format off
/* ---- log ----------------------------------------------------------------------------------------- */
// clang-format on

/** ERROR = an operator must act; WARN = a peer or a script misbehaved; INFO = once per device lifecycle;
 *  DEBUG = per message; TRACE = bytes. Keys and private payloads are never logged. */
enum mw_log_level { MW_LOG_ERROR, MW_LOG_WARN, MW_LOG_INFO, MW_LOG_DEBUG, MW_LOG_TRACE };

#define MW_LOG_GROUPS(X)                                                                                     \
	X(NET) X(COAP) X(DTLS) X(BOOT) X(REG) X(OP) X(OBS) X(STORE) X(SCRIPT) X(RELOAD) X(SHELL) X(HOST)
enum mw_log_group {
#define X(name) MW_LOG_##name,
	MW_LOG_GROUPS(X)
#undef X
		MW_LOG_N_GROUPS
};

/** @param text  borrowed, one line without line end */
typedef void mw_log_cb(
	void *ud, enum mw_log_level level, enum mw_log_group group, const char *file, int line, const char *text);
const char *mw_log_level_name(enum mw_log_level level);
const char *mw_log_group_name(enum mw_log_group group);

// clang-format off
/* ---- host ---------------------------------------------------------------------------------------- */
// clang-format on

struct mw_host;

enum { MW_LISTEN_MAX = 8 };

/** Zero is the default everywhere. Strings are copied. */
struct mw_config {
	const char
		*listen[MW_LISTEN_MAX]; /**< "127.0.0.1:5783", "[::1]:0"; none = 127.0.0.1:5783 and [::1]:5783 */
	const char *store;          /**< file; NULL = "moonwire.db" in the working directory */
	const char *ddf;            /**< folder of object definitions; NULL = none */
	mw_log_cb *log;             /**< NULL = silent */
	void *log_ud;
	enum mw_log_level log_level; /**< all groups */
	uint32_t lifetime_grace_s;   /**< registrations end this long after their lifetime; default 93 */
	uint32_t default_lifetime_s; /**< for a Register without lt; default 86400 */
	uint32_t max_devices; /**< ever seen, not just registered; default 2,000,000; new ones beyond get 5.03 */
	uint32_t max_observations_per_device; /**< default 128 */
	uint32_t ack_timeout_ms;              /**< default 2000 */
	uint32_t dedup_bytes; /**< stored answers for repeated requests, about 56 bytes each; default 64 MiB */
	uint32_t commit_ms, commit_rows; /**< group commit; defaults 5 and 1000 */
};

/** Opens store, definitions and sockets, and loads the registrations; blocks while it does. NULL on failure.
 */
struct mw_host *mw_host_open(const struct mw_config *config, struct mw_errbuf *why);
/** Ends open operations (their callbacks get MW_E_CANCELED), commits, closes everything. NULL is allowed. */
void mw_host_close(struct mw_host *host);
/** A descriptor that becomes readable when mw_host_step has work. */
int mw_host_fd(struct mw_host *host);
/** Milliseconds until mw_host_step must be called even if the descriptor stays quiet; -1 = no limit. */
int mw_host_timeout_ms(struct mw_host *host);
/** Does what is due, without waiting. */
int mw_host_step(struct mw_host *host);
/** Waits and steps until mw_host_stop is called. */
int mw_host_run(struct mw_host *host);
/** Ends mw_host_run soon. May be called from a signal handler or another thread. */
void mw_host_stop(struct mw_host *host);
/** Address that listen entry @p index is bound to (with the port that the kernel chose), "127.0.0.1:40001".
 */
int mw_host_listen_address(struct mw_host *host, unsigned index, char *out, size_t out_len);
/** Text of the last failure on this host; valid until the next call. */
const char *mw_host_error(const struct mw_host *host);
/** Level of one group ("reg", "all") while the host runs; MW_E_NOTFOUND for unknown names. */
int mw_host_log_level(struct mw_host *host, const char *group, const char *level);

// clang-format off
/* ---- devices ------------------------------------------------------------------------------------- */
// clang-format on

/** A device by number: never a pointer. It stays valid to hold; a device that is gone answers MW_E_NOTFOUND.
 */
struct mw_device_ref {
	uint32_t index, generation;
};

/** Snapshot of a device. Strings are borrowed until the next call of any function of the host. */
struct mw_device_info {
	int64_t id; /**< durable number, as in the store */
	struct mw_bytes endpoint;
	bool registered;
	char location[16]; /**< second segment of /rd/<location>; empty when not registered */
	char address[72];
	char version[4]; /**< "1.1" */
	char binding[8]; /**< letters of UTSNMH; empty when not registered */
	bool queue_mode;
	int64_t lifetime_s;                   /**< 0 = infinite */
	int64_t registered_ms, last_heard_ms; /**< wall time */
	int64_t expires_ms;                   /**< wall time; 0 = never */
	struct mw_bytes links;                /**< registration payload as received */
	uint32_t n_observations;
};

/** MW_E_NOTFOUND when no such endpoint was ever seen. */
int mw_device_find(struct mw_host *host, const char *endpoint, size_t len, struct mw_device_ref *out);
/** Walks all devices: start with {0}; false at the end. Devices that come or go meanwhile may be missed. */
bool mw_device_next(struct mw_host *host, struct mw_device_ref *at);
int mw_device_info(struct mw_host *host, struct mw_device_ref dev, struct mw_device_info *out);
/** Calls @p cb with (oid, iid) of every object instance of the registration; iid MW_ID_NONE = object without
 * one. */
int mw_device_links(struct mw_host *host, struct mw_device_ref dev,
	void (*cb)(void *ud, uint16_t oid, uint16_t iid), void *ud);

// clang-format off
/* ---- operations (LwM2M Core, "Device Management and Service Enablement", "Information Reporting")  */
// clang-format on

struct mw_result {
	int err; /**< 0: the device answered; else MW_E_TIMEOUT, MW_E_RESET, MW_E_CANCELED, MW_E_FORMAT, ... */
	uint8_t code;                /**< CoAP code: class << 5 | detail, 0x45 = 2.05; 0 if err */
	const struct mw_node *nodes; /**< what was read, borrowed for the call */
	size_t n_nodes;
	const char *text; /**< the device's own words, or ours; "" if none */
};
typedef void mw_result_cb(
	void *ud, struct mw_device_ref dev, const struct mw_path *path, const struct mw_result *res);

/** Reads object, instance, resource or resource instance.
 *  @return operation id > 0; MW_E_PATH (root, or objects 0 and 21, which no server may read), MW_E_STATE (not
 *          registered), MW_E_NOTFOUND (no such device), MW_E_LIMIT, MW_E_NOMEM */
int64_t mw_read(
	struct mw_host *host, struct mw_device_ref dev, const struct mw_path *path, mw_result_cb *cb, void *ud);
/** Observes; the callback gets the first value, later ones come as MW_EVENT_VALUES. Observing what is
 * observed already reads it. Survives restarts of the host; a new Register of the device ends it
 * (Core 1.2, 6.4.3). */
int64_t mw_observe(
	struct mw_host *host, struct mw_device_ref dev, const struct mw_path *path, mw_result_cb *cb, void *ud);
/** True when there is an observation of exactly this path, also one whose request is still under way. */
bool mw_is_observed(struct mw_host *host, struct mw_device_ref dev, const struct mw_path *path);
enum mw_cancel_way {
	MW_CANCEL_RESET,  /**< passive: the next notification is reset */
	MW_CANCEL_REQUEST /**< active: GET with Observe = 1 and the same token */
};
/** Ends an observation. MW_CANCEL_RESET calls @p cb within the next step, with code 0. MW_E_NOTFOUND: not
 * observed. */
int64_t mw_cancel_observe(struct mw_host *host, struct mw_device_ref dev, const struct mw_path *path,
	enum mw_cancel_way way, mw_result_cb *cb, void *ud);
/** Sets notification attributes, e.g. "pmin=10&pmax=300"; a bare key unsets. */
int64_t mw_write_attributes(struct mw_host *host, struct mw_device_ref dev, const struct mw_path *path,
	const char *attributes, mw_result_cb *cb, void *ud);
/** Cancels an operation: its callback comes with MW_E_CANCELED before this returns. */
int mw_op_cancel(struct mw_host *host, int64_t op);

// clang-format off
/* ---- events and the feed ------------------------------------------------------------------------- */
// clang-format on

enum mw_event_kind {
	MW_EVENT_REGISTERED = 1, /**< after its 2.01 has left */
	MW_EVENT_UPDATED,        /**< lifetime, binding, address or objects changed; not for a plain keep-alive */
	MW_EVENT_DEREGISTERED,
	MW_EVENT_EXPIRED,
	MW_EVENT_VALUES, /**< a notification, a first value or a read: `nodes` */
	MW_EVENT_FEED,   /**< feed items up to `last_seq` are on disk */
};
enum mw_source { MW_SOURCE_READ, MW_SOURCE_OBSERVE, MW_SOURCE_NOTIFY, MW_SOURCE_SEND };

struct mw_event {
	enum mw_event_kind kind;
	struct mw_device_ref dev;
	bool objects_changed;        /**< UPDATED */
	enum mw_source source;       /**< VALUES */
	struct mw_path path;         /**< VALUES: what was read or observed */
	const struct mw_node *nodes; /**< VALUES, borrowed */
	size_t n_nodes;
	int64_t received_ms; /**< wall time */
	int64_t last_seq;    /**< FEED */
};
/** @return VALUES: number of feed items written for it (the ACK of a confirmable notification then waits for
 * their commit). Others: ignored. */
typedef int mw_event_cb(void *ud, struct mw_host *host, const struct mw_event *event);
/** Adds a listener; listeners are called in the order of adding. @return its id > 0, for mw_host_off_event */
int mw_host_on_event(struct mw_host *host, mw_event_cb *cb, void *ud);
void mw_host_off_event(struct mw_host *host, int id);

enum mw_severity {
	MW_SEVERITY_NONE,
	MW_SEVERITY_WARNING,
	MW_SEVERITY_MINOR,
	MW_SEVERITY_MAJOR,
	MW_SEVERITY_CRITICAL
};
enum mw_alarm_status { MW_ALARM_ACTIVE = 1, MW_ALARM_ACKNOWLEDGED, MW_ALARM_CLEARED };

/** Each puts one item into the feed; durable with the next group commit. Strings are copied.
 *  @param time_ms  wall time; 0 = now
 *  @return 0; MW_E_NOTFOUND (device), MW_E_TYPE (value is no number), MW_E_FULL, MW_E_NOMEM */
int mw_put_measurement(struct mw_host *host, struct mw_device_ref dev, int64_t time_ms, struct mw_bytes type,
	struct mw_bytes series, const struct mw_value *number, struct mw_bytes unit, const struct mw_path *path);
int mw_put_event(struct mw_host *host, struct mw_device_ref dev, int64_t time_ms, struct mw_bytes type,
	struct mw_bytes text, const struct mw_path *path);
/** Raising counts up the device's alarm of that type while it is not cleared; MW_ALARM_CLEARED ends it. */
int mw_put_alarm(struct mw_host *host, struct mw_device_ref dev, int64_t time_ms, struct mw_bytes type,
	enum mw_severity severity, enum mw_alarm_status status, struct mw_bytes text, const struct mw_path *path);

// clang-format off
/* ---- scripts -------------------------------------------------------------------------------------- */
// clang-format on

struct mw_script;
struct mw_clock;

/** Zero is the default everywhere. Strings are copied. */
struct mw_script_config {
	const char *lua_dir;     /**< folder that holds moonwire/script/init.lua; becomes the only package.path */
	const char *scripts_dir; /**< folder of the units; NULL = none */
	size_t memory_max;       /**< bytes of the whole Lua state; 0 = 64 MiB */
	int32_t budget;      /**< instructions of one entry (an event, a step of a coroutine); 0 = 5,000,000 */
	int32_t load_budget; /**< instructions for loading one unit; 0 = 20,000,000 */
	uint32_t tasks_max;  /**< coroutines that may wait at a time; 0 = 2000 */
	bool lenient;        /**< start without the units that fail, instead of refusing to start */
	bool watch;          /**< reload when files change; needs a host */
	const struct mw_clock *clock; /**< for "a hook was slow"; borrowed; NULL = the machine's */
};

/** Creates the state, loads all units, and listens to @p host's events.
 *  @param host  borrowed, must outlive the script; NULL = nothing to talk to, for checks and tests
 *  @return NULL on failure; @p e then names file, line and reason of the first problem, the log has all */
struct mw_script *mw_script_open(
	struct mw_host *host, const struct mw_script_config *config, struct mw_errbuf *e);
/** Ends all coroutines; operations that they wait for are cancelled. NULL is allowed. */
void mw_script_close(struct mw_script *s);

/** One file of a load: what happened to it. @param line  0 = none known. @param reason  "" if ok. All
 * borrowed. The last call of a load has @p file NULL: @p ok = all is well and (unless only checked) in use;
 * else @p reason sums up, or says why the folder could not be read, or "cancelled": the script is closed. */
typedef void mw_script_report_cb(void *ud, const char *file, int line, const char *reason, bool ok);

/** Loads what changed on disk, all or nothing, or (@p check_only) stops before anything is exchanged.
 *  With a watch the files are read on a worker thread and @p cb comes later, from the loop; else before the
 * return.
 *  @param unit  load this one and what depends on it even if unchanged; NULL = everything that changed
 *  @param cb    may be NULL
 *  @return 0; MW_E_SCRIPT (without a watch): the load failed, as @p cb has been told. With the others @p cb
 * is never called: MW_E_NOTFOUND: no such unit, or no such folder; MW_E_STATE: no folder was given, or a
 * reload is being waited for */
int mw_script_reload(
	struct mw_script *s, const char *unit, bool check_only, mw_script_report_cb *cb, void *ud);

/** Checks a folder of units without a host: the same code as a reload, up to before the exchange.
 *  @return number of files with problems, or MW_E_NOTFOUND (no such folder), MW_E_SCRIPT (library),
 * MW_E_NOMEM */
int mw_script_check(
	const char *lua_dir, const char *scripts_dir, mw_script_report_cb *cb, void *ud, struct mw_errbuf *e);

struct mw_script_unit {
	const char *name;       /**< "protocols/temperature.lua" */
	uint32_t generation;    /**< 1 for the first one loaded; 0 = none is in use */
	const char *hash;       /**< of the text in use; "" if none */
	int64_t loaded_ms;      /**< wall time */
	const char *last_error; /**< "" if none; cleared when a new generation is loaded */
	uint64_t n_errors;      /**< since the host started */
};

/** Calls @p cb for every unit, in no particular order; @p u is borrowed for the call. */
void mw_script_units(struct mw_script *s, void (*cb)(void *ud, const struct mw_script_unit *u), void *ud);

/** Counters, as mw_host_stats. */
void mw_script_stats(struct mw_script *s, void (*cb)(void *ud, const char *name, uint64_t value), void *ud);

/** Counters of all layers, as (name, value) pairs such as "udp.kernel_drops"; names are stable. */
void mw_host_stats(struct mw_host *host, void (*cb)(void *ud, const char *name, uint64_t value), void *ud);

#ifdef __cplusplus
}
#endif
