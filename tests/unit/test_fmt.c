/* base/fmt.c and base/errname.c: text without printf, names of errors and signals. */
#include "runner.h"

#include "base/fmt.h"

#include <limits.h>
#include <signal.h>
#include <string.h>

static char text[128];
static struct ff__fmt fmt;

static void begin(size_t capacity)
{
    memset(text, '#', sizeof text);
    ff__fmt_init(&fmt, text, capacity);
}

START_TEST(fmt_is_an_empty_string_from_the_start)
{
    begin(sizeof text);
    ck_assert_str_eq(text, "");
    ck_assert_uint_eq(fmt.used, 0);
}
END_TEST

START_TEST(fmt_writes_numbers_of_every_size)
{
    begin(sizeof text);
    ff__fmt_u64(&fmt, 0);
    ff__fmt_char(&fmt, ' ');
    ff__fmt_u64(&fmt, UINT64_MAX);
    ff__fmt_char(&fmt, ' ');
    ff__fmt_i64(&fmt, INT64_MIN);
    ff__fmt_char(&fmt, ' ');
    ff__fmt_i64(&fmt, -1);
    ff__fmt_char(&fmt, ' ');
    ff__fmt_i64(&fmt, INT64_MAX);
    ck_assert_str_eq(text, "0 18446744073709551615 -9223372036854775808 -1 9223372036854775807");
    ck_assert_uint_eq(fmt.used, strlen(text));
}
END_TEST

START_TEST(fmt_writes_hexadecimal_without_padding)
{
    begin(sizeof text);
    ff__fmt_hex(&fmt, 0);
    ff__fmt_char(&fmt, ' ');
    ff__fmt_hex(&fmt, 0x1f);
    ff__fmt_char(&fmt, ' ');
    ff__fmt_hex(&fmt, UINT64_MAX);
    ck_assert_str_eq(text, "0x0 0x1f 0xffffffffffffffff");
}
END_TEST

START_TEST(fmt_writes_null_for_a_missing_string)
{
    begin(sizeof text);
    ff__fmt_str(&fmt, NULL);
    ff__fmt_safe_str(&fmt, NULL);
    ck_assert_str_eq(text, "(null)(null)");
}
END_TEST

START_TEST(fmt_drops_the_rest_and_says_so_when_the_buffer_is_full)
{
    begin(4);
    ff__fmt_str(&fmt, "abc");
    ck_assert(!fmt.truncated);
    ff__fmt_char(&fmt, 'd');
    ck_assert(fmt.truncated);
    ff__fmt_u64(&fmt, 12345);
    ck_assert_str_eq(text, "abc");
    ck_assert_int_eq(text[4], '#');
}
END_TEST

START_TEST(fmt_of_one_byte_holds_only_the_end)
{
    begin(1);
    ff__fmt_str(&fmt, "a");
    ck_assert_str_eq(text, "");
    ck_assert(fmt.truncated);
    ck_assert_int_eq(text[1], '#');
}
END_TEST

START_TEST(fmt_bytes_writes_just_so_many)
{
    begin(sizeof text);
    ff__fmt_bytes(&fmt, "abcdef", 3);
    ck_assert_str_eq(text, "abc");
}
END_TEST

