#include "words.h"

#include "runner.h"

#include <stdlib.h>
#include <string.h>

/* Counts text that stands at the beginning of a stream. */
static struct counts count(const char *text, size_t length)
{
    char bytes[256] = "\n";

    ck_assert_uint_lt(length, sizeof(bytes) - 1);
    memcpy(bytes + 1, text, length);
    return words_count(bytes + 1, length);
}

#define COUNT(text) count(text, sizeof(text) - 1)

START_TEST(words_are_separated_by_all_six_white_spaces)
{
    ck_assert_uint_eq(COUNT("a b\tc\nd\ve\ff\rg").words, 7);
}
END_TEST

START_TEST(words_hold_nul_and_high_bytes)
{
    ck_assert_uint_eq(COUNT("a\0b \0 \xe2\x80\x94 \x7f\x85 \xa0").words, 5);
}
END_TEST

START_TEST(white_space_alone_holds_no_word)
{
    ck_assert_uint_eq(COUNT("").words, 0);
    ck_assert_uint_eq(COUNT(" \n\n\t ").words, 0);
}
END_TEST

START_TEST(records_are_newlines)
{
    ck_assert_uint_eq(COUNT("a\n\nb\nc").records, 3);
}
END_TEST

START_TEST(counts_of_the_parts_add_up_wherever_a_text_is_cut)
{
    static const char text[] = "\none two  three\n\nfour\tfive";
    size_t length = sizeof(text) - 2;
    struct counts whole = words_count(text + 1, length);

    ck_assert_uint_eq(whole.words, 5);
    for (size_t cut = 0; cut <= length; cut++) {
        struct counts left = words_count(text + 1, cut);
        struct counts right = words_count(text + 1 + cut, length - cut);

        ck_assert_uint_eq(left.words + right.words, whole.words);
        ck_assert_uint_eq(left.records + right.records, whole.records);
    }
}
END_TEST

START_TEST(a_line_is_found_behind_the_newlines_before_it)
{
    static const char text[] = "a\nbb\n\nc";
    size_t length = sizeof(text) - 1;

    ck_assert_ptr_eq(words_after_lines(text, length, 0), text);
    ck_assert_ptr_eq(words_after_lines(text, length, 2), text + 5);
    ck_assert_ptr_eq(words_after_lines(text, length, 3), text + 6);
    ck_assert_ptr_null(words_after_lines(text, length, 4));
}
END_TEST

FF_TEST_MAIN("words", 4, words_are_separated_by_all_six_white_spaces, words_hold_nul_and_high_bytes,
             white_space_alone_holds_no_word, records_are_newlines,
             counts_of_the_parts_add_up_wherever_a_text_is_cut,
             a_line_is_found_behind_the_newlines_before_it)
