/* What the tasks of the service share. main owns it; it outlives the pool. */
#ifndef STREAM_SERVICE_H
#define STREAM_SERVICE_H

#include "checkpoint.h"
#include "inputs.h"
#include "ledger.h"
#include "options.h"
#include "throttle.h"

#include <failfast.h>
#include <stdatomic.h>

struct service;

struct consumer {
    struct service *service;
    unsigned number; /* From 1. */
    /* Written by the consumer, read by the health check: when it last got on with its work;
     * FF_NEVER while there is none for it. Relaxed: nothing else depends on it. */
    _Atomic(uint64_t) progress_ns;
};

struct service {
    struct options options;
    struct inputs inputs;
    struct ledger ledger;
    struct checkpoint checkpoint;
    struct throttle throttle;
    struct consumer consumers[CONSUMERS_MAX];
    uint64_t start_ns;
};

#endif
