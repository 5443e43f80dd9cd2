/* The futex calls. See futex.h: anybody may call, signal handlers included. A failure that the
 * caller could not have foreseen (no such system call, a word that is no memory) is a broken
 * invariant: going on would sleep for ever or burn a processor. */
#include "sys/futex.h"

#include "base/panic.h"
#include "sys/clock.h"

#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

/* AS-safe: the system call, errno put back. */
static int futex_call(_Atomic uint32_t *word, int operation, uint32_t value,
                      const struct timespec *deadline)
{
    int saved_errno = errno;
    long rc = syscall(SYS_futex, word, operation | FUTEX_PRIVATE_FLAG, value, deadline, NULL,
                      FUTEX_BITSET_MATCH_ANY);
    int result = rc < 0 ? -errno : (int)rc;

    errno = saved_errno;
    return result;
}

/* AS-safe: see futex_call(). */
int ff__futex_wait(_Atomic uint32_t *word, uint32_t expected, uint64_t deadline_ns)
{
    struct timespec deadline = ff__clock_timespec(deadline_ns);
    int rc =
        futex_call(word, FUTEX_WAIT_BITSET, expected, deadline_ns == UINT64_MAX ? NULL : &deadline);

    if (rc == -EAGAIN)
        return 0; /* The word differed. */
    ff__check(rc == 0 || rc == -ETIMEDOUT || rc == -EINTR);
    return rc;
}

/* AS-safe: see futex_call(). */
int ff__futex_wake(_Atomic uint32_t *word, int count)
{
    int rc = futex_call(word, FUTEX_WAKE, (uint32_t)count, NULL);

    ff__check(rc >= 0);
    return rc;
}
