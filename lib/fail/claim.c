/* The claim: one word, one compare-and-swap, never given back. */
#include "fail/claim.h"

#include "base/atomic.h"
#include "fail/abort.h"
#include "fail/fork.h"

/* The thread that conducts; 0: nobody fails. */
static _Atomic int32_t conductor;

/* AS-safe. */
enum ff__claim ff__claim_take(int32_t tid)
{
    int32_t seen = 0;

    /* Relaxed: the word only says who; nothing else is handed over by it. */
    if (ff__cas_relaxed(&conductor, &seen, tid))
        return FF__CLAIM_WON;
    return seen == tid ? FF__CLAIM_MINE : FF__CLAIM_LOST;
}

/* AS-safe. */
bool ff__aborting(void)
{
    return ff__load_relaxed(&conductor) != 0;
}

void ff__claim_after_fork(void)
{
    ff__store_relaxed(&conductor, 0);
}
