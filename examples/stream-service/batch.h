/* Counting one piece of a stream on several workers at once. */
#ifndef STREAM_BATCH_H
#define STREAM_BATCH_H

#include "mishap.h"

/* Most child tasks of a batch, and the least bytes that are worth one. */
#define BATCH_SLICES 4
#define BATCH_SLICE_BYTES 4096

/* Counts the piece in a group of child tasks, and waits for all of them.
 * @return 0, or the failure of a child, or FF_CANCELED; what was counted is void then. */
int batch_run(ff_task *self, struct service *service, const struct piece *piece,
              struct counts *ret_counts);

#endif
