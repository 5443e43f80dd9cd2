/* Which code lies where: the executable mappings of the process, read from /proc/self/maps into
 * static memory, and what names a place in a report: module, offset, build-id.
 *
 * No malloc, no lock, no loader. Memory is looked at with process_vm_readv, so that a bad address
 * is an answer. ff__modules_load() belongs to the thread that claimed the failure, or to the first
 * ff__fail_ref(); everything is AS-safe. */
#ifndef FF__FAIL_MODULE_H
#define FF__FAIL_MODULE_H

#include "base/fmt.h"

#include <stdbool.h>
#include <stdint.h>

/* Reads the table anew; where /proc cannot be read the old one stays. */
void ff__modules_load(void);

/* Whether code can run at pc. Without a table: whether there is memory. */
bool ff__module_executable(uintptr_t pc);

/* Writes "demo+0x1234 (0123456789abcdef)": file, address inside it as its symbol table counts, and
 * the first 16 digits of its build-id; the bare address where nothing is known. */
void ff__module_write_place(struct ff__fmt *fmt, uintptr_t pc);

#endif
