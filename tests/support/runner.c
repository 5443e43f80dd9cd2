#include "runner.h"

#include <dirent.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

double ff_test_slow(void)
{
    const char *text = getenv("FAILFAST_TEST_SLOW");
    double factor = text ? strtod(text, NULL) : 1;

    return factor > 1 ? factor : 1;
}

static bool thread_sleeps(const char *tid)
{
    char path[64], state = '?';
    FILE *file;

    snprintf(path, sizeof path, "/proc/self/task/%.20s/stat", tid);
    file = fopen(path, "r");
    if (!file)
        return true; /* It has ended. */
    if (fscanf(file, "%*d (%*[^)]) %c", &state) != 1)
        state = '?';
    fclose(file);
    return state == 'S';
}

static bool others_sleep(void)
{
    DIR *tasks = opendir("/proc/self/task");
    struct dirent *entry;
    bool asleep = tasks != NULL;

    while (asleep && (entry = readdir(tasks)))
        if (entry->d_name[0] != '.' && atoi(entry->d_name) != gettid())
            asleep = thread_sleeps(entry->d_name);
    if (tasks)
        closedir(tasks);
    return asleep;
}

pid_t ff_test_fork(void)
{
    while (!others_sleep())
        sched_yield();
    return fork();
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
