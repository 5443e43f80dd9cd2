/* Threads of the program: ff_thread_adopt(), ff_critical(); and the watch over threads that end.
 *
 * A thread-specific-data destructor runs when a thread ends in whatever way. It finds either an
 * adopted thread, which is let go, or a thread that still runs a task: pthread_exit() or
 * pthread_cancel() unwound it, and the task would have died in silence. The frames on its stack are
 * gone by then, so only the black box is asked. The timer thread is watched as well: it runs
 * callbacks. */
#include "base/name.h"
#include "base/panic.h"
#include "fail/abort.h"
#include "fail/signals.h"
#include "sched/group.h"
#include "sched/task.h"
#include "sched/thread_end.h"
#include "sys/clock.h"
#include "sys/thread.h"

#include <pthread.h>

static pthread_once_t key_once = PTHREAD_ONCE_INIT;
static pthread_key_t key;
static int key_status;

/* Where the calling thread was adopted: the reference of a parent is not the child's. */
static __thread uint32_t adopted_in __attribute__((tls_model("initial-exec")));

static void drop_ended(void *arg)
{
    ff__task_drop(arg, FF_OUTCOME_FAILED);
}

/* A thread whose task is not known: it has no row, or it is a helper of the library that ended in a
 * callback. */
static void ended_nameless(const char *name)
{
    ff_failure failure;

    ff__failure_init(&failure, FF__CAUSE_THREAD_ENDED);
    failure.code = -ECANCELED;
    failure.tid = ff__thread_id();
    ff__name_copy(failure.task.name, sizeof failure.task.name, name);
    ff__abort_failure(&failure, NULL, NULL);
}

static void ended_inside(struct ff__slot *slot, const struct ff__facts *facts)
{
    /* The facts are the task's first member, and the task is unfinished: the block is alive. */
    ff_task *task = (ff_task *)(uintptr_t)facts;
    ff_failure failure;

    ff__failure_init(&failure, FF__CAUSE_THREAD_ENDED);
    ff__task_describe(&failure, task);
    failure.code = -ECANCELED;
    failure.run_ns = ff__clock_coarse() - ff__load_relaxed(&slot->since_ns);
    ff__group_disown(task);
    ff__abort_failure(&failure, drop_ended, task);
    drop_ended(task); /* Another failure was first, and its conductor does not know this task. */
}

static void release_adopted(void)
{
    ff__slot_leave(ff__self.slot);
    ff__altstack_remove();
    ff__self.slot = NULL;
    ff__self.adopted = false;
    if (adopted_in == ff__fork_generation)
        ff__fail_unref();
}

static void thread_ended(void *value)
{
    struct ff__slot *slot = ff__self.slot;
    /* Only this thread writes its row. */
    const struct ff__facts *facts = slot ? ff__load_relaxed(&slot->current) : NULL;
    bool in_task = ff__self.frame != NULL;

    (void)value;
    ff__self.frame = NULL; /* Its stack is unwound. */
    if (facts)
        ended_inside(slot, facts);
    else if (in_task)
        ended_nameless("(unknown: the black box was full)");
    else if (slot && slot->kind == FF__SLOT_HELPER)
        ended_nameless(slot->name);
    if (slot && slot->kind == FF__SLOT_ADOPTED)
        release_adopted();
}

static void make_key(void)
{
    key_status = pthread_key_create(&key, thread_ended);
}

int ff__thread_end_prepare(void)
{
    pthread_once(&key_once, make_key);
    return key_status ? -EAGAIN : 0;
}

static int watch(void)
{
    int rc = ff__thread_end_prepare();

    return rc < 0 ? rc : -pthread_setspecific(key, &key);
}

/* A key that was made can be set, unless there is no memory for the thread's table of keys. A task
 * that could die unseen is worse than an end with a message. */
void ff__thread_end_watch(void)
{
    ff__check(watch() == 0);
}

void ff__thread_end_unwatch(void)
{
    pthread_setspecific(key, NULL);
}

/* A row for a thread of the program. @return 0, -EAGAIN, -ENOMEM. */
static int adopt(const char *name)
{
    int rc = ff__fail_ref(/* without_handlers= */ false);

    if (rc < 0)
        return rc;
    rc = watch();
    if (rc < 0)
        goto unref_fail;
    ff__self.slot = ff__slot_enter(FF__SLOT_ADOPTED, name);
    rc = -EAGAIN;
    if (!ff__self.slot)
        goto unwatch;
    rc = ff__altstack_install();
    if (rc == 0) {
        adopted_in = ff__fork_generation;
        return 0;
    }
    ff__slot_leave(ff__self.slot);
    ff__self.slot = NULL;
unwatch:
    ff__thread_end_unwatch();
unref_fail:
    ff__fail_unref();
    return rc;
}

/* The thread was adopted already, perhaps by the parent of this process. @return 0, -EAGAIN,
 * -ENOMEM. */
static int adopt_again(const char *name)
{
    int rc = 0;

    if (adopted_in != ff__fork_generation)
        rc = ff__fail_ref(/* without_handlers= */ false);
    if (rc < 0)
        return rc;
    adopted_in = ff__fork_generation;
    ff__name_copy(ff__self.slot->name, sizeof ff__self.slot->name, name);
    return 0;
}

int ff_thread_adopt(const char *name)
{
    int rc;

    if (!ff__name_ok(name))
        return -EINVAL;
    if (ff__self.slot && ff__self.slot->kind != FF__SLOT_ADOPTED)
        return -EBUSY;
    rc = ff__self.slot ? adopt_again(name) : adopt(name);
    if (rc == 0)
        ff__self.adopted = true;
    return rc;
}

/* Every critical call holds what failing needs: through a row of its own, or beside the row that is
 * there. */
static int begin_critical(const char *name)
{
    return ff__self.slot ? ff__fail_ref(/* without_handlers= */ false) : adopt(name);
}

static void end_critical(bool adopted_here)
{
    if (!adopted_here) {
        ff__fail_unref();
    } else if (!ff__self.adopted) { /* fn may have adopted the thread for good. */
        ff__thread_end_unwatch();
        release_adopted();
    }
}

int ff_critical(const char *name, ff_task_fn *fn, void *arg)
{
    struct ff__task_plan plan = {.name = name,
                                 .fn = fn,
                                 .arg = arg,
                                 .site = __builtin_return_address(0),
                                 .kind = FF__TASK_CRITICAL};
    bool adopted_here = !ff__self.slot;
    ff_task *task;
    int rc;

    if (!fn || !ff__name_ok(name))
        return -EINVAL;
    task = ff__task_new(&plan);
    if (!task)
        return -ENOMEM;
    rc = begin_critical(name);
    if (rc == 0) {
        if (ff__task_run(task) == FF_OUTCOME_FAILED)
            ff__abort_await_end(); /* Another failure was first; all is not well. */
        end_critical(adopted_here);
    }
    ff__task_free(task);
    return rc;
}
