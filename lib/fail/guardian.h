/* The guardian: a thread made beforehand that ends the process at a deadline, whatever hangs. It
 * takes no lock, allocates nothing, writes nothing, and blocks every signal. */
#ifndef FF__FAIL_GUARDIAN_H
#define FF__FAIL_GUARDIAN_H

#include <stdbool.h>
#include <stdint.h>

/* @return 0, -EAGAIN, -ENOMEM. */
int ff__guardian_start(void);

/* Stops and joins it. @return false, and it stays, when it is armed. */
bool ff__guardian_stop(void);

/* From deadline_ns on the process ends: by the signal if it is not 0 (and with exit code 1 where no
 * signal can kill), else with the exit code. Only the thread that claimed the failure; the first
 * call counts. AS-safe. */
void ff__guardian_arm(uint64_t deadline_ns, int exit_code, int signal);

#endif
