/* A pool that works through jobs, and ends when they are done. Each job owns its memory: the pool
 * calls drop exactly once, however the job ends. */
#include <failfast.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

static atomic_ulong sum;

struct job {
    unsigned long from, to;
};

static int add_numbers(ff_task *self, void *arg)
{
    const struct job *job = arg;
    unsigned long part = 0;

    if (job->to < job->from)
        return ff_fail(self, -ERANGE, "from %lu to %lu", job->from, job->to);
    for (unsigned long i = job->from; i < job->to; i++)
        part += i;
    atomic_fetch_add(&sum, part);
    return 0;
}

static void free_job(void *arg, ff_outcome outcome)
{
    (void)outcome;
    free(arg);
}

static int submit(ff_pool *pool, unsigned long from, unsigned long to)
{
    const struct ff_spawn_options options = {.size = sizeof(options),
                                             .name = "add_numbers",
                                             .drop = free_job};
    struct job *job = malloc(sizeof(*job));
    int rc;

    if (!job)
        return -ENOMEM;
    *job = (struct job){from, to};
    rc = ff_spawn_with(pool, &options, add_numbers, job);
    if (rc < 0)
        free(job); /* Nothing happened: it is still ours. */
    return rc;
}

int main(void)
{
    ff_pool *pool;
    int rc = ff_pool_new(NULL, &pool);

    if (rc < 0)
        return 1;
    for (unsigned long i = 0; i < 100 && rc == 0; i++)
        rc = submit(pool, i * 1000, (i + 1) * 1000);
    if (ff_pool_shutdown(pool, FF_DRAIN, FF_NEVER) < 0 || ff_pool_free(pool) < 0 || rc < 0)
        return 1;
    printf("sum of the numbers below 100000: %lu\n", atomic_load(&sum));
    return 0;
}
