/* ff_spawn() and its sisters: what they refuse, what they copy, in which order tasks run, and that
 * each task is dropped exactly once. */
#include "pool_kit.h"

#include "sched/types.h"

#include <pthread.h>
#include <stdlib.h>

#define ONE_BYTE_TOO_MUCH (FF_INLINE_ARG_MAX + 1)

static int do_nothing(ff_task *self, void *arg)
{
    (void)self;
    (void)arg;
    return 0;
}

static int copy_name(ff_task *self, void *arg)
{
    strcpy(arg, ff_task_name(self));
    return 0;
}

START_TEST(spawn_runs_fn_once_with_its_argument)
{
    ff_pool *pool = kit_pool(2);
    _Atomic unsigned count = 0;

    ck_assert_int_eq(ff_spawn(pool, "count", kit_count_task, &count), 0);
    kit_pool_end(pool, FF_DRAIN);
    ck_assert_uint_eq(count, 1);
}
END_TEST

START_TEST(spawn_refuses_bad_arguments)
{
    ff_pool *pool = kit_pool(1);

    ck_assert_int_eq(ff_spawn(NULL, "name", do_nothing, NULL), -EINVAL);
    ck_assert_int_eq(ff_spawn(pool, NULL, do_nothing, NULL), -EINVAL);
    ck_assert_int_eq(ff_spawn(pool, "", do_nothing, NULL), -EINVAL);
    ck_assert_int_eq(ff_spawn(pool, "name", NULL, NULL), -EINVAL);
    kit_pool_end(pool, FF_DRAIN);
}
END_TEST

START_TEST(spawnf_formats_the_name)
{
    ff_pool *pool = kit_pool(1);
    char name[FF_NAME_MAX + 1] = "";

    ck_assert_int_eq(ff_spawnf(pool, copy_name, name, "load %s %d", "user", 7), 0);
    kit_pool_end(pool, FF_DRAIN);
    ck_assert_str_eq(name, "load user 7");
}
END_TEST

START_TEST(spawnf_refuses_bad_arguments_and_an_empty_name)
{
    ff_pool *pool = kit_pool(1);
    const char *no_format = NULL;

    ck_assert_int_eq(ff_spawnf(NULL, do_nothing, NULL, "x"), -EINVAL);
    ck_assert_int_eq(ff_spawnf(pool, NULL, NULL, "x"), -EINVAL);
    ck_assert_int_eq(ff_spawnf(pool, do_nothing, NULL, "%s", ""), -EINVAL);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-security"
    ck_assert_int_eq(ff_spawnf(pool, do_nothing, NULL, no_format), -EINVAL);
#pragma GCC diagnostic pop
    kit_pool_end(pool, FF_DRAIN);
}
END_TEST

/* 46 bytes, then a character of two: it does not fit into 47. */
#define NAME_46 "0123456789012345678901234567890123456789012345"

START_TEST(a_long_name_is_cut_before_the_character_that_does_not_fit)
{
    ff_pool *pool = kit_pool(1);
    char cut[FF_NAME_MAX + 1] = "", printed[FF_NAME_MAX + 1] = "", whole[FF_NAME_MAX + 1] = "";

    ck_assert_int_eq(ff_spawn(pool, NAME_46 "\xc3\xa9", copy_name, cut), 0);
    ck_assert_int_eq(ff_spawnf(pool, copy_name, printed, "%s%s", NAME_46, "\xc3\xa9tude"), 0);
    ck_assert_int_eq(ff_spawn(pool, NAME_46 "xy", copy_name, whole), 0);
    kit_pool_end(pool, FF_DRAIN);
    ck_assert_str_eq(cut, NAME_46);
    ck_assert_str_eq(printed, NAME_46);
    ck_assert_str_eq(whole, NAME_46 "x");
}
END_TEST

