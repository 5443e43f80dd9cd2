/* A program as a user writes it, in the common part of C and C++. Built by installed.sh against an
 * installed library. It checks that linking the library leaves the program's own unwinding alone:
 * pthread_exit() and pthread_cancel() run the clean-up handlers (and in C++ the destructors; a
 * throw is caught). Prints "ok" at the end; every broken expectation is an exit code of its own. */
#include <failfast.h>

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int cleaned;

static void clean(void *arg)
{
    (void)arg;
    cleaned++;
}

static void *leave_early(void *arg)
{
    pthread_cleanup_push(clean, NULL);
    pthread_exit(arg);
    pthread_cleanup_pop(0);
    return NULL;
}

static void *wait_for_cancel(void *arg)
{
    pthread_cleanup_push(clean, NULL);
    for (;;)
        pause();
    pthread_cleanup_pop(0);
    return arg;
}

static int run_threads(void)
{
    pthread_t thread;
    void *result;

    if (pthread_create(&thread, NULL, leave_early, &cleaned) != 0)
        return 2;
    pthread_join(thread, &result);
    if (result != &cleaned || cleaned != 1)
        return 3;
    if (pthread_create(&thread, NULL, wait_for_cancel, NULL) != 0)
        return 4;
    pthread_cancel(thread);
    pthread_join(thread, &result);
    if (result != PTHREAD_CANCELED || cleaned != 2)
        return 5;
    return 0;
}

#ifdef __cplusplus
struct cleaner {
    ~cleaner()
    {
        cleaned += 10;
    }
};

static int run_throw(void)
{
    try {
        struct cleaner cleaner;

        throw 7;
    } catch (int value) {
        return value == 7 && cleaned == 12 ? 0 : 6;
    }
}
#else
static int run_throw(void)
{
    return 0;
}
#endif

static int succeed(ff_task *self, void *arg)
{
    *(const char **)arg = ff_task_name(self);
    return 0;
}

/* A pool that runs one task before and after the threads, so that all of the library is loaded. */
static int run_pool(void)
{
    const char *name = NULL;
    ff_pool *pool = NULL;

    if (ff_pool_new(NULL, &pool) != 0)
        return 7;
    if (ff_spawn(pool, "the task", succeed, (void *)&name) != 0)
        return 8;
    if (ff_pool_shutdown(pool, FF_DRAIN, FF_NEVER) != 0 || !name)
        return 9;
    return ff_pool_free(pool) == 0 ? 0 : 10;
}

int main(void)
{
    int rc;

    if (strcmp(ff_version(), FF_VERSION_STRING) != 0)
        return 1;
    rc = run_pool();
    if (rc == 0)
        rc = run_threads();
    if (rc == 0)
        rc = run_throw();
    if (rc == 0)
        puts("ok");
    return rc;
}
