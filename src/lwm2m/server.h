/** @file server.h  The LwM2M server: devices, registrations, observations and operations above the CoAP
 * endpoint.
 *
 * It owns the device table, the endpoint and everything in flight. It does not own the disk (a `struct
 * mw_durable` that the host fills in) nor what values mean (events). Files of this layer share `struct
 * mw_lwm2m`: registration.c answers /rd, observation.c keeps observations, values.c decodes, op.c and op_*.c
 * are the operations, one file each. Loop thread only. */
#pragma once
#include "base/log.h"
#include "base/random.h"
#include "base/wheel.h"
#include "coap/endpoint.h"
#include "codec/value.h"
#include "lwm2m/device.h"
#include "model/model.h"
#include "moonwire.h"
#include "net/datagram.h"

struct mw_observation;

/** @param status  0 or an error: then nothing may be acknowledged */
typedef void mw_durable_cb(void *ud, const void *ticket, int status);

/** How state gets onto the disk; the host points this at its store. puts return 0 or an error at once; what
 * was put is durable when the callback of a later `commit` says so. */
struct mw_durable {
	int (*put_device)(void *ud, const struct mw_device *d);
	int (*put_registration)(void *ud, const struct mw_device *d);
	int (*delete_registration)(void *ud, const struct mw_device *d);
	int (*put_observation)(void *ud, const struct mw_device *d, const struct mw_observation *o);
	int (*delete_observation)(void *ud, const struct mw_observation *o);
	int (*delete_observations_of)(void *ud, const struct mw_device *d);
	/** @param len  at most 96 bytes of @p ticket, handed back to @p cb */
	int (*commit)(void *ud, mw_durable_cb *cb, void *cb_ud, const void *ticket, size_t len);
	void *ud;
};

/** @return for MW_EVENT_VALUES the number of feed items put, which the ACK then waits for */
typedef int mw_lwm2m_event_cb(void *ud, const struct mw_event *event);

struct mw_lwm2m_config {
	uint32_t lifetime_grace_s;
	uint32_t default_lifetime_s;
	uint32_t max_devices;
	uint32_t max_observations_per_device;
	struct mw_coap_config coap;
};

struct mw_lwm2m_stats {
	uint64_t registrations, updates, deregistrations, expirations, refused_registrations;
	uint64_t undecodable;           /**< payloads of devices that could not be read */
	uint64_t foreign_notifications; /**< good token, but not from where the device is registered */
};

struct mw_lwm2m {
	struct mw_lwm2m_config config;
	struct mw_devices devices;
	struct mw_coap *coap;
	struct mw_durable durable;
	mw_lwm2m_event_cb *event;
	void *event_ud;
	const struct mw_model *model; /**< may be swapped between events; NULL = no definitions */
	struct mw_wheel *wheel;
	struct mw_clock clock;
	struct mw_log *log;
	struct mw_random_pool random;
	struct mw_pool observations, ops;
	uint32_t op_serial;
	uint16_t path_ids[4];                    /**< lent to the endpoint until its next callback */
	struct mw_nodes scratch;                 /**< decoded nodes of the message at hand */
	struct mw_log_gate refusals, unreadable; /**< what peers can provoke at will */
	struct mw_lwm2m_stats stats;
};

/** @param wheel, log, key, model  borrowed. NULL when out of memory. */
struct mw_lwm2m *mw_lwm2m_new(const struct mw_lwm2m_config *config, const struct mw_coap_transport *transport,
	const struct mw_durable *durable, mw_lwm2m_event_cb *event, void *event_ud, struct mw_wheel *wheel,
	const struct mw_clock *clock, struct mw_log *log, const struct mw_hash_key *key,
	const struct mw_model *model);
/** Open operations end with MW_E_CANCELED. NULL is allowed. */
void mw_lwm2m_free(struct mw_lwm2m *l);
/** One batch of datagrams. */
void mw_lwm2m_input_batch(struct mw_lwm2m *l, const struct mw_datagram *batch, size_t n);
/** Hands @p ev to the owner; returns what it returns. */
int mw_lwm2m_emit(struct mw_lwm2m *l, struct mw_event *ev);
