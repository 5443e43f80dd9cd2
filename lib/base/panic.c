/* A broken invariant inside the library. See panic.h: the only file of this room that calls the
 * system, because there is nobody left to return to. */
#include "base/panic.h"

#include "base/fmt.h"

#include <stdlib.h>
#include <unistd.h>

/* AS-safe: fmt, write(2) and abort() only. */
void ff__panic(const char *what, const char *file, int line)
{
    char text[512];
    struct ff__fmt fmt;

    ff__fmt_init(&fmt, text, sizeof text - 1); /* One byte stays for the end of the line. */
    ff__fmt_str(&fmt, "failfast: broken invariant: ");
    ff__fmt_str(&fmt, what);
    ff__fmt_str(&fmt, " at ");
    ff__fmt_str(&fmt, file);
    ff__fmt_char(&fmt, ':');
    ff__fmt_i64(&fmt, line);
    text[fmt.used] = '\n';
    if (write(STDERR_FILENO, text, fmt.used + 1) < 0)
        abort(); /* Nobody can be told; the end is the same. */
    abort();
}
