/** @file raised.h  Which alarms of rules with `when` are known to be cleared.
 *
 * A value below the threshold clears an alarm that may never have been raised; telling the store each time
 * would cost a row for every ordinary value. This remembers "cleared already" in a fixed table. It may forget
 * (then the clear is put again, and the store ignores it), but it never takes a raised alarm for a cleared
 * one. */
#pragma once
#include "moonwire.h"
#include <stdbool.h>

struct mw_raised;

/** NULL when out of memory. */
struct mw_raised *mw_raised_new(void);
/** NULL is allowed. */
void mw_raised_free(struct mw_raised *r);
/** True when the alarm of this resource was cleared last. @p r NULL = nothing is known. */
bool mw_raised_is_cleared(const struct mw_raised *r, struct mw_device_ref dev, const struct mw_path *path);
void mw_raised_set(struct mw_raised *r, struct mw_device_ref dev, const struct mw_path *path, bool cleared);
/** Nothing is known any more: rules have changed. */
void mw_raised_forget(struct mw_raised *r);
