/* Who conducts the one failure of the process. */
#ifndef FF__FAIL_CLAIM_H
#define FF__FAIL_CLAIM_H

#include <stdint.h>

enum ff__claim {
    FF__CLAIM_WON,  /* The caller is the first: it conducts. */
    FF__CLAIM_MINE, /* The caller conducts already: it has failed again on the way down. */
    FF__CLAIM_LOST, /* Another thread conducts. */
};

/* For both ways to fail, error status and fatal signal. AS-safe. */
enum ff__claim ff__claim_take(int32_t tid);

#endif
