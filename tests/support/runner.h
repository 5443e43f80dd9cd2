/* The Check runner: one executable per suite, one process per test, a limit for each. */
#ifndef FF_TESTS_RUNNER_H
#define FF_TESTS_RUNNER_H

#include <check.h>
#include <sys/types.h>

/* Runs the tests (NULL at the end), each with a limit of timeout_s seconds. The exit code of main:
 * 0 when all passed, 1 when one failed or there was none. FAILFAST_TEST_SLOW=N in the environment
 * multiplies the limits (valgrind, sanitizers). CK_RUN_CASE and CK_FORK work as always. */
int ff_test_main(const char *suite, double timeout_s, const TTest *const *tests);

/* fork(), when every other thread of the process is asleep: a thread that is just starting or
 * ending may hold the lock of a sanitizer's allocator, and the child would wait for it for ever. */
pid_t ff_test_fork(void);

/* The multiplier itself, for tests that measure time. At least 1. */
double ff_test_slow(void);

#define FF_TEST_MAIN(suite, timeout_s, ...)               \
    int main(void)                                        \
    {                                                     \
        const TTest *const tests[] = {__VA_ARGS__, NULL}; \
        return ff_test_main(suite, timeout_s, tests);     \
    }

#endif
