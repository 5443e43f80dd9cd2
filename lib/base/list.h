/* An intrusive doubly linked ring with a head. The caller brings the lock. No system calls, no
 * state. */
#ifndef FF__BASE_LIST_H
#define FF__BASE_LIST_H

#include "base/compiler.h"

#include <stdbool.h>

struct ff__list {
    struct ff__list *next, *prev;
};

static inline void ff__list_init(struct ff__list *list)
{
    list->next = list->prev = list;
}

static inline bool ff__list_empty(const struct ff__list *list)
{
    return list->next == list;
}

static inline void ff__list_insert_between(struct ff__list *node, struct ff__list *prev,
                                           struct ff__list *next)
{
    node->prev = prev;
    node->next = next;
    prev->next = node;
    next->prev = node;
}

static inline void ff__list_push_front(struct ff__list *list, struct ff__list *node)
{
    ff__list_insert_between(node, list, list->next);
}

static inline void ff__list_push_back(struct ff__list *list, struct ff__list *node)
{
    ff__list_insert_between(node, list->prev, list);
}

/* Leaves the node linked to itself, so that removing twice is harmless and ff__list_empty(node)
 * tells whether it is on a list. */
static inline void ff__list_remove(struct ff__list *node)
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    ff__list_init(node);
}

#define ff__list_first(list, type, member) ff__container_of((list)->next, type, member)

#define ff__list_each(node, list) \
    for (struct ff__list *node = (list)->next; node != (list); node = node->next)

#endif
