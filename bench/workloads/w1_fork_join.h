/* W1, fork-join: Fibonacci without cut-off. Every call above 1 forks one child, does the other half
 * itself, and joins: nothing but forks and joins is measured.
 *
 * N is the argument of fib. The result is the sum of the leaves, so a leaf that was lost or ran
 * twice shows in it. Value: nanoseconds per fork. */
#ifndef BENCH_W1_FORK_JOIN_H
#define BENCH_W1_FORK_JOIN_H

#ifdef PEER_HAS_FORK_JOIN

struct w1 {
    unsigned n;
    uint64_t expected;
};

static uint64_t w1_fib_by_addition(unsigned n)
{
    uint64_t current = 0;
    uint64_t next = 1;

    for (unsigned i = 0; i < n; i++) {
        uint64_t sum = current + next;

        current = next;
        next = sum;
    }
    return current;
}

static void w1_batch(void *arg)
{
    struct w1 *w1 = (struct w1 *)arg;
    uint64_t result = peer_fib(w1->n);

    if (result != w1->expected)
        bench_die("fib(%u) gave %" PRIu64 " instead of %" PRIu64, w1->n, result, w1->expected);
}

static uint64_t w1_run(const struct bench_run *run)
{
    struct w1 w1;

    if (run->n < 2 || run->n > 60)
        bench_die("W1 computes fib(2) to fib(60)");
    w1.n = (unsigned)run->n;
    w1.expected = w1_fib_by_addition(w1.n);
    peer_start(run->workers);
    double batch_ns = bench_measure(run, w1_batch, &w1);
    peer_stop();
    /* Calls with n >= 2 are one fewer than leaves: fib(n + 1) - 1. */
    bench_print(run, NULL, batch_ns / (double)(w1_fib_by_addition(w1.n + 1) - 1), "ns/fork");
    return 0;
}

#else

static uint64_t w1_run(const struct bench_run *run)
{
    bench_die("%s has no fork-join and no reason for it", run->peer);
}

#endif

#endif
