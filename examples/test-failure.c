/* How to test a program that fails fast, with nothing but fork: a failure must end the process with
 * exit code 1 and a report that names the task; a cancellation must not. */
#include <failfast.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int bad_record(ff_task *self, void *arg)
{
    (void)arg;
    return ff_fail(self, -EBADMSG, "record 7 is broken");
}

static int endless(ff_task *self, void *arg)
{
    int rc;

    (void)arg;
    while ((rc = ff_sleep(self, FF_SECOND)) == 0)
        ;
    return rc;
}

/* A queued task that fails: the drain runs it. */
static int run_bad_record(ff_pool *pool)
{
    return ff_spawn(pool, "parse_record", bad_record, NULL);
}

/* A loop: the drain cancels it. */
static int run_endless(ff_pool *pool)
{
    return ff_spawn_service(pool, "follow_stream", endless, NULL);
}

/* Returns the exit code for the child. */
static int run(int (*spawn)(ff_pool *pool))
{
    ff_pool *pool;

    if (ff_pool_new(NULL, &pool) < 0 || spawn(pool) < 0)
        return 3;
    if (ff_pool_shutdown(pool, FF_DRAIN, FF_NEVER) < 0)
        return 4;
    return ff_pool_free(pool) < 0 ? 5 : 0;
}

/* Runs it in a child, and collects its stderr. Returns the wait status. */
static int in_child(int (*spawn)(ff_pool *pool), char *text, size_t capacity)
{
    int ends[2], status = -1;
    size_t used = 0;
    ssize_t n;
    pid_t child;

    if (pipe(ends) < 0 || (child = fork()) < 0)
        return -1;
    if (child == 0) {
        dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        close(ends[1]);
        _exit(run(spawn));
    }
    close(ends[1]);
    while (used + 1 < capacity && (n = read(ends[0], text + used, capacity - 1 - used)) > 0)
        used += (size_t)n;
    text[used] = '\0';
    close(ends[0]);
    return waitpid(child, &status, 0) == child ? status : -1;
}

static int fail_test(const char *what, int status, const char *text)
{
    fprintf(stderr, "%s: wait status %d, stderr:\n%s", what, status, text);
    return 1;
}

int main(void)
{
    static char text[65536];
    int status = in_child(run_bad_record, text, sizeof text);

    if (!WIFEXITED(status) || WEXITSTATUS(status) != 1 || !strstr(text, "parse_record") ||
        !strstr(text, "record 7 is broken"))
        return fail_test("a failure must end the process", status, text);
    status = in_child(run_endless, text, sizeof text);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0 || text[0] != '\0')
        return fail_test("a cancellation must not", status, text);
    puts("both as they should be");
    return 0;
}
