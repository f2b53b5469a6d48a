#include "codec/value.h"

#include <stdlib.h>

enum { MAX_DEFAULT = 65536, BLOCK_SIZE = 1024 };

struct block {
	struct block *next;
	size_t len, cap;
	uint8_t bytes[];
};

void mw_nodes_init(struct mw_nodes *n, size_t max)
{
	*n = (struct mw_nodes){.max = max ? max : MAX_DEFAULT};
}

static void free_arena(struct mw_nodes *n)
{
	struct block *next;
	for (struct block *b = n->arena; b; b = next) {
		next = b->next;
		free(b);
	}
	n->arena = NULL;
}

void mw_nodes_deinit(struct mw_nodes *n)
{
	free_arena(n);
	free(n->items);
	*n = (struct mw_nodes){0};
}

void mw_nodes_clear(struct mw_nodes *n)
{
	free_arena(n);
	n->len = 0;
}

int mw_nodes_add(struct mw_nodes *n, const struct mw_node *node)
{
	if (n->len >= n->max)
		return MW_E_LIMIT;
	if (n->len == n->cap) {
		size_t cap = n->cap ? n->cap * 2 : 8;
		if (cap > n->max)
			cap = n->max;
		struct mw_node *items = realloc(n->items, cap * sizeof(*items));
		if (!items)
			return MW_E_NOMEM;
		n->items = items;
		n->cap = cap;
	}
	n->items[n->len++] = *node;
	return 0;
}

uint8_t *mw_nodes_bytes(struct mw_nodes *n, size_t len)
{
	struct block *b = n->arena;
	if (!b || len > b->cap - b->len) {
		size_t cap = len > BLOCK_SIZE ? len : BLOCK_SIZE;
		if (cap > SIZE_MAX - sizeof(*b))
			return NULL;
		b = malloc(sizeof(*b) + cap);
		if (!b)
			return NULL;
		*b = (struct block){.next = n->arena, .cap = cap};
		n->arena = b;
	}
	uint8_t *bytes = b->bytes + b->len;
	b->len += len;
	return bytes;
}
