/* Bounded writing. See sink.h. */
#include "fail/sink.h"

#include "fail/raw.h"
#include "sys/clock.h"

#include <errno.h>

#define PIECE_BYTES 4096

void ff__sink_init(struct ff__sink *sink, int fd)
{
    sink->fd = fd;
    sink->budget_ns = FF__SINK_BUDGET_NS;
    sink->dead = false;
}

/* Takes what has passed since started_ns off the budget. */
static void spend(struct ff__sink *sink, uint64_t started_ns)
{
    uint64_t spent = ff__clock_now() - started_ns;

    sink->budget_ns -= spent < sink->budget_ns ? spent : sink->budget_ns;
    if (sink->budget_ns == 0)
        sink->dead = true;
}

/* AS-safe. The sink is dead when there is no room in time. */
void ff__sink_await(struct ff__sink *sink)
{
    struct pollfd fd = {.fd = sink->fd, .events = POLLOUT};
    struct timespec limit = ff__clock_timespec(sink->budget_ns);
    uint64_t started = ff__clock_now();
    static bool polling; /* Still set when poll() itself was the fatal signal (seccomp). */
    long rc = -ENOSYS;

    if (sink->dead)
        return;
    if (!polling) {
        polling = true;
        rc = ff__raw_poll(&fd, &limit);
        polling = false;
    }

    /* A kernel that refuses to poll (seccomp) gets the write; the guardian bounds it. */
    if (rc > 0 && ((fd.revents & POLLOUT) == 0 || (fd.revents & (POLLERR | POLLNVAL)) != 0))
        sink->dead = true;
    if (rc == 0)
        sink->dead = true;
    spend(sink, started);
}

/* Not every room that poll() sees is room enough: waits a moment, on the budget. */
static void pause_briefly(struct ff__sink *sink)
{
    struct timespec moment = {0, 1000000};
    uint64_t started = ff__clock_now();

    ff__raw(SYS_nanosleep, FF__RAW_PTR(&moment), 0, 0, 0, 0);
    spend(sink, started);
}

static void write_pieces(struct ff__sink *sink, const char *text, size_t length)
{
    while (length > 0 && !sink->dead) {
        size_t piece = length < PIECE_BYTES ? length : PIECE_BYTES;
        long written;

        ff__sink_await(sink);
        if (sink->dead)
            return;
        written = ff__raw_write(sink->fd, text, piece);
        if (written > 0) {
            text += written;
            length -= (size_t)written;
        } else if (written == -EAGAIN) {
            pause_briefly(sink);
        } else if (written != -EINTR) {
            sink->dead = true;
        }
    }
}

/* AS-safe. */
void ff__sink_write(struct ff__sink *sink, const char *text, size_t length)
{
    const uint64_t ours = ff__raw_signal_bit(SIGPIPE) | ff__raw_signal_bit(SIGXFSZ);
    uint64_t mask, before, came;

    if (sink->dead || length == 0)
        return;
    mask = ff__raw_mask(SIG_BLOCK, ours);
    before = ff__raw_pending();
    write_pieces(sink, text, length);
    came = ff__raw_pending() & ours & ~before;
    if (came != 0)
        ff__raw_consume(came);
    ff__raw_mask(SIG_SETMASK, mask);
}
