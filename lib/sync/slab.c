/* The slab. Hot path: the calling thread's cache, no atomics. Behind it the depot of each class, a
 * stack of batches under a lock; behind that, chunks from mmap.
 *
 * A thread keeps two lists for a class, the loaded one and a spare batch (the magazines of J.
 * Bonwick, J. Adams, "Magazines and Vmem", USENIX 2001): a thread that allocates and frees around
 * the edge of a batch goes to the depot at most once in 64 calls, and holds at most 128 free
 * blocks.
 *
 * Blocks are not poisoned for AddressSanitizer when they are free: the reporter may read a block
 * whose task has just ended, which type-stable memory makes a stale answer, not a fault. */
#include "sync/slab.h"

#include "base/compiler.h"
#include "sys/lock.h"
#include "sys/thread.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>

#define BATCH_BLOCKS 64
#define CHUNK_BYTES_MIN (UINT64_C(64) * 1024)
#define CHUNK_BYTES_MAX (UINT64_C(1024) * 1024)

/* The head of a free block. Owner: whoever owns the list that the block is on. */
struct block {
    struct block *next;
    struct block *next_batch; /* In the depot, of a batch's first block only, as the next one. */
    size_t count;             /* Blocks of the batch, this one included. */
};

/* Owner: its thread. limit is the length at which the loaded list has to be looked after: 0 as long
 * as no destructor is registered that would flush it, so that such a thread keeps nothing. */
struct cache {
    struct block *loaded;
    size_t loaded_count;
    size_t limit;
    struct block *spare; /* NULL, or BATCH_BLOCKS blocks. */
};

/* Guarded by lock, all of it. Invariant: fresh <= fresh_end, apart by blocks never handed out. */
struct depot {
    FF__ALIGNED_LINE struct ff__lock lock;
    struct block *batches;
    char *fresh, *fresh_end;
    size_t next_chunk_bytes;
};

static const size_t block_bytes[FF__SLAB_CLASSES] = {192, 320};

static struct depot depots[FF__SLAB_CLASSES] = {
    {.lock = FF__LOCK_INIT, .next_chunk_bytes = CHUNK_BYTES_MIN},
    {.lock = FF__LOCK_INIT, .next_chunk_bytes = CHUNK_BYTES_MIN},
};

static __thread struct cache caches[FF__SLAB_CLASSES];

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t flush_key;
static bool flush_key_made;

/* LeakSanitizer looks for pointers in memory from malloc, not from mmap: a task's argument that
 * only its block points to would be a leak to it. NULL where no sanitizer is in the process. */
extern void __lsan_register_root_region(const void *start, size_t size) __attribute__((weak));

size_t ff__slab_bytes(enum ff__slab_class slab_class)
{
    return block_bytes[slab_class];
}

/* The caller holds the lock. @return false without memory. */
static bool depot_map_chunk(struct depot *depot)
{
    size_t bytes = depot->next_chunk_bytes;
    void *chunk = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (chunk == MAP_FAILED)
        return false;
    if (__lsan_register_root_region)
        __lsan_register_root_region(chunk, bytes);
    depot->fresh = chunk;
    depot->fresh_end = depot->fresh + bytes;
    if (bytes < CHUNK_BYTES_MAX)
        depot->next_chunk_bytes = bytes * 2;
    return true;
}

/* Up to a batch from the chunk, lowest address first; the caller holds the lock. @return NULL
 * without memory. */
static struct block *depot_carve(struct depot *depot, size_t bytes)
{
    struct block *first, *block;
    size_t count;

    if ((size_t)(depot->fresh_end - depot->fresh) < bytes && !depot_map_chunk(depot))
        return NULL;
    count = (size_t)(depot->fresh_end - depot->fresh) / bytes;
    if (count > BATCH_BLOCKS)
        count = BATCH_BLOCKS;
    first = block = (struct block *)(void *)depot->fresh;
    depot->fresh += count * bytes;
    first->count = count;
    for (size_t i = 1; i < count; i++) {
        block->next = (struct block *)(void *)((char *)block + bytes);
        block = block->next;
    }
    block->next = NULL;
    return first;
}

/* @return a batch of 1 to BATCH_BLOCKS blocks, its first block's count set; NULL without memory. */
static struct block *depot_get(enum ff__slab_class slab_class)
{
    struct depot *depot = &depots[slab_class];
    struct block *batch;

