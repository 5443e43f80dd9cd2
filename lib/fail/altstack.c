/* Alternate signal stacks. See signals.h. A stack overflow leaves no stack to handle it on. */
#include "fail/signals.h"
#include "sys/thread.h"

#include <errno.h>
#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>

/* What handling a fault takes at most, twice over: a fault while reporting is handled too. */
#define OWN_BYTES 65536

static size_t page_bytes(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

/* Without the guards. The kernel's frame (MINSIGSTKSZ) grows with the registers of the machine. */
static size_t stack_bytes(void)
{
    long frame = sysconf(_SC_MINSIGSTKSZ);
    size_t wanted = (frame > OWN_BYTES ? (size_t)frame : OWN_BYTES) + OWN_BYTES;

    return (wanted + page_bytes() - 1) / page_bytes() * page_bytes();
}

int ff__altstack_install(void)
{
    size_t page = page_bytes(), size = stack_bytes();
    stack_t stack;
    char *map;

    if (sigaltstack(NULL, &stack) == 0 && (stack.ss_flags & SS_DISABLE) == 0)
        return 0;
    map =
        mmap(NULL, size + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (map == MAP_FAILED)
        return -ENOMEM;
    stack = (stack_t){.ss_sp = map + page, .ss_size = size};
    if (mprotect(map + page, size, PROT_READ | PROT_WRITE) != 0 || sigaltstack(&stack, NULL) != 0) {
        munmap(map, size + 2 * page);
        return -ENOMEM;
    }
    ff__self.altstack = map;
    return 0;
}

void ff__altstack_remove(void)
{
    stack_t stack, none = {.ss_flags = SS_DISABLE};
    char *map = ff__self.altstack;

    if (!map)
        return;
    /* The program may have put its own in place meanwhile: that one stays. */
    if (sigaltstack(NULL, &stack) == 0 && stack.ss_sp == map + page_bytes())
        sigaltstack(&none, NULL);
    munmap(map, stack_bytes() + 2 * page_bytes());
    ff__self.altstack = NULL;
}
