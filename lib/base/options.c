/* Sized option structs. See options.h: anybody may call; no system calls, no state. */
#include "base/options.h"

#include <errno.h>
#include <string.h>

/* A size that no struct of options will ever have: it is garbage, and reading that far may fault.
 */
#define ABSURD_SIZE 4096

int ff__options_read(void *ret_options, size_t known_size, const void *given)
{
    const unsigned char *bytes = given;
    size_t given_size;

    if (!given) {
        memset(ret_options, 0, known_size);
        return 0;
    }
    memcpy(&given_size, given, sizeof given_size);
    if (given_size < known_size || given_size > ABSURD_SIZE)
        return -EINVAL;
    for (size_t i = known_size; i < given_size; i++)
        if (bytes[i] != 0)
            return -E2BIG;
    memcpy(ret_options, given, known_size);
    return 0;
}
