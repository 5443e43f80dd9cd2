/* Timer tasks. A timer is in one of three places: in the timer thread's heap, in a queue of the
 * pool (or running), or ended. One task block serves all its runs, so a tick cannot fail for want
 * of memory, and the timer cannot overlap itself.
 *
 * A timer ends in a run: the last one, or one that is skipped because its token is cancelled. So
 * whoever cancels takes it out of the heap and queues it; if it is not in the heap it is on its way
 * through a queue. Putting it back into the heap and looking at the token happen together under
 * pool->lock, and so does taking it out after the token was cancelled; so a cancelled timer never
 * stays in the heap. */
#include "sched/periodic.h"

#include "base/name.h"
#include "base/options.h"
#include "fail/abort.h"
#include "sched/pool.h"
#include "sched/task.h"
#include "sched/worker.h"
#include "sys/clock.h"
#include "sys/thread.h"

#include <stdlib.h>

static void timer_free(struct ff_timer *timer)
{
    ff__task_free(timer->task);
    free(timer);
}

void ff_timer_unref(ff_timer *timer)
{
    /* acq_rel: the last one frees after everybody's last access. */
    if (timer && ff__sub_acq_rel(&timer->refs, 1) == 1)
        ff_source_unref(&timer->source);
}

static void source_release(ff_token *token)
{
    timer_free(ff__container_of(token, ff_timer, source.token));
}

/* Sends the timer's task through the pool, counted as one more spawned task. */
static void queue_run(ff_timer *timer)
{
    ff_pool *pool = timer->pool;
    unsigned shard = ff__injector_my_shard();

    ff__add_seqcst(&pool->shards[shard % FF__INJECTOR_SHARDS].spawned, 1);
    ff__worker_submit(pool, NULL, shard, timer->task);
}

/* On the timer thread. Under the lock, without which the run cannot end the timer: so the pool
 * stays until the run is queued and a worker is woken. */
static void fire(struct ff__timer_node *node)
{
    ff_timer *timer = ff__container_of(node, ff_timer, node);
    ff_pool *pool = timer->pool;

    ff__lock(&pool->lock);
    queue_run(timer);
    ff__unlock(&pool->lock);
}

static uint64_t jitter(ff_timer *timer)
{
    if (!timer->jitter_ns)
        return 0;
    /* xorshift32: spread is all that is wanted. */
    timer->seed ^= timer->seed << 13;
    timer->seed ^= timer->seed >> 17;
    timer->seed ^= timer->seed << 5;
    return timer->jitter_ns * (uint64_t)(timer->seed >> 8) >> 24;
}

static uint64_t after(uint64_t time_ns, uint64_t delay_ns)
{
    return delay_ns > FF_NEVER - time_ns ? FF_NEVER : time_ns + delay_ns;
}

/* The first tick after now on the timer's grid: missed ones are skipped. */
static uint64_t next_due(const ff_timer *timer, uint64_t now_ns)
{
    uint64_t due = after(timer->due_ns, timer->period_ns);

    if (due <= now_ns)
        due = after(due, ((now_ns - due) / timer->period_ns + 1) * timer->period_ns);
    return due;
}

/* @return false when the timer is cancelled: it must end. */
static bool rearm(ff_timer *timer)
{
    ff_pool *pool = timer->pool;
    bool again;

    timer->due_ns = next_due(timer, ff__clock_now());
    ff__lock(&pool->lock);
    again = !ff_canceled(&timer->source.token);
    if (again)
        ff__timerq_add(&timer->node, after(timer->due_ns, jitter(timer)));
    ff__unlock(&pool->lock);
    return again;
}

void ff__timer_ran(ff_task *task, ff_outcome outcome)
{
    ff_timer *timer = ff__container_of(task->token, ff_timer, source.token);
    ff_pool *pool = timer->pool;

    if (outcome != FF_OUTCOME_SKIPPED)
        timer->last = outcome;
    if (outcome == FF_OUTCOME_OK && timer->period_ns && rearm(timer))
        return;
    ff__task_drop_alone(task, timer->last);
    ff__lock(&pool->lock);
    ff__list_remove(&timer->link);
    pool->timer_count--;
    ff__unlock(&pool->lock);
    ff_timer_unref(timer);
}

/* Takes a cancelled timer out of the heap and queues its last, skipped, run. Under pool->lock. */
static void end_if_waiting(ff_timer *timer)
{
    if (ff__timerq_remove(&timer->node))
        queue_run(timer);
}

