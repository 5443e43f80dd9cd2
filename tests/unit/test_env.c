/* sys/env.c: numbers from the environment, and what is said of wrong ones. */
#include "death.h"
#include "runner.h"

#include "sys/env.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define VARIABLE "FAILFAST_TEST_NUMBER"

START_TEST(env_reads_a_number_within_its_bounds)
{
    uint64_t value = 0;

    setenv(VARIABLE, "1", 1);
    ck_assert(ff__env_u64(VARIABLE, 1, 9, &value));
    ck_assert_uint_eq(value, 1);
    setenv(VARIABLE, "0009", 1);
    ck_assert(ff__env_u64(VARIABLE, 1, 9, &value));
    ck_assert_uint_eq(value, 9);
    setenv(VARIABLE, "18446744073709551615", 1);
    ck_assert(ff__env_u64(VARIABLE, 0, UINT64_MAX, &value));
    ck_assert_uint_eq(value, UINT64_MAX);
}
END_TEST

START_TEST(env_unset_or_empty_is_no_number_and_no_complaint)
{
    uint64_t value = 5;

    unsetenv(VARIABLE);
    ck_assert(!ff__env_u64(VARIABLE, 1, 9, &value));
    setenv(VARIABLE, "", 1);
    ck_assert(!ff__env_u64(VARIABLE, 1, 9, &value));
    ck_assert_uint_eq(value, 5);
}
END_TEST

/* Ends with 0 when the value counted as unset. */
static void read_it(void *arg)
{
    uint64_t value = 5;

    setenv(VARIABLE, arg, 1);
    _exit(ff__env_u64(VARIABLE, 1, 9, &value) || value != 5);
}

static void check_complaint(char *text, const char *expected)
{
    struct ff_death *death = ff_death_run(read_it, text, 2000);

    ff_death_expect_exit(death, 0);
    ck_assert_str_eq(death->text, expected);
    free(death);
}

START_TEST(env_malformed_or_out_of_bounds_is_said_in_one_line_and_ignored)
{
    static char *const texts[] = {"0",
                                  "10",
                                  "abc",
                                  "3x",
                                  "-3",
                                  " 3",
                                  "0x3",
                                  "18446744073709551616",
                                  "99999999999999999999999"};

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char expected[256];

        snprintf(expected, sizeof expected,
                 "failfast: " VARIABLE "=\"%s\" is ignored: it is no number from 1 to 9\n",
                 texts[i]);
        check_complaint(texts[i], expected);
    }
}
END_TEST

START_TEST(env_complaint_cannot_be_used_to_forge_lines)
{
    static char text[] = "1\nfailfast: all is well\x1b[0m";

    check_complaint(text,
                    "failfast: " VARIABLE "=\"1?failfast: all is well?[0m\" is ignored: it is "
                    "no number from 1 to 9\n");
}
END_TEST

FF_TEST_MAIN("env", 10, env_reads_a_number_within_its_bounds,
             env_unset_or_empty_is_no_number_and_no_complaint,
             env_malformed_or_out_of_bounds_is_said_in_one_line_and_ignored,
             env_complaint_cannot_be_used_to_forge_lines)