START_TEST(fmt_durations_read_like_words)
{
    static const struct {
        uint64_t ns;
        const char *expected;
    } cases[] = {
        {0, "0 ns"},
        {999, "999 ns"},
        {1000, "1.0 us"},
        {3456, "3.4 us"},
        {9999, "9.9 us"},
        {10000, "10 us"},
        {999999, "999 us"},
        {1000000, "1.0 ms"},
        {250000000, "250 ms"},
        {999999999, "999 ms"},
        {1000000000, "1.00 s"},
        {1509999999, "1.50 s"},
        {59999999999, "59.99 s"},
        {60000000000, "1 min 00 s"},
        {61000000000, "1 min 01 s"},
        {UINT64_C(3599) * 1000000000, "59 min 59 s"},
        {UINT64_C(7500) * 1000000000, "2 h 05 min"},
        {UINT64_C(172799) * 1000000000, "47 h 59 min"},
        {UINT64_C(172800) * 1000000000, "2 d 00 h"},
        {UINT64_MAX, "213503 d 23 h"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        begin(sizeof text);
        ff__fmt_duration(&fmt, cases[i].ns);
        ck_assert_str_eq(text, cases[i].expected);
    }
}
END_TEST

START_TEST(fmt_safe_str_turns_control_bytes_and_broken_utf8_into_question_marks)
{
    static const struct {
        const char *given, *expected;
    } cases[] = {
        {"plain name", "plain name"},
        {"a\nb\x1b[31m\x7f", "a?b?[31m?"},
        {"gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f"},
        {"\xe2\x82\xac\xf0\x9f\x98\x80", "\xe2\x82\xac\xf0\x9f\x98\x80"},
        {"\xc2\x9b"
         "31m",
         "??31m"},                    /* CSI in one character. */
        {"\xc3", "?"},                /* Ends in the middle. */
        {"\xe2\x82", "??"},           /* Ends in the middle. */
        {"\xc0\xaf", "??"},           /* Over-long. */
        {"\xe0\x80\xaf", "???"},      /* Over-long. */
        {"\xed\xa0\x80", "???"},      /* A surrogate. */
        {"\xf4\x90\x80\x80", "????"}, /* Beyond U+10FFFF. */
        {"\x80\xff"
         "a",
         "??a"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        begin(sizeof text);
        ff__fmt_safe_str(&fmt, cases[i].given);
        ck_assert_str_eq(text, cases[i].expected);
    }
}
END_TEST

START_TEST(fmt_safe_str_never_writes_half_a_character)
{
    begin(4);
    ff__fmt_safe_str(&fmt, "ab\xc3\xbc");
    ck_assert_str_eq(text, "ab");
    ck_assert(fmt.truncated);
    begin(5);
    ff__fmt_safe_str(&fmt, "ab\xc3\xbc");
    ck_assert_str_eq(text, "ab\xc3\xbc");
    ck_assert(!fmt.truncated);
}
END_TEST

START_TEST(errno_names_and_texts_are_those_of_the_system)
{
    for (int number = -2; number < 5000; number++) {
        const char *name = strerrorname_np(number), *known = ff__errno_name(number);

        if (number <= 0 || !name) {
            ck_assert_ptr_null(known);
            ck_assert_ptr_null(ff__errno_text(number));
        } else {
            ck_assert_str_eq(known, name);
            ck_assert_str_eq(ff__errno_text(number), strerrordesc_np(number));
        }
    }
    ck_assert_ptr_null(ff__errno_name(INT_MIN));
    ck_assert_ptr_null(ff__errno_name(INT_MAX));
}
END_TEST

START_TEST(signal_names_are_those_of_the_system)
{
    for (int number = -2; number < 200; number++) {
        const char *name = sigabbrev_np(number), *known = ff__signal_name(number);

        if (number <= 0 || !name) {
            ck_assert_ptr_null(known);
        } else {
            ck_assert_int_eq(strncmp(known, "SIG", 3), 0);
            ck_assert_str_eq(known + 3, name);
        }
    }
    ck_assert_ptr_null(ff__signal_name(INT_MIN));
    ck_assert_ptr_null(ff__signal_name(INT_MAX));
}
END_TEST

START_TEST(utc_knows_leap_years_and_ends_of_months)
{
    static const struct {
        uint64_t seconds;
        const char *text;
    } cases[] = {
        {0, "1970-01-01 00:00:00 UTC"},          {951782399, "2000-02-28 23:59:59 UTC"},
        {951782400, "2000-02-29 00:00:00 UTC"},  {1709251199, "2024-02-29 23:59:59 UTC"},
        {1709251200, "2024-03-01 00:00:00 UTC"}, {1798761599, "2026-12-31 23:59:59 UTC"},
        {4107542400, "2100-03-01 00:00:00 UTC"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        begin(sizeof text);
        ff__fmt_utc(&fmt, cases[i].seconds);
        ck_assert_str_eq(text, cases[i].text);
    }
}
END_TEST

FF_TEST_MAIN("fmt", 4, utc_knows_leap_years_and_ends_of_months,
             fmt_is_an_empty_string_from_the_start, fmt_writes_numbers_of_every_size,
             fmt_writes_hexadecimal_without_padding, fmt_writes_null_for_a_missing_string,
             fmt_drops_the_rest_and_says_so_when_the_buffer_is_full,
             fmt_of_one_byte_holds_only_the_end, fmt_bytes_writes_just_so_many,
             fmt_durations_read_like_words,
             fmt_safe_str_turns_control_bytes_and_broken_utf8_into_question_marks,
             fmt_safe_str_never_writes_half_a_character,
             errno_names_and_texts_are_those_of_the_system, signal_names_are_those_of_the_system)
