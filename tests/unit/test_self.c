/* What a running task can ask and say about itself: identity, cancellation, ff_fail(), ff_sleep(),
 * ff_poll(). The checks of a task are noted in it and made in the test. */
#include "pool_kit.h"

#include <poll.h>
#include <unistd.h>

/* Runs fn as the only child of a group in a pool of one worker; gives what the wait returned, and
 * the failure, copied, as far as the tests look at it. */
struct told {
    int rc, code, line;
    size_t frames;
    char message[512], task[FF_NAME_MAX + 1];
    const char *file;
    bool failed;
};

static struct told run(ff_task_fn *fn, void *arg)
{
    ff_pool *pool = kit_pool(1);
    const struct ff_group_options options = {.size = sizeof options, .pool = pool};
    struct told told = {.rc = 1};
    const ff_failure *failure;
    ff_group *group;

    ck_assert_int_eq(ff_group_new(NULL, &options, &group), 0);
    ck_assert_int_eq(ff_group_spawn(group, "told", fn, arg), 0);
    told.rc = ff_group_wait(group);
    failure = ff_group_failure(group, 0);
    told.failed = failure != NULL;
    if (failure) {
        told.code = ff_failure_code(failure);
        told.line = ff_failure_line(failure);
        told.file = ff_failure_file(failure);
        told.frames = ff_failure_backtrace(failure, NULL, 0);
        strcpy(told.message, ff_failure_message(failure));
        strcpy(told.task, ff_failure_task(failure));
    }
    ff_group_free(group);
    kit_pool_end(pool, FF_DRAIN);
    return told;
}

struct identity {
    ff_task *self, *current;
    ff_pool *pool;
    ff_token *token, *group_token;
    uint64_t id;
    char name[FF_NAME_MAX + 1];
    bool canceled;
};

static int identify(ff_task *self, void *arg)
{
    struct identity *seen = arg;

    seen->self = self;
    seen->current = ff_task_current();
    seen->pool = ff_task_pool(self);
    seen->token = ff_task_token(self);
    seen->id = ff_task_id(self);
    seen->canceled = ff_task_canceled(self);
    strcpy(seen->name, ff_task_name(self));
    return 0;
}

START_TEST(a_task_knows_what_it_is)
{
    ff_pool *pool = kit_pool(1);
    const struct ff_group_options options = {.size = sizeof options, .pool = pool};
    struct identity seen = {.canceled = true}, child = {.canceled = true};
    ff_group *group;

    ck_assert_ptr_null(ff_task_current());
    ck_assert_int_eq(ff_group_new(NULL, &options, &group), 0);
    ck_assert_int_eq(ff_group_spawn(group, "child", identify, &child), 0);
    ck_assert_int_eq(ff_group_wait(group), 0);
    ck_assert_ptr_eq(child.token, ff_group_token(group));
    ff_group_free(group);
    ck_assert_int_eq(ff_spawn(pool, "who am I", identify, &seen), 0);
    ck_assert_int_eq(ff_pool_shutdown(pool, FF_DRAIN, FF_NEVER), 0);
    ck_assert_ptr_eq(seen.current, seen.self);
    ck_assert_ptr_eq(seen.pool, pool);
    ck_assert_ptr_eq(seen.token, ff_pool_token(pool));
    ck_assert_uint_ne(seen.id, 0);
    ck_assert_uint_ne(seen.id, child.id);
    ck_assert_str_eq(seen.name, "who am I");
    ck_assert(!seen.canceled);
    ck_assert_int_eq(ff_pool_free(pool), 0);
}
END_TEST

START_TEST(questions_about_no_task_have_harmless_answers)
{
    struct pollfd none;

    ck_assert_str_eq(ff_task_name(NULL), "");
    ck_assert_uint_eq(ff_task_id(NULL), 0);
    ck_assert_ptr_null(ff_task_pool(NULL));
    ck_assert_ptr_null(ff_task_token(NULL));
    ck_assert(!ff_task_canceled(NULL));
    ck_assert_int_eq(ff_task_result(NULL, -EIO), -EIO);
    ck_assert_int_eq(ff_sleep(NULL, 0), -EINVAL);
    ck_assert_int_eq(ff_poll(NULL, &none, 0, 0), -EINVAL);
    ck_assert_int_eq(ff_fail(NULL, -EIO, "nobody"), -EIO);
    ff_beat(NULL);
}
END_TEST

