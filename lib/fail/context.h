/* The registers in the context of a signal handler that a report speaks of. */
#ifndef FF__FAIL_CONTEXT_H
#define FF__FAIL_CONTEXT_H

#include "fail/raw.h"

#include <stdbool.h>
#include <stdint.h>
#include <ucontext.h>

#if defined(__x86_64__)
#define FF__CONTEXT_PC(uc) ((uc)->uc_mcontext.gregs[REG_RIP])
#define FF__CONTEXT_SP(uc) ((uc)->uc_mcontext.gregs[REG_RSP])
#define FF__CONTEXT_FP(uc) ((uc)->uc_mcontext.gregs[REG_RBP])
#elif defined(__aarch64__)
#define FF__CONTEXT_PC(uc) ((uc)->uc_mcontext.pc)
#define FF__CONTEXT_SP(uc) ((uc)->uc_mcontext.sp)
#define FF__CONTEXT_FP(uc) ((uc)->uc_mcontext.regs[29])
#else
#error "registers of this machine are unknown: add them here"
#endif

/* As if the call that led to a bad pc had not been made: pc is the return address. AS-safe.
 * @return false when that cannot be read; the context is as it was. */
static inline bool ff__context_undo_call(ucontext_t *uc)
{
#if defined(__x86_64__)
    greg_t back;

    if (ff__raw_peek((uintptr_t)FF__CONTEXT_SP(uc), &back, sizeof back) != sizeof back)
        return false;
    FF__CONTEXT_PC(uc) = back;
    FF__CONTEXT_SP(uc) += (greg_t)sizeof back;
#else
    uc->uc_mcontext.pc = uc->uc_mcontext.regs[30];
#endif
    return true;
}

#endif
