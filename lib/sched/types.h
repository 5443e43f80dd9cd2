/* Every structure of the scheduler in full: who owns each field, under which lock, what always
 * holds. Private to lib/sched, lib/service and tests.
 *
 * A task's way: spawn -> (slab block, room taken, counted as spawned) -> own deque or injector ->
 * worker
 * -> run -> judged -> drop -> group or abort path -> counted as finished -> block freed. */
#ifndef FF__SCHED_TYPES_H
#define FF__SCHED_TYPES_H

#include "base/atomic.h"
#include "base/compiler.h"
#include "base/list.h"
#include "fail/blackbox.h"
#include "fail/failure.h"
#include "sched/cancel.h"
#include "sched/timerq.h"
#include "sync/deque.h"
#include "sync/injector.h"
#include "sync/park.h"
#include "sync/slab.h"
#include "sys/lock.h"

#include <failfast/group.h>
#include <failfast/pool.h>
#include <failfast/task.h>
#include <failfast/timer.h>

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum ff__task_kind {
    FF__TASK_POOL,     /* Run once by a worker; freed after it. */
    FF__TASK_SERVICE,  /* Run once on its own thread; the block belongs to struct ff__service. */
    FF__TASK_TIMER,    /* Run again and again by workers; the block belongs to struct ff_timer. */
    FF__TASK_CRITICAL, /* ff_critical(): run by the caller. */
};

/* Always a slab block, whatever the kind, so that the reporter may read facts at any time. */
struct ff_task {
    /* Written before the task is published, then fixed (timers: nobody writes between runs). */
    struct ff__facts facts; /* First: the black box points here. */
    ff_task_fn *fn;
    ff_drop_fn *drop;
    void *arg;
    ff_pool *pool;   /* NULL for critical tasks. */
    ff_group *group; /* NULL: detached. */
    ff_token *token; /* Borrowed from group, service, timer or pool; NULL for critical tasks. */
    /* In the injector: its. Else unused. */
    struct ff__injector_node node;
    /* Group children: guarded by group->lock. On group->waiting == not claimed. */
    struct ff__list sibling;
    /* Written by the thread that runs the task. */
    struct ff__frame *frame;
    /* Group children are reachable twice, through a queue and through their group. Whoever
     * exchanges claimed from 0 runs the child; see group.c. */
    _Atomic uint32_t claimed;
    _Atomic uint32_t refs; /* Group children: queue entry and run. */
    uint8_t kind;
    uint8_t slab_class;
    uint8_t may_finish; /* FF_MAY_FINISH */
    uint8_t unused;
    /* An inline argument begins here. */
    _Alignas(16) unsigned char inline_arg[];
};

/* One running task on one thread's stack; nested when a worker helps in ff_group_wait().
 * Owner: the running thread. */
struct ff__frame {
    struct ff__frame *outer;
    ff_task *task;
    ff_failure *cause; /* Reference to the last failure read from a group, or NULL. */
    uint64_t since_ns; /* Coarse. */
    /* Groups that the task made and that are not freed. Relaxed: whoever frees one for the task
     * does so before the task returns, by the program's own means. */
    _Atomic uint32_t groups;
    bool said;          /* failure was filled by ff_fail(). */
    ff_failure failure; /* Undefined until said. */
};

struct ff__worker {
    /* Owner: the worker's thread. */
    ff_pool *pool;
    unsigned index;
    unsigned depth;         /* Pool tasks on this thread's stack, nested ones included. */
    unsigned timers;        /* Those of them that are timer tasks. */
    uint32_t tick;          /* Tasks begun, for fairness. */
    uint32_t takes;         /* Batches taken from the injector: the next begins one shard on. */
    uint32_t seed;          /* Of the steal order. */
    int64_t room;           /* Queue room held back to give or take without touching the pool. */
    struct ff__deque deque; /* What tasks on this worker spawned: newest first. */
    struct ff__deque inbox; /* A batch from the injector: oldest first. Filled when empty. */
    struct ff__parker parker;
    /* Written by the owner alone, read by anybody (pool_quiescent, stats). Never go back. finished
     * is released after all that the task did, its spawns' counts included. */
    FF__ALIGNED_LINE _Atomic uint64_t spawned;
    _Atomic uint64_t finished;
    /* Written by the worker before it counts as started; fixed until joined. */
    struct ff__slot *slot;
    /* Guarded by pool->lock. */
    pthread_t thread;
    bool started, joined;
};

