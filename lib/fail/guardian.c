/* The guardian. See guardian.h.
 *
 *   word: IDLE -> ARMED (for ever), or IDLE -> STOP (the thread ends; a new one begins at IDLE).
 *   arming                                   guardian
 *   (writes the way to die)                  W: futex_wait(word, IDLE)
 *   A: CAS IDLE -> ARMED (acq_rel)           R: word (acquire)
 *   futex_wake                               ARMED: sleeps until the deadline, then kills
 * A before W compares: W returns at once. W sleeps before A: the wake ends it. In both cases R
 * reads A, hence sees the way to die. A spurious return finds IDLE and waits again. */
#include "fail/guardian.h"

#include "base/atomic.h"
#include "fail/fork.h"
#include "fail/raw.h"
#include "sys/clock.h"
#include "sys/futex.h"
#include "sys/thread.h"

#include <linux/futex.h>

enum { IDLE, ARMED, STOP };

static struct {
    _Atomic uint32_t word;

    /* Written by the thread that arms, before A. */
    uint64_t deadline_ns;
    int exit_code, signal;

    /* Guarded by the lock of fail.c. */
    pthread_t thread;
} guardian;

static void end_process(void)
{
    if (guardian.signal != 0) {
        struct sigaction by_default = {.sa_handler = SIG_DFL};

        if (sigaction(guardian.signal, &by_default, NULL) == 0) {
            ff__raw_mask(SIG_UNBLOCK, ff__raw_signal_bit(guardian.signal));
            ff__raw_tgkill(ff__raw_tid(), guardian.signal);
        }
    }
    ff__raw_exit(guardian.signal != 0 ? 1 : guardian.exit_code);
}

static void *guardian_main(void *unused)
{
    uint32_t word;

    (void)unused;
    while ((word = ff__load_acquire(&guardian.word)) == IDLE) /* R */
        ff__futex_wait(&guardian.word, IDLE, UINT64_MAX);     /* W */
    if (word == STOP)
        return NULL;
    /* The word never leaves ARMED; only time ends this. */
    while (ff__clock_now() < guardian.deadline_ns)
        ff__futex_wait(&guardian.word, ARMED, guardian.deadline_ns);
    end_process();
    return NULL;
}

int ff__guardian_start(void)
{
    static const struct ff__thread_options options = {.name = "ff/guardian", .block_all = true};

    /* Relaxed: starting the thread orders it. */
    ff__store_relaxed(&guardian.word, IDLE);
    return ff__thread_start(&guardian.thread, &options, guardian_main, NULL);
}

bool ff__guardian_stop(void)
{
    uint32_t idle = IDLE;

    /* Relaxed: the guardian reads nothing else on its way out. */
    if (!ff__cas_relaxed(&guardian.word, &idle, STOP))
        return false;
    ff__futex_wake(&guardian.word, 1);
    pthread_join(guardian.thread, NULL);
    return true;
}

/* AS-safe. */
void ff__guardian_arm(uint64_t deadline_ns, int exit_code, int signal)
{
    uint32_t idle = IDLE;

    /* Relaxed: only this thread could have armed it. */
    if (ff__load_relaxed(&guardian.word) != IDLE)
        return;
    guardian.deadline_ns = deadline_ns;
    guardian.exit_code = exit_code;
    guardian.signal = signal;
    /* Raw: the thread's own memory (errno) may be what is broken, and signals are blocked. */
    if (ff__cas_acq_rel(&guardian.word, &idle, ARMED)) /* A */
        ff__raw(SYS_futex, FF__RAW_PTR(&guardian.word), FUTEX_WAKE_PRIVATE, 1, 0, 0);
}

void ff__guardian_after_fork(void)
{
    ff__store_relaxed(&guardian.word, IDLE);
}
