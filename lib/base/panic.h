/* A broken invariant inside the library: say which, and end. Never for a caller's mistake. */
#ifndef FF__BASE_PANIC_H
#define FF__BASE_PANIC_H

#include "base/compiler.h"

/* Writes one line on stderr with write(2), then aborts (SIGABRT, so the fatal-signal path reports
 * who ran). AS-safe. */
FF__NORETURN FF__COLD void ff__panic(const char *what, const char *file, int line);

#define ff__check(condition)                           \
    do {                                               \
        if (ff__unlikely(!(condition)))                \
            ff__panic(#condition, __FILE__, __LINE__); \
    } while (0)

#endif
