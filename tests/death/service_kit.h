/* What the end-to-end tests of ff_service_run() share: bodies for forked children, which play the
 * service and its manager at once. A body that finds something wrong says so and ends with 97. */
#ifndef FF_TESTS_SERVICE_KIT_H
#define FF_TESTS_SERVICE_KIT_H

#include "death.h"
#include "runner.h"

#include <failfast.h>

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>
#include <unistd.h>

/* ThreadSanitizer follows neither threads nor handlers in the child of a process with threads. */
#if defined(__SANITIZE_THREAD__)
#define CHILDREN_NOT_FOLLOWED 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define CHILDREN_NOT_FOLLOWED 1
#endif
#endif
#ifndef CHILDREN_NOT_FOLLOWED
#define CHILDREN_NOT_FOLLOWED 0
#endif

#define require(condition) require_at((condition), __LINE__, #condition)

static inline void require_at(bool holds, int line, const char *condition)
{
    if (holds)
        return;
    fprintf(stderr, "line %d: not so: %s\n", line, condition);
    _exit(97);
}

/* The manager's end of NOTIFY_SOCKET. */
static int manager_fd = -1;

static inline void manager_open(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    socklen_t length = sizeof address;
    char name[sizeof address.sun_path + 1] = "@";

    manager_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    require(manager_fd >= 0);
    /* An address without a name: the kernel makes one up, in the abstract name space. */
    require(bind(manager_fd, (struct sockaddr *)&address, sizeof(sa_family_t)) == 0);
    require(getsockname(manager_fd, (struct sockaddr *)&address, &length) == 0);
    memcpy(name + 1, address.sun_path + 1, length - offsetof(struct sockaddr_un, sun_path) - 1);
    require(setenv("NOTIFY_SOCKET", name, 1) == 0);
}

/* The next message, waited for. */
static inline void manager_expect(const char *expected)
{
    char text[256] = "";

    require(recv(manager_fd, text, sizeof text - 1, 0) > 0);
    if (strcmp(text, expected) != 0)
        fprintf(stderr, "message \"%s\", expected \"%s\"\n", text, expected);
    require(strcmp(text, expected) == 0);
}

/* No further message comes within that time. */
static inline bool manager_quiet(int ms)
{
    struct pollfd ready = {.fd = manager_fd, .events = POLLIN};

    return poll(&ready, 1, ms) == 0;
}

static inline void signal_self(int signal)
{
    require(kill(getpid(), signal) == 0);
}

static inline ff_pool *pool_with(unsigned workers)
{
    struct ff_pool_options options = {.size = sizeof options, .workers = workers};
    ff_pool *pool = NULL;

    require(ff_pool_new(&options, &pool) == 0);
    return pool;
}

/* A service task as it should be. */
static inline int sleep_loop(ff_task *self, void *arg)
{
    int rc;

    (void)arg;
    while ((rc = ff_sleep(self, FF_MILLISECOND)) == 0)
        ;
    return rc;
}

/* Waits for the start, sends the first signal, and waits until the stop has begun. */
static inline void stop_once(int signal)
{
    manager_expect("READY=1");
    signal_self(signal);
    manager_expect("STOPPING=1");
}

static inline int stop_task(ff_task *self, void *arg)
{
    (void)self;
    stop_once(*(const int *)arg);
    return 0;
}

/* A whole life of a service, ended by the signal that arg points to. */
static inline void live_once(void *arg)
{
    ff_pool *pool;

    manager_open();
    pool = pool_with(2);
    require(ff_spawn_service(pool, "loop", sleep_loop, NULL) == 0);
    require(ff_spawn(pool, "stop", stop_task, arg) == 0);
    require(ff_service_run(pool, NULL) == 0);
    require(manager_quiet(0)); /* READY=1, STOPPING=1, and nothing else. */
}

/* For tasks that listen to nobody. */
__attribute__((noreturn)) static inline void stay_for_ever(void)
{
    for (;;)
        pause();
}

/* Ends the child as main() would. */
static inline void run_and_exit(ff_pool *pool, const struct ff_service_options *options)
{
    int rc = ff_service_run(pool, options);

    if (rc < 0)
        fprintf(stderr, "ff_service_run: %s\n", strerror(-rc));
    exit(rc);
}

struct plain_body {
    void (*body)(void *arg);
    void *arg;
};

/* Check has handlers of its own for the two signals. */
static inline void plain_run(void *arg)
{
    const struct plain_body *plain = arg;

    require(signal(SIGTERM, SIG_DFL) != SIG_ERR);
    require(signal(SIGINT, SIG_DFL) != SIG_ERR);
    plain->body(plain->arg);
}

/* Runs the body in a child, which must end with that exit code. free() the result. */
static inline struct ff_death *expect_exit(void (*body)(void *arg), void *arg, int code)
{
    struct plain_body plain = {.body = body, .arg = arg};
    struct ff_death *death = ff_death_run(plain_run, &plain, 20000);

    ff_death_expect_exit(death, code);
    return death;
}

#endif
