#include "progress.h"

#include "runner.h"

#include <string.h>

/* Three files, of which the first is finished, the second half read, the third untouched. */
static struct input items[] = {{.size = 100}, {.size = 50}, {.size = 7}};
static const struct inputs inputs = {.items = items,
                                     .identity = {.count = 3, .bytes = 157, .digest = 0x1234}};

static struct progress half_way(void)
{
    struct progress progress = {
        .inputs = inputs.identity,
        .next = 2,
        .records = 12,
        .words = 34,
        .bytes = 125,
        .happened = {[MISHAP_CRASH] = 1},
    };

    progress.open[0] = (struct open_stream){.used = true, .stream = 1, .offset = 25};
    return progress;
}

START_TEST(progress_comes_back_from_its_text)
{
    struct progress progress = half_way(), back;
    char text[PROGRESS_TEXT_MAX];
    size_t length = progress_render(&progress, text);

    ck_assert_int_eq(progress_parse(text, length, &back), PROGRESS_OK);
    ck_assert_uint_eq(back.next, 2);
    ck_assert_uint_eq(back.records, 12);
    ck_assert_uint_eq(back.words, 34);
    ck_assert_uint_eq(back.bytes, 125);
    ck_assert_uint_eq(back.happened[MISHAP_CRASH], 1);
    ck_assert_uint_eq(back.happened[MISHAP_POISON], 0);
    ck_assert(back.open[0].used && back.open[0].stream == 1 && back.open[0].offset == 25);
    ck_assert(progress_fits(&back, &inputs));
}
END_TEST

START_TEST(the_longest_progress_fits_into_its_text)
{
    struct progress progress, back;
    char text[PROGRESS_TEXT_MAX];
    size_t length;

    memset(&progress, 0xff, sizeof(progress));
    for (size_t i = 0; i < CONSUMERS_MAX; i++)
        progress.open[i] = (struct open_stream){true, UINT64_MAX, UINT64_MAX};
    length = progress_render(&progress, text);
    ck_assert_uint_lt(length, sizeof(text));
    ck_assert_int_eq(progress_parse(text, length, &back), PROGRESS_OK);
}
END_TEST

START_TEST(no_changed_byte_goes_unseen)
{
    struct progress progress = half_way(), back;
    char text[PROGRESS_TEXT_MAX];
    size_t length = progress_render(&progress, text);

    for (size_t i = 0; i < length; i++) {
        text[i] ^= 1;
        ck_assert_int_ne(progress_parse(text, length, &back), PROGRESS_OK);
        text[i] ^= 1;
    }
}
END_TEST

START_TEST(no_cut_or_longer_text_is_accepted)
{
    struct progress progress = half_way(), back;
    char text[PROGRESS_TEXT_MAX];
    size_t length = progress_render(&progress, text);

    for (size_t i = 0; i < length; i++)
        ck_assert_int_ne(progress_parse(text, i, &back), PROGRESS_OK);
    text[length] = '\n';
    ck_assert_int_eq(progress_parse(text, length + 1, &back), PROGRESS_DAMAGED);
}
END_TEST

START_TEST(foreign_text_and_other_versions_are_told_apart)
{
    static const char foreign[] = "root:x:0:0:root:/root:/bin/bash\n";
    static const char version[] = "stream-service checkpoint 2\n";
    struct progress back;

    ck_assert_int_eq(progress_parse(foreign, sizeof(foreign) - 1, &back), PROGRESS_FOREIGN);
    ck_assert_int_eq(progress_parse("", 0, &back), PROGRESS_FOREIGN);
    ck_assert_int_eq(progress_parse(version, sizeof(version) - 1, &back), PROGRESS_VERSION);
}
END_TEST

START_TEST(progress_through_other_inputs_does_not_fit)
{
    struct progress other_digest = half_way(), other_bytes = half_way(), beyond = half_way();
    struct progress twice = half_way(), behind_the_end = half_way();

    other_digest.inputs.digest++;
    other_bytes.bytes++;
    beyond.next = 4;
    twice.open[5] = twice.open[0];
    behind_the_end.open[0].offset = 51;
    behind_the_end.bytes = 151;
    ck_assert(progress_fits(&(struct progress){.inputs = inputs.identity}, &inputs));
    ck_assert(!progress_fits(&other_digest, &inputs));
    ck_assert(!progress_fits(&other_bytes, &inputs));
    ck_assert(!progress_fits(&beyond, &inputs));
    ck_assert(!progress_fits(&twice, &inputs));
    ck_assert(!progress_fits(&behind_the_end, &inputs));
}
END_TEST

FF_TEST_MAIN("progress", 4, progress_comes_back_from_its_text,
             the_longest_progress_fits_into_its_text, no_changed_byte_goes_unseen,
             no_cut_or_longer_text_is_accepted, foreign_text_and_other_versions_are_told_apart,
             progress_through_other_inputs_does_not_fit)
