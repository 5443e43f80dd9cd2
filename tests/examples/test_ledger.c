#include "ledger.h"

#include "runner.h"

static struct input items[] = {{.size = 10}, {.size = 0}, {.size = 20}, {.size = 0}};
static const struct inputs inputs = {.items = items, .identity = {.count = 4, .bytes = 30}};

static void start(struct ledger *ledger, const struct progress *progress)
{
    static const struct progress beginning = {.inputs = {.count = 4, .bytes = 30}};

    ledger_init(ledger, &inputs, progress ? progress : &beginning);
}

START_TEST(streams_are_handed_out_once_and_empty_ones_are_finished)
{
    const struct counts some = {.records = 2, .words = 3};
    struct ledger ledger;
    struct claim first, second, third;
    struct progress progress;

    start(&ledger, NULL);
    ck_assert(ledger_claim(&ledger, &first));
    ck_assert(ledger_claim(&ledger, &second));
    ck_assert(!ledger_claim(&ledger, &third));
    ck_assert_ptr_eq(first.input, &items[0]);
    ck_assert_ptr_eq(second.input, &items[2]);
    ledger_commit(&ledger, &first, some, 10);
    ck_assert(!ledger_is_finished(&ledger));
    ledger_commit(&ledger, &second, some, 20);
    ck_assert(ledger_is_finished(&ledger));
    progress = ledger_snapshot(&ledger);
    ck_assert_uint_eq(progress_files(&progress), 4);
    ck_assert_uint_eq(progress.records, 4);
    ck_assert_uint_eq(progress.words, 6);
    ck_assert_uint_eq(progress.bytes, 30);
    ledger_done(&ledger);
}
END_TEST

START_TEST(every_snapshot_is_a_place_to_resume_from)
{
    const struct counts some = {.records = 1, .words = 1};
    struct ledger ledger, resumed;
    struct claim claim;
    struct progress progress;

    start(&ledger, NULL);
    ck_assert(ledger_claim(&ledger, &claim));
    ledger_commit(&ledger, &claim, some, 4);
    progress = ledger_snapshot(&ledger);
    ck_assert(progress_fits(&progress, &inputs));
    start(&resumed, &progress);
    ck_assert(ledger_claim(&resumed, &claim));
    ck_assert_ptr_eq(claim.input, &items[0]);
    ck_assert_uint_eq(claim.offset, 4);
    ck_assert_uint_eq(ledger_number(&resumed, 5), 1);
    ledger_done(&resumed);
    ledger_done(&ledger);
}
END_TEST

START_TEST(a_mishap_happens_once_also_for_those_who_resume)
{
    struct ledger ledger, resumed;
    struct progress progress;

    start(&ledger, NULL);
    ck_assert(ledger_take_mishap(&ledger, MISHAP_POISON));
    ck_assert(!ledger_take_mishap(&ledger, MISHAP_POISON));
    progress = ledger_snapshot(&ledger);
    start(&resumed, &progress);
    ck_assert(!ledger_take_mishap(&resumed, MISHAP_POISON));
    ck_assert(ledger_take_mishap(&resumed, MISHAP_CRASH));
    ledger_done(&resumed);
    ledger_done(&ledger);
}
END_TEST

FF_TEST_MAIN("ledger", 4, streams_are_handed_out_once_and_empty_ones_are_finished,
             every_snapshot_is_a_place_to_resume_from,
             a_mishap_happens_once_also_for_those_who_resume)