START_TEST(the_name_is_copied)
{
    ff_pool *pool = kit_pool(1);
    struct kit_gate gate;
    char name[] = "before", seen[FF_NAME_MAX + 1] = "";

    kit_gate_close(&gate, pool);
    ck_assert_int_eq(ff_spawn(pool, name, copy_name, seen), 0);
    memset(name, 'x', sizeof name - 1);
    kit_gate_open(&gate);
    kit_pool_end(pool, FF_DRAIN);
    ck_assert_str_eq(seen, "before");
}
END_TEST

START_TEST(spawn_with_refuses_bad_options)
{
    ff_pool *pool = kit_pool(1);
    struct kit_probe probe;
    struct ff_spawn_options good = kit_probe_options(NULL), bad;

    kit_probe_init(&probe, 0);
    ck_assert_int_eq(ff_spawn_with(NULL, &good, kit_probe_task, &probe), -EINVAL);
    ck_assert_int_eq(ff_spawn_with(pool, NULL, kit_probe_task, &probe), -EINVAL);
    ck_assert_int_eq(ff_spawn_with(pool, &good, NULL, &probe), -EINVAL);
    bad = good, bad.size = 0;
    ck_assert_int_eq(ff_spawn_with(pool, &bad, kit_probe_task, &probe), -EINVAL);
    bad = good, bad.size = sizeof bad - 1;
    ck_assert_int_eq(ff_spawn_with(pool, &bad, kit_probe_task, &probe), -EINVAL);
    bad = good, bad.name = NULL;
    ck_assert_int_eq(ff_spawn_with(pool, &bad, kit_probe_task, &probe), -EINVAL);
    bad = good, bad.name = "";
    ck_assert_int_eq(ff_spawn_with(pool, &bad, kit_probe_task, &probe), -EINVAL);
    bad = good, bad.flags = 0x80000000u;
    ck_assert_int_eq(ff_spawn_with(pool, &bad, kit_probe_task, &probe), -EINVAL);
    bad = good, bad.flags = FF_MAY_FINISH; /* Only service tasks may. */
    ck_assert_int_eq(ff_spawn_with(pool, &bad, kit_probe_task, &probe), -EINVAL);
    bad = good, bad.inline_arg_size = ONE_BYTE_TOO_MUCH;
    ck_assert_int_eq(ff_spawn_with(pool, &bad, kit_probe_task, &probe), -EINVAL);
    bad = good, bad.inline_arg_size = 8;
    ck_assert_int_eq(ff_spawn_with(pool, &bad, kit_probe_task, NULL), -EINVAL);
    kit_pool_end(pool, FF_DRAIN);
    kit_probe_expect(&probe, 0, 0, 0);
}
END_TEST

START_TEST(spawn_with_reads_larger_options_only_when_the_rest_is_zero)
{
    ff_pool *pool = kit_pool(1);
    struct kit_probe probe;
    struct {
        struct ff_spawn_options known;
        uint64_t unknown;
    } larger;

    kit_probe_init(&probe, 0);
    memset(&larger, 0, sizeof larger);
    larger.known = kit_probe_options(NULL);
    larger.known.size = sizeof larger;
    larger.unknown = 1;
    ck_assert_int_eq(ff_spawn_with(pool, &larger.known, kit_probe_task, &probe), -E2BIG);
    larger.unknown = 0;
    ck_assert_int_eq(ff_spawn_with(pool, &larger.known, kit_probe_task, &probe), 0);
    kit_pool_end(pool, FF_DRAIN);
    kit_probe_expect(&probe, 1, 1, FF_OUTCOME_OK);
}
END_TEST

START_TEST(spawn_into_a_group_of_another_pool_or_a_cancelled_group_is_refused)
{
    ff_pool *pool = kit_pool(1), *other = kit_pool(1);
    const struct ff_group_options options = {.size = sizeof options, .pool = other};
    struct kit_probe probe;
    ff_group *group;

    kit_probe_init(&probe, 0);
    ck_assert_int_eq(ff_group_new(NULL, &options, &group), 0);
    ck_assert_int_eq(kit_probe_spawn(pool, group, &probe), -EINVAL);
    ff_group_cancel(group);
    ck_assert_int_eq(kit_probe_spawn(other, group, &probe), FF_CANCELED);
    ff_group_free(group);
    kit_pool_end(pool, FF_DRAIN);
    kit_pool_end(other, FF_DRAIN);
    kit_probe_expect(&probe, 0, 0, 0);
}
END_TEST

