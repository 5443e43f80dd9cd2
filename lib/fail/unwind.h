/* Backtraces and function names. The only place that sees libunwind. */
#ifndef FF__FAIL_UNWIND_H
#define FF__FAIL_UNWIND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Loads what the first unwind would load lazily. Not AS-safe. */
void ff__unwind_warm_up(void);

/* Return addresses of the calling thread, innermost first, without the first skip callers. Not
 * AS-safe (takes the loader's lock). @return how many. */
size_t ff__unwind_here(void **ret_frames, size_t capacity, unsigned skip);

/* From the context of a signal handler: calls visit(pc, is_return_address, arg) for each frame,
 * innermost first, until it returns false. If the pc is in no executable mapping (a call through a
 * bad pointer), the walk begins with the caller; the context is changed for that, so give it a
 * copy. In the handler; may take the loader's lock: bounded by the guardian. */
void ff__unwind_context(void *ucontext, bool (*visit)(void *pc, bool is_return, void *arg),
                        void *arg);

/* The function that holds pc. Opens the file for its symbol table, allocates: not AS-safe.
 * @return false, and nothing set, when it has no name. */
bool ff__unwind_name(uintptr_t pc, char *ret_name, size_t capacity, uintptr_t *ret_offset);

#endif
