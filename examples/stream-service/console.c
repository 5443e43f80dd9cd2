#include "console.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINE_BYTES 1024
#define ERASE_LINE "\r\033[K"

/* Whether the cursor stands behind a live line. */
static atomic_bool live;

/* Stderr may be gone. A log that nobody can read is no reason to stop the work. */
static void put(const char *text, size_t length)
{
    ssize_t written = write(STDERR_FILENO, text, length);

    (void)written;
}

__attribute__((format(printf, 3, 0))) static void say(const char *prefix, const char *end,
                                                      const char *format, va_list values)
{
    char line[LINE_BYTES];
    size_t room = sizeof(line) - strlen(end);
    int length = snprintf(line, room, "%s%s", atomic_load(&live) ? ERASE_LINE : "", prefix);
    size_t used = (size_t)length;

    length = vsnprintf(line + used, room - used, format, values);
    if (length < 0)
        return;
    used += (size_t)length < room - used ? (size_t)length : room - used - 1;
    memcpy(line + used, end, strlen(end));
    put(line, used + strlen(end));
}

void console_line(const char *format, ...)
{
    va_list values;

    va_start(values, format);
    say("", "\n", format, values);
    va_end(values);
}

void console_error(const char *format, ...)
{
    va_list values;

    va_start(values, format);
    say("stream-service: ", "\n", format, values);
    va_end(values);
}

void console_live(const char *format, ...)
{
    va_list values;

    va_start(values, format);
    say(atomic_exchange(&live, 1) ? "" : ERASE_LINE, "", format, values);
    va_end(values);
}

int console_is_live(void)
{
    const char *terminal = getenv("TERM");

    return isatty(STDERR_FILENO) && terminal && strcmp(terminal, "dumb") != 0;
}

void console_live_done(void)
{
    if (atomic_exchange(&live, 0))
        put("\n", 1);
}
