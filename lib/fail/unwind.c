/* libunwind, local only. See unwind.h.
 *
 * What it does not do well, and what follows: it takes the loader's lock and may hang (the guardian
 * is armed before it is called in a dying process); it walks one or two frames from a bad pc (the
 * call is undone first); names allocate (never asked for in a handler). */
#define UNW_LOCAL_ONLY
#include "fail/unwind.h"

#include "base/compiler.h"
#include "fail/context.h"
#include "fail/module.h"

#include <libunwind.h>
#include <pthread.h>
#include <unwind.h>

/* More than any report shows; a walk that runs in circles ends too. */
#define WALK_MAX 100000

/* walk_here() and ff__unwind_here(). */
#define OWN_FRAMES 2

struct walk_here {
    void **pcs;
    size_t capacity, count;
};

static _Unwind_Reason_Code note_pc(struct _Unwind_Context *context, void *arg)
{
    struct walk_here *walk = arg;
    uintptr_t pc = _Unwind_GetIP(context);

    if (pc == 0 || walk->count == walk->capacity)
        return _URC_END_OF_STACK;
    walk->pcs[walk->count++] = (void *)pc;
    return _URC_NO_REASON;
}

/* The calling thread's program counters from this function's on. By libgcc, not libunwind, which
 * takes the loader's lock and looks at memory through a pipe of its own: in a program that goes on,
 * the lock may be held for long, and the pipe's numbers may be other files by now. */
FF__NOINLINE static size_t walk_here(void **ret_pcs, size_t capacity)
{
    struct walk_here walk = {ret_pcs, capacity, 0};

    _Unwind_Backtrace(note_pc, &walk);
    return walk.count;
}

void ff__unwind_warm_up(void)
{
    void *frames[4];
    unw_context_t context;
    unw_cursor_t cursor;

    (void)ff__unwind_here(frames, FF__ARRAY_SIZE(frames), /* skip= */ 0);
    if (unw_getcontext(&context) == 0 && unw_init_local2(&cursor, &context, 0) == 0)
        (void)unw_step(&cursor);
}

FF__NOINLINE size_t ff__unwind_here(void **ret_frames, size_t capacity, unsigned skip)
{
    void *frames[64];
    const size_t own = OWN_FRAMES + (size_t)skip;
    size_t wanted = capacity + own < 64 ? capacity + own : 64, got, count = 0;
    int cancel_state;

    /* It makes system calls under its locks; the thread must not end there. */
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel_state);
    got = walk_here(frames, wanted);
    pthread_setcancelstate(cancel_state, NULL);
    for (size_t i = own; i < got && count < capacity; i++)
        ret_frames[count++] = frames[i];
    return count;
}

void ff__unwind_context(void *ucontext, bool (*visit)(void *pc, bool is_return, void *arg),
                        void *arg)
{
    static unw_cursor_t cursor; /* Static: a foreign alternate stack may be small. */
    ucontext_t *uc = ucontext;
    bool interrupted = true;

    if (!ff__module_executable((uintptr_t)FF__CONTEXT_PC(uc)))
        interrupted = !ff__context_undo_call(uc);
    if (unw_init_local2(&cursor, ucontext, UNW_INIT_SIGNAL_FRAME) < 0)
        return;
    for (unsigned i = 0; i < WALK_MAX; i++) {
        unw_word_t pc;
        bool trampoline = i > 0 && unw_is_signal_frame(&cursor) > 0;
        /* The first pc is where the thread was; so is the one under a signal's trampoline. */
        bool is_return = !interrupted && !trampoline;

        if (unw_get_reg(&cursor, UNW_REG_IP, &pc) < 0 || pc == 0 ||
            !visit((void *)pc, is_return, arg) || unw_step(&cursor) <= 0)
            return;
        interrupted = trampoline;
    }
}

/* Where the function around pc begins, by the unwind tables; 0 when they do not know. */
static uintptr_t function_start(uintptr_t pc)
{
    unw_proc_info_t info;

    if (unw_get_proc_info_by_ip(unw_local_addr_space, pc, &info, NULL) < 0)
        return 0;
    return info.start_ip;
}

/* A stripped library knows the names of its exported functions only, and libunwind then tells the
 * nearest one below. Such a name begins before the function does, and is not told. */
bool ff__unwind_name(uintptr_t pc, char *ret_name, size_t capacity, uintptr_t *ret_offset)
{
    unw_accessors_t *local = unw_get_accessors(unw_local_addr_space);
    unw_word_t offset = 0;

    if (!local || !local->get_proc_name ||
        local->get_proc_name(unw_local_addr_space, pc, ret_name, capacity, &offset, NULL) < 0 ||
        pc - offset < function_start(pc))
        return false;
    *ret_offset = offset;
    return true;
}
