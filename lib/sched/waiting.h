/* Where a thread blocks inside the library, for reports, stragglers and the watchdog. */
#ifndef FF__SCHED_WAITING_H
#define FF__SCHED_WAITING_H

#include "fail/blackbox.h"
#include "sys/thread.h"

/* The calling thread blocks in text (static) from now on. @return what it was, for
 * ff__waiting_end(). */
static inline const char *ff__waiting_begin(const char *text)
{
    const char *outer = NULL;

    if (ff__self.slot) {
        /* Relaxed: for people; a report that is a moment old is still right about that moment. */
        outer = ff__load_relaxed(&ff__self.slot->waiting);
        ff__store_relaxed(&ff__self.slot->waiting, text);
    }
    return outer;
}

/* It runs again; a service task has made progress by that. */
void ff__waiting_end(const char *outer);

#endif
