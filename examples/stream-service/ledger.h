/* The shared list of streams, and the progress through it.
 *
 * Consumers claim a stream, and commit what they counted together with how far they read: one
 * critical section, so that a snapshot never shows one without the other. Any thread. */
#ifndef STREAM_LEDGER_H
#define STREAM_LEDGER_H

#include "progress.h"
#include "words.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct ledger {
    const struct inputs *inputs; /* Read-only. */
    pthread_mutex_t lock;
    /* Guarded by lock. */
    struct progress progress;
    bool held[CONSUMERS_MAX]; /* A consumer reads progress.open[i]. */
    uint64_t numbered;        /* Records that have a number. */
};

/* A stream that belongs to one consumer until it has committed the stream's last byte. */
struct claim {
    size_t place;
    const struct input *input;
    uint64_t offset; /* Where to read on. */
};

void ledger_init(struct ledger *ledger, const struct inputs *inputs,
                 const struct progress *progress);
void ledger_done(struct ledger *ledger);

/* Hands out a stream: first those that an earlier run left half read, then the next one.
 * @return false when every stream is finished or has a consumer. */
bool ledger_claim(struct ledger *ledger, struct claim *ret_claim);

/* Adds what was counted in the next bytes of the stream. At the stream's end the claim ends too. */
void ledger_commit(struct ledger *ledger, struct claim *claim, struct counts counts,
                   uint64_t bytes);

/* Whether every stream is read to its end. */
bool ledger_is_finished(struct ledger *ledger);

/* Numbers the next records that the service handles, from 1.
 * @return How many records had a number before. */
uint64_t ledger_number(struct ledger *ledger, uint64_t records);

/* Notes that the mishap happens. @return false when it has happened before. */
bool ledger_take_mishap(struct ledger *ledger, enum mishap mishap);

/* A place to resume from. */
struct progress ledger_snapshot(struct ledger *ledger);

#endif
