/* GLib's GThreadPool: exclusive, so that its threads exist from the start and stay. Its tasks are
 * pointers handed to the one function of the pool; ours begin with the function to call, so no
 * closure has to be allocated. Any thread may push, tasks included. It has no join. */
#include <glib.h>

#include "../harness.h"

#define PEER_NAME "glib"
#define PEER_HAS_SPAWN
#define PEER_TASK(name, arg) static void name(void *arg)

typedef void peer_fn(void *arg);

static GThreadPool *pool;

static const char *peer_version(void)
{
    static char version[32];

    g_snprintf(version, sizeof(version), "%u.%u.%u", glib_major_version, glib_minor_version,
               glib_micro_version);
    return version;
}

static const char *peer_cannot(const struct bench_run *run)
{
    if (run->workload[1] == '1')
        return "no join: a task that waits for its child blocks a worker";
    return NULL;
}

static void run_task(gpointer data, gpointer user_data)
{
    (void)user_data;
    (*(peer_fn **)data)(data);
}

static void peer_start(unsigned workers)
{
    pool = g_thread_pool_new(run_task, NULL, (gint)workers, TRUE, NULL);
    if (pool == NULL)
        bench_die("g_thread_pool_new failed");
}

static void peer_as_producer(void (*body)(void *), void *arg)
{
    body(arg);
}

static inline void peer_submit(peer_fn *fn, void *arg)
{
    (void)fn;
    if (!g_thread_pool_push(pool, arg, NULL))
        bench_die("g_thread_pool_push failed");
}

static void peer_drain(void)
{
}

static inline void peer_root(peer_fn *fn, void *arg)
{
    peer_submit(fn, arg);
}

static inline void peer_spawn(peer_fn *fn, void *arg)
{
    peer_submit(fn, arg);
}

static void peer_stop(void)
{
    g_thread_pool_free(pool, FALSE, TRUE);
}

#include "../driver.h"
