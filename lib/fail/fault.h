/* The way down from a fatal signal, in the handler of the thread that got it.
 *
 * Memory is suspect: static memory and raw system calls only. All AS-safe. */
#ifndef FF__FAIL_FAULT_H
#define FF__FAIL_FAULT_H

#include <signal.h>

/* The thread has claimed the failure. Returns when the handler shall return, to die. */
void ff__fault_begin(int signal, siginfo_t *info, void *ucontext);

/* Another fatal signal on the thread that conducts, by fault or by error status: the stage that it
 * came in is over, the next one begins. Returns likewise. */
void ff__fault_again(int signal, siginfo_t *info, void *ucontext);

#endif
