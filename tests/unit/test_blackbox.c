/* The table of threads and tasks. */
#include "runner.h"

#include "fail/blackbox.h"
#include "sys/thread.h"

#include <pthread.h>
#include <string.h>

START_TEST(slot_enter_gives_a_row_that_find_sees_until_it_is_left)
{
    struct ff__slot *slot = ff__slot_enter(FF__SLOT_WORKER, "pool/worker 1");
    int here;

    ck_assert_ptr_nonnull(slot);
    ck_assert_str_eq(slot->name, "pool/worker 1");
    ck_assert_uint_eq(slot->kind, FF__SLOT_WORKER);
    ck_assert_ptr_eq(ff__slot_find(ff__thread_id()), slot);
    ck_assert((uintptr_t)&here >= slot->stack_low && (uintptr_t)&here < slot->stack_high);
    ck_assert(slot->guard_low <= slot->stack_low);
    ff__slot_leave(slot);
    ck_assert_ptr_null(ff__slot_find(ff__thread_id()));
    ff__slot_leave(NULL);
}
END_TEST

START_TEST(slot_copy_task_gives_the_current_task_and_nothing_when_idle)
{
    static const struct ff__facts task = {.id = 9, .parent_id = 4, .name = "crunch"};
    struct ff__slot *slot = ff__slot_enter(FF__SLOT_WORKER, "w");
    struct ff__facts copy;

    ck_assert(!ff__slot_copy_task(slot, &copy));
    ff__slot_set_task(slot, &task);
    ck_assert(ff__slot_copy_task(slot, &copy));
    ck_assert_uint_eq(copy.id, 9);
    ck_assert_uint_eq(copy.parent_id, 4);
    ck_assert_str_eq(copy.name, "crunch");
    ff__slot_set_task(slot, NULL);
    ck_assert(!ff__slot_copy_task(slot, &copy));
    ff__slot_leave(slot);
}
END_TEST

START_TEST(slot_copy_task_ends_a_name_that_has_no_end)
{
    struct ff__facts task = {.id = 1}, copy;
    struct ff__slot *slot = ff__slot_enter(FF__SLOT_WORKER, "w");

    memset(task.name, 'x', sizeof task.name);
    ff__slot_set_task(slot, &task);
    ck_assert(ff__slot_copy_task(slot, &copy));
    ck_assert_uint_eq(strlen(copy.name), FF_NAME_MAX);
    ff__slot_leave(slot);
}
END_TEST

static void *enter_and_leave(void *arg)
{
    for (int i = 0; i < 500; i++) {
        struct ff__slot *slot = ff__slot_enter(FF__SLOT_HELPER, arg);

        if (!slot || ff__slot_find(ff__thread_id()) != slot || strcmp(slot->name, arg) != 0)
            ck_abort_msg("the row of \"%s\" is not its own", (char *)arg);
        ff__slot_leave(slot);
    }
    return NULL;
}

START_TEST(slot_enter_gives_each_thread_a_row_of_its_own)
{
    static char names[4][8] = {"a", "b", "c", "d"};
    pthread_t threads[4];

    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, enter_and_leave, names[i]), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
}
END_TEST

START_TEST(slot_enter_gives_null_when_every_row_is_taken)
{
    size_t cursor = 0, seen = 0;

    for (int i = 0; i < FF__SLOTS; i++)
        ck_assert_ptr_nonnull(ff__slot_enter(FF__SLOT_HELPER, "row"));
    ck_assert_ptr_null(ff__slot_enter(FF__SLOT_HELPER, "one too many"));
    while (ff__slot_next(&cursor))
        seen++;
    ck_assert_uint_eq(seen, FF__SLOTS);
}
END_TEST

FF_TEST_MAIN("blackbox", 10, slot_enter_gives_a_row_that_find_sees_until_it_is_left,
             slot_copy_task_gives_the_current_task_and_nothing_when_idle,
             slot_copy_task_ends_a_name_that_has_no_end,
             slot_enter_gives_each_thread_a_row_of_its_own,
             slot_enter_gives_null_when_every_row_is_taken)
