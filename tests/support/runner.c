#include "runner.h"

#include <stdlib.h>

double ff_test_slow(void)
{
    const char *text = getenv("FAILFAST_TEST_SLOW");
    double factor = text ? strtod(text, NULL) : 1;

    return factor > 1 ? factor : 1;
}

int ff_test_main(const char *suite, double timeout_s, const TTest *const *tests)
{
    Suite *all = suite_create(suite);
    TCase *tcase = tcase_create(suite);
    SRunner *runner;
    int ran, failed;

    tcase_set_timeout(tcase, timeout_s * ff_test_slow());
    for (size_t i = 0; tests[i]; i++)
        tcase_add_test(tcase, tests[i]);
    suite_add_tcase(all, tcase);
    runner = srunner_create(all);
    srunner_run_all(runner, CK_ENV);
    ran = srunner_ntests_run(runner);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return ran == 0 || failed != 0;
}
