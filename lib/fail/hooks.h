/* The at-abort hooks: who is registered, and who is next. */
#ifndef FF__FAIL_HOOKS_H
#define FF__FAIL_HOOKS_H

#include "fail/blackbox.h"

#include <stdbool.h>

struct ff__hook {
    char name[FF__NAME_BYTES];
    void (*fn)(void *arg);
    void *arg;
    unsigned flags;
};

/* The next hook to run, newest first; each is given out once in the life of the process, to the one
 * thread that has claimed the failure. @return false when there is none. */
bool ff__hook_next(struct ff__hook *ret_hook);

/* The same among the FF_HOOK_SIGNAL_SAFE ones, without the lock. AS-safe. */
bool ff__hook_next_from_signal(struct ff__hook *ret_hook);

#endif
