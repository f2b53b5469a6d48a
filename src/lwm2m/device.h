/** @file device.h  The device table: every device that ever registered, and what is known of it now.
 *
 * A device is a fixed-size item in a pool, named outside this layer by (index, generation). Look-ups by
 * endpoint and by location are one hash probe; nothing walks over devices except mw_devices_next, for
 * listings. It owns names and lists; registration.c decides what happens to them, observation.c owns the
 * observations. */
#pragma once
#include "base/hash.h"
#include "base/list.h"
#include "base/pool.h"
#include "base/wheel.h"
#include "lwm2m/links.h"
#include "moonwire.h"
#include "net/addr.h"

enum mw_lwm2m_version { MW_LWM2M_1_0 = 10, MW_LWM2M_1_1 = 11, MW_LWM2M_1_2 = 12 };

/** Bindings as bits, Core "Binding Mode". */
enum {
	MW_BINDING_U = 1,
	MW_BINDING_T = 2,
	MW_BINDING_S = 4,
	MW_BINDING_N = 8,
	MW_BINDING_M = 16,
	MW_BINDING_H = 32
};

/** Seldom sent parameters, allocated only for devices that have them. */
struct mw_device_extra {
	char *sms;    /**< "" = none */
	char *params; /**< unknown query parameters, "k=v&k=v"; "" = none */
};

struct mw_device {
	/* What a keep-alive Update touches comes first, in one cache line: with a million devices each line is a
	 * miss. */
	_Alignas(64) uint32_t pool_link; /**< the pool's while the item is free */
	uint32_t index, generation;
	uint32_t lifetime_s; /**< 0 = infinite */
	uint64_t location;   /**< random; 0 = not registered */
	int64_t expires_ms; /**< monotonic; INT64_MAX = never. The timer may fire earlier and is then set again */
	int64_t heard_ms;   /**< monotonic */
	struct mw_addr addr;
	struct mw_timer timer;
	char *endpoint;                /**< NUL-terminated, UTF-8 without control characters */
	struct mw_links *links;        /**< interned; NULL = not registered */
	struct mw_device_extra *extra; /**< NULL = nothing special */
	int64_t id;                    /**< durable number, as in the store */
	int64_t registered_ms;         /**< wall time */
	uint32_t first_observation;    /**< index into the observation pool, MW_POOL_NONE */
	uint32_t first_op;             /**< index into the pool of operations, MW_POOL_NONE */
	uint16_t endpoint_len;
	uint16_t n_observations;
	uint16_t format;         /**< Content-Format that a read of this device was last answered in */
	uint16_t ack_timeout_ms; /**< 0 = the endpoint's */
	uint8_t version;         /**< enum mw_lwm2m_version */
	uint8_t binding;         /**< MW_BINDING_ bits */
	bool queue_mode;
	bool announced;   /**< its 2.01 has left: requests may be sent */
	bool stored;      /**< the store has a row for it */
	bool reported;    /**< listeners were told that it is registered */
	bool unsaved;     /**< what is known here is not in the store yet */
	bool new_objects; /**< the list changed, and no listener has been told yet */
};

struct mw_devices {
	struct mw_pool pool;
	struct mw_index by_endpoint, by_location;
	const struct mw_hash_key *key;
	struct mw_interned_links lists;
	uint32_t max;
	int64_t last_id;
};

/** @param key  borrowed; @param max  more devices than this are refused */
void mw_devices_init(struct mw_devices *t, const struct mw_hash_key *key, uint32_t max);
void mw_devices_deinit(struct mw_devices *t);

struct mw_device *mw_devices_find(const struct mw_devices *t, const char *endpoint, size_t len);
struct mw_device *mw_devices_at_location(const struct mw_devices *t, uint64_t location);
/** NULL when the device is gone or @p ref never was one. */
struct mw_device *mw_devices_get(const struct mw_devices *t, struct mw_device_ref ref);
/** Walks: @p at starts as {0}; NULL at the end. */
struct mw_device *mw_devices_next(const struct mw_devices *t, struct mw_device_ref *at);
/** A new, unregistered device. @param id  0 = the next free one. NULL when out of memory or `max` is reached.
 */
struct mw_device *mw_devices_add(struct mw_devices *t, const char *endpoint, size_t len, int64_t id);
/** Removes and frees the device; its timer must be disarmed, its observations gone. */
void mw_devices_remove(struct mw_devices *t, struct mw_device *d);
/** Moves the device to @p location (0 = none) in the index. MW_E_NOMEM leaves it where it was. */
int mw_devices_set_location(struct mw_devices *t, struct mw_device *d, uint64_t location);
/** For batches of look-ups: first the index for all of them, then the devices, then the look-ups. */
void mw_devices_prefetch_index(const struct mw_devices *t, uint64_t location);
void mw_devices_prefetch_device(const struct mw_devices *t, uint64_t location);

/** Sets or clears the seldom sent parameters; copies. */
int mw_device_set_extra(struct mw_device *d, const char *sms, const char *params);
static inline struct mw_device_ref mw_device_ref_of(const struct mw_device *d)
{
	return (struct mw_device_ref){d->index, d->generation};
}
static inline bool mw_device_is_registered(const struct mw_device *d)
{
	return d->location != 0;
}

enum { MW_LOCATION_TEXT_MAX = 14 }; /* 13 characters and NUL */
/** 13 characters of [0-9a-v]: 64 bits, five a character. */
void mw_location_print(uint64_t location, char out[MW_LOCATION_TEXT_MAX]);
/** 0 when @p text is no location. */
uint64_t mw_location_parse(const uint8_t *text, size_t len);

/** "1.1"; static memory. 0 for an unknown version. */
const char *mw_version_name(uint8_t version);
/** Letters of the bindings, and Q in queue mode (as LwM2M 1.0 writes it), into @p out (8 bytes). */
const char *mw_binding_print(uint8_t binding, bool queue_mode, char *out);
