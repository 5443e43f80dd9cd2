/* FAILFAST_* variables. */
#ifndef FF__SYS_ENV_H
#define FF__SYS_ENV_H

#include <stdbool.h>
#include <stdint.h>

/* Reads a decimal number in [low, high]. @return false when the variable is unset or empty. A
 * malformed or out-of-range value is said in one line on stderr and counts as unset. Not AS-safe.
 */
bool ff__env_u64(const char *variable, uint64_t low, uint64_t high, uint64_t *ret_value);

#endif
