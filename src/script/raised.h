/** @file raised.h  What is known of the alarms that rules with `when` raise and clear.
 *
 * The store has one alarm for each device and type, while several resources (instances, too) may be mapped to
 * that type. So it is raised while the condition of at least one of them holds, and cleared when that of the
 * last one ends: this remembers for which it holds. It also remembers which alarms are cleared already, as a
 * row for every ordinary value would be too much; that it may forget at any time (then the row is put again,
 * and the store makes no feed item of it). After a start nothing is known. Types go by their hash, see
 * mw_raised_type. */
#pragma once
#include "script/plan.h"
#include <stdbool.h>

struct mw_raised;

enum { MW_RAISED_MAX = 256 }; /**< paths of one device; of what is beyond nothing is known */

/** NULL when out of memory. Of all functions, @p r NULL = nothing is known. */
struct mw_raised *mw_raised_new(void);
void mw_raised_free(struct mw_raised *r);

/** What stands for an alarm's type below. */
uint64_t mw_raised_type(struct mw_bytes type);
/** The condition of a resource holds, or does not. @return true while that of another one of this type holds
 */
bool mw_raised_set(
	struct mw_raised *r, struct mw_device_ref dev, uint64_t type, const struct mw_path *path, bool holds);
/** The device's alarm of this type was put into the feed: cleared, or not. By whomever. */
void mw_raised_put(struct mw_raised *r, struct mw_device_ref dev, uint64_t type, bool cleared);
/** True when the alarm was cleared last. */
bool mw_raised_is_cleared(const struct mw_raised *r, struct mw_device_ref dev, uint64_t type);
/** What was put may not have reached the disk: no alarm is known to be cleared any more. */
void mw_raised_doubt(struct mw_raised *r);

/** Rules have changed: only what @p plan still maps to the same type is kept. */
void mw_raised_keep(struct mw_raised *r, const struct mw_plan *plan);
/** The device's list of objects has changed: only instances for which @p is_there holds are kept. NULL =
 * none. */
void mw_raised_keep_instances(struct mw_raised *r, struct mw_device_ref dev,
	bool (*is_there)(void *ud, uint16_t oid, uint16_t iid), void *ud);
