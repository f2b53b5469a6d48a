/** @file dedup.h  What was received lately and what was answered: a ring of records within a byte budget, and
 * an index by (address, message id).
 *
 * One record is 48 bytes and the reply beyond 8. Records are appended at the head and forgotten at the tail,
 * the oldest first; no memory is allocated per message. A serial is the position of a record in an endless
 * ring, so an old serial is recognised as such. Internal to src/coap. */
#pragma once
#include "base/buf.h"
#include "base/clock.h"
#include "base/hash.h"
#include "net/addr.h"

enum mw_dedup_state {
	MW_DEDUP_DEAD,     /**< forgotten, or filler at the end of a lap */
	MW_DEDUP_PENDING,  /**< handed up, no answer yet; `data` begins with the owner's 32-bit note */
	MW_DEDUP_ACKED,    /**< as PENDING, but the empty ACK was sent */
	MW_DEDUP_ANSWERED, /**< `data` holds the `len` bytes to send again; none for a silent duplicate */
};

struct mw_dedup_record {
	uint16_t units; /**< size of this record in MW_DEDUP_UNIT bytes */
	uint8_t state, type;
	uint16_t mid, len;
	struct mw_addr addr;
	uint32_t tag;  /**< upper half of the hash: all that the index needs to remove it */
	uint32_t time; /**< when received, in 64 ms */
	uint8_t data[];
};

enum { MW_DEDUP_UNIT = 8, MW_DEDUP_MIN_DATA = 8 };
#define MW_DEDUP_NO_NOTE UINT32_MAX

struct mw_dedup {
	uint8_t *ring;
	size_t cap;          /**< bytes, a multiple of MW_DEDUP_UNIT */
	uint64_t head, tail; /**< endless positions: [tail, head) is in use */
	uint64_t newest;     /**< position of the last record */
	struct mw_index index;
	const struct mw_hash_key *key;
	uint64_t *evicted; /**< counts records that were forgotten before their time */
};

/** @param bytes  budget; raised to 64 KiB, cut to what the index can name (32 GiB)
 *  @param key, evicted  borrowed
 *  @return 0 or MW_E_NOMEM */
int mw_dedup_init(struct mw_dedup *d, size_t bytes, const struct mw_hash_key *key, uint64_t *evicted);
void mw_dedup_deinit(struct mw_dedup *d);
uint64_t mw_dedup_hash(const struct mw_dedup *d, const struct mw_addr *from, uint16_t mid);
/** The record of a message that was received within its lifetime, or NULL. Valid until the next add or
 * answer. */
struct mw_dedup_record *mw_dedup_find(
	struct mw_dedup *d, uint64_t hash, const struct mw_addr *from, uint16_t mid, struct mw_mono now);
/** Appends a PENDING record; the caller has made sure by mw_dedup_find that there is none. 0 or MW_E_NOMEM.
 */
int mw_dedup_add(struct mw_dedup *d, uint64_t hash, const struct mw_addr *from, uint16_t mid, uint8_t type,
	struct mw_mono now, uint64_t *serial);
/** The record at @p serial if it is still of this message and PENDING or ACKED, else NULL. */
struct mw_dedup_record *mw_dedup_open(
	struct mw_dedup *d, uint64_t serial, const struct mw_addr *from, uint16_t mid);
/** Makes the open record at @p serial ANSWERED with @p reply. Should the ring fail, the record is forgotten:
 * a duplicate is then taken for new, which costs more but is not wrong. */
void mw_dedup_answer(struct mw_dedup *d, uint64_t serial, struct mw_bytes reply);
/** The open record at @p serial was never received: the same message counts as new when it comes again. */
void mw_dedup_forget(struct mw_dedup *d, uint64_t serial);
uint32_t mw_dedup_note(const struct mw_dedup_record *r);
void mw_dedup_set_note(struct mw_dedup_record *r, uint32_t note);
