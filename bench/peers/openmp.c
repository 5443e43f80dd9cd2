/* OpenMP tasks, in one file for two peers: libgomp when gcc compiles it, libomp when clang does.
 *
 * Tasks belong to the team of a parallel region. A tree of tasks starts in a region of as many
 * threads as there are workers, whose first thread takes part, and ends with that region. A
 * producer is one thread more than the workers; it is a thread of the team all the same, which is
 * why those workloads are left out in which producers must only submit. */
#include <stdio.h>

#include <omp.h>

#include "../harness.h"

#ifdef __clang__
#define PEER_NAME "libomp"
#else
#define PEER_NAME "libgomp"
#endif
#define PEER_HAS_SPAWN
#define PEER_HAS_FORK_JOIN
#define PEER_TASK(name, arg) static void name(void *arg)

typedef void peer_fn(void *arg);

static int team;

static const char *peer_version(void)
{
    static char version[64];

#ifdef __clang__
    snprintf(version, sizeof(version), "of clang %d.%d.%d", __clang_major__, __clang_minor__,
             __clang_patchlevel__);
#else
    snprintf(version, sizeof(version), "of gcc %d.%d.%d", __GNUC__, __GNUC_MINOR__,
             __GNUC_PATCHLEVEL__);
#endif
    return version;
}

static const char *peer_cannot(const struct bench_run *run)
{
    if (run->workload[1] == '2')
        return "no outside submission: only threads of the team make tasks";
    if (run->workload[1] == '8')
        return "no long queue: beyond a limit of its own a task runs inside the call that makes it";
#ifdef __clang__
    if (run->workload[1] == '4' && run->workers == 1)
        return "a lone thread runs each task inside the call that makes it: a chain is a recursion";
#endif
    return NULL;
}

/* A first region makes the threads. */
static void peer_start(unsigned workers)
{
    team = (int)workers;
    omp_set_dynamic(0);
#pragma omp parallel num_threads(team)
    {
        if (omp_get_num_threads() != team)
            bench_die("a team of %d has %d threads", team, omp_get_num_threads());
    }
}

static inline void peer_spawn(peer_fn *fn, void *arg)
{
#pragma omp task firstprivate(fn, arg)
    fn(arg);
}

static void peer_root(peer_fn *fn, void *arg)
{
#pragma omp parallel num_threads(team)
#pragma omp master
    peer_spawn(fn, arg);
}

static void peer_as_producer(void (*body)(void *), void *arg)
{
#pragma omp parallel num_threads(team + 1)
#pragma omp master
    body(arg);
}

static inline void peer_submit(peer_fn *fn, void *arg)
{
    peer_spawn(fn, arg);
}

static void peer_drain(void)
{
}

/* Every region has ended with all its tasks. */
static void peer_stop(void)
{
}

static uint64_t fib(unsigned n)
{
    uint64_t forked, called;

    if (n < 2)
        return n;
#pragma omp task shared(forked) firstprivate(n)
    forked = fib(n - 1);
    called = fib(n - 2);
#pragma omp taskwait
    return forked + called;
}

static uint64_t peer_fib(unsigned n)
{
    uint64_t result = 0;

#pragma omp parallel num_threads(team)
#pragma omp master
    result = fib(n);
    return result;
}

#include "../driver.h"
