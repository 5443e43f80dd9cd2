/* The version of the header a program was built with, and of the library it runs with. */
#ifndef FAILFAST_VERSION_H
#define FAILFAST_VERSION_H

#include <failfast/base.h>

#define FF_VERSION_MAJOR 0
#define FF_VERSION_MINOR 1
#define FF_VERSION_PATCH 0
#define FF_VERSION_STRING "0.1.0"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * The version of the library in use, such as "0.1.0".
 *
 * @return A string that lives for ever.
 * Threads: any. Blocks: no. Signals: async-signal-safe. Since: 0.1
 */
FF_API const char *ff_version(void);

#ifdef __cplusplus
}
#endif

#endif
