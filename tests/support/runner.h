/* The Check runner: one executable per suite, one process per test, a limit for each. */
#ifndef FF_TESTS_RUNNER_H
#define FF_TESTS_RUNNER_H

#include <check.h>

/* Runs the tests (NULL at the end), each with a limit of timeout_s seconds. The exit code of main:
 * 0 when all passed, 1 when one failed or there was none. FAILFAST_TEST_SLOW=N in the environment
 * multiplies the limits (valgrind, sanitizers). CK_RUN_CASE and CK_FORK work as always. */
int ff_test_main(const char *suite, double timeout_s, const TTest *const *tests);

/* The multiplier itself, for tests that measure time. At least 1. */
double ff_test_slow(void);

#define FF_TEST_MAIN(suite, timeout_s, ...)               \
    int main(void)                                        \
    {                                                     \
        const TTest *const tests[] = {__VA_ARGS__, NULL}; \
        return ff_test_main(suite, timeout_s, tests);     \
    }

#endif
