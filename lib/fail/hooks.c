/* The at-abort hooks. See hooks.h.
 *
 * A hook has a number, in the order of registration. Writers hold the lock. A signal handler reads
 * without it:
 *   writer                                   handler
 *   (fills the plain fields)                 R: order = entry.order (acquire); 0: skip
 *   P: entry.order = number (release)        (copies the fields)
 *   D: entry.order = 0 (release)             V: entry.order is still the same
 * R reads P, hence the copy holds the hook's fields, unless D and a new filling came during the
 * copy: then V finds 0 or another number, since numbers are never used twice. */
#include "fail/hooks.h"

#include "base/name.h"
#include "fail/fork.h"
#include "sys/lock.h"

#include <failfast/failure.h>

#include <errno.h>

struct entry {
    _Atomic uint32_t order; /* 0: free. */
    struct ff__hook hook;   /* Guarded by the lock; see above. */
};

static struct ff__lock lock = FF__LOCK_INIT;
static struct entry entries[FF_HOOKS_MAX];
static uint32_t last_order; /* Guarded by the lock. */

/* Hooks below it have not been given out. Only the thread that claimed the failure touches it. */
static uint32_t ceiling = UINT32_MAX;

int ff_at_abort(const char *name, void (*fn)(void *arg), void *arg, unsigned flags)
{
    int rc = -ENOSPC;

    if (!ff__name_ok(name) || !fn || (flags & ~FF_HOOK_SIGNAL_SAFE) != 0)
        return -EINVAL;
    ff__lock(&lock);
    for (size_t i = 0; rc < 0 && i < FF_HOOKS_MAX; i++) {
        struct entry *entry = &entries[i];

        if (ff__load_relaxed(&entry->order) != 0)
            continue;
        ff__name_copy(entry->hook.name, sizeof entry->hook.name, name);
        entry->hook.fn = fn;
        entry->hook.arg = arg;
        entry->hook.flags = flags;
        ff__store_release(&entry->order, ++last_order); /* P */
        rc = 0;
    }
    ff__unlock(&lock);
    return rc;
}

int ff_at_abort_remove(void (*fn)(void *arg), void *arg)
{
    int rc = -ENOENT;

    ff__lock(&lock);
    for (size_t i = 0; i < FF_HOOKS_MAX; i++) {
        struct entry *entry = &entries[i];

        if (ff__load_relaxed(&entry->order) != 0 && entry->hook.fn == fn &&
            entry->hook.arg == arg) {
            ff__store_release(&entry->order, 0); /* D */
            rc = 0;
        }
    }
    ff__unlock(&lock);
    return rc;
}

/* AS-safe. The newest entry that has not been given out and has these flags. */
static struct entry *newest(unsigned flags, uint32_t *ret_order)
{
    struct entry *found = NULL;
    uint32_t best = 0;

    for (size_t i = 0; i < FF_HOOKS_MAX; i++) {
        uint32_t order = ff__load_acquire(&entries[i].order); /* R */

        if (order > best && order < ceiling && (entries[i].hook.flags & flags) == flags) {
            best = order;
            found = &entries[i];
        }
    }
    *ret_order = best;
    return found;
}

bool ff__hook_next(struct ff__hook *ret_hook)
{
    struct entry *entry;
    uint32_t order;

    ff__lock(&lock);
    entry = newest(/* flags= */ 0, &order);
    if (entry) {
        *ret_hook = entry->hook;
        ceiling = order;
    }
    ff__unlock(&lock);
    return entry != NULL;
}

/* AS-safe. */
FF__NO_TSAN bool ff__hook_next_from_signal(struct ff__hook *ret_hook)
{
    struct entry *entry;
    uint32_t order;

    while ((entry = newest(FF_HOOK_SIGNAL_SAFE, &order)) != NULL) {
        *ret_hook = entry->hook;
        ceiling = order;
        if (ff__load_acquire(&entry->order) == order) /* V */
            return true;
    }
    return false;
}

void ff__hooks_after_fork(void)
{
    ff__lock_init(&lock);
    ceiling = UINT32_MAX;
}