START_TEST(drop_is_called_once_with_ok)
{
    ff_pool *pool = kit_pool(1);
    struct kit_probe probe;

    kit_probe_init(&probe, 0);
    ck_assert_int_eq(kit_probe_spawn(pool, NULL, &probe), 0);
    kit_sem_wait(&probe.done);
    kit_pool_end(pool, FF_CANCEL);
    kit_probe_expect(&probe, 1, 1, FF_OUTCOME_OK);
}
END_TEST

START_TEST(drop_is_called_once_with_failed)
{
    ff_pool *pool = kit_pool(1);
    const struct ff_group_options options = {.size = sizeof options, .pool = pool};
    struct kit_probe probe;
    ff_group *group;

    kit_probe_init(&probe, -EIO);
    ck_assert_int_eq(ff_group_new(NULL, &options, &group), 0);
    ck_assert_int_eq(kit_probe_spawn(pool, group, &probe), 0);
    ck_assert_int_eq(ff_group_wait(group), -EIO);
    kit_probe_expect(&probe, 1, 1, FF_OUTCOME_FAILED); /* It came before the wait returned. */
    ff_group_free(group);
    kit_pool_end(pool, FF_CANCEL);
    kit_probe_expect(&probe, 1, 1, FF_OUTCOME_FAILED);
}
END_TEST

static int sleep_long(ff_task *self, void *arg)
{
    struct kit_probe *probe = arg;

    ff__add_relaxed(&probe->runs, 1);
    sem_post(&probe->done);
    return ff_sleep(self, 3600 * FF_SECOND);
}

START_TEST(drop_is_called_once_with_canceled_and_with_skipped)
{
    ff_pool *pool = kit_pool(1);
    struct ff_spawn_options options = kit_probe_options(NULL);
    struct kit_probe running, queued;

    kit_probe_init(&running, 0);
    kit_probe_init(&queued, 0);
    ck_assert_int_eq(ff_spawn_with(pool, &options, sleep_long, &running), 0);
    kit_sem_wait(&running.done);
    ck_assert_int_eq(kit_probe_spawn(pool, NULL, &queued), 0);
    kit_pool_end(pool, FF_CANCEL);
    kit_probe_expect(&running, 1, 1, FF_OUTCOME_CANCELED);
    kit_probe_expect(&queued, 0, 1, FF_OUTCOME_SKIPPED);
}
END_TEST

struct inline_check {
    _Atomic unsigned good, drops;
};

/* The address of the check, then a pattern up to the size. */
struct inline_arg {
    struct inline_check *check;
    size_t size;
    unsigned char pattern[FF_INLINE_ARG_MAX - 16];
};
_Static_assert(sizeof(struct inline_arg) == FF_INLINE_ARG_MAX, "the largest that fits");

static bool pattern_is(const struct inline_arg *arg)
{
    for (size_t i = 0; i < arg->size - offsetof(struct inline_arg, pattern); i++)
        if (arg->pattern[i] != (unsigned char)(arg->size + i))
            return false;
    return (uintptr_t)arg % _Alignof(max_align_t) == 0;
}

static int check_inline(ff_task *self, void *arg)
{
    struct inline_arg *got = arg;

    (void)self;
    ff__add_relaxed(&got->check->good, pattern_is(got));
    return 0;
}

static void drop_inline(void *arg, ff_outcome outcome)
{
    struct inline_arg *got = arg;

    ff__add_relaxed(&got->check->drops, outcome == FF_OUTCOME_OK && pattern_is(got));
}

