/* Service tasks. */
#ifndef FF__SCHED_SERVICE_TASK_H
#define FF__SCHED_SERVICE_TASK_H

#include "sched/types.h"

/* The service that the calling thread runs for the pool, NULL if none. */
struct ff__service *ff__service_here(const ff_pool *pool);

#endif
