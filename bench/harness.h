/* What every workload and every peer of the benchmark shares: clock, task counters, waiting for the
 * end of a batch, output, and how to die loudly.
 *
 * Included by C and C++ alike, so atomics are the compiler's __atomic builtins and not
 * <stdatomic.h>. Every peer is measured with exactly this code. */
#ifndef BENCH_HARNESS_H
#define BENCH_HARNESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What one run of the program measures. */
struct bench_run {
    const char *peer;
    const char *workload;
    unsigned workers;
    uint64_t n;  /* The size; each workload says of what. */
    bool verify; /* One batch of a tiny size, in which each task has a mark of its own. */
};

/* How many tasks a thread has run. Written by that thread alone, summed by the main thread. */
struct bench_shard {
    uint64_t count;
} __attribute__((aligned(128)));

/* The calling thread's shard; NULL before its first task. */
extern __thread struct bench_shard *bench_my_shard;

/* Give the calling thread a shard, for the life of the process. */
struct bench_shard *bench_shard_new(void);

/* Count one task that has run on this thread.
 *
 * The store is a release: with the acquire load in bench_count_sum(), all that the task did happens
 * before its count is seen. */
static inline void bench_count_one(void)
{
    struct bench_shard *shard = bench_my_shard;

    if (__builtin_expect(shard == NULL, 0))
        shard = bench_shard_new();
    __atomic_store_n(&shard->count, shard->count + 1, __ATOMIC_RELEASE);
}

/* How many tasks have been counted since the start. */
uint64_t bench_count_sum(void);

/* Sleep in short steps until the sum is `target`. Ends the program when it goes beyond, or stands
 * still for 10 seconds: a task was lost, or one ran twice. */
void bench_wait_count(uint64_t target);

/* Now, on CLOCK_MONOTONIC. */
uint64_t bench_now_ns(void);

/* The CPU time that all threads of the process have used. */
uint64_t bench_cpu_ns(void);

/* The resident memory of the process. */
uint64_t bench_resident_bytes(void);

/* Sleep; signals do not end it. */
void bench_sleep_ns(uint64_t duration_ns);

/* Run `batch` once to warm up, then until 0.25 s have passed (in verify mode: once).
 *
 * @return The median time of a batch, in nanoseconds. */
double bench_measure(const struct bench_run *run, void (*batch)(void *arg), void *arg);

/* Sort the samples and give the one at `fraction` of the way (0.5 is the median). */
uint64_t bench_percentile(uint64_t *samples, size_t count, double fraction);

/* Print one result; `metric` is put behind the workload's name, or NULL. */
void bench_print(const struct bench_run *run, const char *metric, double value, const char *unit);

/* Print that this peer has no honest way to run the workload. */
void bench_print_cannot(const struct bench_run *run, const char *reason);

/* Memory that is zero, or the end of the program. */
void *bench_alloc(size_t count, size_t size);

/* Say what is wrong, and end the program with status 1. */
void bench_die(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

/* End the program when `rc` is not 0; `what` names the call. */
static inline void bench_must(int rc, const char *what)
{
    if (__builtin_expect(rc != 0, 0))
        bench_die("%s answered %d", what, rc);
}

#ifdef __cplusplus
}
#endif

#endif
