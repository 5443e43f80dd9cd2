/* The periodic tasks: short, never overlapping themselves, run by the pool's workers. */
#ifndef STREAM_PERIODIC_H
#define STREAM_PERIODIC_H

#include "service.h"

/* Starts all of them. @return 0, or the first error of ff_every(). */
int periodic_start(ff_pool *pool, struct service *service);

#endif
