/* The slab: bounds, alignment, re-use, threads that end, forks, no memory. Its races are in
 * stress/stress_slab.c. */
#include "runner.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* The slab's own mmap and key, so that they can be made to fail and counted. */
static unsigned mmaps, mmaps_left = 1000000;
static void *mmap_limited(void *where, size_t bytes, int prot, int flags, int fd, off_t offset)
{
    if (mmaps_left == 0)
        return MAP_FAILED;
    mmaps_left--;
    mmaps++;
    return mmap(where, bytes, prot, flags, fd, offset);
}

static int key_error;
static int key_create_limited(pthread_key_t *key, void (*destructor)(void *))
{
    return key_error ? key_error : pthread_key_create(key, destructor);
}

#define mmap mmap_limited
#define pthread_key_create key_create_limited
#include "sync/slab.c"
#undef mmap
#undef pthread_key_create

#define BLOCKS 1000
static unsigned char *blocks[BLOCKS];

static void alloc_all(enum ff__slab_class slab_class)
{
    for (int i = 0; i < BLOCKS; i++) {
        blocks[i] = ff__slab_alloc(slab_class);
        ck_assert_ptr_nonnull(blocks[i]);
    }
}

static void free_all(enum ff__slab_class slab_class)
{
    for (int i = 0; i < BLOCKS; i++)
        ff__slab_free(slab_class, blocks[i]);
}

/* Fills each block with its own number, then looks whether every one kept it. */
static void expect_disjoint(enum ff__slab_class slab_class)
{
    size_t bytes = ff__slab_bytes(slab_class);

    for (int i = 0; i < BLOCKS; i++)
        memset(blocks[i], i % 251, bytes);
    for (int i = 0; i < BLOCKS; i++) {
        ck_assert_int_eq(blocks[i][0], i % 251);
        ck_assert_int_eq(memcmp(blocks[i], blocks[i] + 1, bytes - 1), 0);
    }
}

START_TEST(slab_sizes_are_as_documented)
{
    ck_assert_uint_eq(ff__slab_bytes(FF__SLAB_SMALL), 192);
    ck_assert_uint_eq(ff__slab_bytes(FF__SLAB_LARGE), 320);
}
END_TEST

START_TEST(slab_blocks_are_aligned_and_do_not_overlap)
{
    for (int c = 0; c < FF__SLAB_CLASSES; c++) {
        alloc_all((enum ff__slab_class)c);
        for (int i = 0; i < BLOCKS; i++)
            ck_assert_uint_eq((uintptr_t)blocks[i] % 64, 0);
        expect_disjoint((enum ff__slab_class)c);
        free_all((enum ff__slab_class)c);
    }
}
END_TEST

START_TEST(slab_hands_out_the_block_that_was_freed_last)
{
    void *block = ff__slab_alloc(FF__SLAB_SMALL);

    ff__slab_free(FF__SLAB_SMALL, block);
    ck_assert_ptr_eq(ff__slab_alloc(FF__SLAB_SMALL), block);
    ff__slab_free(FF__SLAB_SMALL, block);
}
END_TEST

START_TEST(slab_maps_nothing_more_when_the_same_number_is_allocated_again)
{
    unsigned before;

    alloc_all(FF__SLAB_LARGE);
    free_all(FF__SLAB_LARGE);
    before = mmaps;
    for (int round = 0; round < 20; round++) {
        alloc_all(FF__SLAB_LARGE);
        free_all(FF__SLAB_LARGE);
    }
    ck_assert_uint_eq(mmaps, before);
    alloc_all(FF__SLAB_LARGE);
    expect_disjoint(FF__SLAB_LARGE);
    free_all(FF__SLAB_LARGE);
}
END_TEST

static void *frees_all_and_ends(void *unused)
{
    free_all(FF__SLAB_SMALL);
    return unused;
}

static void *allocs_all_and_ends(void *unused)
{
    alloc_all(FF__SLAB_SMALL);
    return unused;
}

