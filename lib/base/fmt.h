/* Text without printf: async-signal-safe, no allocation, no locale. A buffer that is full drops the
 * rest and says so; it always ends in NUL. */
#ifndef FF__BASE_FMT_H
#define FF__BASE_FMT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ff__fmt {
    char *text;      /* The caller's memory; text[used] is NUL. */
    size_t capacity; /* Bytes of text, the NUL's included; at least 1. */
    size_t used;
    bool truncated;
};

/* All AS-safe. */
void ff__fmt_init(struct ff__fmt *fmt, char *text, size_t capacity);
void ff__fmt_char(struct ff__fmt *fmt, char c);
void ff__fmt_str(struct ff__fmt *fmt, const char *text); /* NULL writes "(null)". */
void ff__fmt_bytes(struct ff__fmt *fmt, const char *text, size_t length);
void ff__fmt_u64(struct ff__fmt *fmt, uint64_t value);
void ff__fmt_i64(struct ff__fmt *fmt, int64_t value);
void ff__fmt_hex(struct ff__fmt *fmt, uint64_t value); /* "0x1f", no padding. */
/* A duration for people: "12 ns", "3.4 us", "250 ms", "1.50 s", "2 h 05 min". */
void ff__fmt_duration(struct ff__fmt *fmt, uint64_t duration_ns);
/* Seconds since 1970 as "2026-11-23 23:29:42 UTC". */
void ff__fmt_utc(struct ff__fmt *fmt, uint64_t seconds);
/* Text that may hold anything (task names, messages): control bytes become '?', so that a name
 * cannot forge lines of a report or drive a terminal. UTF-8 passes. */
void ff__fmt_safe_str(struct ff__fmt *fmt, const char *text);

/* "EIO" for 5; NULL for a number that is no errno of this system. AS-safe. */
const char *ff__errno_name(int number);
/* "Input/output error" for 5, in English, without locale; NULL likewise. AS-safe. */
const char *ff__errno_text(int number);
/* "SIGSEGV" for 11; NULL likewise. AS-safe. */
const char *ff__signal_name(int number);

#endif
