/* Where a thread blocks inside the library, for reports, stragglers and the watchdog. */
#ifndef FF__SCHED_WAITING_H
#define FF__SCHED_WAITING_H

#include "fail/blackbox.h"
#include "sys/thread.h"

#include <stddef.h>

/* Says in the black box where the calling thread blocks (static text), or that it runs (NULL).
 * @return what it said before. Relaxed: only the thread itself writes it, and a reporter reads the
 * old text or the new one. */
static inline const char *ff__waiting_set(const char *words)
{
    return ff__self.slot ? ff__exchange_relaxed(&ff__self.slot->waiting, words) : NULL;
}

#endif
