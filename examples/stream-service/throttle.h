/* A limit of records per second, shared by all consumers. Any thread. */
#ifndef STREAM_THROTTLE_H
#define STREAM_THROTTLE_H

#include <pthread.h>
#include <stdint.h>

struct throttle {
    uint64_t rate; /* Records per second; 0: no limit. */
    pthread_mutex_t lock;
    uint64_t next_ns; /* Guarded by lock: when the next record may start. */
};

void throttle_init(struct throttle *throttle, uint64_t rate);
void throttle_done(struct throttle *throttle);

/* Reserves time for some records. @return When they may start (CLOCK_MONOTONIC). */
uint64_t throttle_reserve(struct throttle *throttle, uint64_t records);

#endif