struct results {
    sem_t running;
    int before, after, zero_after;
    bool canceled;
    int sleep_before, sleep_after, poll_after;
};

static int collect_results(ff_task *self, void *arg)
{
    struct results *results = arg;

    results->before = ff_task_result(self, -EPIPE);
    results->sleep_before = ff_sleep(self, 1000);
    ff_beat(self); /* Not a service: nothing. */
    sem_post(&results->running);
    if (ff_sleep(self, FF_NEVER) != FF_CANCELED)
        return -EPROTO;
    results->canceled = ff_task_canceled(self);
    results->after = ff_task_result(self, -EPIPE);
    results->zero_after = ff_task_result(self, 0);
    results->sleep_after = ff_sleep(self, 3600 * FF_SECOND);
    results->poll_after = ff_poll(self, NULL, 0, 3600 * FF_SECOND);
    return results->after;
}

START_TEST(a_request_ends_sleeps_and_turns_results_into_canceled)
{
    ff_pool *pool = kit_pool(1);
    struct results results;

    sem_init(&results.running, 0, 0);
    ck_assert_int_eq(ff_spawn(pool, "results", collect_results, &results), 0);
    kit_sem_wait(&results.running);
    kit_pool_end(pool, FF_CANCEL);
    ck_assert_int_eq(results.before, -EPIPE);
    ck_assert_int_eq(results.sleep_before, 0);
    ck_assert(results.canceled);
    ck_assert_int_eq(results.after, FF_CANCELED);
    ck_assert_int_eq(results.zero_after, FF_CANCELED);
    ck_assert_int_eq(results.sleep_after, FF_CANCELED);
    ck_assert_int_eq(results.poll_after, FF_CANCELED);
}
END_TEST

static int sleep_a_while(ff_task *self, void *arg)
{
    uint64_t before_ns = ff_now_ns();
    int rc = ff_sleep(self, 5 * FF_MILLISECOND);

    *(uint64_t *)arg = ff_now_ns() - before_ns;
    return rc;
}

START_TEST(sleep_lasts_as_long_as_asked)
{
    uint64_t slept_ns = 0;
    struct told told = run(sleep_a_while, &slept_ns);

    ck_assert_int_eq(told.rc, 0);
    ck_assert_uint_ge(slept_ns, 5 * FF_MILLISECOND);
}
END_TEST

struct polled {
    int fds[2];
    int empty, ready, too_many;
    short revents;
};

static int poll_pipe(ff_task *self, void *arg)
{
    struct polled *polled = arg;
    struct pollfd fd = {.fd = polled->fds[0], .events = POLLIN};

    polled->empty = ff_poll(self, &fd, 1, FF_MILLISECOND);
    if (write(polled->fds[1], "x", 1) != 1)
        return -EIO;
    polled->ready = ff_poll(self, &fd, 1, FF_NEVER);
    polled->revents = fd.revents;
    polled->too_many = ff_poll(self, &fd, 1024, 0);
    return 0;
}

START_TEST(poll_tells_what_is_ready)
{
    struct polled polled = {.empty = -1};

    ck_assert_int_eq(pipe(polled.fds), 0);
    ck_assert_int_eq(run(poll_pipe, &polled).rc, 0);
    ck_assert_int_eq(polled.empty, 0);
    ck_assert_int_eq(polled.ready, 1);
    ck_assert_int_eq(polled.revents, POLLIN);
    ck_assert_int_eq(polled.too_many, -EINVAL);
}
END_TEST

static int poll_for_ever(ff_task *self, void *arg)
{
    struct kit_gate *gate = arg;

    sem_post(&gate->entered);
    return ff_poll(self, NULL, 0, FF_NEVER);
}

START_TEST(a_request_ends_a_poll)
{
    ff_pool *pool = kit_pool(1);
    struct kit_gate gate;

    kit_gate_init(&gate);
    ck_assert_int_eq(ff_spawn(pool, "polls", poll_for_ever, &gate), 0);
    kit_sem_wait(&gate.entered);
    kit_pool_end(pool, FF_CANCEL); /* Returning FF_CANCELED was no failure. */
}
END_TEST

static int fail_plainly(ff_task *self, void *arg)
{
    int *line = arg;

    *line = __LINE__ + 1;
    return ff_fail(self, -EBADMSG, "bad record %d of %s", 88, "input");
}