START_TEST(inline_arguments_of_every_size_are_copied_and_aligned)
{
    ff_pool *pool = kit_pool(2);
    struct inline_check check = {0, 0};
    unsigned spawned = 0;

    for (size_t size = 16; size <= FF_INLINE_ARG_MAX; size++) {
        struct ff_spawn_options options = {
            .size = sizeof options, .name = "inline", .drop = drop_inline, .inline_arg_size = size};
        struct inline_arg arg = {.check = &check, .size = size};

        for (size_t i = 0; i < size - 16; i++)
            arg.pattern[i] = (unsigned char)(size + i);
        ck_assert_int_eq(ff_spawn_with(pool, &options, check_inline, &arg), 0);
        memset(&arg, 0xee, sizeof arg); /* The task has its own copy. */
        spawned++;
    }
    kit_pool_end(pool, FF_DRAIN);
    ck_assert_uint_eq(check.good, spawned);
    ck_assert_uint_eq(check.drops, spawned);
}
END_TEST

static _Atomic unsigned small_sum;

static int add_byte(ff_task *self, void *arg)
{
    (void)self;
    ff__add_relaxed(&small_sum, *(unsigned char *)arg);
    return 0;
}

START_TEST(an_inline_argument_may_be_one_byte)
{
    ff_pool *pool = kit_pool(1);
    struct ff_spawn_options options = {.size = sizeof options, .name = "b", .inline_arg_size = 1};

    for (unsigned char byte = 1; byte <= 3; byte++)
        ck_assert_int_eq(ff_spawn_with(pool, &options, add_byte, &byte), 0);
    kit_pool_end(pool, FF_DRAIN);
    ck_assert_uint_eq(small_sum, 6);
}
END_TEST

#define IDS 2000
static uint64_t ids[IDS];

static int note_id(ff_task *self, void *arg)
{
    *(uint64_t *)arg = ff_task_id(self);
    return 0;
}

static void *spawn_half(void *arg)
{
    ff_pool *pool = arg;
    static _Atomic unsigned halves;
    unsigned half = ff__add_relaxed(&halves, 1);

    for (unsigned i = 0; i < IDS / 2; i++)
        if (ff_spawn(pool, "id", note_id, &ids[half * IDS / 2 + i]) < 0)
            break;
    return NULL;
}

