/* The shared part of the benchmark that no task runs through: see harness.h. */
#include "harness.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

/* More threads than any run has: workers, producers, and those that a peer keeps to itself. */
#define SHARDS_MAX 2048

/* How the main thread waits for the end of a batch: asleep for half the time that the shortest
 * batch so far took, then in steps of 1 % of it within these limits. Finer steps would take the CPU
 * from the workers, coarser ones would show in the result. */
#define STEP_MIN_NS 10000u
#define STEP_MAX_NS 200000u
#define TIMER_SLACK_NS 1000uL
#define STUCK_NS UINT64_C(10000000000)
#define MEASURE_NS 250000000u
#define BATCHES_MAX 256

__thread struct bench_shard *bench_my_shard;

static struct bench_shard shards[SHARDS_MAX];
static unsigned shard_count;

/* The main thread's. shortest_ns is 0 before the first batch has ended. */
static uint64_t batch_start_ns;
static uint64_t shortest_ns;

struct bench_shard *bench_shard_new(void)
{
    unsigned index = __atomic_fetch_add(&shard_count, 1, __ATOMIC_RELAXED);

    if (index >= SHARDS_MAX)
        bench_die("more than %d threads run tasks", SHARDS_MAX);
    bench_my_shard = &shards[index];
    return bench_my_shard;
}

uint64_t bench_count_sum(void)
{
    unsigned threads = __atomic_load_n(&shard_count, __ATOMIC_RELAXED);
    uint64_t sum = 0;

    /* A thread that joins just now is seen by the next look. */
    for (unsigned i = 0; i < threads && i < SHARDS_MAX; i++)
        sum += __atomic_load_n(&shards[i].count, __ATOMIC_ACQUIRE);
    return sum;
}

static uint64_t wait_step_ns(uint64_t now_ns)
{
    uint64_t elapsed_ns = now_ns - batch_start_ns;
    uint64_t step_ns = shortest_ns / 100;

    if (shortest_ns == 0)
        return STEP_MAX_NS;
    if (elapsed_ns < shortest_ns / 2)
        return shortest_ns / 2 - elapsed_ns;
    return step_ns < STEP_MIN_NS ? STEP_MIN_NS : step_ns > STEP_MAX_NS ? STEP_MAX_NS : step_ns;
}

void bench_wait_count(uint64_t target)
{
    uint64_t seen = bench_count_sum();
    uint64_t now_ns = bench_now_ns();
    uint64_t changed_ns = now_ns;

    while (seen < target) {
        bench_sleep_ns(wait_step_ns(now_ns));
        uint64_t sum = bench_count_sum();

        now_ns = bench_now_ns();
        if (sum != seen)
            changed_ns = now_ns;
        else if (now_ns - changed_ns > STUCK_NS)
            bench_die("no task ended for 10 s: %" PRIu64 " of %" PRIu64 " have run", sum, target);
        seen = sum;
    }
    if (seen > target)
        bench_die("%" PRIu64 " tasks ran where %" PRIu64 " were submitted", seen, target);
}

static uint64_t clock_read_ns(clockid_t clock)
{
    struct timespec now;

    if (clock_gettime(clock, &now) != 0)
        bench_die("clock_gettime failed");
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

uint64_t bench_now_ns(void)
{
    return clock_read_ns(CLOCK_MONOTONIC);
}

uint64_t bench_cpu_ns(void)
{
    return clock_read_ns(CLOCK_PROCESS_CPUTIME_ID);
}

uint64_t bench_resident_bytes(void)
{
    FILE *statm = fopen("/proc/self/statm", "re");
    uint64_t pages;

    if (statm == NULL)
        bench_die("cannot open /proc/self/statm");
    if (fscanf(statm, "%*u %" SCNu64, &pages) != 1)
        bench_die("cannot read /proc/self/statm");
    fclose(statm);
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

void bench_sleep_ns(uint64_t duration_ns)
{
    struct timespec left = {
        .tv_sec = (time_t)(duration_ns / 1000000000u),
        .tv_nsec = (long)(duration_ns % 1000000000u),
    };

    while (nanosleep(&left, &left) != 0)
        ;
}

static int compare_samples(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

uint64_t bench_percentile(uint64_t *samples, size_t count, double fraction)
{
    qsort(samples, count, sizeof(*samples), compare_samples);
    size_t index = (size_t)(fraction * (double)count);
    return samples[index < count ? index : count - 1];
}

static uint64_t time_batch_ns(void (*batch)(void *arg), void *arg)
{
    batch_start_ns = bench_now_ns();
    batch(arg);
    uint64_t took_ns = bench_now_ns() - batch_start_ns;

    if (shortest_ns == 0 || took_ns < shortest_ns)
        shortest_ns = took_ns;
    return took_ns;
}

double bench_measure(const struct bench_run *run, void (*batch)(void *arg), void *arg)
{
    uint64_t took_ns[BATCHES_MAX];
    uint64_t total_ns = 0;
    size_t batches = 0;

    prctl(PR_SET_TIMERSLACK, TIMER_SLACK_NS, 0uL, 0uL, 0uL);
    if (!run->verify)
        time_batch_ns(batch, arg);
    do {
        took_ns[batches] = time_batch_ns(batch, arg);
        total_ns += took_ns[batches];
        batches++;
    } while (!run->verify && total_ns < MEASURE_NS && batches < BATCHES_MAX);
    return (double)bench_percentile(took_ns, batches, 0.5);
}

void bench_print(const struct bench_run *run, const char *metric, double value, const char *unit)
{
    printf("%s %s%s%s %u %.6g %s\n", run->peer, run->workload, metric != NULL ? "." : "",
           metric != NULL ? metric : "", run->workers, value, unit);
}

void bench_print_cannot(const struct bench_run *run, const char *reason)
{
    printf("%s %s %u n/a %s\n", run->peer, run->workload, run->workers, reason);
}

void *bench_alloc(size_t count, size_t size)
{
    void *memory = calloc(count, size);

    if (memory == NULL)
        bench_die("no memory for %zu objects of %zu bytes", count, size);
    return memory;
}

void bench_die(const char *format, ...)
{
    va_list args;

    fflush(stdout);
    va_start(args, format);
    fputs("bench: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    _exit(1);
}
