/* The service tasks that do the work. */
#ifndef STREAM_CONSUMER_H
#define STREAM_CONSUMER_H

#include <failfast.h>

/* Claims streams and counts them, batch by batch; arg is a struct consumer. When all streams are
 * finished it shuts the pool down, or stays (--follow). Returns only when asked to stop, or with a
 * failure: then the process ends and starts again from the checkpoint. */
int consumer_run(ff_task *self, void *arg);

#endif