static int compare_ids(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

START_TEST(ids_are_unique_and_never_0_whichever_thread_spawns)
{
    ff_pool *pool = kit_pool(2);
    pthread_t threads[2];

    for (unsigned i = 0; i < 2; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, spawn_half, pool), 0);
    for (unsigned i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    kit_pool_end(pool, FF_DRAIN);
    qsort(ids, IDS, sizeof ids[0], compare_ids);
    ck_assert_uint_ne(ids[0], 0);
    for (unsigned i = 1; i < IDS; i++)
        ck_assert_uint_ne(ids[i], ids[i - 1]);
}
END_TEST

struct family {
    uint64_t parent, parent_of_child, parent_of_parent;
    int rc;
    sem_t done;
};

static int be_child(ff_task *self, void *arg)
{
    struct family *family = arg;

    family->parent_of_child = self->facts.parent_id;
    sem_post(&family->done);
    return 0;
}

static int be_parent(ff_task *self, void *arg)
{
    struct family *family = arg;

    family->parent = ff_task_id(self);
    family->parent_of_parent = self->facts.parent_id;
    family->rc = ff_spawn(ff_task_pool(self), "child", be_child, family);
    return 0;
}

START_TEST(a_task_knows_which_task_spawned_it)
{
    ff_pool *pool = kit_pool(2);
    struct family family = {.parent_of_child = 99, .parent_of_parent = 99, .rc = -1};

    sem_init(&family.done, 0, 0);
    ck_assert_int_eq(ff_spawn(pool, "parent", be_parent, &family), 0);
    kit_sem_wait(&family.done);
    kit_pool_end(pool, FF_DRAIN);
    ck_assert_int_eq(family.rc, 0);
    ck_assert_uint_eq(family.parent_of_child, family.parent);
    ck_assert_uint_eq(family.parent_of_parent, 0);
}
END_TEST

START_TEST(a_full_queue_answers_eagain_at_exactly_its_limit)
{
    for (uint64_t limit = 1; limit <= 9; limit += 4) {
        ff_pool *pool = kit_pool_bounded(1, limit);
        struct kit_gate gate;
        struct kit_probe probe;

        kit_probe_init(&probe, 0);
        kit_gate_close(&gate, pool);
        for (uint64_t i = 0; i < limit; i++)
            ck_assert_int_eq(kit_probe_spawn(pool, NULL, &probe), 0);
        ck_assert_int_eq(kit_probe_spawn(pool, NULL, &probe), -EAGAIN);
        ck_assert_int_eq(ff_spawn(pool, "x", do_nothing, NULL), -EAGAIN);
        kit_gate_open(&gate);
        kit_pool_end(pool, FF_DRAIN);
        kit_probe_expect(&probe, (unsigned)limit, (unsigned)limit, FF_OUTCOME_OK);
    }
}
END_TEST

struct spawner {
    struct kit_probe *probe;
    unsigned accepted;
    int last;
};

static int spawn_until_full(ff_task *self, void *arg)
{
    struct spawner *spawner = arg;

    while ((spawner->last = kit_probe_spawn(ff_task_pool(self), NULL, spawner->probe)) == 0)
        spawner->accepted++;
    return 0;
}

START_TEST(a_task_meets_the_limit_too)
{
    ff_pool *pool = kit_pool_bounded(1, 5);
    struct kit_probe probe;
    struct spawner spawner = {&probe, 0, 0};
    struct kit_gate gate;

    kit_probe_init(&probe, 0);
    kit_gate_init(&gate);
    ck_assert_int_eq(ff_spawn(pool, "spawner", spawn_until_full, &spawner), 0);
    kit_pool_end(pool, FF_DRAIN);
    /* A shutdown may end it early, but never late. */
    ck_assert_uint_le(spawner.accepted, 5);
    ck_assert(spawner.last == -EAGAIN ? spawner.accepted == 5 : spawner.last == -ESHUTDOWN);
    kit_probe_expect(&probe, spawner.accepted, spawner.accepted, FF_OUTCOME_OK);
}
END_TEST

START_TEST(spawn_after_a_shutdown_has_begun_answers_eshutdown)
{
    ff_pool *pool = kit_pool(1);
    struct kit_probe probe;

    kit_probe_init(&probe, 0);
    ck_assert_int_eq(ff_pool_shutdown(pool, FF_DRAIN, FF_NEVER), 0);
    ck_assert_int_eq(kit_probe_spawn(pool, NULL, &probe), -ESHUTDOWN);
    ck_assert_int_eq(ff_spawn(pool, "x", do_nothing, NULL), -ESHUTDOWN);
    ck_assert_int_eq(ff_spawnf(pool, do_nothing, NULL, "x"), -ESHUTDOWN);
    ck_assert_int_eq(ff_pool_free(pool), 0);
    kit_probe_expect(&probe, 0, 0, 0);
}
END_TEST

FF_TEST_MAIN("spawn", 10, spawn_runs_fn_once_with_its_argument, spawn_refuses_bad_arguments,
             spawnf_formats_the_name, spawnf_refuses_bad_arguments_and_an_empty_name,
             a_long_name_is_cut_before_the_character_that_does_not_fit, the_name_is_copied,
             spawn_with_refuses_bad_options,
             spawn_with_reads_larger_options_only_when_the_rest_is_zero,
             spawn_into_a_group_of_another_pool_or_a_cancelled_group_is_refused,
             drop_is_called_once_with_ok, drop_is_called_once_with_failed,
             drop_is_called_once_with_canceled_and_with_skipped,
             inline_arguments_of_every_size_are_copied_and_aligned,
             an_inline_argument_may_be_one_byte, ids_are_unique_and_never_0_whichever_thread_spawns,
             a_task_knows_which_task_spawned_it, a_full_queue_answers_eagain_at_exactly_its_limit,
             a_task_meets_the_limit_too, spawn_after_a_shutdown_has_begun_answers_eshutdown)
