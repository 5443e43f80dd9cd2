/* The bound of the queue as arithmetic: exact where it is promised, close elsewhere, nothing lost.
 * The pools here have no threads. */
#include "pool_kit.h"

#include "sched/room.h"

#define WORKERS 4

/* The parts of a pool that room.c looks at. */
struct fake {
    ff_pool pool;
    struct ff__worker workers[WORKERS];
};

static struct fake *fake_new(uint64_t limit)
{
    static struct fake fake;

    memset(&fake, 0, sizeof fake);
    fake.pool.worker_count = WORKERS;
    fake.pool.workers = fake.workers;
    for (unsigned i = 0; i < WORKERS; i++)
        fake.workers[i].pool = &fake.pool;
    ff__room_init(&fake.pool, limit);
    return &fake;
}

static uint64_t take_all_on_shard(struct fake *fake, unsigned shard)
{
    uint64_t taken = 0;

    while (ff__room_take(&fake->pool, NULL, shard))
        taken++;
    return taken;
}

START_TEST(limits_up_to_65536_are_exact_from_every_side)
{
    static const uint64_t limits[] = {1, 2, 3, 63, 64, 65, 4000, 65535, 65536};

    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        struct fake *fake = fake_new(limits[i]);
        uint64_t taken = 0;

        while (ff__room_take(&fake->pool, taken % 2 ? &fake->workers[taken % WORKERS] : NULL,
                             (unsigned)taken))
            taken++;
        ck_assert_uint_eq(taken, limits[i]);
        for (unsigned w = 0; w < WORKERS; w++)
            ck_assert(!ff__room_take(&fake->pool, &fake->workers[w], 0));
        ff__room_give(&fake->pool, &fake->workers[1]);
        ck_assert_uint_eq(take_all_on_shard(fake, 3), 1);
        ff__room_give(&fake->pool, NULL);
        ck_assert(ff__room_take(&fake->pool, &fake->workers[2], 0));
        ck_assert_uint_eq(take_all_on_shard(fake, 3), 0);
    }
}
END_TEST

START_TEST(larger_limits_are_met_at_most_one_percent_early_and_never_late)
{
    static const uint64_t limits[] = {65537, 100000, 1000000};

    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        struct fake *fake = fake_new(limits[i]);
        uint64_t taken = 0;

        /* Everybody takes and gives, so that everybody holds some back. */
        for (unsigned w = 0; w < WORKERS; w++)
            for (unsigned n = 0; n < 200; n++)
                taken += ff__room_take(&fake->pool, &fake->workers[w], 0);
        for (unsigned w = 0; w < WORKERS; w++)
            for (unsigned n = 0; n < 200; n++, taken--)
                ff__room_give(&fake->pool, &fake->workers[w]);
        for (unsigned shard = 1; shard < FF__INJECTOR_SHARDS; shard++)
            taken += ff__room_take(&fake->pool, NULL, shard);
        taken += take_all_on_shard(fake, 0);
        ck_assert_uint_le(taken, limits[i]);
        ck_assert_uint_ge(taken, limits[i] - limits[i] / 100);
    }
}
END_TEST

START_TEST(what_workers_hold_back_is_there_again_after_a_flush)
{
    const uint64_t limit = 100000;
    struct fake *fake = fake_new(limit);
    uint64_t taken = 0;

    for (unsigned w = 0; w < WORKERS; w++) {
        ck_assert(ff__room_take(&fake->pool, &fake->workers[w], 0));
        ff__room_give(&fake->pool, &fake->workers[w]);
    }
    for (unsigned w = 0; w < WORKERS; w++)
        ff__room_flush(&fake->workers[w]);
    taken = take_all_on_shard(fake, 0);
    ck_assert_uint_eq(taken, limit);
}
END_TEST

START_TEST(without_a_limit_there_is_always_room)
{
    struct fake *fake = fake_new(FF_UNBOUNDED);

    for (unsigned i = 0; i < 1000; i++)
        ck_assert(ff__room_take(&fake->pool, i % 2 ? &fake->workers[0] : NULL, i));
    ff__room_give(&fake->pool, NULL);
    ff__room_flush(&fake->workers[0]);
    ck_assert(ff__room_take(&fake->pool, NULL, 0));
}
END_TEST

START_TEST(a_place_given_back_pokes_those_who_wait_for_room)
{
    struct fake *fake = fake_new(1);
    uint32_t before;

    ck_assert(ff__room_take(&fake->pool, NULL, 0));
    before = ff__load_seqcst(&fake->pool.room_change);
    ff__room_give(&fake->pool, NULL);
    ck_assert_uint_eq(ff__load_seqcst(&fake->pool.room_change), before); /* Nobody waits. */
    ck_assert(ff__room_take(&fake->pool, NULL, 0));
    ff__add_seqcst(&fake->pool.room_waiters, 1);
    ff__room_give(&fake->pool, &fake->workers[0]);
    ck_assert_uint_ne(ff__load_seqcst(&fake->pool.room_change), before);
}
END_TEST

FF_TEST_MAIN("room", 10, limits_up_to_65536_are_exact_from_every_side,
             larger_limits_are_met_at_most_one_percent_early_and_never_late,
             what_workers_hold_back_is_there_again_after_a_flush,
             without_a_limit_there_is_always_room, a_place_given_back_pokes_those_who_wait_for_room)
