/* Threads that cannot start: the n-th pthread_create() inside each library call fails, for every n.
 * Each call answers -EAGAIN with no thread left running, and works the next time. */
#include "inject_kit.h"

#include <pthread.h>

int __real_pthread_create(pthread_t *ret_thread, const pthread_attr_t *attr, void *(*start)(void *),
                          void *arg);
int __wrap_pthread_create(pthread_t *ret_thread, const pthread_attr_t *attr, void *(*start)(void *),
                          void *arg);

int __wrap_pthread_create(pthread_t *ret_thread, const pthread_attr_t *attr, void *(*start)(void *),
                          void *arg)
{
    return inject_refuses() ? EAGAIN : __real_pthread_create(ret_thread, attr, start, arg);
}

START_TEST(pool_new_survives_every_thread_that_cannot_start)
{
    static const struct inject_case pool = {"ff_pool_new", inject_call_pool_new,
                                            inject_undo_pool_new};

    ck_assert_int_eq(inject_each(&pool), 5); /* Guardian, timer thread, three workers. */
}
END_TEST

START_TEST(a_service_whose_thread_cannot_start_is_refused_and_its_drop_not_called)
{
    static const struct inject_case service = {"ff_spawn_service_with", inject_call_service,
                                               inject_undo_spawn};

    kit_probe_init(&inject_probe, 0);
    inject_pool = kit_pool(1);
    ck_assert_int_eq(inject_each(&service), 1);
    kit_pool_end(inject_pool, FF_DRAIN);
    kit_probe_expect(&inject_probe, 3, 3, FF_OUTCOME_OK); /* One refused, three accepted. */
}
END_TEST

START_TEST(a_source_survives_a_timer_thread_that_cannot_start)
{
    static const struct inject_case source = {"ff_source_new", inject_call_source,
                                              inject_undo_source};

    ck_assert_int_eq(inject_each(&source), 1);
}
END_TEST

START_TEST(critical_survives_a_guardian_that_cannot_start)
{
    static const struct inject_case critical = {"ff_critical", inject_call_critical,
                                                inject_undo_nothing};

    ck_assert_int_eq(inject_each(&critical), 1);
}
END_TEST

FF_TEST_MAIN("inject_thread", 20, pool_new_survives_every_thread_that_cannot_start,
             a_service_whose_thread_cannot_start_is_refused_and_its_drop_not_called,
             a_source_survives_a_timer_thread_that_cannot_start,
             critical_survives_a_guardian_that_cannot_start)
