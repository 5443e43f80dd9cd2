/* What every other header needs: export and attribute macros, units of time, status codes, and the
 * names of all the opaque types.
 *
 * Status is an int: 0, or a negative errno. Durations are nanoseconds in a uint64_t; deadlines are
 * absolute nanoseconds on CLOCK_MONOTONIC. The names of both end in _ns. */
#ifndef FAILFAST_BASE_H
#define FAILFAST_BASE_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FF_API __attribute__((visibility("default")))
#define FF_NODISCARD __attribute__((warn_unused_result))
#define FF_PRINTF(format_index, first_index) \
    __attribute__((format(printf, format_index, first_index)))

#define FF_MICROSECOND UINT64_C(1000)
#define FF_MILLISECOND UINT64_C(1000000)
#define FF_SECOND UINT64_C(1000000000)

/* As a deadline: never. As a duration: for ever. */
#define FF_NEVER UINT64_MAX

/* The status of a task that stopped because somebody asked it to. Returned without such a request
 * it is a failure like any other. */
#define FF_CANCELED (-ECANCELED)

/* Names of tasks and threads are copied up to this many bytes, the final NUL not counted. Longer
 * names are cut at a character boundary (UTF-8). */
#define FF_NAME_MAX 47

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ff_pool ff_pool;
typedef struct ff_task ff_task;
typedef struct ff_group ff_group;
typedef struct ff_timer ff_timer;
typedef struct ff_source ff_source;
typedef struct ff_token ff_token;
typedef struct ff_registration ff_registration;
typedef struct ff_failure ff_failure;

/**
 * Now, in nanoseconds on CLOCK_MONOTONIC: what a deadline is compared with.
 *
 * Threads: any. Blocks: no. Signals: async-signal-safe. Since: 0.1
 */
FF_API uint64_t ff_now_ns(void);

/**
 * The deadline that lies @p delay_ns from now; FF_NEVER when that is beyond the clock.
 *
 * Threads: any. Blocks: no. Signals: async-signal-safe. Since: 0.1
 */
FF_API uint64_t ff_deadline_ns(uint64_t delay_ns);

#ifdef __cplusplus
}
#endif

#endif
