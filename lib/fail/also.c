/* A ring without an end: sixteen entries, filled once each. See also.h.
 *
 *   writer                                   conductor
 *   T: index = taken++ (relaxed)             R: ready (acquire): true
 *   (fills the entry, which is its own)      (reads the entry)
 *   P: ready = true (release)
 * R reads P, hence the entry is whole. An entry that is not ready yet is left out. */
#include "fail/also.h"

#include "base/name.h"
#include "fail/fork.h"

#include <string.h>

static struct {
    _Atomic bool ready;
    struct ff__also also;
} entries[FF__ALSO_MAX];

static _Atomic size_t taken;

/* AS-safe. */
static void add(const struct ff__also *also)
{
    size_t index = ff__add_relaxed(&taken, 1); /* T. Relaxed: the number alone is handed out. */

    if (index >= FF__ALSO_MAX)
        return;
    entries[index].also = *also;
    ff__store_release(&entries[index].ready, true); /* P */
}

/* AS-safe. @return the thread's row, or NULL. */
static const struct ff__slot *note_thread(struct ff__also *also)
{
    const struct ff__slot *slot = ff__slot_find(also->tid);

    if (slot)
        ff__name_copy(also->thread, sizeof also->thread, slot->name);
    return slot;
}

/* AS-safe. */
void ff__also_add_failure(const ff_failure *failure)
{
    struct ff__also also = {
        .task = failure->task, .tid = failure->tid, .code = failure->code, .kind = failure->kind};

    note_thread(&also);
    memcpy(also.message, failure->message, sizeof also.message);
    add(&also);
}

/* AS-safe. */
void ff__also_add_fault(int signal, int32_t tid)
{
    struct ff__also also = {.tid = tid, .signal = signal};
    const struct ff__slot *slot = note_thread(&also);

    if (!slot || !ff__slot_copy_task(slot, &also.task))
        also.task.id = 0;
    add(&also);
}

/* AS-safe. */
size_t ff__also_count(void)
{
    return ff__load_relaxed(&taken); /* Relaxed: a count for people. */
}

/* AS-safe. */
const struct ff__also *ff__also_get(size_t index)
{
    if (index >= FF__ALSO_MAX || !ff__load_acquire(&entries[index].ready)) /* R */
        return NULL;
    return &entries[index].also;
}

void ff__also_after_fork(void)
{
    ff__store_relaxed(&taken, 0);
    for (size_t i = 0; i < FF__ALSO_MAX; i++)
        ff__store_relaxed(&entries[i].ready, false);
}
