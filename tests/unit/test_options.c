/* base/options.c: structs of options from older and newer programs. */
#include "runner.h"

#include "base/options.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

struct known {
    size_t size;
    uint64_t first, second;
};

struct newer {
    struct known known;
    uint64_t third, fourth;
};

static struct known read_back;

static int read_options(const void *given)
{
    memset(&read_back, 0x55, sizeof read_back);
    return ff__options_read(&read_back, sizeof read_back, given);
}

START_TEST(options_of_null_are_all_zero)
{
    ck_assert_int_eq(read_options(NULL), 0);
    ck_assert_uint_eq(read_back.first, 0);
    ck_assert_uint_eq(read_back.second, 0);
}
END_TEST

START_TEST(options_of_the_known_size_are_copied)
{
    struct known given = {sizeof given, 1, 2};

    ck_assert_int_eq(read_options(&given), 0);
    ck_assert_uint_eq(read_back.first, 1);
    ck_assert_uint_eq(read_back.second, 2);
}
END_TEST

START_TEST(options_of_a_newer_program_pass_while_its_new_fields_are_zero)
{
    struct newer given = {{sizeof given, 1, 2}, 0, 0};

    ck_assert_int_eq(read_options(&given), 0);
    ck_assert_uint_eq(read_back.second, 2);
}
END_TEST

START_TEST(options_with_an_unknown_field_set_are_too_big)
{
    struct newer given = {{sizeof given, 1, 2}, 0, 1};

    ck_assert_int_eq(read_options(&given), -E2BIG);
    ck_assert_uint_eq(read_back.first, UINT64_C(0x5555555555555555));
}
END_TEST

START_TEST(options_of_a_size_that_never_was_are_invalid)
{
    struct known given = {0, 1, 2};

    ck_assert_int_eq(read_options(&given), -EINVAL);
    given.size = sizeof given - 1;
    ck_assert_int_eq(read_options(&given), -EINVAL);
    given.size = SIZE_MAX;
    ck_assert_int_eq(read_options(&given), -EINVAL);
    ck_assert_uint_eq(read_back.first, UINT64_C(0x5555555555555555));
}
END_TEST

FF_TEST_MAIN("options", 4, options_of_null_are_all_zero, options_of_the_known_size_are_copied,
             options_of_a_newer_program_pass_while_its_new_fields_are_zero,
             options_with_an_unknown_field_set_are_too_big,
             options_of_a_size_that_never_was_are_invalid)