void ff__timers_end(ff_pool *pool)
{
    ff__lock(&pool->lock);
    ff__list_each (link, &pool->timers)
        end_if_waiting(ff__container_of(link, ff_timer, link));
    ff__unlock(&pool->lock);
}

void ff_timer_cancel(ff_timer *timer)
{
    if (!timer || timer->pool->fork_generation != ff__fork_generation)
        return;
    ff__cancel_for(&timer->source, FF_REASON_REQUESTED);
    ff__lock(&timer->pool->lock);
    end_if_waiting(timer);
    ff__unlock(&timer->pool->lock);
}

static ff_timer *timer_new(ff_pool *pool, const struct ff_timer_options *options,
                           const struct ff__task_plan *plan)
{
    ff_timer *timer = malloc(sizeof *timer);

    if (!timer)
        return NULL;
    timer->task = ff__task_new(plan);
    if (!timer->task) {
        free(timer);
        return NULL;
    }
    ff__store_relaxed(&timer->refs, 2); /* The pool's and the handle's; published with the timer. */
    ff__list_init(&timer->link);
    timer->pool = pool;
    timer->period_ns = options->period_ns;
    timer->jitter_ns = options->jitter_ns;
    timer->last = FF_OUTCOME_SKIPPED;
    timer->seed = (uint32_t)timer->task->facts.id * 2654435761u | 1;
    ff__timer_node_init(&timer->node, fire);
    ff__source_init(&timer->source, &pool->loops.token, 0, source_release);
    timer->task->pool = pool;
    timer->task->token = &timer->source.token;
    return timer;
}

static int timer_start(ff_pool *pool, const struct ff_timer_options *options,
                       const struct ff__task_plan *plan, ff_timer **ret_timer)
{
    uint64_t delay_ns = options->delay_ns ? options->delay_ns : options->period_ns;
    ff_timer *timer;
    bool running;

    if (pool->fork_generation != ff__fork_generation)
        return -EOWNERDEAD;
    if (ff__aborting())
        return -ESHUTDOWN;
    timer = timer_new(pool, options, plan);
    if (!timer)
        return -ENOMEM;
    timer->due_ns = ff__clock_after(delay_ns);
    ff__lock(&pool->lock);
    running = ff__load_relaxed(&pool->mode) == FF__POOL_RUNNING;
    if (running) {
        ff__list_push_back(&pool->timers, &timer->link);
        pool->timer_count++;
        if (ret_timer)
            *ret_timer = timer; /* Before its first run, which may cancel it. */
        ff__timerq_add(&timer->node, after(timer->due_ns, jitter(timer)));
    }
    ff__unlock(&pool->lock);
    if (!running) {
        ff_source_unref(&timer->source);
        return -ESHUTDOWN;
    }
    if (!ret_timer)
        ff_timer_unref(timer);
    return 0;
}

static int start_simple(ff_pool *pool, const struct ff_timer_options *options, ff_task_fn *fn,
                        void *arg, const void *site, ff_timer **ret_timer)
{
    struct ff__task_plan plan = {.name = options->name,
                                 .fn = fn,
                                 .drop = options->drop,
                                 .arg = arg,
                                 .site = site,
                                 .kind = FF__TASK_TIMER};

    if (!pool || !fn || !ff__name_ok(options->name) ||
        (options->jitter_ns && options->jitter_ns >= options->period_ns))
        return -EINVAL;
    return timer_start(pool, options, &plan, ret_timer);
}

int ff_every(ff_pool *pool, const char *name, uint64_t period_ns, ff_task_fn *fn, void *arg)
{
    struct ff_timer_options options = {.size = sizeof options,
                                       .name = name,
                                       .period_ns = period_ns};

    if (period_ns == 0)
        return -EINVAL;
    return start_simple(pool, &options, fn, arg, __builtin_return_address(0), NULL);
}

int ff_after(ff_pool *pool, const char *name, uint64_t delay_ns, ff_task_fn *fn, void *arg)
{
    struct ff_timer_options options = {.size = sizeof options, .name = name, .delay_ns = delay_ns};

    return start_simple(pool, &options, fn, arg, __builtin_return_address(0), NULL);
}

int ff_timer_start(ff_pool *pool, const struct ff_timer_options *options, ff_task_fn *fn, void *arg,
                   ff_timer **ret_timer)
{
    struct ff_timer_options known;
    int rc;

    if (!options)
        return -EINVAL;
    rc = ff__options_read(&known, sizeof known, options);
    if (rc < 0)
        return rc;
    return start_simple(pool, &known, fn, arg, __builtin_return_address(0), ret_timer);
}
