/* The smallest service: one loop, one periodic check, until SIGTERM. Should handle_batch() fail,
 * the process reports that and exits with 1, and its supervisor starts a new one. */
#include <failfast.h>
#include <stdio.h>

struct service {
    unsigned batch;
};

/* Your work. */
static int handle_batch(struct service *service)
{
    return printf("batch %u\n", ++service->batch) < 0 || fflush(stdout) ? -EIO : 0;
}

static int process_data(ff_task *self, void *arg)
{
    struct service *service = arg;
    int rc;

    while ((rc = ff_sleep(self, 100 * FF_MILLISECOND)) == 0) {
        rc = handle_batch(service);
        if (rc < 0)
            return ff_fail(self, rc, "batch %u", service->batch);
    }
    return rc; /* FF_CANCELED: a clean stop. */
}

static int check_health(ff_task *self, void *arg)
{
    (void)self;
    (void)arg;
    return ff_notify("STATUS=all is well") < 0 ? -EIO : 0;
}

int main(void)
{
    static struct service service;
    ff_pool *pool;

    if (ff_thread_adopt("main") < 0 || ff_pool_new(NULL, &pool) < 0)
        return 1;
    if (ff_spawn_service(pool, "data_processor", process_data, &service) < 0 ||
        ff_every(pool, "health_check", 30 * FF_SECOND, check_health, NULL) < 0)
        return 1;
    return ff_service_run(pool, NULL) != 0;
}
