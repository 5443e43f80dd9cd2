/* A shutdown that somebody else requests while ff_service_run() runs. The request wakes the call,
 * which drains the pool and frees it before the request itself has returned. */
#include "pool_kit.h"

#include <malloc.h>
#include <pthread.h>
#include <time.h>

/* In some rounds the call itself is the first to cancel the service, and calls back: such a round
 * shows nothing. */
#define OVERTAKEN 10
#define ROUNDS_MAX 500

struct race {
    ff_pool *pool;
    /* Below the service's token: the request calls back here, in the middle. */
    ff_source *below;
    ff_registration *registration;
    sem_t serving, returned;
    pthread_t caller; /* Of ff_service_run(). */
    bool overtaken, late;
    int rc; /* Of the request. */
};

static bool await_return(sem_t *returned)
{
    struct timespec end;

    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += 5;
    while (sem_timedwait(returned, &end) < 0)
        if (errno == ETIMEDOUT)
            return false;
    return true;
}

/* Inside the request: the service has been told, and it goes on only when the pool is gone. */
static void be_overtaken(void *arg)
{
    struct race *race = arg;

    race->overtaken = !pthread_equal(pthread_self(), race->caller);
    if (race->overtaken)
        race->late = !await_return(&race->returned);
    ff_unregister(race->registration);
    ff_source_unref(race->below);
}

static int serve(ff_task *self, void *arg)
{
    struct race *race = arg;
    const struct ff_source_options options = {.size = sizeof options,
                                              .parent = ff_task_token(self)};

    if (ff_source_new(&options, &race->below) < 0 ||
        ff_register(ff_source_token(race->below), be_overtaken, race, &race->registration) != 0)
        return -EPROTO;
    sem_post(&race->serving);
    return ff_sleep(self, FF_NEVER);
}

static void request(void *arg)
{
    struct race *race = arg;

    kit_sem_wait(&race->serving);
    race->rc = ff_pool_shutdown(race->pool, FF_DRAIN, FF_NEVER);
}

static void *request_thread(void *arg)
{
    request(arg);
    return NULL;
}

static void race_begin(struct race *race)
{
    /* What is freed shall not look as before. AddressSanitizer needs no such help. */
    (void)mallopt(M_PERTURB, 0x5a);
    memset(race, 0, sizeof *race);
    race->pool = kit_pool(2);
    race->caller = pthread_self();
    sem_init(&race->serving, 0, 0);
    sem_init(&race->returned, 0, 0);
}

/* Kills: ff_pool_shutdown() that does not hold the pool while it requests. */
START_TEST(service_run_may_free_the_pool_while_another_thread_requests_its_shutdown)
{
    unsigned overtaken = 0;

    for (unsigned round = 0; overtaken < OVERTAKEN && round < ROUNDS_MAX; round++) {
        struct race race;
        pthread_t thread;

        race_begin(&race);
        ck_assert_int_eq(ff_spawn_service(race.pool, "serves", serve, &race), 0);
        ck_assert_int_eq(pthread_create(&thread, NULL, request_thread, &race), 0);
        ck_assert_int_eq(ff_service_run(race.pool, NULL), 0);
        sem_post(&race.returned);
        pthread_join(thread, NULL);
        ck_assert(!race.late);
        overtaken += race.overtaken;
        ck_assert_int_eq(race.rc, 0);
    }
    ck_assert_uint_gt(overtaken, 0);
}
END_TEST

/* Kills: the same, where the request only requests. */
START_TEST(service_run_may_free_the_pool_while_a_cancel_callback_requests_its_shutdown)
{
    unsigned overtaken = 0;

    for (unsigned round = 0; overtaken < OVERTAKEN && round < ROUNDS_MAX; round++) {
        struct ff_source_options options = {.size = sizeof options};
        ff_registration *registration;
        struct race race;
        ff_source *source;

        race_begin(&race);
        ck_assert_int_eq(ff_spawn_service(race.pool, "serves", serve, &race), 0);
        options.deadline_ns = ff_deadline_ns(FF_MILLISECOND);
        ck_assert_int_eq(ff_source_new(&options, &source), 0);
        if (ff_register(ff_source_token(source), request, &race, &registration) != 0)
            ck_abort_msg("the deadline passed too early");
        ck_assert_int_eq(ff_service_run(race.pool, NULL), 0);
        sem_post(&race.returned);
        ff_unregister(registration); /* Waits for the callback. */
        ff_source_unref(source);
        ck_assert(!race.late);
        overtaken += race.overtaken;
        ck_assert_int_eq(race.rc, -EDEADLK);
    }
    ck_assert_uint_gt(overtaken, 0);
}
END_TEST

FF_TEST_MAIN("stress_service_run", 30,
             service_run_may_free_the_pool_while_another_thread_requests_its_shutdown,
             service_run_may_free_the_pool_while_a_cancel_callback_requests_its_shutdown)
