/* FAILFAST_* variables. Any thread may call while nobody changes the environment; not from signal
 * handlers. A wrong value never stops a program: it is said, and the default counts. */
#include "sys/env.h"

#include "base/fmt.h"

#include <stdlib.h>
#include <unistd.h>

/* Digits only: no sign, no blank, no 0x. */
static bool u64_parse(const char *text, uint64_t *ret_value)
{
    uint64_t value = 0;

    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9')
            return false;
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(*text - '0'), &value))
            return false;
    }
    *ret_value = value;
    return true;
}

static void complain(const char *variable, const char *text, uint64_t low, uint64_t high)
{
    char line[256], shown[64];
    struct ff__fmt fmt;

    ff__fmt_init(&fmt, shown, sizeof shown);
    ff__fmt_safe_str(&fmt, text);
    ff__fmt_init(&fmt, line, sizeof line - 1); /* One byte stays for the end of the line. */
    ff__fmt_str(&fmt, "failfast: ");
    ff__fmt_str(&fmt, variable);
    ff__fmt_str(&fmt, "=\"");
    ff__fmt_str(&fmt, shown);
    ff__fmt_str(&fmt, "\" is ignored: it is no number from ");
    ff__fmt_u64(&fmt, low);
    ff__fmt_str(&fmt, " to ");
    ff__fmt_u64(&fmt, high);
    line[fmt.used] = '\n';
    if (write(STDERR_FILENO, line, fmt.used + 1) < 0)
        return; /* Without stderr there is nobody to tell. */
}

bool ff__env_u64(const char *variable, uint64_t low, uint64_t high, uint64_t *ret_value)
{
    const char *text = getenv(variable);
    uint64_t value;

    if (!text || text[0] == '\0')
        return false;
    if (!u64_parse(text, &value) || value < low || value > high) {
        complain(variable, text, low, high);
        return false;
    }
    *ret_value = value;
    return true;
}
