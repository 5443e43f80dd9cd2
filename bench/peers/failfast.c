/* failfast: ff_spawn() from everywhere, with names; fork-join by groups. */
#include <failfast.h>

#include "../harness.h"

#define PEER_NAME "failfast"
#define PEER_HAS_SPAWN
#define PEER_HAS_FORK_JOIN
#define PEER_TASK(name, arg)                \
    static inline void name##_body(void *); \
    static int name(ff_task *self, void *a) \
    {                                       \
        (void)self;                         \
        name##_body(a);                     \
        return 0;                           \
    }                                       \
    static inline void name##_body(void *arg)

typedef ff_task_fn peer_fn;

struct fib {
    unsigned n;
    uint64_t result;
};

static ff_pool *pool;

static const char *peer_version(void)
{
    return ff_version();
}

static const char *peer_cannot(const struct bench_run *run)
{
    (void)run;
    return NULL;
}

static void peer_start(unsigned workers)
{
    struct ff_pool_options options = {.size = sizeof(options), .workers = workers};

    bench_must(ff_pool_new(&options, &pool), "ff_pool_new");
}

static void peer_as_producer(void (*body)(void *), void *arg)
{
    body(arg);
}

static inline void peer_submit(peer_fn *fn, void *arg)
{
    bench_must(ff_spawn(pool, "bench", fn, arg), "ff_spawn");
}

static void peer_drain(void)
{
}

static inline void peer_root(peer_fn *fn, void *arg)
{
    peer_submit(fn, arg);
}

static inline void peer_spawn(peer_fn *fn, void *arg)
{
    peer_submit(fn, arg);
}

static void peer_stop(void)
{
    bench_must(ff_pool_shutdown(pool, FF_DRAIN, FF_NEVER), "ff_pool_shutdown");
    bench_must(ff_pool_free(pool), "ff_pool_free");
}

static int fib_task(ff_task *self, void *arg)
{
    struct fib *fib = arg;
    ff_group *group;

    if (fib->n < 2) {
        fib->result = fib->n;
        return 0;
    }
    struct fib forked = {.n = fib->n - 1};
    struct fib called = {.n = fib->n - 2};

    bench_must(ff_group_new(self, NULL, &group), "ff_group_new");
    bench_must(ff_group_spawn(group, "fib", fib_task, &forked), "ff_group_spawn");
    bench_must(fib_task(self, &called), "fib_task");
    bench_must(ff_group_wait(group), "ff_group_wait");
    ff_group_free(group);
    fib->result = forked.result + called.result;
    return 0;
}

static uint64_t peer_fib(unsigned n)
{
    struct ff_group_options options = {.size = sizeof(options), .pool = pool};
    struct fib fib = {.n = n};
    ff_group *group;

    bench_must(ff_group_new(NULL, &options, &group), "ff_group_new");
    bench_must(ff_group_spawn(group, "fib", fib_task, &fib), "ff_group_spawn");
    bench_must(ff_group_wait(group), "ff_group_wait");
    ff_group_free(group);
    return fib.result;
}

#include "../driver.h"
