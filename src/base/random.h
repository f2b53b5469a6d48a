/** @file random.h  Unpredictable bytes for tokens, registration ids and hash seeds. */
#pragma once
#include <stddef.h>
#include <stdint.h>

/** Fills @p out from the kernel's generator. Aborts when there is none: nothing would be safe without. */
void mw_random(void *out, size_t len);

/** A pool of kernel randomness, so that a token costs no system call. Zero-initialise. */
struct mw_random_pool {
	uint8_t bytes[256];
	size_t left;
};

/** As mw_random, from the pool; bytes handed out are wiped from it. @p len <= 64. */
void mw_random_pooled(struct mw_random_pool *pool, void *out, size_t len);
