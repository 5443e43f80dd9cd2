/* What the tests of the scheduler share: pools made and ended with every step checked, gates that
 * hold a worker, probes that count what happened to a task. Test threads only, unless said. */
#ifndef FF_TESTS_POOL_KIT_H
#define FF_TESTS_POOL_KIT_H

#include "runner.h"

#include "base/atomic.h"

#include <failfast.h>

#include <dirent.h>
#include <pthread.h>
#include <semaphore.h>
#include <string.h>

/* ThreadSanitizer ends a forked child that starts a thread. */
#if defined(__SANITIZE_THREAD__)
#define KIT_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define KIT_TSAN 1
#endif
#endif
#ifndef KIT_TSAN
#define KIT_TSAN 0
#endif

static inline ff_pool *kit_pool_bounded(unsigned workers, uint64_t max_queued)
{
    const struct ff_pool_options options = {.size = sizeof options,
                                            .workers = workers,
                                            .max_queued = max_queued};
    ff_pool *pool = NULL;

    ck_assert_int_eq(ff_pool_new(&options, &pool), 0);
    ck_assert_ptr_nonnull(pool);
    return pool;
}

static inline ff_pool *kit_pool(unsigned workers)
{
    return kit_pool_bounded(workers, 0);
}

static inline void kit_pool_end(ff_pool *pool, ff_shutdown_mode mode)
{
    ck_assert_int_eq(ff_pool_shutdown(pool, mode, FF_NEVER), 0);
    ck_assert_int_eq(ff_pool_free(pool), 0);
}

/* Any thread. */
static inline void kit_sem_wait(sem_t *sem)
{
    while (sem_wait(sem) < 0)
        ;
}

/* A task that holds its worker: it says that it is inside, and leaves when told. */
struct kit_gate {
    sem_t entered, leave;
};

static inline void kit_gate_init(struct kit_gate *gate)
{
    ck_assert_int_eq(sem_init(&gate->entered, 0, 0), 0);
    ck_assert_int_eq(sem_init(&gate->leave, 0, 0), 0);
}

static inline int kit_gate_task(ff_task *self, void *arg)
{
    struct kit_gate *gate = arg;

    (void)self;
    sem_post(&gate->entered);
    kit_sem_wait(&gate->leave);
    return 0;
}

/* Holds one worker of the pool; on return it is held. */
static inline void kit_gate_close(struct kit_gate *gate, ff_pool *pool)
{
    kit_gate_init(gate);
    ck_assert_int_eq(ff_spawn(pool, "gate", kit_gate_task, gate), 0);
    kit_sem_wait(&gate->entered);
}

static inline void kit_gate_open(struct kit_gate *gate)
{
    sem_post(&gate->leave);
}

/* What happened to a task. */
struct kit_probe {
    _Atomic unsigned runs, drops;
    _Atomic int outcome; /* Of the last drop. */
    int result;          /* What the task shall return. */
    sem_t done;          /* Posted by each drop. */
};

static inline void kit_probe_init(struct kit_probe *probe, int result)
{
    memset(probe, 0, sizeof *probe);
    probe->result = result;
    ck_assert_int_eq(sem_init(&probe->done, 0, 0), 0);
}

static inline int kit_probe_task(ff_task *self, void *arg)
{
    struct kit_probe *probe = arg;

    (void)self;
    ff__add_relaxed(&probe->runs, 1);
    return probe->result;
}

static inline void kit_probe_drop(void *arg, ff_outcome outcome)
{
    struct kit_probe *probe = arg;

    ff__store_relaxed(&probe->outcome, (int)outcome);
    ff__add_relaxed(&probe->drops, 1);
    sem_post(&probe->done);
}

static inline struct ff_spawn_options kit_probe_options(ff_group *group)
{
    return (struct ff_spawn_options){.size = sizeof(struct ff_spawn_options),
                                     .name = "probe",
                                     .drop = kit_probe_drop,
                                     .group = group};
}

static inline int kit_probe_spawn(ff_pool *pool, ff_group *group, struct kit_probe *probe)
{
    const struct ff_spawn_options options = kit_probe_options(group);

    return ff_spawn_with(pool, &options, kit_probe_task, probe);
}

static inline void kit_probe_expect(struct kit_probe *probe, unsigned runs, unsigned drops,
                                    int outcome)
{
    ck_assert_uint_eq(ff__load_relaxed(&probe->runs), runs);
    ck_assert_uint_eq(ff__load_relaxed(&probe->drops), drops);
    if (drops)
        ck_assert_int_eq(ff__load_relaxed(&probe->outcome), outcome);
}

/* Counts its runs. */
static inline int kit_count_task(ff_task *self, void *arg)
{
    _Atomic unsigned *count = arg;

    (void)self;
    ff__add_relaxed(count, 1);
    return 0;
}

static inline void *kit_empty_thread(void *arg)
{
    return arg;
}

/* The threads of this process, as the kernel knows them. A sanitizer adds one with the first thread
 * that starts: it shall be there whenever we count. */
static inline unsigned kit_threads(void)
{
    static bool warm;
    unsigned count = 0;
    pthread_t first;
    DIR *dir;

    if (!warm) {
        ck_assert_int_eq(pthread_create(&first, NULL, kit_empty_thread, NULL), 0);
        pthread_join(first, NULL);
        warm = true;
    }
    dir = opendir("/proc/self/task");
    ck_assert_ptr_nonnull(dir);
    for (const struct dirent *entry; (entry = readdir(dir));)
        count += entry->d_name[0] != '.';
    closedir(dir);
    return count;
}

/* A joined thread may be seen in /proc for a moment longer. */
static inline void kit_expect_threads(unsigned count)
{
    const uint64_t end_ns = ff_deadline_ns(2 * FF_SECOND);

    while (kit_threads() != count && ff_now_ns() < end_ns)
        ;
    ck_assert_uint_eq(kit_threads(), count);
}

#endif
