/* Lines of a report. See lines.h. */
#include "fail/lines.h"

#include "base/compiler.h"
#include "base/name.h"
#include "fail/also.h"
#include "fail/module.h"
#include "fail/page.h"
#include "fail/raw.h"
#include "fail/unwind.h"
#include "sys/clock.h"

#include <failfast/version.h>

#include <errno.h>
#include <limits.h>
#include <time.h>
#include <unistd.h>

#define LABEL_WIDTH 11
#define OTHERS_MAX 64
#define NAME_MAX_SHOWN 120

/* Written once, before anything can fail. */
static uint64_t started_ns;
static char program[FF__NAME_BYTES], host[HOST_NAME_MAX + 1];

/* AS-safe. */
void ff__line_label(const char *label)
{
    struct ff__fmt *page = ff__page();
    size_t before = page->used;

    ff__fmt_str(page, label);
    ff__fmt_char(page, ':');
    do
        ff__fmt_char(page, ' ');
    while (page->used - before < LABEL_WIDTH && !page->truncated);
}

/* AS-safe. */
void ff__line_text(const char *text)
{
    ff__fmt_str(ff__page(), text);
    ff__fmt_char(ff__page(), '\n');
}

/* AS-safe. */
void ff__line_quote(const char *name)
{
    ff__fmt_char(ff__page(), '"');
    ff__fmt_safe_str(ff__page(), name);
    ff__fmt_char(ff__page(), '"');
}

/* AS-safe. */
void ff__line_task(const struct ff__facts *task)
{
    ff__line_quote(task->name);
    ff__fmt_str(ff__page(), " (#");
    ff__fmt_u64(ff__page(), task->id);
    ff__fmt_char(ff__page(), ')');
}

/* AS-safe. Starts are read from the coarse clock, so short times are only a bound. */
void ff__line_ran(uint64_t run_ns)
{
    struct ff__fmt *page = ff__page();

    if (run_ns < 10 * FF_MILLISECOND) {
        ff__fmt_str(page, ", ran less than 10 ms");
        return;
    }
    ff__fmt_str(page, ", ran ");
    ff__fmt_duration(page, run_ns);
}

/* AS-safe. */
void ff__line_status(int code)
{
    struct ff__fmt *page = ff__page();
    const char *name = code < 0 && code > -4096 ? ff__errno_name(-code) : NULL;

    if (!name) {
        ff__fmt_str(page, "status ");
        ff__fmt_i64(page, code);
        return;
    }
    ff__fmt_str(page, name);
    ff__fmt_str(page, " (");
    ff__fmt_str(page, ff__errno_text(-code));
    ff__fmt_char(page, ')');
}

static void function_name(uintptr_t pc)
{
    struct ff__fmt *page = ff__page();
    char name[NAME_MAX_SHOWN];
    uintptr_t offset;

    if (!ff__unwind_name(pc, name, sizeof name, &offset))
        return;
    ff__fmt_safe_str(page, name);
    if (offset != 0) {
        ff__fmt_char(page, '+');
        ff__fmt_hex(page, offset);
    }
    ff__fmt_str(page, "  ");
}

void ff__line_code_place(uintptr_t pc, bool is_return, bool with_name)
{
    uintptr_t place = is_return ? pc - 1 : pc;

    if (with_name)
        function_name(place);
    ff__module_write_place(ff__page(), place);
}

void ff__line_frame(unsigned number, uintptr_t pc, bool is_return, bool with_name)
{
    struct ff__fmt *page = ff__page();

    ff__fmt_str(page, "  #");
    ff__fmt_u64(page, number);
    ff__fmt_str(page, number < 10 ? "  " : " ");
    ff__line_code_place(pc, is_return, with_name);
    ff__fmt_char(page, '\n');
}

static void thread_words(const char *name, int32_t tid)
{
    struct ff__fmt *page = ff__page();

    if (name)
        ff__line_quote(name);
    else
        ff__fmt_str(page, "not one of the library");
    ff__fmt_str(page, " (tid ");
    ff__fmt_i64(page, tid);
    ff__fmt_char(page, ')');
}

/* AS-safe. */
void ff__line_thread(int32_t tid)
{
    const struct ff__slot *slot = ff__slot_find(tid);

    ff__line_label("thread");
    thread_words(slot ? slot->name : NULL, tid);
    ff__fmt_char(ff__page(), '\n');
}

void ff__lines_start(void)
{
    started_ns = ff__clock_now();
    ff__name_copy(program, sizeof program, program_invocation_short_name);
    if (gethostname(host, sizeof host - 1) < 0)
        host[0] = '\0';
}

