#include "periodic.h"

#include "console.h"

#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#define SAVE_NS (100 * FF_MILLISECOND)
#define LIVE_NS (200 * FF_MILLISECOND)

/* A consumer that did not get on for so long hangs. A batch takes milliseconds. */
#define STALL_NS (20 * FF_SECOND)

static int save_checkpoint(ff_task *self, void *arg)
{
    struct service *service = arg;
    int rc = checkpoint_save(&service->checkpoint, &service->ledger);

    if (rc < 0)
        return ff_fail(self, rc, "cannot write %s", service->checkpoint.path);
    return 0;
}

/* Every input must still be the file that was listed, or the totals would be those of no state that
 * ever was. A task that takes long asks now and then whether it shall stop. */
static int refresh_inputs(ff_task *self, void *arg)
{
    const struct inputs *inputs = &((struct service *)arg)->inputs;

    for (uint64_t i = 0; i < inputs->identity.count; i++) {
        const struct input *input = &inputs->items[i];
        struct stat now;

        if (ff_task_canceled(self))
            return FF_CANCELED;
        if (stat(input->path, &now) < 0)
            return ff_fail(self, -errno, "cannot look at %s", input->path);
        if (!input_is_unchanged(input, &now))
            return ff_fail(self, -ESTALE, "%s has changed since the start", input->path);
    }
    return 0;
}

static int check_health(ff_task *self, void *arg)
{
    struct service *service = arg;
    uint64_t now_ns = ff_now_ns();

    for (uint64_t i = 0; i < service->options.consumers; i++) {
        const struct consumer *consumer = &service->consumers[i];
        uint64_t when_ns = atomic_load_explicit(&consumer->progress_ns, memory_order_relaxed);

        if (when_ns < now_ns && now_ns - when_ns > STALL_NS)
            return ff_fail(self, -ETIMEDOUT, "consumer_%u did nothing for %" PRIu64 " s",
                           consumer->number, (now_ns - when_ns) / FF_SECOND);
    }
    return 0;
}

static int report_metrics(ff_task *self, void *arg)
{
    struct service *service = arg;
    struct progress progress = ledger_snapshot(&service->ledger);
    struct ff_pool_stats stats = {.size = sizeof(stats)};
    int rc = ff_pool_stats_read(ff_task_pool(self), &stats);

    if (rc < 0)
        return ff_fail(self, rc, "no statistics of the pool");
    console_line("metrics: up_s=%" PRIu64 " files=%" PRIu64 "/%" PRIu64 " records=%" PRIu64
                 " words=%" PRIu64 " bytes=%" PRIu64 "/%" PRIu64 " tasks=%" PRIu64
                 " pending=%" PRIu64 " workers=%" PRIu64 " parked=%" PRIu64 " services=%" PRIu64
                 " timers=%" PRIu64,
                 (ff_now_ns() - service->start_ns) / FF_SECOND, progress_files(&progress),
                 progress.inputs.count, progress.records, progress.words, progress.bytes,
                 progress.inputs.bytes, stats.finished, stats.pending, stats.workers, stats.parked,
                 stats.services, stats.timers);
    return 0;
}

static int show_progress(ff_task *self, void *arg)
{
    struct service *service = arg;
    struct progress progress = ledger_snapshot(&service->ledger);
    uint64_t all = progress.inputs.bytes ? progress.inputs.bytes : 1;

    (void)self;
    console_live("%3" PRIu64 " %%  %" PRIu64 " of %" PRIu64 " files  %" PRIu64 " records  %" PRIu64
                 " words",
                 progress.bytes * 100 / all, progress_files(&progress), progress.inputs.count,
                 progress.records, progress.words);
    return 0;
}

int periodic_start(ff_pool *pool, struct service *service)
{
    const struct options *options = &service->options;
    const struct {
        const char *name;
        uint64_t period_ns;
        ff_task_fn *fn;
        bool wanted;
    } tasks[] = {
        {"save_checkpoint", SAVE_NS, save_checkpoint, options->checkpoint_path},
        {"refresh_inputs", options->refresh_ms * FF_MILLISECOND, refresh_inputs, true},
        {"health_check", options->health_ms * FF_MILLISECOND, check_health, true},
        {"metrics", options->metrics_ms * FF_MILLISECOND, report_metrics, true},
        {"live_progress", LIVE_NS, show_progress, console_is_live()},
    };
    int rc = 0;

    for (size_t i = 0; i < sizeof(tasks) / sizeof(tasks[0]) && rc == 0; i++) {
        if (tasks[i].wanted)
            rc = ff_every(pool, tasks[i].name, tasks[i].period_ns, tasks[i].fn, service);
    }
    return rc;
}
