/* Signal codes in words. See words.h. */
#include "fail/words.h"

#include "base/compiler.h"

#include <signal.h>
#include <stddef.h>

/* Numbers, because older headers lack some names; the kernel's numbers never change. */
struct code {
    int signal, code;
    const char *text;
};

static const struct code codes[] = {
    {SIGSEGV, 1, "address not mapped"},
    {SIGSEGV, 2, "no permission for the mapped address"},
    {SIGSEGV, 3, "bounds check failed"},
    {SIGSEGV, 4, "protection key forbids the access"},
    {SIGSEGV, 8, "memory tag mismatch, asynchronous"},
    {SIGSEGV, 9, "memory tag mismatch"},
    {SIGSEGV, 10, "shadow stack mismatch"},
    {SIGBUS, 1, "unaligned address"},
    {SIGBUS, 2, "no memory behind the address (past the end of a mapped file?)"},
    {SIGBUS, 3, "hardware error of the object"},
    {SIGBUS, 4, "memory is broken, the page was used"},
    {SIGBUS, 5, "memory is broken, the page was not used"},
    {SIGILL, 1, "illegal opcode"},
    {SIGILL, 2, "illegal operand"},
    {SIGILL, 3, "illegal addressing mode"},
    {SIGILL, 4, "illegal trap"},
    {SIGILL, 5, "privileged opcode"},
    {SIGILL, 6, "privileged register"},
    {SIGILL, 7, "coprocessor error"},
    {SIGILL, 8, "internal stack error"},
    {SIGFPE, 1, "integer division by zero"},
    {SIGFPE, 2, "integer overflow"},
    {SIGFPE, 3, "floating point division by zero"},
    {SIGFPE, 4, "floating point overflow"},
    {SIGFPE, 5, "floating point underflow"},
    {SIGFPE, 6, "floating point result is inexact"},
    {SIGFPE, 7, "invalid floating point operation"},
    {SIGFPE, 8, "subscript out of range"},
    {SIGTRAP, 1, "breakpoint"},
    {SIGTRAP, 2, "trace trap"},
    {SIGTRAP, 3, "branch trap"},
    {SIGTRAP, 4, "hardware breakpoint or watchpoint"},
    {SIGSYS, 1, "system call forbidden by seccomp"},
};

/* AS-safe. Codes that every signal may have. */
static const char *common_text(int signal, int code)
{
    switch (code) {
    case SI_USER:
        return "sent by kill()";
    case SI_TKILL:
        return signal == SIGABRT ? "abort(), or sent to the thread" : "sent to the thread";
    case SI_QUEUE:
        return "sent by sigqueue()";
    case SI_TIMER:
        return "sent by a timer";
    case SI_KERNEL:
        return signal == SIGTRAP ? "breakpoint" : "raised by the kernel (no valid address?)";
    default:
        return "unknown code";
    }
}

/* AS-safe. */
const char *ff__signal_code_text(int signal, int code)
{
    for (size_t i = 0; i < FF__ARRAY_SIZE(codes); i++)
        if (codes[i].signal == signal && codes[i].code == code)
            return codes[i].text;
    return common_text(signal, code);
}
