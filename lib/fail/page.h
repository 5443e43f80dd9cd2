/* The page: the static text of the one report, written to stderr as it grows.
 *
 * Only the thread that claimed the failure uses it. All AS-safe. */
#ifndef FF__FAIL_PAGE_H
#define FF__FAIL_PAGE_H

#include "base/fmt.h"

#include <stddef.h>

/* Where to add text. */
struct ff__fmt *ff__page(void);

/* Writes what was added since the last time. */
void ff__page_flush(void);

/* The beginning of the report, at most 4096 bytes. */
const char *ff__page_head(size_t *ret_length);

#endif
