/* The slab under threads that allocate, pass blocks on, free, and end. */
#include "runner.h"

#include "base/atomic.h"
#include "sync/slab.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define THREADS 4
#define SWAPS 400000
#define PLACES 256

/* Blocks on their way; a thread puts one in by exchange and owns what it gets out. */
static _Atomic(unsigned char *) places[FF__SLAB_CLASSES][PLACES];

static void block_fill(enum ff__slab_class slab_class, unsigned char *block, uint32_t mark)
{
    memset(block, (int)(mark % 251), ff__slab_bytes(slab_class));
}

/* Check tells its parent of every ck_assert(), by a system call: too slow for a loop that races. */
static void expect(bool right, const char *what)
{
    if (!right)
        ck_abort_msg("%s", what);
}

/* Every byte is still what one fill wrote: nobody else was given this block meanwhile. */
static void block_expect_whole(enum ff__slab_class slab_class, const unsigned char *block)
{
    expect(memcmp(block, block + 1, ff__slab_bytes(slab_class) - 1) == 0, "a block had two owners");
}

/* Even threads allocate and put in, odd ones take out and free: the depot sees every block, and
 * is sought often. */
static void *swapper_main(void *arg)
{
    uint32_t random = (uint32_t)(uintptr_t)arg;
    bool allocates = random % 2 == 0;

    for (int i = 0; i < SWAPS; i++) {
        enum ff__slab_class slab_class = (enum ff__slab_class)(random >> 8 & 1);
        unsigned char *block = NULL;

        if (allocates) {
            block = ff__slab_alloc(slab_class);
            expect(block != NULL, "no memory");
            block_fill(slab_class, block, random);
        }
        block = ff__exchange_acq_rel(&places[slab_class][random >> 16 & (PLACES - 1)], block);
        if (block) {
            block_expect_whole(slab_class, block);
            ff__slab_free(slab_class, block);
        }
        if (i % 8 == 0)
            ff__slab_flush();
        random = random * 1664525 + 1013904223;
    }
    return NULL;
}

static void swap_round(uintptr_t seed)
{
    pthread_t threads[THREADS];

    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(
            pthread_create(&threads[i], NULL, swapper_main, (void *)(seed + (uintptr_t)i)), 0);
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
}

/* Mutants: the depot without its lock; free_slow puts the loaded list into the depot and keeps it
 * too: a block has two owners, and one finds the other's bytes in it. */
START_TEST(slab_never_gives_a_block_to_two_owners_when_blocks_change_threads)
{
    for (uintptr_t round = 1; round <= 2; round++)
        swap_round(round * 7919);
    for (int c = 0; c < FF__SLAB_CLASSES; c++)
        for (int i = 0; i < PLACES; i++)
            if (places[c][i])
                block_expect_whole((enum ff__slab_class)c, places[c][i]);
}
END_TEST

#define FLOW 2000

static void *flow[FLOW];

static void *flow_free_main(void *unused)
{
    for (int i = 0; i < FLOW; i++)
        ff__slab_free(FF__SLAB_SMALL, flow[i]);
    return unused;
}

/* One thread allocates, short-lived others free: the same addresses must come round. Mutant: a
 * thread that ends does not flush: each round needs fresh blocks. */
START_TEST(slab_brings_blocks_back_from_threads_that_only_free)
{
    uintptr_t low = UINTPTR_MAX, high = 0;

    for (int round = 0; round < 200; round++) {
        pthread_t thread;

        for (int i = 0; i < FLOW; i++) {
            flow[i] = ff__slab_alloc(FF__SLAB_SMALL);
            expect(flow[i] != NULL, "no memory");
            if (round == 0 && (uintptr_t)flow[i] < low)
                low = (uintptr_t)flow[i];
            if (round == 0 && (uintptr_t)flow[i] > high)
                high = (uintptr_t)flow[i];
        }
        if (round == 199)
            for (int i = 0; i < FLOW; i++)
                expect((uintptr_t)flow[i] >= low - 65536 && (uintptr_t)flow[i] <= high + 65536,
                       "a fresh block was needed");
        ck_assert_int_eq(pthread_create(&thread, NULL, flow_free_main, NULL), 0);
        ck_assert_int_eq(pthread_join(thread, NULL), 0);
    }
}
END_TEST

FF_TEST_MAIN("stress_slab", 10, slab_never_gives_a_block_to_two_owners_when_blocks_change_threads,
             slab_brings_blocks_back_from_threads_that_only_free)
