/* What the injection tests share: a countdown to the call that fails, and the loop that makes the
 * first, the second, ... such call inside one library call fail until nothing does any more. */
#ifndef FF_TESTS_INJECT_KIT_H
#define FF_TESTS_INJECT_KIT_H

#include "pool_kit.h"

/* > 0: so many calls until the one that fails. */
static _Atomic int inject_countdown;
static _Atomic unsigned inject_fired;

/* Whether this call shall fail. Any thread. */
static inline bool inject_refuses(void)
{
    int left = ff__load_relaxed(&inject_countdown);

    while (left > 0)
        if (ff__cas_weak_relaxed(&inject_countdown, &left, left - 1)) {
            if (left == 1)
                ff__add_relaxed(&inject_fired, 1);
            return left == 1;
        }
    return false;
}

static inline void inject_arm(int nth)
{
    ff__store_relaxed(&inject_fired, 0);
    ff__store_relaxed(&inject_countdown, nth);
}

/* @return whether a call was made to fail. */
static inline bool inject_disarm(void)
{
    ff__store_relaxed(&inject_countdown, 0);
    return ff__load_relaxed(&inject_fired) != 0;
}

/* A library call and what undoes it. */
struct inject_case {
    const char *name;
    int (*call)(void);
    void (*undo)(void);
};

/* @return how many different calls inside it were made to fail. */
static inline int inject_each(const struct inject_case *of)
{
    unsigned threads = kit_threads();
    int nth = 0;
    bool fired;

    do {
        int rc;

        inject_arm(++nth);
        rc = of->call();
        fired = inject_disarm();
        ck_assert_msg(rc == 0 || (fired && (rc == -ENOMEM || rc == -EAGAIN)),
                      "%s: %d when call %d failed", of->name, rc, nth);
        if (rc == 0)
            of->undo();
        kit_expect_threads(threads);
        rc = of->call(); /* What failed left nothing in the way. */
        ck_assert_msg(rc == 0, "%s: %d after call %d had failed", of->name, rc, nth);
        of->undo();
        kit_expect_threads(threads);
    } while (fired);
    return nth - 1;
}

/* The library calls. */
static ff_pool *inject_pool; /* For those that need one. */
static ff_group *inject_group;
static ff_timer *inject_timer;
static ff_source *inject_source;
static ff_registration *inject_registration;
static ff_pool *inject_new_pool;
static struct kit_probe inject_probe;

static inline void inject_undo_nothing(void)
{
}

static inline int inject_call_pool_new(void)
{
    const struct ff_pool_options options = {.size = sizeof options, .workers = 3};

    inject_new_pool = NULL;
    return ff_pool_new(&options, &inject_new_pool);
}

static inline void inject_undo_pool_new(void)
{
    kit_pool_end(inject_new_pool, FF_DRAIN);
}

static inline int inject_call_spawn(void)
{
    return kit_probe_spawn(inject_pool, NULL, &inject_probe);
}

static inline void inject_undo_spawn(void)
{
    kit_sem_wait(&inject_probe.done);
}

static inline int inject_call_group_new(void)
{
    const struct ff_group_options options = {.size = sizeof options,
                                             .pool = inject_pool,
                                             .deadline_ns = ff_deadline_ns(3600 * FF_SECOND)};

    return ff_group_new(NULL, &options, &inject_group);
}

static inline void inject_undo_group_new(void)
{
    ff_group_free(inject_group);
}

static inline int inject_call_group_spawn(void)
{
    return kit_probe_spawn(inject_pool, inject_group, &inject_probe);
}

static inline void inject_undo_group_spawn(void)
{
    ck_assert_int_eq(ff_group_wait(inject_group), 0);
}

static inline int inject_call_timer(void)
{
    const struct ff_timer_options options = {.size = sizeof options,
                                             .name = "timer",
                                             .drop = kit_probe_drop,
                                             .period_ns = 3600 * FF_SECOND};

    return ff_timer_start(inject_pool, &options, kit_probe_task, &inject_probe, &inject_timer);
}

static inline void inject_undo_timer(void)
{
    ff_timer_cancel(inject_timer);
    ff_timer_unref(inject_timer);
    kit_sem_wait(&inject_probe.done);
}

static inline int inject_call_source(void)
{
    return ff_source_new(NULL, &inject_source);
}

static inline void inject_undo_source(void)
{
    ff_source_unref(inject_source);
}

static inline void inject_callback(void *arg)
{
    (void)arg;
}

static inline int inject_call_register(void)
{
    return ff_register(ff_source_token(inject_source), inject_callback, NULL, &inject_registration);
}

static inline void inject_undo_register(void)
{
    ff_unregister(inject_registration);
}

static inline int inject_call_service(void)
{
    struct ff_spawn_options options = kit_probe_options(NULL);

    options.flags = FF_MAY_FINISH;
    return ff_spawn_service_with(inject_pool, &options, kit_probe_task, &inject_probe);
}

static inline int inject_empty_task(ff_task *self, void *arg)
{
    (void)self;
    (void)arg;
    return 0;
}

static inline int inject_call_critical(void)
{
    return ff_critical("critical", inject_empty_task, NULL);
}

#endif
