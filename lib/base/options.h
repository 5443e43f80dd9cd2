/* Sized option structs: how a program built with another version's header is read. */
#ifndef FF__BASE_OPTIONS_H
#define FF__BASE_OPTIONS_H

#include <stddef.h>

/* Copies the caller's options (whose first field is their size_t size) over ret_options of the size
 * this library knows. @return 0, or -EINVAL (a size that no version had: any smaller one, and
 * one above 4096), -E2BIG (a larger one with a field set that this library does not know). NULL
 * given gives zeros.
 */
int ff__options_read(void *ret_options, size_t known_size, const void *given);

#endif
