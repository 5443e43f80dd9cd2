/* The table of threads and their tasks. See blackbox.h.
 *
 * Protocol of a row's tid:
 *   owner                                    reader
 *   E: CAS 0 -> -1 (acquire)                 T: tid (acquire) == the one looked for, or > 0
 *   (fills the plain fields)                 (reads the plain fields)
 *   P: tid = own number (release)
 *   L: tid = 0 (release)
 * T reads what P wrote, hence sees the fields. E after L of another thread: E acquires L, so the
 * new owner's writes come after the old owner's. A reader that still reads a row after L may see
 * the next owner's name: a report then names a thread that has just started, which is harmless. */
#include "fail/blackbox.h"

#include "base/name.h"
#include "fail/fork.h"
#include "fail/raw.h"
#include "sys/thread.h"

#include <errno.h>
#include <pthread.h>
#include <sys/mman.h>

static _Atomic(struct ff__slot *) table;

/* Rows at and above it were never used. Only grows. */
static _Atomic size_t high_water;

int ff__blackbox_open(void)
{
    struct ff__slot *none = NULL;
    void *rows;

    /* Acquire: a table that another thread mapped is whole. */
    if (ff__load_acquire(&table))
        return 0;
    rows = mmap(NULL, FF__SLOTS * sizeof(struct ff__slot), PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (rows == MAP_FAILED)
        return -ENOMEM;
    /* Release half: publishes the mapping; the loser throws its own away. */
    if (!ff__cas_acq_rel(&table, &none, (struct ff__slot *)rows))
        munmap(rows, FF__SLOTS * sizeof(struct ff__slot));
    return 0;
}

static void note_stack(struct ff__slot *slot)
{
    pthread_attr_t attr;
    void *low;
    size_t size, guard;

    slot->stack_low = slot->stack_high = slot->guard_low = 0;
    if (pthread_getattr_np(pthread_self(), &attr) != 0)
        return;
    if (pthread_attr_getstack(&attr, &low, &size) == 0 &&
        pthread_attr_getguardsize(&attr, &guard) == 0) {
        slot->stack_low = (uintptr_t)low;
        slot->stack_high = slot->stack_low + size;
        slot->guard_low = slot->stack_low - guard;
    }
    pthread_attr_destroy(&attr);
}

/* Raises high_water to at least count. Relaxed: a row counts for readers once its tid is set, and a
 * reader that misses a row of this very moment misses a thread that has not begun to work. */
static void raise_high_water(size_t count)
{
    size_t seen = ff__load_relaxed(&high_water);

    while (seen < count && !ff__cas_weak_relaxed(&high_water, &seen, count))
        ;
}

static struct ff__slot *claim_row(void)
{
    struct ff__slot *rows = ff__load_acquire(&table);

    for (size_t i = 0; rows && i < FF__SLOTS; i++) {
        int32_t free_row = 0;

        /* Relaxed: a first look only. E acquires. */
        if (ff__load_relaxed(&rows[i].tid) == 0 && ff__cas_acquire(&rows[i].tid, &free_row, -1)) {
            raise_high_water(i + 1);
            return &rows[i];
        }
    }
    return NULL;
}

struct ff__slot *ff__slot_enter(enum ff__slot_kind kind, const char *name)
{
    struct ff__slot *slot;

    if (ff__blackbox_open() < 0)
        return NULL;
    slot = claim_row();
    if (!slot)
        return NULL;
    slot->kind = kind;
    ff__name_copy(slot->name, sizeof slot->name, name);
    note_stack(slot);
    /* Relaxed: P below publishes them. */
    ff__store_relaxed(&slot->current, NULL);
    ff__store_relaxed(&slot->since_ns, 0);
    ff__store_relaxed(&slot->waiting, NULL);
    ff__store_release(&slot->tid, ff__thread_id()); /* P */
    return slot;
}

void ff__slot_leave(struct ff__slot *slot)
{
    if (!slot)
        return;
    /* Relaxed: L orders it for the next owner, and a reader may see the task a moment longer. */
    ff__store_relaxed(&slot->current, NULL);
    ff__store_release(&slot->tid, 0); /* L */
}

/* AS-safe: walks rows that are never unmapped. */
struct ff__slot *ff__slot_next(size_t *cursor)
{
    struct ff__slot *rows = ff__load_acquire(&table);
    size_t end = ff__load_relaxed(&high_water);

    while (rows && *cursor < end) {
        struct ff__slot *slot = &rows[(*cursor)++];

        if (ff__load_acquire(&slot->tid) > 0) /* T */
            return slot;
    }
    return NULL;
}

/* AS-safe: likewise. */
struct ff__slot *ff__slot_find(int32_t tid)
{
    struct ff__slot *slot;
    size_t cursor = 0;

    while ((slot = ff__slot_next(&cursor)) != NULL)
        if (ff__load_acquire(&slot->tid) == tid) /* T */
            return slot;
    return NULL;
}

/* ThreadSanitizer watches atomic accesses in functions that it is told to leave alone, too. */
#if FF__TSAN
#define FACTS_WORD(address) (*(const volatile uint64_t *)(address))
#else
#define FACTS_WORD(address) __atomic_load_n((address), __ATOMIC_ACQUIRE)
#endif

/* AS-safe. The writers run on: every word is an acquire load, so that the second look at current
 * comes after all of them. */
FF__NO_TSAN bool ff__slot_copy_task(const struct ff__slot *slot, struct ff__facts *ret_facts)
{
    /* Acquire: pairs with ff__slot_set_task(), the facts are complete. */
    const struct ff__facts *facts = ff__load_acquire(&slot->current);
    uint64_t *to = (uint64_t *)(void *)ret_facts;

    _Static_assert(sizeof *facts % sizeof *to == 0, "facts are copied in words");
    if (!facts)
        return false;
    for (size_t i = 0; i < sizeof *facts / sizeof *to; i++)
        to[i] = FACTS_WORD((const uint64_t *)(const void *)facts + i);
    ret_facts->name[FF__NAME_BYTES - 1] = '\0';
    /* The cell may have been used again by the same thread in between: then its number differs. */
    return ff__load_relaxed(&slot->current) == facts && FACTS_WORD(&facts->id) == ret_facts->id;
}

void ff__blackbox_after_fork(void)
{
    struct ff__slot *rows = ff__load_relaxed(&table);
    size_t end = ff__load_relaxed(&high_water);

    /* Relaxed: the child has one thread. Its own row stays, under its new number. */
    for (size_t i = 0; rows && i < end; i++)
        if (&rows[i] != ff__self.slot)
            ff__store_relaxed(&rows[i].tid, 0);
    if (rows && ff__self.slot)
        ff__store_relaxed(&ff__self.slot->tid, ff__thread_id());
}
