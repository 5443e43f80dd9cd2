/* A service's main function: run until SIGTERM, stop in order, tell the supervisor. */
#ifndef FAILFAST_SERVICE_H
#define FAILFAST_SERVICE_H

#include <failfast/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* How ff_service_run() behaves. Set size to sizeof(struct ff_service_options); zero is the default.
 */
struct ff_service_options {
    size_t size;
    uint64_t grace_ns; /* From the first signal to the end of the drain. 0: 10 s. */
    const char
        *liveness_path; /* A file that is touched while every service task beats. NULL: none. */
    uint64_t beat_ns;   /* A service task is alive if its last beat is younger. 0: 10 s. */
};

/**
 * Run until SIGTERM or SIGINT, then shut the pool down and free it.
 *
 * The first signal drains the pool within the grace period; a second one cancels it; a third one
 * takes the abort path. A drain that misses its deadline is cancelled, given one more second, and
 * then ends the process through the abort path with the stragglers named. If a task shuts the pool
 * down itself, the call returns as after the first signal. Works as PID 1.
 *
 * With NOTIFY_SOCKET in the environment it tells systemd READY=1 and STOPPING=1, and with
 * WATCHDOG_USEC sends WATCHDOG=1 at half that interval, but only while every service task beats
 * (ff_beat()); the same holds for the liveness file. The handlers of SIGTERM and SIGINT are its own
 * while it runs, and then put back.
 *
 * @param pool     Freed by the call when it returns 0; else still the caller's.
 * @param options  NULL for the defaults. Copied.
 * @return The exit code for main: 0 after a clean stop; or -EINVAL (NULL pool, unknown size),
 * -E2BIG, -EBUSY (another call is running), -EDEADLK (called from a task, a cancel callback, an
 * at-abort hook or a worker), -EAGAIN (its thread could not start), -ENOENT or the like (the
 * liveness file cannot be made), -EOWNERDEAD.
 * Threads: one, no task. Blocks: until the end.
 * Signals: not async-signal-safe. Since: 0.1
 */
FF_API FF_NODISCARD int ff_service_run(ff_pool *pool, const struct ff_service_options *options);

/**
 * Send a line such as "STATUS=loading" to the service manager (sd_notify protocol).
 *
 * @return 1 when it was sent, 0 without NOTIFY_SOCKET, or -EINVAL (NULL or empty, malformed socket
 *         address), or the negative errno of the socket calls.
 * Threads: any. Blocks: no. Signals: not async-signal-safe. Since: 0.1
 */
FF_API int ff_notify(const char *state);

#ifdef __cplusplus
}
#endif

#endif
