/* Service tasks: one thread each, started by the spawner, joined when it has ended.
 *
 * pool->lock is held while the thread is started and taken by the thread when it ends, so
 * service->thread is set before anybody can join it, and a shutdown sees every service either on
 * the list or not started. */
#include "sched/service_task.h"

#include "base/name.h"
#include "fail/abort.h"
#include "fail/signals.h"
#include "sched/beat.h"
#include "sched/pool.h"
#include "sched/task.h"
#include "sched/thread_end.h"
#include "sys/clock.h"
#include "sys/thread.h"

#include <stdlib.h>

static __thread struct ff__service *my_service __attribute__((tls_model("initial-exec")));

struct ff__service *ff__service_here(const ff_pool *pool)
{
    return my_service && my_service->pool == pool ? my_service : NULL;
}

static void source_release(ff_token *token)
{
    struct ff__service *service = ff__container_of(token, struct ff__service, source.token);

    ff__task_free(service->task);
    free(service);
}

static void service_begin(struct ff__service *service)
{
    my_service = service;
    ff__self.slot = ff__slot_enter(FF__SLOT_SERVICE, service->task->facts.name);
    ff__altstack_install();
    ff__thread_end_watch();
    ff__store_relaxed(&service->beat_ns, ff__clock_coarse());
    ff__store_release(&service->slot, ff__self.slot);
}

/* From here on the thread only ends; whoever reaps it joins it. */
static void service_end(struct ff__service *service)
{
    ff_pool *pool = service->pool;

    ff__thread_end_unwatch();
    ff__lock(&pool->lock);
    ff__store_release(&service->slot, NULL);
    ff__list_remove(&service->link);
    ff__list_push_back(&pool->finished, &service->link);
    pool->service_count--;
    ff__unlock(&pool->lock);
    ff__pool_poke(pool);
    ff__slot_leave(ff__self.slot);
    ff__altstack_remove();
    ff__self.slot = NULL;
    my_service = NULL;
}

static void *service_main(void *arg)
{
    struct ff__service *service = arg;

    service_begin(service);
    ff__task_run(service->task);
    /* In a child that the task forked, the rest is the parent's. */
    if (service->pool->fork_generation == ff__fork_generation)
        service_end(service);
    return NULL;
}

/* Under pool->lock. */
static int start(struct ff__service *service)
{
    struct ff__thread_options options = {.name = service->task->facts.name,
                                         .stack_size = service->pool->stack_size};
    int rc = ff__thread_start(&service->thread, &options, service_main, service);

    if (rc == 0) {
        ff__list_push_back(&service->pool->services, &service->link);
        service->pool->service_count++;
    }
    return rc;
}

static struct ff__service *service_new(ff_pool *pool, const struct ff__task_plan *plan)
{
    struct ff__service *service = calloc(1, sizeof *service);

    if (!service)
        return NULL;
    service->task = ff__task_new(plan);
    if (!service->task) {
        free(service);
        return NULL;
    }
    service->pool = pool;
    ff__list_init(&service->link);
    ff__source_init(&service->source, &pool->loops.token, 0, source_release);
    service->task->pool = pool;
    service->task->token = &service->source.token;
    return service;
}

static int spawn_service(ff_pool *pool, const struct ff__task_plan *plan, unsigned flags)
{
    struct ff__service *service;
    int rc;

    if (pool->fork_generation != ff__fork_generation)
        return -EOWNERDEAD;
    if (ff__aborting())
        return -ESHUTDOWN;
    (void)ff__pool_reap(pool, /* deadline_ns= */ 0);
    service = service_new(pool, plan);
    if (!service)
        return -ENOMEM;
    service->task->may_finish = (flags & FF_MAY_FINISH) != 0;
    ff__lock(&pool->lock);
    rc = ff__load_relaxed(&pool->mode) == FF__POOL_RUNNING ? start(service) : -ESHUTDOWN;
    ff__unlock(&pool->lock);
    if (rc < 0)
        ff_source_unref(&service->source);
    return rc;
}

int ff_spawn_service(ff_pool *pool, const char *name, ff_task_fn *fn, void *arg)
{
    struct ff__task_plan plan = {.name = name,
                                 .fn = fn,
                                 .arg = arg,
                                 .site = __builtin_return_address(0),
                                 .kind = FF__TASK_SERVICE};

    if (!pool || !fn || !ff__name_ok(name))
        return -EINVAL;
    return spawn_service(pool, &plan, 0);
}

int ff_spawn_service_with(ff_pool *pool, const struct ff_spawn_options *options, ff_task_fn *fn,
                          void *arg)
{
    struct ff__task_plan plan = {.site = __builtin_return_address(0), .kind = FF__TASK_SERVICE};
    ff_group *group;
    unsigned flags;
    int rc;

    if (!pool)
        return -EINVAL;
    rc = ff__task_plan_read(&plan, &group, &flags, FF_MAY_FINISH, options, fn, arg);
    if (rc < 0)
        return rc;
    if (group)
        return -EINVAL;
    return spawn_service(pool, &plan, flags);
}

/* The next service to be joined, off the list; NULL at the end. A thread does not join itself: a
 * destructor of thread-specific data may spawn services. */
static struct ff__service *take_finished(ff_pool *pool)
{
    struct ff__service *found = NULL;

    ff__lock(&pool->lock);
    ff__list_each (node, &pool->finished) {
        struct ff__service *service = ff__container_of(node, struct ff__service, link);

        if (!found && !pthread_equal(service->thread, pthread_self()))
            found = service;
    }
    if (found)
        ff__list_remove(&found->link);
    ff__unlock(&pool->lock);
    return found;
}

static void put_back(struct ff__service *service)
{
    ff__lock(&service->pool->lock);
    ff__list_push_front(&service->pool->finished, &service->link);
    ff__unlock(&service->pool->lock);
}

int ff__pool_reap(ff_pool *pool, uint64_t deadline_ns)
{
    struct ff__service *service;

    while ((service = take_finished(pool))) {
        if (ff__thread_join_until(service->thread, deadline_ns) < 0) {
            put_back(service);
            return -ETIMEDOUT;
        }
        ff_source_unref(&service->source);
    }
    return 0;
}

void ff_beat(ff_task *self)
{
    if (self && self->kind == FF__TASK_SERVICE && my_service && my_service->task == self)
        ff__store_relaxed(&my_service->beat_ns, ff__clock_coarse());
}

uint64_t ff__pool_oldest_beat(ff_pool *pool, uint64_t now_ns)
{
    uint64_t oldest = 0;

    ff__lock(&pool->lock);
    ff__list_each (node, &pool->services) {
        struct ff__service *service = ff__container_of(node, struct ff__service, link);
        /* The slot stays in use while the service is on the list. */
        struct ff__slot *slot = ff__load_acquire(&service->slot);
        uint64_t beat_ns = ff__load_relaxed(&service->beat_ns);

        if (!slot || ff__load_relaxed(&slot->waiting) || beat_ns >= now_ns)
            continue;
        if (now_ns - beat_ns > oldest)
            oldest = now_ns - beat_ns;
    }
    ff__unlock(&pool->lock);
    return oldest;
}

void ff__pool_on_shutdown(ff_pool *pool, void (*fn)(void *arg), void *arg)
{
    ff__lock(&pool->lock);
    pool->on_shutdown = fn;
    pool->on_shutdown_arg = arg;
    if (fn && ff__load_relaxed(&pool->mode) != FF__POOL_RUNNING)
        fn(arg);
    ff__unlock(&pool->lock);
}
