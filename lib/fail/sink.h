/* Writing to a descriptor that may be a full pipe, closed, or without reader, in bounded time. */
#ifndef FF__FAIL_SINK_H
#define FF__FAIL_SINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What one sink may take of the process's last time. */
#define FF__SINK_BUDGET_NS UINT64_C(400000000)

struct ff__sink {
    int fd;
    uint64_t budget_ns; /* What is left of the time for waiting. */
    bool dead;          /* Nothing more is written. */
};

void ff__sink_init(struct ff__sink *sink, int fd);

/* Waits until a piece can be written, within the budget. Where poll() itself is a fatal signal
 * (seccomp) it is called once and never again. AS-safe. */
void ff__sink_await(struct ff__sink *sink);

/* Writes in pieces of at most 4096 bytes, each after poll() saw room: a pipe takes such a piece
 * whole. What finds no room in time is dropped, and everything after it. SIGPIPE and SIGXFSZ that
 * come of it are taken off the thread again. AS-safe; errno is left alone. */
void ff__sink_write(struct ff__sink *sink, const char *text, size_t length);

#endif