START_TEST(fail_records_message_place_and_backtrace)
{
    int line = 0;
    struct told told = run(fail_plainly, &line);

    ck_assert_int_eq(told.rc, -EBADMSG);
    ck_assert_int_eq(told.code, -EBADMSG);
    ck_assert_str_eq(told.message, "bad record 88 of input");
    ck_assert_str_eq(told.task, "told");
    ck_assert_str_eq(told.file, __FILE__);
    ck_assert_int_eq(told.line, line);
    ck_assert_uint_ge(told.frames, 2);
    ck_assert_uint_le(told.frames, 32);
}
END_TEST

static int fail_bare(ff_task *self, void *arg)
{
    (void)self;
    (void)arg;
    return -ENOSPC;
}

START_TEST(a_bare_return_is_a_failure_without_message_and_place)
{
    struct told told = run(fail_bare, NULL);

    ck_assert_int_eq(told.rc, -ENOSPC);
    ck_assert_str_eq(told.message, "");
    ck_assert_ptr_null(told.file);
    ck_assert_int_eq(told.line, 0);
    ck_assert_uint_eq(told.frames, 0);
}
END_TEST

static int fail_with_0(ff_task *self, void *arg)
{
    (void)arg;
    return ff_fail(self, 0, "zero is no failure");
}

START_TEST(fail_with_0_is_einval)
{
    struct told told = run(fail_with_0, NULL);

    ck_assert_int_eq(told.rc, -EINVAL);
    ck_assert_str_eq(told.message, "zero is no failure");
}
END_TEST

static int fail_twice(ff_task *self, void *arg)
{
    (void)arg;
    (void)!ff_fail(self, -EIO, "first");
    return ff_fail(self, -EPIPE, "second");
}

START_TEST(a_later_fail_replaces_an_earlier_one)
{
    struct told told = run(fail_twice, NULL);

    ck_assert_int_eq(told.rc, -EPIPE);
    ck_assert_str_eq(told.message, "second");
}
END_TEST

static int say_one_return_another(ff_task *self, void *arg)
{
    (void)arg;
    (void)!ff_fail(self, -EIO, "about something else");
    return -EPIPE;
}

static int say_and_recover(ff_task *self, void *arg)
{
    (void)arg;
    (void)!ff_fail(self, -EIO, "recovered");
    return 0;
}

START_TEST(a_message_belongs_to_the_code_that_is_returned)
{
    struct told told = run(say_one_return_another, NULL);

    ck_assert_int_eq(told.rc, -EPIPE);
    ck_assert_str_eq(told.message, "");
    ck_assert_ptr_null(told.file);
    told = run(say_and_recover, NULL);
    ck_assert_int_eq(told.rc, 0);
    ck_assert(!told.failed);
}
END_TEST

static int fail_at_length(ff_task *self, void *arg)
{
    (void)arg;
    return ff_fail(self, 17, "%0400d", 7);
}

START_TEST(a_long_message_is_cut_and_a_positive_code_is_a_failure)
{
    struct told told = run(fail_at_length, NULL);

    ck_assert_int_eq(told.rc, 17);
    ck_assert_uint_eq(strlen(told.message), 255);
}
END_TEST

static int recurse_and_fail(ff_task *self, void *arg)
{
    volatile int *depth = arg;
    int rc;

    if (--*depth == 0)
        return ff_fail(self, -ELOOP, "deep");
    rc = recurse_and_fail(self, arg);
    *depth = 0; /* No tail call. */
    return rc;
}

START_TEST(a_deep_backtrace_is_cut_at_32_frames)
{
    int depth = 200;
    struct told told = run(recurse_and_fail, &depth);

    ck_assert_int_eq(told.rc, -ELOOP);
    ck_assert_uint_eq(told.frames, 32);
}
END_TEST

FF_TEST_MAIN("self", 10, a_task_knows_what_it_is, questions_about_no_task_have_harmless_answers,
             a_request_ends_sleeps_and_turns_results_into_canceled, sleep_lasts_as_long_as_asked,
             poll_tells_what_is_ready, a_request_ends_a_poll,
             fail_records_message_place_and_backtrace,
             a_bare_return_is_a_failure_without_message_and_place, fail_with_0_is_einval,
             a_later_fail_replaces_an_earlier_one, a_message_belongs_to_the_code_that_is_returned,
             a_long_message_is_cut_and_a_positive_code_is_a_failure,
             a_deep_backtrace_is_cut_at_32_frames)
