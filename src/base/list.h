/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_BASE_LIST_H
#define KT_BASE_LIST_H

#include "base/mem.h"

#include <stdbool.h>

/** struct list - intrusive doubly linked ring; the head is a node too */
struct list {
	struct list *next, *prev;
};

static inline void list_init(struct list *l)
{
	l->next = l->prev = l;
}

static inline bool list_empty(const struct list *l)
{
	return l->next == l;
}

static inline void list_add_tail(struct list *head, struct list *n)
{
	n->prev = head->prev;
	n->next = head;
	head->prev->next = n;
	head->prev = n;
}

static inline void list_add_head(struct list *head, struct list *n)
{
	list_add_tail(head->next, n);
}

/** list_del() - unlink @n and leave it an empty ring: deleting twice is safe */
static inline void list_del(struct list *n)
{
	n->prev->next = n->next;
	n->next->prev = n->prev;
	list_init(n);
}

#define list_for_each(pos, head)                                               \
	for ((pos) = (head)->next; (pos) != (head); (pos) = (pos)->next)
/* safe against deletion of @pos only */
#define list_for_each_safe(pos, tmp, head)                                     \
	for ((pos) = (head)->next, (tmp) = (pos)->next; (pos) != (head);       \
	     (pos) = (tmp), (tmp) = (pos)->next)

#endif
