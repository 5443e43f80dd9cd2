/* What the death tests of hostile surroundings share: a pool whose task does the damage, and the
 * way to say that a test cannot run here. */
#ifndef FF_TESTS_HOSTILE_KIT_H
#define FF_TESTS_HOSTILE_KIT_H

#include "fail_kit.h"
#include "pool_kit.h"

#include <stdio.h>
#include <sys/wait.h>

/* A child's answer when the system does not let it begin. */
#define KIT_SKIPPED 77

#if defined(__SANITIZE_ADDRESS__)
#define KIT_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define KIT_SANITIZED 1
#endif
#endif
#ifndef KIT_SANITIZED
#define KIT_SANITIZED KIT_TSAN
#endif

static inline bool kit_skipped(const struct ff_death *death, const char *what)
{
    bool skipped = WIFEXITED(death->status) && WEXITSTATUS(death->status) == KIT_SKIPPED;

    if (skipped)
        fprintf(stderr, "skipped: %s\n", what);
    return skipped;
}

static inline void kit_wait_for_the_end(void)
{
    for (;;)
        pause();
}

/* In a pool made for it, a task "victim" that runs fn. */
static inline void kit_spawn_victim(ff_task_fn *fn, void *arg)
{
    ck_assert_int_eq(ff_spawn(kit_pool(1), "victim", fn, arg), 0);
}

static inline int kit_crash_task(ff_task *self, void *arg)
{
    (void)self;
    kit_segv(arg);
    return 0;
}

static inline int kit_failing_task(ff_task *self, void *arg)
{
    (void)arg;
    return ff_fail(self, -EIO, "the disk is on fire");
}

static inline int kit_fine_task(ff_task *self, void *arg)
{
    (void)self;
    (void)arg;
    return 0;
}

/* Makes a file with this text. path: a template of mkstemp(). */
static inline void kit_file_make(char *path, const char *text)
{
    int fd = mkstemp(path);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

/* Reads at most capacity - 1 bytes, and removes the file. */
static inline void kit_file_take(const char *path, char *ret_text, size_t capacity)
{
    int fd = open(path, O_RDONLY);
    ssize_t got = read(fd, ret_text, capacity - 1);

    ck_assert_int_ge(got, 0);
    ret_text[got] = '\0';
    close(fd);
    unlink(path);
}

#endif
