/* The version of the library in use. Anybody may call, signal handlers included. */
#include <failfast/version.h>

/* AS-safe: returns a constant. */
const char *ff_version(void)
{
    return FF_VERSION_STRING;
}
