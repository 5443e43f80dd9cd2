/* The pool of the textbooks: one list of malloc'd closures, one mutex, one condition variable,
 * which is signalled only when a worker waits, after the mutex is free. It has no join. */
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#include <gnu/libc-version.h>

#include "../harness.h"

#define PEER_NAME "textbook"
#define PEER_HAS_SPAWN
#define PEER_TASK(name, arg) static void name(void *arg)

typedef void peer_fn(void *arg);

struct closure {
    struct closure *next;
    peer_fn *fn;
    void *arg;
};

static struct {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    /* Guarded by lock. */
    struct closure *first;
    struct closure **last_next; /* Where the next closure is hung. */
    unsigned waiting;
    bool stopping;
    /* The main thread's. */
    unsigned workers;
    pthread_t *threads;
} pool = {.lock = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER};

static const char *peer_version(void)
{
    return gnu_get_libc_version();
}

static const char *peer_cannot(const struct bench_run *run)
{
    if (run->workload[1] == '1')
        return "no join: a task that waits for its child blocks a worker";
    return NULL;
}

/* Take the oldest closure, waiting for one; NULL when the pool stops and none is left. */
static struct closure *take_closure(void)
{
    pthread_mutex_lock(&pool.lock);
    while (pool.first == NULL && !pool.stopping) {
        pool.waiting++;
        pthread_cond_wait(&pool.wake, &pool.lock);
        pool.waiting--;
    }
    struct closure *closure = pool.first;

    if (closure != NULL) {
        pool.first = closure->next;
        if (pool.first == NULL)
            pool.last_next = &pool.first;
    }
    pthread_mutex_unlock(&pool.lock);
    return closure;
}

static void *work(void *unused)
{
    struct closure *closure;

    (void)unused;
    while ((closure = take_closure()) != NULL) {
        closure->fn(closure->arg);
        free(closure);
    }
    return NULL;
}

static void peer_start(unsigned workers)
{
    pool.last_next = &pool.first;
    pool.workers = workers;
    pool.threads = bench_alloc(workers, sizeof(*pool.threads));
    for (unsigned i = 0; i < workers; i++)
        bench_must(pthread_create(&pool.threads[i], NULL, work, NULL), "pthread_create");
}

static void peer_as_producer(void (*body)(void *), void *arg)
{
    body(arg);
}

static inline void peer_submit(peer_fn *fn, void *arg)
{
    struct closure *closure = malloc(sizeof(*closure));

    if (closure == NULL)
        bench_die("no memory for a closure");
    closure->next = NULL;
    closure->fn = fn;
    closure->arg = arg;
    pthread_mutex_lock(&pool.lock);
    *pool.last_next = closure;
    pool.last_next = &closure->next;
    bool wake = pool.waiting > 0;
    pthread_mutex_unlock(&pool.lock);
    if (wake)
        pthread_cond_signal(&pool.wake);
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
    pthread_mutex_lock(&pool.lock);
    pool.stopping = true;
    pthread_mutex_unlock(&pool.lock);
    pthread_cond_broadcast(&pool.wake);
    for (unsigned i = 0; i < pool.workers; i++)
        bench_must(pthread_join(pool.threads[i], NULL), "pthread_join");
    free(pool.threads);
}

#include "../driver.h"
