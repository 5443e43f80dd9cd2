/* stream-service: counts the records and words of many files, and survives what goes wrong.
 *
 * This file is the frame of a service: options, state, the pool, the tasks, and the wait for the
 * end. The work is in consumer.c and batch.c, the periodic tasks in periodic.c. Nobody here handles
 * the failure of a task: it is reported and the process ends; the supervisor starts it again, and
 * it resumes from the checkpoint. */
#include "checkpoint.h"
#include "console.h"
#include "consumer.h"
#include "periodic.h"
#include "service.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXIT_CANNOT_START 2

/* After a failure: what was counted since the last save need not be counted again. Should this fail
 * too, the older checkpoint is as true. */
static void save_at_abort(void *arg)
{
    struct service *service = arg;

    (void)checkpoint_save(&service->checkpoint, &service->ledger);
}

/* Before the first task: the health check looks at all consumers, started or not. */
static void prepare_consumers(struct service *service)
{
    for (unsigned i = 0; i < service->options.consumers; i++) {
        struct consumer *consumer = &service->consumers[i];

        consumer->service = service;
        consumer->number = i + 1;
        atomic_init(&consumer->progress_ns, ff_now_ns());
    }
}

static int start_consumers(ff_pool *pool, struct service *service)
{
    int rc = 0;

    for (unsigned i = 0; i < service->options.consumers && rc == 0; i++) {
        struct consumer *consumer = &service->consumers[i];
        char name[FF_NAME_MAX + 1];

        snprintf(name, sizeof(name), "consumer_%u", consumer->number);
        rc = ff_spawn_service(pool, name, consumer_run, consumer);
    }
    /* With little to read, the first consumers may have finished everything already. */
    return rc == -ESHUTDOWN ? 0 : rc;
}

static int start_tasks(ff_pool *pool, struct service *service)
{
    int rc = ff_at_abort("save_checkpoint", save_at_abort, service, 0);

    if (rc == 0)
        rc = periodic_start(pool, service);
    if (rc == 0)
        rc = start_consumers(pool, service);
    return rc;
}

/* Takes back what start_tasks() began. */
static void abandon(ff_pool *pool)
{
    if (ff_pool_shutdown(pool, FF_CANCEL, FF_NEVER) == 0)
        ff_pool_free(pool);
}

/* From the first thread to the last one. @return 0 after a clean end, 1 after another one, or a
 * negative errno when it could not start. */
static int run_pool(struct service *service)
{
    const struct ff_pool_options pool_options = {
        .size = sizeof(pool_options),
        .name = "stream",
        .workers = (unsigned)service->options.workers,
    };
    const struct ff_service_options service_options = {
        .size = sizeof(service_options),
        .liveness_path = service->options.liveness_path,
    };
    ff_pool *pool;
    int rc = ff_pool_new(&pool_options, &pool);

    if (rc < 0)
        return rc;
    service->start_ns = ff_now_ns();
    prepare_consumers(service);
    rc = start_tasks(pool, service);
    if (rc == 0)
        rc = ff_service_run(pool, &service_options);
    if (rc < 0)
        abandon(pool);
    ff_at_abort_remove(save_at_abort, service);
    return rc;
}

/* What was counted, on stdout. @return 0, or a negative errno. */
static int print_totals(struct service *service)
{
    struct progress progress = ledger_snapshot(&service->ledger);
    uint64_t files = progress_files(&progress);

    printf("%s files=%" PRIu64 " records=%" PRIu64 " words=%" PRIu64 " bytes=%" PRIu64 "\n",
           files == progress.inputs.count ? "finished:" : "stopped:", files, progress.records,
           progress.words, progress.bytes);
    return fflush(stdout) == 0 ? 0 : -errno;
}

static int fail(const char *what, int rc)
{
    console_error("%s: %s", what, strerror(-rc));
    return EXIT_FAILURE;
}

/* Runs the service on a state that is ready. @return The exit status. */
static int run(struct service *service)
{
    int rc = checkpoint_save(&service->checkpoint, &service->ledger);

    if (rc < 0) {
        fail("cannot write the checkpoint", rc);
        return EXIT_CANNOT_START;
    }
    rc = run_pool(service);
    console_live_done();
    if (rc < 0)
        return fail("cannot run", rc);
    if (rc > 0)
        return rc; /* No clean stop; the library has said why. */
    rc = checkpoint_save(&service->checkpoint, &service->ledger);
    if (rc < 0)
        return fail("cannot write the checkpoint", rc);
    rc = print_totals(service);
    return rc < 0 ? fail("cannot print the totals", rc) : EXIT_SUCCESS;
}

/* Says where the service starts, and runs it from there. @return The exit status. */
static int resume(struct service *service, const struct progress *progress)
{
    int status;

    if (progress->next > 0)
        console_line("resuming after %" PRIu64 " records, %" PRIu64 " of %" PRIu64 " files",
                     progress->records, progress_files(progress), progress->inputs.count);
    else
        console_line("starting: %" PRIu64 " files, %" PRIu64 " bytes (%zu entries skipped)",
                     progress->inputs.count, progress->inputs.bytes, service->inputs.skipped);
    ledger_init(&service->ledger, &service->inputs, progress);
    throttle_init(&service->throttle, service->options.rate);
    status = run(service);
    throttle_done(&service->throttle);
    ledger_done(&service->ledger);
    return status;
}

static int run_with_checkpoint(struct service *service)
{
    struct progress progress;
    int status = EXIT_CANNOT_START;

    if (checkpoint_open(&service->checkpoint, service->options.checkpoint_path) < 0)
        return status;
    if (checkpoint_load(&service->checkpoint, &service->inputs, &progress) == 0)
        status = resume(service, &progress);
    checkpoint_close(&service->checkpoint);
    return status;
}

static int print_list(const struct inputs *inputs)
{
    for (uint64_t i = 0; i < inputs->identity.count; i++)
        fwrite(inputs->items[i].path, strlen(inputs->items[i].path) + 1, 1, stdout);
    return fflush(stdout) == 0 && !ferror(stdout) ? EXIT_SUCCESS : fail("cannot print", -errno);
}

int main(int argc, char **argv)
{
    static struct service service;
    int status = EXIT_CANNOT_START;

    switch (options_parse(argc, argv, &service.options)) {
    case OPTIONS_EXIT_OK:
        return EXIT_SUCCESS;
    case OPTIONS_EXIT_BAD:
        return EXIT_CANNOT_START;
    case OPTIONS_RUN:
        break;
    }
    if (inputs_collect(&service.inputs, service.options.inputs) == 0) {
        status = service.options.list ? print_list(&service.inputs) : run_with_checkpoint(&service);
        inputs_done(&service.inputs);
    }
    options_done(&service.options);
    return status;
}
