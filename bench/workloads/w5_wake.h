/* W5, wake latency: the pool has had nothing to do for 2 ms or more and sleeps, if it ever sleeps;
 * one producer submits one task.
 *
 * N is the number of samples. Values: from just before the submission to the task's first
 * instruction (p50, p99, p99.9); how long the call took (p50); and the CPU time of the whole
 * process in percent of the time that passed, which tells the pools that sleep from those that
 * spin. */
#ifndef BENCH_W5_WAKE_H
#define BENCH_W5_WAKE_H

#define W5_GAP_NS 2000000u
#define W5_WARM_UP 20

struct w5_job {
    peer_fn *fn;         /* First, as in every argument of a task. */
    uint64_t started_ns; /* When its first instruction ran. */
};

struct w5 {
    const struct bench_run *run;
    uint64_t *wake_ns;
    uint64_t *submit_ns;
    double cpu_percent;
    uint64_t expected; /* The count when all samples are taken. */
};

PEER_TASK(w5_task, arg)
{
    ((struct w5_job *)arg)->started_ns = bench_now_ns();
    bench_count_one();
}

/* Let the pool fall asleep, then time one task. The producer sleeps while the task runs, so that it
 * takes no CPU from it. */
static void w5_sample(struct w5 *w5, uint64_t index)
{
    struct w5_job job;

    job.fn = w5_task;
    bench_sleep_ns(W5_GAP_NS + index % 7 * 50000);
    uint64_t before_ns = bench_now_ns();
    peer_submit(w5_task, &job);
    uint64_t after_ns = bench_now_ns();
    bench_wait_count(++w5->expected);
    peer_drain();
    w5->submit_ns[index] = after_ns - before_ns;
    w5->wake_ns[index] = job.started_ns - before_ns;
}

static void w5_produce(void *arg)
{
    struct w5 *w5 = (struct w5 *)arg;

    for (uint64_t i = 0; i < W5_WARM_UP && i < w5->run->n; i++)
        w5_sample(w5, i);
    uint64_t start_ns = bench_now_ns();
    uint64_t start_cpu_ns = bench_cpu_ns();

    for (uint64_t i = 0; i < w5->run->n; i++)
        w5_sample(w5, i);
    uint64_t used_ns = bench_cpu_ns() - start_cpu_ns;
    w5->cpu_percent = 100.0 * (double)used_ns / (double)(bench_now_ns() - start_ns);
}

static void w5_report(const struct w5 *w5)
{
    size_t n = w5->run->n;

    bench_print(w5->run, "p50", (double)bench_percentile(w5->wake_ns, n, 0.5) / 1e3, "us");
    bench_print(w5->run, "p99", (double)bench_percentile(w5->wake_ns, n, 0.99) / 1e3, "us");
    bench_print(w5->run, "p99.9", (double)bench_percentile(w5->wake_ns, n, 0.999) / 1e3, "us");
    bench_print(w5->run, "submit", (double)bench_percentile(w5->submit_ns, n, 0.5) / 1e3, "us");
    bench_print(w5->run, "cpu", w5->cpu_percent, "%");
}

static uint64_t w5_run(const struct bench_run *run)
{
    struct w5 w5;

    w5.run = run;
    w5.expected = 0;
    w5.wake_ns = (uint64_t *)bench_alloc(run->n, sizeof(*w5.wake_ns));
    w5.submit_ns = (uint64_t *)bench_alloc(run->n, sizeof(*w5.submit_ns));
    peer_start(run->workers);
    peer_as_producer(w5_produce, &w5);
    peer_stop();
    w5_report(&w5);
    free(w5.wake_ns);
    free(w5.submit_ns);
    return w5.expected;
}

#endif
