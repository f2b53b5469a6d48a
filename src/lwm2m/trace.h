/** @file trace.h  Messages in the log. */
#pragma once
#include "lwm2m/server.h"

/** The endpoint's trace handler; @p ud is the `struct mw_lwm2m`. */
void mw_trace_message(void *ud, bool outgoing, const struct mw_addr *peer, struct mw_bytes datagram);