    ff__lock(&depot->lock);
    batch = depot->batches;
    if (batch)
        depot->batches = batch->next_batch;
    else
        batch = depot_carve(depot, block_bytes[slab_class]);
    ff__unlock(&depot->lock);
    return batch;
}

static void depot_put(enum ff__slab_class slab_class, struct block *batch, size_t count)
{
    struct depot *depot = &depots[slab_class];

    if (!batch)
        return;
    batch->count = count;
    ff__lock(&depot->lock);
    batch->next_batch = depot->batches;
    depot->batches = batch;
    ff__unlock(&depot->lock);
}

/* In a forked child. A depot whose lock another thread held is half-changed: what it had is given
 * up, as are the caches of the threads that do not live on in the child. */
static void depots_renew(void)
{
    for (size_t i = 0; i < FF__SLAB_CLASSES; i++) {
        struct depot *depot = &depots[i];

        if (ff__load_relaxed(&depot->lock.state) == 0) /* Relaxed: the child has one thread. */
            continue;
        ff__lock_init(&depot->lock);
        depot->batches = NULL;
        depot->fresh = depot->fresh_end = NULL;
    }
}

/* The thread ends; a destructor that runs later and allocates or frees registers the thread anew.
 */
static void thread_ended(void *unused)
{
    (void)unused;
    ff__slab_flush();
    for (size_t i = 0; i < FF__SLAB_CLASSES; i++)
        caches[i].limit = 0;
}

static void process_prepare(void)
{
    ff__fork_register(depots_renew);
    flush_key_made = pthread_key_create(&flush_key, thread_ended) == 0;
}

/* Lets the thread keep blocks, if it can be made to give them back when it ends. */
static void thread_register(void)
{
    pthread_once(&once, process_prepare);
    if (!flush_key_made || pthread_setspecific(flush_key, caches) != 0)
        return;
    for (size_t i = 0; i < FF__SLAB_CLASSES; i++)
        caches[i].limit = BATCH_BLOCKS;
}

/* The loaded list is empty, and a new batch is the caller's: its first block is handed out, and the
 * rest loaded, or put back where the thread may not keep it. */
static void *cache_load(enum ff__slab_class slab_class, struct block *batch, size_t count)
{
    struct cache *cache = &caches[slab_class];
    struct block *rest = batch->next;

    if (cache->limit == 0) {
        depot_put(slab_class, rest, count - 1);
        return batch;
    }
    cache->loaded = rest;
    cache->loaded_count = count - 1;
    return batch;
}

static FF__NOINLINE void *alloc_slow(enum ff__slab_class slab_class)
{
    struct cache *cache = &caches[slab_class];
    struct block *batch = cache->spare;

    if (batch) {
        cache->spare = NULL;
        return cache_load(slab_class, batch, BATCH_BLOCKS);
    }
    if (cache->limit == 0)
        thread_register();
    batch = depot_get(slab_class);
    return batch ? cache_load(slab_class, batch, batch->count) : NULL;
}

void *ff__slab_alloc(enum ff__slab_class slab_class)
{
    struct cache *cache = &caches[slab_class];
    struct block *block = cache->loaded;

    if (ff__unlikely(!block))
        return alloc_slow(slab_class);
    cache->loaded = block->next;
    cache->loaded_count--;
    return block;
}

/* The loaded list has reached the limit: it becomes the spare batch, or goes to the depot. */
static FF__NOINLINE void free_slow(enum ff__slab_class slab_class)
{
    struct cache *cache = &caches[slab_class];

    if (cache->limit == 0)
        thread_register();
    if (cache->loaded_count < cache->limit)
        return;
    if (!cache->spare && cache->limit != 0)
        cache->spare = cache->loaded;
    else
        depot_put(slab_class, cache->loaded, cache->loaded_count);
    cache->loaded = NULL;
    cache->loaded_count = 0;
}

void ff__slab_free(enum ff__slab_class slab_class, void *block_memory)
{
    struct cache *cache = &caches[slab_class];
    struct block *block = block_memory;

    block->next = cache->loaded;
    cache->loaded = block;
    if (ff__unlikely(++cache->loaded_count >= cache->limit))
        free_slow(slab_class);
}

void ff__slab_flush(void)
{
    for (unsigned i = 0; i < FF__SLAB_CLASSES; i++) {
        struct cache *cache = &caches[i];

        depot_put((enum ff__slab_class)i, cache->loaded, cache->loaded_count);
        depot_put((enum ff__slab_class)i, cache->spare, BATCH_BLOCKS);
        cache->loaded = cache->spare = NULL;
        cache->loaded_count = 0;
    }
}
