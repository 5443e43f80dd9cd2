/* Memory for tasks: fixed-size blocks, two sizes, a cache per thread, batches passed between
 * threads through a depot. What a worker frees goes back to the producers 64 blocks per lock.
 *
 * Blocks are never unmapped and stay blocks of their size (type-stable): a reporter may read a
 * block that was freed meanwhile, and finds some task's memory, never a fault. */
#ifndef FF__SYNC_SLAB_H
#define FF__SYNC_SLAB_H

#include <stddef.h>

enum ff__slab_class {
    FF__SLAB_SMALL, /* 192 bytes */
    FF__SLAB_LARGE, /* 320 bytes */
    FF__SLAB_CLASSES
};

size_t ff__slab_bytes(enum ff__slab_class slab_class);

/* Any thread. A block aligned to 64 bytes with undefined contents; NULL without memory. */
void *ff__slab_alloc(enum ff__slab_class slab_class);

/* Any thread, not only the allocating one. */
void ff__slab_free(enum ff__slab_class slab_class, void *block);

/* The calling thread's caches go to the depot now; done by itself when a thread ends. */
void ff__slab_flush(void);

#endif
