/** @file datagram.h  One received datagram, as layers above the sockets see it. */
#pragma once
#include "net/addr.h"

struct mw_datagram {
	struct mw_addr from;
	const uint8_t *data; /**< borrowed, valid during the call */
	size_t len;
};
