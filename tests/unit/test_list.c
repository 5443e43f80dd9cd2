/* base/list.h: the intrusive ring. */
#include "runner.h"

#include "base/list.h"

struct item {
    int value;
    struct ff__list link;
};

static struct ff__list list;
static struct item items[3] = {{.value = 1}, {.value = 2}, {.value = 3}};

static void begin(void)
{
    ff__list_init(&list);
    for (size_t i = 0; i < 3; i++)
        ff__list_init(&items[i].link);
}

/* The values from front to back as one decimal number, after a walk backwards that must agree. */
static int order(void)
{
    int forwards = 0, backwards = 0, scale = 1;

    ff__list_each (node, &list)
        forwards = forwards * 10 + ff__container_of(node, struct item, link)->value;
    for (struct ff__list *node = list.prev; node != &list; node = node->prev) {
        backwards += ff__container_of(node, struct item, link)->value * scale;
        scale *= 10;
    }
    ck_assert_int_eq(forwards, backwards);
    return forwards;
}

START_TEST(list_is_empty_until_something_is_pushed)
{
    begin();
    ck_assert(ff__list_empty(&list));
    ff__list_push_back(&list, &items[0].link);
    ck_assert(!ff__list_empty(&list));
    ck_assert_ptr_eq(ff__list_first(&list, struct item, link), &items[0]);
}
END_TEST

START_TEST(list_keeps_the_order_of_pushes)
{
    begin();
    ff__list_push_back(&list, &items[0].link);
    ff__list_push_back(&list, &items[1].link);
    ff__list_push_front(&list, &items[2].link);
    ck_assert_int_eq(order(), 312);
}
END_TEST

START_TEST(list_closes_up_when_one_is_removed)
{
    begin();
    for (size_t i = 0; i < 3; i++)
        ff__list_push_back(&list, &items[i].link);
    ff__list_remove(&items[1].link);
    ck_assert_int_eq(order(), 13);
    ck_assert(ff__list_empty(&items[1].link));
}
END_TEST

START_TEST(list_remove_twice_is_harmless)
{
    begin();
    ff__list_push_back(&list, &items[0].link);
    ff__list_push_back(&list, &items[1].link);
    ff__list_remove(&items[0].link);
    ff__list_remove(&items[0].link);
    ck_assert_int_eq(order(), 2);
}
END_TEST

FF_TEST_MAIN("list", 4, list_is_empty_until_something_is_pushed, list_keeps_the_order_of_pushes,
             list_closes_up_when_one_is_removed, list_remove_twice_is_harmless)
