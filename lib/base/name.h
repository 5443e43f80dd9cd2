/* Names: copied, bounded, cut at a character boundary. No system calls, no state. */
#ifndef FF__BASE_NAME_H
#define FF__BASE_NAME_H

#include <stdbool.h>
#include <stddef.h>

/* Copies at most capacity - 1 bytes, never a part of a UTF-8 character, and ends them with NUL.
 * Bytes that are no UTF-8 are cut like single-byte characters. AS-safe. */
void ff__name_copy(char *ret_name, size_t capacity, const char *name);

/* Neither NULL nor empty. */
static inline bool ff__name_ok(const char *name)
{
    return name && name[0] != '\0';
}

#endif
