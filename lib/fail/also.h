/* The failures that came after the first one: kept for the last part of the report. */
#ifndef FF__FAIL_ALSO_H
#define FF__FAIL_ALSO_H

#include "fail/failure.h"

#include <stddef.h>

#define FF__ALSO_MAX 16

struct ff__also {
    struct ff__facts task; /* id 0: none. */
    int32_t tid;
    char thread[FF__NAME_BYTES]; /* Its name then; it may have ended since. Empty: unknown. */
    int code;
    enum ff__cause kind;             /* Of an error status. */
    int signal;                      /* Of a fault; 0: an error status. */
    char message[FF__MESSAGE_BYTES]; /* Of an error status; may be empty. */
};

/* Both AS-safe; beyond FF__ALSO_MAX they are only counted. */
void ff__also_add_failure(const ff_failure *failure);
void ff__also_add_fault(int signal, int32_t tid);

/* How many failed besides the first. AS-safe. */
size_t ff__also_count(void);

/* The one with this number, NULL when it is not (yet) written. AS-safe. */
const struct ff__also *ff__also_get(size_t index);

#endif
