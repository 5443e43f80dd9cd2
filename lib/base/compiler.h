/* What the compiler can tell or be told. No system calls, no state. */
#ifndef FF__BASE_COMPILER_H
#define FF__BASE_COMPILER_H

#include <stddef.h>

#define ff__likely(x) __builtin_expect(!!(x), 1)
#define ff__unlikely(x) __builtin_expect(!!(x), 0)
#define FF__NOINLINE __attribute__((noinline))
#define FF__COLD __attribute__((cold, noinline))
#define FF__NORETURN __attribute__((noreturn))
#define FF__UNUSED __attribute__((unused))
#define FF__PRINTF(format_index, first_index) \
    __attribute__((format(printf, format_index, first_index)))

/* Two lines: the adjacent-line prefetcher of x86-64 pairs them, and so do some aarch64 cores. */
#define FF__CACHE_LINE 128
#define FF__ALIGNED_LINE __attribute__((aligned(FF__CACHE_LINE)))

#define FF__ARRAY_SIZE(a) (sizeof(a) / sizeof *(a))
#define ff__container_of(pointer, type, member) \
    ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

/* For the few reads that race on purpose: the reporter copies the names of running tasks. */
#if defined(__SANITIZE_THREAD__)
#define FF__TSAN 1
#define FF__NO_TSAN __attribute__((no_sanitize_thread, noinline))
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define FF__TSAN 1
#define FF__NO_TSAN __attribute__((no_sanitize("thread"), noinline))
#endif
#endif
#ifndef FF__TSAN
#define FF__TSAN 0
#define FF__NO_TSAN
#endif

#endif
