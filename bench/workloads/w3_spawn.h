/* W3: one task spawns N empty children and does not wait for them.
 *
 * Value: millions of tasks per second, from the submission of the one until the last child has been
 * counted. */
#ifndef BENCH_W3_SPAWN_H
#define BENCH_W3_SPAWN_H

#ifdef PEER_HAS_SPAWN

struct w3 {
    peer_fn *fn; /* First, as in every argument of a task. */
    struct bench_jobs jobs;
    uint64_t n;
    uint64_t expected; /* The count at the end of this batch. Main thread only. */
};

PEER_TASK(w3_root, arg)
{
    const struct w3 *w3 = (const struct w3 *)arg;
    const struct bench_jobs jobs = w3->jobs;
    peer_fn *fn = jobs.job->fn;

    for (uint64_t i = 0, n = w3->n; i < n; i++)
        peer_spawn(fn, bench_job_at(&jobs, i));
    bench_count_one();
}

static void w3_batch(void *arg)
{
    struct w3 *w3 = (struct w3 *)arg;

    w3->expected += w3->n + 1;
    peer_root(w3_root, w3);
    bench_wait_count(w3->expected);
}

static uint64_t w3_run(const struct bench_run *run)
{
    struct w3 w3;

    w3.fn = w3_root;
    w3.jobs = bench_jobs_new(run);
    w3.n = run->n;
    w3.expected = 0;
    peer_start(run->workers);
    double batch_ns = bench_measure(run, w3_batch, &w3);
    peer_stop();
    bench_jobs_done(&w3.jobs);
    bench_print(run, NULL, (double)run->n * 1e3 / batch_ns, "Mtask/s");
    return w3.expected;
}

#else

static uint64_t w3_run(const struct bench_run *run)
{
    bench_die("%s cannot spawn from a task and has no reason for it", run->peer);
}

#endif

#endif
