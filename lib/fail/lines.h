/* The lines that both kinds of report are made of. They add to the page; all but
 * ff__line_code_place() with names are AS-safe. */
#ifndef FF__FAIL_LINES_H
#define FF__FAIL_LINES_H

#include "fail/failure.h"

#include <stdbool.h>
#include <stdint.h>

/* Label and padding: "task:      ". */
void ff__line_label(const char *label);

/* The rest of a line: text, then the end of the line. */
void ff__line_text(const char *text);

/* Quoted, harmless: "name". */
void ff__line_quote(const char *name);

/* "name" (#12) */
void ff__line_task(const struct ff__facts *task);

void ff__line_ran(uint64_t run_ns); /* , ran 1.23 s */
/* "EBADMSG (Bad message)" for -74, "status 17" for what is no negative errno. */
void ff__line_status(int code);

/* A place in code: "function+0x12  module+0x1234 (0123456789abcdef)". For a return address the
 * place of the call. Names: not AS-safe. */
void ff__line_code_place(uintptr_t pc, bool is_return, bool with_name);

/* "#3  " and the place, as a line. */
void ff__line_frame(unsigned number, uintptr_t pc, bool is_return, bool with_name);

/* The thread with this number, as a line. */
void ff__line_thread(int32_t tid);

/* The process: pid and how long the library has run in it. */
void ff__line_process(void);
void ff__lines_start(void);

/* "spawned by" and "spawned from" lines. */
void ff__line_spawn(const struct ff__facts *task, bool with_name);

/* What the other threads run, bounded; heading only if there are any. */
void ff__lines_others(const char *heading, int32_t but_tid);

/* Who failed besides the first; nothing if nobody did. */
void ff__lines_also(void);

#endif