/* AS-safe. */
static void when_line(void)
{
    struct ff__fmt *page = ff__page();
    struct timespec now = {0};

    clock_gettime(CLOCK_REALTIME, &now);
    ff__line_label("when");
    ff__fmt_utc(page, (uint64_t)now.tv_sec);
    if (host[0] != '\0') {
        ff__fmt_str(page, " on ");
        ff__fmt_safe_str(page, host);
    }
    ff__fmt_char(page, '\n');
}

/* AS-safe. */
void ff__line_process(void)
{
    struct ff__fmt *page = ff__page();

    when_line();
    ff__line_label("process");
    ff__line_quote(program);
    ff__fmt_str(page, ", pid ");
    ff__fmt_i64(page, ff__raw_pid());
    ff__fmt_str(page, ", up ");
    ff__fmt_duration(page, ff__clock_now() - started_ns);
    ff__fmt_str(page, ", failfast ");
    ff__fmt_str(page, FF_VERSION_STRING);
    ff__fmt_char(page, '\n');
}

void ff__line_spawn(const struct ff__facts *task, bool with_name)
{
    struct ff__fmt *page = ff__page();

    if (task->site) {
        ff__fmt_str(page, "spawned from: ");
        ff__line_code_place((uintptr_t)task->site, /* is_return= */ true, with_name);
        ff__fmt_char(page, '\n');
    }
    if (task->parent_id != 0) {
        ff__fmt_str(page, "spawned by: task #");
        ff__fmt_u64(page, task->parent_id);
        ff__fmt_char(page, '\n');
    }
}

/* AS-safe. One row whose thread runs a task. */
static void other_thread(const struct ff__slot *slot, const struct ff__facts *task)
{
    struct ff__fmt *page = ff__page();
    /* Relaxed, all three: facts for people, a moment old. */
    uint64_t since = ff__load_relaxed(&slot->since_ns), now = ff__clock_now();
    const char *waiting = ff__load_relaxed(&slot->waiting);

    ff__fmt_str(page, "  ");
    thread_words(slot->name, ff__load_relaxed(&slot->tid));
    ff__fmt_str(page, ": task ");
    ff__line_task(task);
    if (since != 0 && since <= now) {
        ff__fmt_str(page, ", for ");
        ff__fmt_duration(page, now - since);
    }
    if (waiting) {
        ff__fmt_str(page, ", waits: ");
        ff__fmt_safe_str(page, waiting);
    }
    ff__fmt_char(page, '\n');
}

/* AS-safe. */
void ff__lines_others(const char *heading, int32_t but_tid)
{
    struct ff__slot *slot;
    size_t cursor = 0;
    uint64_t count = 0;

    while ((slot = ff__slot_next(&cursor)) != NULL) {
        struct ff__facts task;

        if (ff__load_relaxed(&slot->tid) == but_tid || !ff__slot_copy_task(slot, &task))
            continue;
        if (count == 0)
            ff__line_text(heading);
        if (count++ < OTHERS_MAX)
            other_thread(slot, &task);
    }
    if (count > OTHERS_MAX) {
        ff__fmt_str(ff__page(), "  and ");
        ff__fmt_u64(ff__page(), count - OTHERS_MAX);
        ff__line_text(" more");
    }
}

static void also_line(const struct ff__also *also)
{
    struct ff__fmt *page = ff__page();

    ff__fmt_str(page, "  ");
    if (also->task.id != 0) {
        ff__fmt_str(page, "task ");
        ff__line_task(&also->task);
        ff__fmt_str(page, ", ");
    }
    ff__fmt_str(page, "thread ");
    thread_words(also->thread[0] ? also->thread : NULL, also->tid);
    ff__fmt_str(page, ": ");
    if (also->signal != 0)
        ff__fmt_str(page, ff__signal_name(also->signal));
    else if (also->kind == FF__CAUSE_STATUS)
        ff__line_status(also->code);
    else
        ff__fmt_str(page, ff__cause_text(also->kind));
    if (also->message[0] != '\0') {
        ff__fmt_str(page, ": ");
        ff__fmt_safe_str(page, also->message);
    }
    ff__fmt_char(page, '\n');
}

/* AS-safe. */
void ff__lines_also(void)
{
    size_t count = ff__also_count();

    if (count == 0)
        return;
    ff__line_text("also failed:");
    for (size_t i = 0; i < count && i < FF__ALSO_MAX; i++) {
        const struct ff__also *also = ff__also_get(i);

        if (also)
            also_line(also);
    }
    if (count > FF__ALSO_MAX) {
        ff__fmt_str(ff__page(), "  and ");
        ff__fmt_u64(ff__page(), count - FF__ALSO_MAX);
        ff__line_text(" more");
    }
}