static void in_thread(void *(*body)(void *))
{
    pthread_t thread;

    ck_assert_int_eq(pthread_create(&thread, NULL, body, NULL), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
}

START_TEST(slab_gets_back_every_block_that_an_ended_thread_kept)
{
    unsigned before;

    in_thread(allocs_all_and_ends);
    in_thread(frees_all_and_ends);
    before = mmaps;
    for (int round = 0; round < 20; round++) {
        in_thread(allocs_all_and_ends);
        in_thread(frees_all_and_ends);
    }
    ck_assert_uint_eq(mmaps, before);
}
END_TEST

static pthread_key_t late_key;
static void frees_late(void *unused)
{
    (void)unused;
    ff__slab_free(FF__SLAB_SMALL, ff__slab_alloc(FF__SLAB_SMALL));
}

static void *frees_in_a_destructor(void *unused)
{
    (void)unused;
    ff__slab_free(FF__SLAB_SMALL, ff__slab_alloc(FF__SLAB_SMALL));
    ck_assert_int_eq(pthread_setspecific(late_key, &late_key), 0);
    return NULL;
}

START_TEST(slab_gets_back_blocks_from_destructors_that_run_after_its_own)
{
    unsigned before;

    ff__slab_free(FF__SLAB_SMALL, ff__slab_alloc(FF__SLAB_SMALL)); /* Its key is the older one. */
    ck_assert_int_eq(pthread_key_create(&late_key, frees_late), 0);
    in_thread(frees_in_a_destructor);
    before = mmaps;
    for (int round = 0; round < 200; round++)
        in_thread(frees_in_a_destructor);
    ck_assert_uint_eq(mmaps, before);
}
END_TEST

START_TEST(slab_flush_leaves_the_blocks_to_other_threads)
{
    unsigned before;

    alloc_all(FF__SLAB_SMALL);
    free_all(FF__SLAB_SMALL);
    ff__slab_flush();
    ff__slab_flush();
    before = mmaps;
    in_thread(allocs_all_and_ends);
    ck_assert_uint_eq(mmaps, before);
}
END_TEST

START_TEST(slab_works_without_a_cache_when_no_key_is_left)
{
    unsigned before;

    key_error = EAGAIN;
    in_thread(allocs_all_and_ends);
    in_thread(frees_all_and_ends);
    before = mmaps;
    in_thread(allocs_all_and_ends);
    expect_disjoint(FF__SLAB_SMALL);
    in_thread(frees_all_and_ends);
    ck_assert_uint_eq(mmaps, before);
    ck_assert_ptr_null(caches[FF__SLAB_SMALL].loaded);
}
END_TEST

START_TEST(slab_alloc_without_memory_gives_null_and_recovers)
{
    mmaps_left = 0;
    ck_assert_ptr_null(ff__slab_alloc(FF__SLAB_LARGE));
    ck_assert_ptr_null(ff__slab_alloc(FF__SLAB_LARGE));
    mmaps_left = 1;
    blocks[0] = ff__slab_alloc(FF__SLAB_LARGE);
    ck_assert_ptr_nonnull(blocks[0]);
    ff__slab_free(FF__SLAB_LARGE, blocks[0]);
}
END_TEST

START_TEST(slab_gives_every_block_of_its_chunks_before_it_fails)
{
    size_t expected = 64 * 1024 / 192 + 128 * 1024 / 192;
    size_t count = 0;

    mmaps_left = 2; /* 64 KiB and 128 KiB. */
    while (ff__slab_alloc(FF__SLAB_SMALL))
        count++;
    ck_assert_uint_eq(count, expected);
}
END_TEST

START_TEST(slab_child_of_a_fork_starts_anew_when_the_lock_was_held)
{
    pid_t child;
    int status;

    alloc_all(FF__SLAB_SMALL);
    free_all(FF__SLAB_SMALL);
    ff__lock(&depots[FF__SLAB_SMALL].lock); /* As another thread may at the moment of the fork. */
    child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        alloc_all(FF__SLAB_SMALL);
        expect_disjoint(FF__SLAB_SMALL);
        free_all(FF__SLAB_SMALL);
        _exit(7);
    }
    ff__unlock(&depots[FF__SLAB_SMALL].lock);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), 7);
}
END_TEST

FF_TEST_MAIN("slab", 10, slab_sizes_are_as_documented, slab_blocks_are_aligned_and_do_not_overlap,
             slab_hands_out_the_block_that_was_freed_last,
             slab_maps_nothing_more_when_the_same_number_is_allocated_again,
             slab_gets_back_every_block_that_an_ended_thread_kept,
             slab_gets_back_blocks_from_destructors_that_run_after_its_own,
             slab_flush_leaves_the_blocks_to_other_threads,
             slab_works_without_a_cache_when_no_key_is_left,
             slab_alloc_without_memory_gives_null_and_recovers,
             slab_gives_every_block_of_its_chunks_before_it_fails,
             slab_child_of_a_fork_starts_anew_when_the_lock_was_held)
