/* oneTBB: an arena with as many slots as workers. Producers use task_arena::enqueue, which is its
 * call for fire-and-forget from outside; tasks spawn into a task_group, whose children go to the
 * worker's own deque. Fork-join runs in an arena of the same number of threads, one of which is the
 * caller. */
#include <cstdint>

#include <tbb/global_control.h>
#include <tbb/task_arena.h>
#include <tbb/task_group.h>
#include <tbb/version.h>

#include "../harness.h"

#define PEER_NAME "onetbb"
#define PEER_HAS_SPAWN
#define PEER_HAS_FORK_JOIN
#define PEER_TASK(name, arg) static void name(void *arg)

typedef void peer_fn(void *arg);

struct Pool {
    tbb::task_scheduler_handle scheduler{tbb::attach{}};
    tbb::global_control threads;
    tbb::task_arena arena;     /* All slots are the workers'. */
    tbb::task_arena fork_join; /* One slot is kept for the thread that calls. */
    tbb::task_group group;

    /* One thread more than workers: it counts the main thread, which does not work. */
    explicit Pool(unsigned workers)
        : threads(tbb::global_control::max_allowed_parallelism, workers + 1),
          arena(static_cast<int>(workers), 0), fork_join(static_cast<int>(workers), 1)
    {
        arena.initialize();
    }
};

static Pool *pool;

static const char *peer_version()
{
    return TBB_runtime_version();
}

static const char *peer_cannot(const struct bench_run *run)
{
    (void)run;
    return nullptr;
}

static void peer_start(unsigned workers)
{
    pool = new Pool(workers);
}

static void peer_as_producer(void (*body)(void *), void *arg)
{
    body(arg);
}

static inline void peer_submit(peer_fn *fn, void *arg)
{
    pool->arena.enqueue([fn, arg] { fn(arg); });
}

static void peer_drain()
{
}

static inline void peer_root(peer_fn *fn, void *arg)
{
    peer_submit(fn, arg);
}

static inline void peer_spawn(peer_fn *fn, void *arg)
{
    pool->group.run([fn, arg] { fn(arg); });
}

static void peer_stop()
{
    tbb::task_scheduler_handle scheduler = std::move(pool->scheduler);

    pool->arena.execute([] { pool->group.wait(); });
    delete pool;
    if (!tbb::finalize(scheduler, std::nothrow))
        bench_die("tbb::finalize failed");
}

static std::uint64_t fib(unsigned n)
{
    std::uint64_t forked, called;

    if (n < 2)
        return n;
    tbb::task_group group;
    group.run([&forked, n] { forked = fib(n - 1); });
    called = fib(n - 2);
    group.wait();
    return forked + called;
}

static std::uint64_t peer_fib(unsigned n)
{
    std::uint64_t result = 0;

    pool->fork_join.execute([&result, n] { result = fib(n); });
    return result;
}

#include "../driver.h"
