/* Fatal signals: handlers, alternate stacks. */
#ifndef FF__FAIL_SIGNALS_H
#define FF__FAIL_SIGNALS_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

/* Gives the calling thread an alternate signal stack with guard pages, unless it has one already.
 * @return 0 or -ENOMEM. The mapping is remembered in ff__self.altstack. */
int ff__altstack_install(void);
void ff__altstack_remove(void); /* Undoes ff__altstack_install() if it did anything. */

/* SEGV BUS ILL FPE SYS TRAP ABRT -> the abort path. Not counted: ff__fail_ref() calls them. */
void ff__signals_install(void);
void ff__signals_restore(void); /* Puts back the former handlers where ours are still in place. */

/* These seven as a mask of the kernel. AS-safe. */
uint64_t ff__signals_fatal_set(void);

/* Calls the handler that was there before ours, if it is a function. @return false if it is none.
 * AS-safe as far as that handler is. */
bool ff__signals_call_former(int signal, siginfo_t *info, void *ucontext);

/* Arranges that the process dies by the signal as if there had been no handler, with the true
 * siginfo, once the calling handler has returned. In the handler, all signals blocked. AS-safe. */
void ff__signals_die_on_return(int signal, siginfo_t *info);

#endif
