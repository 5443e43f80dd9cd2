/* W4, chain: task i spawns task i + 1, N tasks in all. There is never more than one to run.
 *
 * Each hop takes one off `left`, so a hop that was lost or ran twice shows in the count. Value:
 * nanoseconds per hop. */
#ifndef BENCH_W4_CHAIN_H
#define BENCH_W4_CHAIN_H

#ifdef PEER_HAS_SPAWN

struct w4 {
    peer_fn *fn;   /* First, as in every argument of a task. */
    uint64_t left; /* Hops to go. Handed from task to task. */
    uint64_t n;
    uint64_t expected; /* The count at the end of this batch. Main thread only. */
};

PEER_TASK(w4_hop, arg)
{
    struct w4 *w4 = (struct w4 *)arg;

    if (--w4->left > 0)
        peer_spawn(w4_hop, w4);
    bench_count_one();
}

static void w4_batch(void *arg)
{
    struct w4 *w4 = (struct w4 *)arg;

    w4->left = w4->n;
    w4->expected += w4->n;
    peer_root(w4_hop, w4);
    bench_wait_count(w4->expected);
}

static uint64_t w4_run(const struct bench_run *run)
{
    struct w4 w4;

    w4.fn = w4_hop;
    w4.n = run->n;
    w4.expected = 0;
    peer_start(run->workers);
    double batch_ns = bench_measure(run, w4_batch, &w4);
    peer_stop();
    bench_print(run, NULL, batch_ns / (double)run->n, "ns/hop");
    return w4.expected;
}

#else

static uint64_t w4_run(const struct bench_run *run)
{
    bench_die("%s cannot spawn from a task and has no reason for it", run->peer);
}

#endif

#endif
