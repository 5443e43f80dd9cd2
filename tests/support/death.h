/* Death tests: run a body in a forked child, and look at how the child ended and what it said. */
#ifndef FF_TESTS_DEATH_H
#define FF_TESTS_DEATH_H

#include <stddef.h>

#define FF_DEATH_TEXT_MAX (256 * 1024)

struct ff_death {
    int status;    /* As waitpid() gave it. */
    double ms;     /* From fork to the end. */
    int timed_out; /* 1: it had to be killed. */
    size_t length;
    char text[FF_DEATH_TEXT_MAX]; /* Its stderr, NUL-terminated. */
};

/* Forks; the child (stderr a pipe, no core file) calls body(arg) and, should that return, ends with
 * _exit(99). Reads the pipe until the end; after timeout_ms (times ff_test_slow()) the child is
 * killed. The result is allocated: free() it. */
struct ff_death *ff_death_run(void (*body)(void *arg), void *arg, unsigned timeout_ms);

/* How many times needle occurs in the text. */
size_t ff_death_count(const struct ff_death *death, const char *needle);

/* Fails the Check test, showing the whole text, unless the child exited with code / died by the
 * signal, in time. */
void ff_death_expect_exit(const struct ff_death *death, int code);
void ff_death_expect_signal(const struct ff_death *death, int signal);
/* Fails likewise unless needle occurs / does not occur / occurs exactly count times. */
void ff_death_expect_text(const struct ff_death *death, const char *needle);
void ff_death_expect_no_text(const struct ff_death *death, const char *needle);
void ff_death_expect_count(const struct ff_death *death, const char *needle, size_t count);

#endif
