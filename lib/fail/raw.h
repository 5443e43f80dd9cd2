/* System calls without libc: no errno, no cancellation point, no thread-local memory. For the code
 * that runs in a dying process. All AS-safe; each returns the kernel's answer, a negative errno for
 * an error. */
#ifndef FF__FAIL_RAW_H
#define FF__FAIL_RAW_H

#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>

#if defined(__x86_64__)
static inline long ff__raw(long number, long a, long b, long c, long d, long e)
{
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = 0;
    long result;

    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}
#elif defined(__aarch64__)
static inline long ff__raw(long number, long a, long b, long c, long d, long e)
{
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    register long x4 __asm__("x4") = e;
    register long x5 __asm__("x5") = 0;

    __asm__ volatile("svc 0"
                     : "+r"(x0)
                     : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
                     : "memory");
    return x0;
}
#else
#include <errno.h>
#include <unistd.h>
static inline long ff__raw(long number, long a, long b, long c, long d, long e)
{
    int saved = errno;
    long result = syscall(number, a, b, c, d, e, 0L);

    if (result < 0)
        result = -errno;
    errno = saved;
    return result;
}
#endif

/* A pointer as an argument. */
#define FF__RAW_PTR(pointer) ((long)(uintptr_t)(pointer))

static inline int32_t ff__raw_pid(void)
{
    return (int32_t)ff__raw(SYS_getpid, 0, 0, 0, 0, 0);
}

static inline int32_t ff__raw_tid(void)
{
    return (int32_t)ff__raw(SYS_gettid, 0, 0, 0, 0, 0);
}

static inline int ff__raw_open(const char *path, int flags)
{
    return (int)ff__raw(SYS_openat, /* AT_FDCWD */ -100, FF__RAW_PTR(path), flags, 0, 0);
}

static inline void ff__raw_close(int fd)
{
    ff__raw(SYS_close, fd, 0, 0, 0, 0);
}

static inline long ff__raw_read(int fd, void *ret_bytes, size_t length)
{
    return ff__raw(SYS_read, fd, FF__RAW_PTR(ret_bytes), (long)length, 0, 0);
}

static inline long ff__raw_write(int fd, const void *bytes, size_t length)
{
    return ff__raw(SYS_write, fd, FF__RAW_PTR(bytes), (long)length, 0, 0);
}

static inline long ff__raw_poll(struct pollfd *fd, const struct timespec *timeout)
{
    struct timespec left = *timeout; /* The kernel writes the rest into it. */

    return ff__raw(SYS_ppoll, FF__RAW_PTR(fd), 1, FF__RAW_PTR(&left), 0, 8);
}

static inline uint64_t ff__raw_signal_bit(int signal)
{
    return UINT64_C(1) << (signal - 1);
}

/* Changes the calling thread's signal mask. @return the mask before. */
static inline uint64_t ff__raw_mask(int how, uint64_t set)
{
    uint64_t before = 0;

    ff__raw(SYS_rt_sigprocmask, how, FF__RAW_PTR(&set), FF__RAW_PTR(&before), 8, 0);
    return before;
}

static inline uint64_t ff__raw_pending(void)
{
    uint64_t pending = 0;

    ff__raw(SYS_rt_sigpending, FF__RAW_PTR(&pending), 8, 0, 0, 0);
    return pending;
}

/* Takes one pending signal of the set off the thread, without waiting. */
static inline void ff__raw_consume(uint64_t set)
{
    struct timespec at_once = {0, 0};

    ff__raw(SYS_rt_sigtimedwait, FF__RAW_PTR(&set), 0, FF__RAW_PTR(&at_once), 8, 0);
}

/* Copies from the process's own memory; a bad address is an answer here, not a fault.
 * @return how many bytes, or a negative errno. */
static inline long ff__raw_peek(uintptr_t address, void *ret_bytes, size_t length)
{
    struct iovec here = {ret_bytes, length};
    /* An address is a number until the kernel has looked at it. */
    struct iovec there = {(void *)address, length};

    /* By the thread's number: the process's is that of the first thread, which may have ended. */
    return ff__raw(SYS_process_vm_readv, ff__raw_tid(), FF__RAW_PTR(&here), 1, FF__RAW_PTR(&there),
                   1);
}

static inline long ff__raw_tgkill(int32_t tid, int signal)
{
    return ff__raw(SYS_tgkill, ff__raw_pid(), tid, signal, 0, 0);
}

/* Ends the process, without atexit handlers. */
__attribute__((noreturn)) static inline void ff__raw_exit(int code)
{
    for (;;)
        ff__raw(SYS_exit_group, code, 0, 0, 0, 0);
}

/* Sleeps for ever: for a thread that must not go on. */
__attribute__((noreturn)) static inline void ff__raw_sleep_for_ever(void)
{
    struct timespec hour = {3600, 0};

    for (;;)
        ff__raw(SYS_nanosleep, FF__RAW_PTR(&hour), 0, 0, 0, 0);
}

#endif
