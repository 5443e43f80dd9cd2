#include "reader.h"

#include "runner.h"
#include "words.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char path[] = "/tmp/test-reader-XXXXXX";
static struct inputs inputs;

/* Makes the one input file. */
static const struct input *make_input(const char *bytes, size_t length)
{
    char *paths[] = {path, NULL};
    int fd = mkstemp(path);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, bytes, length), (ssize_t)length);
    close(fd);
    ck_assert_int_eq(inputs_collect(&inputs, paths), 0);
    return &inputs.items[0];
}

static void remove_input(void)
{
    unlink(path);
    inputs_done(&inputs);
}

static struct piece next(struct reader *reader, uint64_t max_records)
{
    struct piece piece;

    ck_assert_int_eq(reader_next(reader, max_records, &piece), 0);
    return piece;
}

static void expect(struct piece piece, const char *text, uint64_t records)
{
    ck_assert_uint_eq(piece.length, strlen(text));
    ck_assert_mem_eq(piece.data, text, piece.length);
    ck_assert_uint_eq(piece.records, records);
}

START_TEST(pieces_hold_whole_records_up_to_the_limit)
{
    const struct input *input = make_input("a\nbb\nccc\nd", 10);
    struct reader reader;

    ck_assert_int_eq(reader_open(&reader, input, 0), 0);
    expect(next(&reader, 2), "a\nbb\n", 2);
    expect(next(&reader, 1), "ccc\n", 1);
    expect(next(&reader, 5), "d", 1);
    expect(next(&reader, 5), "", 0);
    reader_close(&reader);
    remove_input();
}
END_TEST

START_TEST(a_last_line_without_newline_is_a_record_of_its_own)
{
    const struct input *input = make_input("a\nb", 3);
    struct reader reader;

    ck_assert_int_eq(reader_open(&reader, input, 0), 0);
    expect(next(&reader, 1), "a\n", 1);
    expect(next(&reader, 1), "b", 1);
    reader_close(&reader);
    remove_input();
}
END_TEST

START_TEST(reading_resumes_at_any_byte_with_the_byte_before_it)
{
    static const char text[] = "ab c\n\nd e";
    const struct input *input = make_input(text, sizeof(text) - 1);

    for (size_t offset = 0; offset < sizeof(text) - 1; offset++) {
        struct reader reader;
        struct piece piece;

        ck_assert_int_eq(reader_open(&reader, input, offset), 0);
        piece = next(&reader, 100);
        ck_assert_uint_eq(piece.length, sizeof(text) - 1 - offset);
        ck_assert_mem_eq(piece.data, text + offset, piece.length);
        ck_assert_int_eq(piece.data[-1], offset ? text[offset - 1] : '\n');
        reader_close(&reader);
    }
    remove_input();
}
END_TEST

/* Lines of 0 to 3 buffers, by turns. */
static size_t make_lines(char *bytes, size_t capacity)
{
    size_t length = 0;

    for (size_t i = 0; length + 3 * READER_BYTES + 2 < capacity; i++) {
        size_t line = (i % 7) * (READER_BYTES / 2) + i;

        memset(bytes + length, 'x', line);
        length += line;
        bytes[length++] = '\n';
    }
    bytes[length++] = 'y';
    return length;
}

START_TEST(lines_longer_than_the_buffer_come_in_parts_and_count_once)
{
    size_t capacity = 20 * READER_BYTES;
    char *bytes = malloc(capacity + 1);
    size_t length, got = 0;
    uint64_t records = 0;
    struct counts all, sum = {0};
    struct reader reader;
    struct piece piece;

    ck_assert_ptr_nonnull(bytes);
    bytes[0] = '\n';
    length = make_lines(bytes + 1, capacity);
    all = words_count(bytes + 1, length);
    ck_assert_int_eq(reader_open(&reader, make_input(bytes + 1, length), 0), 0);
    while ((piece = next(&reader, 3)).length > 0) {
        struct counts counts = words_count(piece.data, piece.length);

        ck_assert_uint_le(piece.length, READER_BYTES);
        ck_assert_uint_le(piece.records, 3);
        ck_assert_mem_eq(piece.data, bytes + 1 + got, piece.length);
        got += piece.length;
        records += piece.records;
        sum.words += counts.words;
    }
    ck_assert_uint_eq(got, length);
    ck_assert_uint_eq(records, all.records + 1);
    ck_assert_uint_eq(sum.words, all.words);
    reader_close(&reader);
    remove_input();
    free(bytes);
}
END_TEST

START_TEST(a_file_that_changed_since_it_was_listed_is_stale)
{
    const struct input *input = make_input("a\nb\n", 4);
    struct reader reader;
    struct piece piece;

    ck_assert_int_eq(reader_open(&reader, input, 0), 0);
    ck_assert_int_eq(truncate(path, 3), 0);
    ck_assert_int_eq(reader_next(&reader, 1, &piece), -ESTALE);
    reader_close(&reader);
    ck_assert_int_eq(reader_open(&reader, input, 0), -ESTALE);
    remove_input();
}
END_TEST

START_TEST(a_file_that_grows_while_it_is_read_is_stale_at_its_end)
{
    const struct input *input = make_input("a\nb\n", 4);
    struct reader reader;
    struct piece piece;

    ck_assert_int_eq(reader_open(&reader, input, 0), 0);
    expect(next(&reader, 1), "a\n", 1);
    ck_assert_int_eq(truncate(path, 5), 0);
    ck_assert_int_eq(reader_next(&reader, 1, &piece), -ESTALE);
    reader_close(&reader);
    remove_input();
}
END_TEST

FF_TEST_MAIN("reader", 4, pieces_hold_whole_records_up_to_the_limit,
             a_last_line_without_newline_is_a_record_of_its_own,
             reading_resumes_at_any_byte_with_the_byte_before_it,
             lines_longer_than_the_buffer_come_in_parts_and_count_once,
             a_file_that_changed_since_it_was_listed_is_stale,
             a_file_that_grows_while_it_is_read_is_stale_at_its_end)
