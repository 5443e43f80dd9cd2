/* base/name.c: names are cut at a character boundary. */
#include "runner.h"

#include "base/name.h"

#include <string.h>

static void check_copy(size_t capacity, const char *given, const char *expected)
{
    char name[64];

    memset(name, '#', sizeof name);
    ff__name_copy(name, capacity, given);
    ck_assert_str_eq(name, expected);
    ck_assert_int_eq(name[capacity], '#');
}

START_TEST(name_that_fits_is_copied_whole)
{
    check_copy(8, "", "");
    check_copy(8, "abc", "abc");
    check_copy(8, "abcdefg", "abcdefg");
    check_copy(4, "\xe2\x82\xac", "\xe2\x82\xac");
}
END_TEST

START_TEST(name_too_long_is_cut)
{
    check_copy(8, "abcdefgh", "abcdefg");
    check_copy(1, "a", "");
}
END_TEST

START_TEST(name_is_cut_before_a_character_that_does_not_fit)
{
    check_copy(4, "ab\xc3\xbc", "ab");
    check_copy(4, "a\xe2\x82\xac", "a");
    check_copy(5, "a\xf0\x9f\x98\x80", "a");
    check_copy(4, "\xf0\x9f\x98\x80", "");
}
END_TEST

START_TEST(name_is_cut_after_a_character_that_just_fits)
{
    check_copy(5, "ab\xc3\xbc!", "ab\xc3\xbc");
    check_copy(5, "a\xe2\x82\xac!", "a\xe2\x82\xac");
    check_copy(5, "a\xe2\x82\xac\xe2\x82\xac", "a\xe2\x82\xac");
}
END_TEST

START_TEST(name_that_is_no_utf8_is_cut_like_bytes)
{
    check_copy(4, "\x80\x80\x80\x80\x80", "\x80\x80\x80");
    check_copy(4, "ab\x80\x80\x80", "ab\x80");
    check_copy(4, "\xc3\x80\x80\x80", "\xc3\x80\x80");
}
END_TEST

START_TEST(name_ok_wants_one_byte_at_least)
{
    ck_assert(!ff__name_ok(NULL));
    ck_assert(!ff__name_ok(""));
    ck_assert(ff__name_ok("a"));
}
END_TEST

FF_TEST_MAIN("name", 4, name_that_fits_is_copied_whole, name_too_long_is_cut,
             name_is_cut_before_a_character_that_does_not_fit,
             name_is_cut_after_a_character_that_just_fits, name_that_is_no_utf8_is_cut_like_bytes,
             name_ok_wants_one_byte_at_least)
