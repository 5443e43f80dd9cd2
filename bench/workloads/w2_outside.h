/* W2, outside submission: 1, 2 or 8 producer threads that are no workers submit empty tasks, fire
 * and forget, until all N have run.
 *
 * The producers live as long as the pool and start each batch together. Value: millions of tasks
 * per second, from the common start until the last task has been counted. */
#ifndef BENCH_W2_OUTSIDE_H
#define BENCH_W2_OUTSIDE_H

#include <pthread.h>

#define W2_PRODUCERS_MAX 8

struct w2 {
    struct bench_jobs jobs;
    uint64_t n;
    uint64_t expected; /* The count at the end of this batch. Main thread only. */
    unsigned producers;
    bool over; /* Written before the barrier that ends the producers. */
    pthread_barrier_t start;
    pthread_barrier_t end;
};

struct w2_producer {
    struct w2 *w2;
    pthread_t thread;
    uint64_t first, beyond; /* Its share of the jobs. */
};

static void w2_produce(void *arg)
{
    const struct w2_producer *producer = (const struct w2_producer *)arg;
    struct w2 *w2 = producer->w2;
    const struct bench_jobs jobs = w2->jobs;
    peer_fn *fn = jobs.job->fn;

    for (;;) {
        pthread_barrier_wait(&w2->start);
        if (w2->over)
            return;
        for (uint64_t i = producer->first; i < producer->beyond; i++)
            peer_submit(fn, bench_job_at(&jobs, i));
        peer_drain();
        pthread_barrier_wait(&w2->end);
    }
}

static void *w2_thread(void *arg)
{
    peer_as_producer(w2_produce, arg);
    return NULL;
}

static void w2_batch(void *arg)
{
    struct w2 *w2 = (struct w2 *)arg;

    w2->expected += w2->n;
    pthread_barrier_wait(&w2->start);
    pthread_barrier_wait(&w2->end);
    bench_wait_count(w2->expected);
}

static void w2_init(struct w2 *w2, struct w2_producer *producers, const struct bench_run *run,
                    unsigned count)
{
    w2->jobs = bench_jobs_new(run);
    w2->n = run->n;
    w2->expected = 0;
    w2->producers = count;
    w2->over = false;
    bench_must(pthread_barrier_init(&w2->start, NULL, count + 1), "pthread_barrier_init");
    bench_must(pthread_barrier_init(&w2->end, NULL, count + 1), "pthread_barrier_init");
    for (unsigned i = 0; i < count; i++) {
        producers[i].w2 = w2;
        producers[i].first = run->n * i / count;
        producers[i].beyond = run->n * (i + 1) / count;
        bench_must(pthread_create(&producers[i].thread, NULL, w2_thread, &producers[i]),
                   "pthread_create");
    }
}

static void w2_done(struct w2 *w2, struct w2_producer *producers)
{
    w2->over = true;
    pthread_barrier_wait(&w2->start);
    for (unsigned i = 0; i < w2->producers; i++)
        bench_must(pthread_join(producers[i].thread, NULL), "pthread_join");
    peer_stop();
    pthread_barrier_destroy(&w2->start);
    pthread_barrier_destroy(&w2->end);
    bench_jobs_done(&w2->jobs);
}

static uint64_t w2_run(const struct bench_run *run, unsigned count)
{
    struct w2 w2;
    struct w2_producer producers[W2_PRODUCERS_MAX];

    peer_start(run->workers);
    w2_init(&w2, producers, run, count);
    double batch_ns = bench_measure(run, w2_batch, &w2);
    w2_done(&w2, producers);
    bench_print(run, NULL, (double)run->n * 1e3 / batch_ns, "Mtask/s");
    return w2.expected;
}

static uint64_t w2_run_one(const struct bench_run *run)
{
    return w2_run(run, 1);
}

static uint64_t w2_run_two(const struct bench_run *run)
{
    return w2_run(run, 2);
}

static uint64_t w2_run_eight(const struct bench_run *run)
{
    return w2_run(run, 8);
}

#endif
