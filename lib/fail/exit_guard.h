/* Keeps the program from ending with another status while a failure is on its way. */
#ifndef FF__FAIL_EXIT_GUARD_H
#define FF__FAIL_EXIT_GUARD_H

#include <stdbool.h>

/* Registers an exit handler: while the process fails, exit() on any thread but the conductor's
 * waits for the end that the conductor brings. So main cannot return 0 over a failure. Once.
 * @return 0 or -ENOMEM. */
int ff__exit_guard_install(void);

/* Whether a thread waits in exit(). Then the conductor must not call exit() as well. */
bool ff__exit_guard_holds(void);

#endif
