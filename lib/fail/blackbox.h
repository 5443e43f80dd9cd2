/* The black box: who runs what, in memory reserved before anything fails. Written by the scheduler,
 * read by the reporter, also while the writers run on.
 *
 * A row (slot) belongs to one thread, which alone writes it, but for tid (claimed by CAS). What a
 * row's current points to is type-stable memory (sync/slab.h, or static), so a reader may copy it
 * at any time; it reads current again afterwards and discards the copy when that changed. */
#ifndef FF__FAIL_BLACKBOX_H
#define FF__FAIL_BLACKBOX_H

#include "base/atomic.h"
#include "base/compiler.h"

#include <failfast/base.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FF__NAME_BYTES (FF_NAME_MAX + 1)
#define FF__SLOTS 4096

/* What a report tells of a task. First member of struct ff_task. */
struct ff__facts {
    uint64_t id;
    uint64_t parent_id;        /* The task that spawned it, 0 for none. */
    const void *fn;            /* Its function. */
    const void *site;          /* Return address of the spawn call. */
    char name[FF__NAME_BYTES]; /* Ends in NUL. */
};

enum ff__slot_kind {
    FF__SLOT_WORKER = 1,
    FF__SLOT_SERVICE,
    FF__SLOT_HELPER,  /* A thread of the library that runs no tasks. */
    FF__SLOT_ADOPTED, /* A thread of the program: ff_thread_adopt(), ff_critical(). */
};

struct ff__slot {
    FF__ALIGNED_LINE _Atomic int32_t tid; /* 0: free. -1: being filled. */
    uint32_t kind;
    _Atomic(const struct ff__facts *) current; /* NULL: idle. */
    _Atomic uint64_t since_ns;                 /* Coarse clock at the start of current. */
    _Atomic(const char *) waiting;   /* In words, where a helper call blocks; NULL: runs. */
    uintptr_t stack_low, stack_high; /* The thread's stack, without guard; 0: unknown. */
    uintptr_t guard_low;             /* Guard: [guard_low, stack_low). */
    char name[FF__NAME_BYTES];       /* "pool/worker 3", "main". */
};

/* The table: FF__SLOTS rows, mapped at the first call and kept. @return 0 or -ENOMEM. */
int ff__blackbox_open(void);

/* A row for the calling thread, its stack bounds looked up. NULL when all are taken or there is no
 * memory. Not AS-safe. */
struct ff__slot *ff__slot_enter(enum ff__slot_kind kind, const char *name);
void ff__slot_leave(struct ff__slot *slot); /* NULL does nothing. */

/* The row of a thread, NULL if it has none. AS-safe. */
struct ff__slot *ff__slot_find(int32_t tid);

/* One row's task, copied whole while its thread runs on. @return false when there is none, or it
 * changed during the copy. AS-safe. */
bool ff__slot_copy_task(const struct ff__slot *slot, struct ff__facts *ret_facts);

/* Rows in use, in order; begin with cursor 0. NULL at the end. AS-safe. */
struct ff__slot *ff__slot_next(size_t *cursor);

/* The release publishes the facts to a reporter that acquires current. */
static inline void ff__slot_set_task(struct ff__slot *slot, const struct ff__facts *facts)
{
    ff__store_release(&slot->current, facts);
}

#endif
