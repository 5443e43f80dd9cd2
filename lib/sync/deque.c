/* The work-stealing deque. The header says who may call what; README.md has the proof. The letters:
 *
 *   owner, push                             thief, steal
 *   G: no room? load top  (acquire)         T: load top             (sc)
 *      slots = items                        U: load bottom          (sc)
 *   P: store bottom + count    (sc)            load the array       (acquire), then the slot
 *   owner, pop                              V: CAS top, t to t + 1  (sc)
 *   D: store bottom - 1        (sc)
 *   H: load top                (sc)
 *   L: CAS top, t to t + 1     (sc), only for the last item
 */
#include "sync/deque.h"

#include <errno.h>
#include <stdlib.h>

#define CAPACITY_LOG2_MAX 32

struct ff__deque_array {
    struct ff__deque_array *older; /* The one it replaced; a thief may still read that. */
    int64_t mask;                  /* Capacity - 1; the capacity is a power of two. */
    _Atomic(void *) slots[];
};

static struct ff__deque_array *array_new(size_t capacity, struct ff__deque_array *older)
{
    struct ff__deque_array *array = malloc(sizeof *array + capacity * sizeof array->slots[0]);

    if (!array)
        return NULL;
    array->older = older;
    array->mask = (int64_t)capacity - 1;
    for (size_t i = 0; i < capacity; i++)
        atomic_init(&array->slots[i], NULL);
    return array;
}

/* Slots are relaxed: P and U order an item's slot before its thief's look at it, and a thief that
 * reads a slot too early or too late fails at V and throws the value away. */
static void slot_put(struct ff__deque_array *array, int64_t index, void *item)
{
    ff__store_relaxed(&array->slots[index & array->mask], item);
}

static void *slot_get(struct ff__deque_array *array, int64_t index)
{
    return ff__load_relaxed(&array->slots[index & array->mask]);
}

int ff__deque_init(struct ff__deque *deque, size_t capacity_log2)
{
    struct ff__deque_array *array;

    if (capacity_log2 > CAPACITY_LOG2_MAX)
        return -ENOMEM;
    array = array_new((size_t)1 << capacity_log2, NULL);
    if (!array)
        return -ENOMEM;
    atomic_init(&deque->bottom, 0);
    atomic_init(&deque->top, 0);
    deque->top_seen = 0;
    atomic_init(&deque->array, array);
    return 0;
}

void ff__deque_done(struct ff__deque *deque)
{
    /* Relaxed: the caller made sure that nobody else uses the deque any more. */
    struct ff__deque_array *array = ff__load_relaxed(&deque->array);

    while (array) {
        struct ff__deque_array *older = array->older;

        free(array);
        array = older;
    }
    ff__store_relaxed(&deque->array, NULL);
}

/* Replaces the array by one with room for [top, needed_end). @return NULL without memory. */
static FF__COLD struct ff__deque_array *deque_grow(struct ff__deque *deque,
                                                   struct ff__deque_array *array, int64_t top,
                                                   int64_t bottom, int64_t needed_end)
{
    struct ff__deque_array *bigger;
    size_t capacity = (size_t)array->mask + 1;

    while (capacity < (size_t)(needed_end - top)) {
        if (capacity >> CAPACITY_LOG2_MAX != 0)
            return NULL;
        capacity *= 2;
    }
    bigger = array_new(capacity, array);
    if (!bigger)
        return NULL;
    for (int64_t i = top; i < bottom; i++)
        slot_put(bigger, i, slot_get(array, i));
    /* Release: a thief that reads the new array sees the copied slots. */
    ff__store_release(&deque->array, bigger);
    return bigger;
}

/* Makes room for count more items at bottom. @return the array to use, NULL without memory. */
static FF__NOINLINE struct ff__deque_array *deque_make_room(struct ff__deque *deque,
                                                            struct ff__deque_array *array,
                                                            int64_t bottom, int64_t end)
{
    int64_t top = ff__load_acquire(&deque->top); /* G, with V: a slot is free once V took it. */

    deque->top_seen = top;
    if (end - top <= array->mask + 1)
        return array;
    return deque_grow(deque, array, top, bottom, end);
}

int ff__deque_push_many(struct ff__deque *deque, void *const *items, size_t count)
{
    /* Relaxed: the owner alone writes bottom and array. */
    int64_t bottom = ff__load_relaxed(&deque->bottom);
    int64_t end = bottom + (int64_t)count;
    struct ff__deque_array *array = ff__load_relaxed(&deque->array);

    if (ff__unlikely(end - deque->top_seen > array->mask + 1)) {
        array = deque_make_room(deque, array, bottom, end);
        if (!array)
            return -ENOMEM;
    }
    for (size_t i = 0; i < count; i++)
        slot_put(array, bottom + (int64_t)i, items[i]);
    ff__store_seqcst(&deque->bottom, end); /* P, with U and, as park's A, with park's R. */
    return 0;
}

int ff__deque_push(struct ff__deque *deque, void *item)
{
    return ff__deque_push_many(deque, &item, 1);
}

/* L: thieves may be after the last item, so the owner takes it from the top, as they do. */
static void *deque_pop_last(struct ff__deque *deque, int64_t top, void *item)
{
    if (!ff__cas_seqcst(&deque->top, &top, top + 1)) /* L, with V. */
        item = NULL;
    /* Relaxed: top is beyond this index, so whoever still reads the old bottom or this one finds
     * the deque empty or fails at V. */
    ff__store_relaxed(&deque->bottom, ff__load_relaxed(&deque->bottom) + 1);
    return item;
}

void *ff__deque_pop(struct ff__deque *deque)
{
    /* Relaxed: the owner alone writes bottom and array; a stale top is below the true one, so an
     * empty deque may look filled here, and is found out at H. */
    int64_t bottom = ff__load_relaxed(&deque->bottom) - 1;
    struct ff__deque_array *array = ff__load_relaxed(&deque->array);
    int64_t top = ff__load_relaxed(&deque->top);

    if (top > bottom)
        return NULL;
    ff__store_seqcst(&deque->bottom, bottom); /* D, with U: claims the item against late thieves. */
    top = ff__load_seqcst(&deque->top);       /* H, with V: sees the early ones. */
    if (ff__likely(top < bottom))
        return slot_get(array, bottom);
    if (top == bottom)
        return deque_pop_last(deque, top, slot_get(array, bottom));
    ff__store_relaxed(&deque->bottom, bottom + 1); /* Relaxed: as in deque_pop_last(). */
    return NULL;
}

void *ff__deque_steal(struct ff__deque *deque, bool *ret_lost)
{
    int64_t top = ff__load_seqcst(&deque->top);       /* T, with L and V of others. */
    int64_t bottom = ff__load_seqcst(&deque->bottom); /* U, with P and D. */
    struct ff__deque_array *array;
    void *item;

    if (top >= bottom)
        return NULL;
    array = ff__load_acquire(&deque->array); /* With the release in deque_grow(). */
    item = slot_get(array, top);
    if (!ff__cas_seqcst(&deque->top, &top, top + 1)) { /* V, with H, L and G. */
        *ret_lost = true;
        return NULL;
    }
    return item;
}

bool ff__deque_maybe_nonempty(struct ff__deque *deque)
{
    /* In this order: bottom <= top says that it was empty when bottom was read, because top only
     * grows. T and U; U is park's C as well. */
    int64_t top = ff__load_seqcst(&deque->top);

    return top < ff__load_seqcst(&deque->bottom);
}