/* Counters of outside spawns, by shard of the injector. */
struct ff__shard_counts {
    FF__ALIGNED_LINE _Atomic uint64_t spawned; /* Counted before the shutdown check: see spawn.c. */
    _Atomic uint64_t undone;                   /* Those that the check then refused. */
    _Atomic int64_t room;
};

/* A service task. Heap. Made by ff_spawn_service(), freed when its thread is joined. */
struct ff__service {
    struct ff__list link; /* In pool->services while it lives, then pool->ended; pool->lock. */
    ff_pool *pool;
    ff_task *task;
    ff_source source;                /* Child of pool->loops. Its release frees the service. */
    pthread_t thread;                /* pool->lock. */
    _Atomic(struct ff__slot *) slot; /* NULL before the thread runs. */
    _Atomic uint64_t beat_ns; /* Last ff_beat(), coarse clock. Relaxed: a time, nothing else. */
    size_t inline_size;
};

/* A timer task. Heap, counted: one reference of the pool, one of the handle. */
struct ff_timer {
    _Atomic uint32_t refs;
    struct ff__list link; /* In pool->timers until it has ended; pool->lock. */
    ff_pool *pool;
    ff_task *task;
    ff_source source; /* Child of pool->loops. Its release frees the timer. */
    struct ff__timer_node node;
    uint64_t period_ns, jitter_ns;
    uint64_t due_ns; /* The tick that the next run serves, without jitter. */
    ff_outcome last; /* Of the last run; written by workers one after the other. */
    uint32_t seed;
};

struct ff_group {
    ff_source source; /* Its release frees the group: tokens may outlive ff_group_free(). */
    ff_pool *pool;
    struct ff__frame *owner; /* Where the group is counted: its task's frame; NULL: in the pool. */
    ff_registration *also_with; /* On options->parent; NULL without. */
    ff_group *parent; /* The group of the owning task; NULL at the top. Lives as long as its child
                         runs. */
    uint64_t owner_id;
    const void *site; /* Where it was made. */
    char name[FF__NAME_BYTES];
    struct ff__lock lock;
    /* Guarded by lock. */
    struct ff__list waiting; /* Children not claimed, oldest first. */
    size_t pending;          /* Children not finished. */
    size_t failure_count;
    unsigned kept;     /* failures[0..kept) are set; kept <= failure_count. */
    unsigned sleepers; /* Threads in wait on change. */
    bool unread;       /* A failure that no wait has returned yet. */
    bool skipped;      /* A child was cancelled or skipped since the last wait. */
    ff_failure *failures[FF_GROUP_FAILURES_MAX];
    /* Futex: changes (under lock) when pending reaches 0 or a child is added. */
    _Atomic uint32_t change;
};

enum ff__pool_mode { /* Only grows. */
                     FF__POOL_RUNNING = 0,
                     FF__POOL_DRAINING = FF_DRAIN,
                     FF__POOL_CANCELING = FF_CANCEL,
};

struct ff_pool {
    /* Fixed after ff_pool_new(). */
    struct ff__worker *workers;
    unsigned worker_count;
    uint32_t fork_generation;
    bool bounded;
    int64_t room_batch;
    size_t stack_size;
    unsigned registry_index;
    char name[FF__NAME_BYTES];
    ff_source root;  /* Everything in the pool. */
    ff_source loops; /* Child of root: service and timer tasks. */
    /* Read by every spawn. */
    _Atomic uint32_t mode; /* enum ff__pool_mode; written under lock. */
    _Atomic uint32_t stop; /* 1: workers end. Only once quiescent. */
    struct ff__park park;
    struct ff__injector injector;
    struct ff__shard_counts shards[FF__INJECTOR_SHARDS];
    FF__ALIGNED_LINE _Atomic int64_t room; /* Free places in the queue, but for those held back. */
    _Atomic uint32_t room_waiters;
    _Atomic uint32_t room_change; /* Futex of ff_spawn_wait(). */
    /* Futex: changes when the pool may have become quiescent, or has ended. */
    FF__ALIGNED_LINE _Atomic uint32_t quiet;
    _Atomic uint32_t running; /* Workers that have started; futex of ff_pool_new(). */
    _Atomic uint32_t ended;   /* 1: every thread is joined. */
    _Atomic uint32_t groups;  /* Not freed, and made outside tasks. Relaxed: as in a frame. */
    struct ff__lock lock;
    /* Guarded by lock. */
    struct ff__list services; /* Alive. */
    struct ff__list finished; /* Services whose threads are to be joined. */
    struct ff__list timers;
    size_t service_count, timer_count;
    bool joining; /* Somebody is joining threads. */
    void (*on_shutdown)(void *arg);
    void *on_shutdown_arg;
};

#endif
