#include "base/random.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

void mw_random(void *out, size_t len)
{
	uint8_t *p = out;
	while (len) {
		ssize_t n = getrandom(p, len, 0);
		if (n < 0) {
			if (errno == EINTR)
				continue;
			abort();
		}
		p += n;
		len -= (size_t)n;
	}
}

void mw_random_pooled(struct mw_random_pool *pool, void *out, size_t len)
{
	if (pool->left < len) {
		mw_random(pool->bytes, sizeof(pool->bytes));
		pool->left = sizeof(pool->bytes);
	}
	pool->left -= len;
	memcpy(out, pool->bytes + pool->left, len);
	memset(pool->bytes + pool->left, 0, len);
}
