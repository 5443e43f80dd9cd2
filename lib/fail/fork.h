/* What the rooms of this directory do in a forked child, which has one thread and must start anew.
 * Called by fail.c alone, from the atfork handler of sys/thread.h. */
#ifndef FF__FAIL_FORK_H
#define FF__FAIL_FORK_H

void ff__blackbox_after_fork(void); /* Frees all rows but the calling thread's. */
void ff__claim_after_fork(void);    /* Nobody has failed. */
void ff__also_after_fork(void);     /* Nobody else has failed either. */
void ff__guardian_after_fork(void); /* The thread stayed in the parent. */
void ff__hooks_after_fork(void);    /* Hooks are kept, as atexit handlers are; the lock is free. */
void ff__signals_after_fork(void);  /* The former handlers are back. */

#endif
