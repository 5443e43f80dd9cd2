/* libuv: uv_queue_work(). A loop belongs to one thread, and the worker threads are shared by all
 * loops of the process; so each producer runs a loop of its own. A task cannot queue work: it runs
 * on no loop's thread. The request must live until the loop has called back, so each is allocated
 * for its task and freed there. */
#include <stdio.h>
#include <stdlib.h>

#include <uv.h>

#include "../harness.h"

#define PEER_NAME "libuv"
#define PEER_TASK(name, arg) static void name(void *arg)

typedef void peer_fn(void *arg);

struct request {
    uv_work_t work; /* First: libuv hands back a pointer to it. */
    peer_fn *fn;
    void *arg;
};

static __thread uv_loop_t *loop;

static const char *peer_version(void)
{
    return uv_version_string();
}

static const char *peer_cannot(const struct bench_run *run)
{
    if (run->workload[1] == '1')
        return "no join: a task that waits for its child blocks a worker";
    if (run->workload[1] == '3' || run->workload[1] == '4')
        return "a task cannot queue work, only the thread of a loop can";
    return NULL;
}

/* The threads start with the first request. */
static void peer_start(unsigned workers)
{
    char text[16];

    snprintf(text, sizeof(text), "%u", workers);
    bench_must(setenv("UV_THREADPOOL_SIZE", text, /* overwrite= */ 1), "setenv");
}

static void run_request(uv_work_t *work)
{
    struct request *request = (struct request *)work;

    request->fn(request->arg);
}

static void end_request(uv_work_t *work, int status)
{
    bench_must(status, "uv_queue_work");
    free(work);
}

static void peer_drain(void)
{
    bench_must(uv_run(loop, UV_RUN_DEFAULT), "uv_run");
}

static void peer_as_producer(void (*body)(void *), void *arg)
{
    uv_loop_t own;

    bench_must(uv_loop_init(&own), "uv_loop_init");
    loop = &own;
    body(arg);
    peer_drain();
    bench_must(uv_loop_close(&own), "uv_loop_close");
}

static inline void peer_submit(peer_fn *fn, void *arg)
{
    struct request *request = malloc(sizeof(*request));

    if (request == NULL)
        bench_die("no memory for a request");
    request->fn = fn;
    request->arg = arg;
    bench_must(uv_queue_work(loop, &request->work, run_request, end_request), "uv_queue_work");
}

static void peer_stop(void)
{
    uv_library_shutdown();
}

#include "../driver.h"
