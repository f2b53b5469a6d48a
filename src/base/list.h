/** @file list.h  Intrusive doubly linked list: the node lives in the item, so linking never fails. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

struct mw_list {
	struct mw_list *prev, *next;
};

#define MW_CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

static inline void mw_list_init(struct mw_list *l)
{
	l->prev = l->next = l;
}

static inline bool mw_list_is_empty(const struct mw_list *l)
{
	return l->next == l;
}

static inline void mw_list_add_tail(struct mw_list *head, struct mw_list *node)
{
	node->prev = head->prev;
	node->next = head;
	head->prev->next = node;
	head->prev = node;
}

/** Unlinks @p node and leaves it an empty list, so that removing twice does no harm. */
static inline void mw_list_remove(struct mw_list *node)
{
	node->prev->next = node->next;
	node->next->prev = node->prev;
	mw_list_init(node);
}

#define MW_LIST_FOREACH(it, head) for (struct mw_list *it = (head)->next; it != (head); it = it->next)
/** The body may remove @p it. */
#define MW_LIST_FOREACH_SAFE(it, head)                                                                       \
	for (struct mw_list *it = (head)->next, *it##_next = it->next; it != (head);                             \
		 it = it##_next, it##_next = it->next)
