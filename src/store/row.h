/** @file row.h  The rows that go into and come out of the store. Plain data; who passes a row lends it for
 * the call. Strings are bytes with a length, UTF-8 where they are shown; an empty one (len 0) is stored as
 * NULL. */
#pragma once
#include "base/buf.h"
#include "codec/value.h"
#include <stdint.h>

/** A device that ever registered. `id` is given by the host, counts up from 1 and is never used again. */
struct mw_device_row {
	int64_t id;
	struct mw_bytes endpoint;
	int64_t created_ms; /**< wall time */
};

/** One per registered device: everything that a restart needs. */
struct mw_registration_row {
	int64_t device_id;
	uint64_t location; /**< random; printed into the Location-Path */
	struct mw_bytes
		peer; /**< struct mw_addr as bytes, only read by the host that wrote it (or of its version) */
	struct mw_bytes peer_text; /**< "192.0.2.1:56830", for people */
	int64_t lifetime_s;
	struct mw_bytes version; /**< "1.0", "1.1", "1.2" */
	struct mw_bytes binding; /**< as sent, e.g. "UQ" */
	bool queue_mode;
	struct mw_bytes sms;
	struct mw_bytes params;            /**< query parameters that we do not know, "k=v" joined by '&' */
	struct mw_bytes links;             /**< the registration payload as received */
	int64_t registered_ms, updated_ms; /**< wall time */
};

struct mw_observation_row {
	uint64_t token; /**< the 8 token bytes, big endian */
	int64_t device_id;
	struct mw_path path;
	uint16_t format; /**< Accept */
	bool is_active;  /**< the device has confirmed it */
};

enum mw_feed_kind {
	MW_FEED_MEASUREMENT = 1,
	MW_FEED_EVENT,
	MW_FEED_ALARM,
	MW_FEED_INVENTORY,
	MW_FEED_LIFECYCLE
};
/** One item of the feed. Which fields count depends on `kind`; the others are empty.
 *  MEASUREMENT: type, series ("fragment.series"), value, unit.  EVENT: type, text.
 *  ALARM: type, text, severity, status. ACTIVE raises, or counts up the device's alarm of that type while it
 * is ACTIVE or ACKNOWLEDGED; CLEARED ends it, and is no item at all when there is none. INVENTORY: type =
 * property, value or text.  LIFECYCLE: type = "registered", "updated", "deregistered", "expired". */
struct mw_feed_row {
	int64_t seq; /**< given by the store; ignored on the way in */
	enum mw_feed_kind kind;
	int64_t device_id;
	int64_t time_ms; /**< wall time */
	struct mw_bytes type, series, unit, text;
	struct mw_value value; /**< MW_TYPE_INTEGER, UNSIGNED up to 2^63-1, FLOAT, or NONE */
	struct mw_path path;   /**< where it came from; depth 0 = nowhere */
	enum mw_severity severity;
	enum mw_alarm_status status;
	int64_t count;            /**< out, ALARM: how often since first_ms */
	int64_t first_ms;         /**< out, ALARM */
	struct mw_bytes endpoint; /**< out */
};

/** "ACTIVE", "MAJOR", "measurement", ...; static memory; NULL for no such value. The _parse ones give 0 for
 * no match. */
const char *mw_severity_name(enum mw_severity s);
enum mw_severity mw_severity_parse(const char *name, size_t len);
const char *mw_alarm_status_name(enum mw_alarm_status s);
enum mw_alarm_status mw_alarm_status_parse(const char *name, size_t len);
const char *mw_feed_kind_name(enum mw_feed_kind k);
