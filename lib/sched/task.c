/* Making, running and judging one task. ff__task_run() is the only place where user functions are
 * called as tasks, and the only place that decides what a return value means. */
#include "sched/task.h"

#include "base/name.h"
#include "base/options.h"
#include "fail/abort.h"
#include "sched/group.h"
#include "sys/clock.h"
#include "sys/thread.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Task numbers are dealt to threads in blocks, so that a spawn touches no shared line for them. */
#define ID_BLOCK 1024
static _Atomic uint64_t next_id_block = 1;
static __thread struct {
    uint64_t next, end;
} ids __attribute__((tls_model("initial-exec")));

static uint64_t id_new(void)
{
    if (ff__unlikely(ids.next == ids.end)) {
        ids.next = ff__add_relaxed(&next_id_block, ID_BLOCK); /* Only the numbers must differ. */
        ids.end = ids.next + ID_BLOCK;
    }
    return ids.next++;
}

_Static_assert(offsetof(struct ff_task, facts) == 0, "the black box points at the facts");

ff_task *ff__task_new(const struct ff__task_plan *plan)
{
    size_t small_room = ff__slab_bytes(FF__SLAB_SMALL) - sizeof(struct ff_task);
    enum ff__slab_class slab_class =
        plan->inline_size > small_room ? FF__SLAB_LARGE : FF__SLAB_SMALL;
    ff_task *task = ff__slab_alloc(slab_class);

    if (ff__unlikely(!task))
        return NULL;
    task->facts.id = id_new();
    task->facts.parent_id = ff__self.frame ? ff__self.frame->task->facts.id : 0;
    task->facts.fn = (const void *)(uintptr_t)plan->fn;
    task->facts.site = plan->site;
    ff__name_copy(task->facts.name, sizeof task->facts.name, plan->name);
    task->fn = plan->fn;
    task->drop = plan->drop;
    task->arg = plan->arg;
    if (plan->inline_size) {
        memcpy(task->inline_arg, plan->arg, plan->inline_size);
        task->arg = task->inline_arg;
    }
    task->pool = NULL;
    task->group = NULL;
    task->token = NULL;
    task->frame = NULL;
    task->kind = (uint8_t)plan->kind;
    task->slab_class = (uint8_t)slab_class;
    task->may_finish = 0;
    return task;
}

void ff__task_free(ff_task *task)
{
    ff__slab_free((enum ff__slab_class)task->slab_class, task);
}

int ff__task_plan_read(struct ff__task_plan *ret_plan, ff_group **ret_group, unsigned *ret_flags,
                       unsigned known_flags, const struct ff_spawn_options *options, ff_task_fn *fn,
                       void *arg)
{
    struct ff_spawn_options known;
    int rc;

    if (!options || !fn)
        return -EINVAL;
    rc = ff__options_read(&known, sizeof known, options);
    if (rc < 0)
        return rc;
    if (!ff__name_ok(known.name) || (known.flags & ~known_flags) ||
        known.inline_arg_size > FF_INLINE_ARG_MAX || (known.inline_arg_size && !arg))
        return -EINVAL;
    ret_plan->name = known.name;
    ret_plan->fn = fn;
    ret_plan->drop = known.drop;
    ret_plan->arg = arg;
    ret_plan->inline_size = known.inline_arg_size;
    *ret_group = known.group;
    *ret_flags = known.flags;
    return 0;
}

void ff__task_describe(ff_failure *failure, const ff_task *task)
{
    failure->task = task->facts;
    failure->tid = ff__thread_id();
}

/* What rc means; sets *ret_kind when it is a failure. */
static ff_outcome judge(const ff_task *task, int rc, enum ff__cause *ret_kind)
{
    if (rc == 0) {
        if (task->kind != FF__TASK_SERVICE || task->may_finish || ff_canceled(task->token))
            return FF_OUTCOME_OK;
        *ret_kind = FF__CAUSE_SERVICE_RETURNED;
        return FF_OUTCOME_FAILED;
    }
    if (rc == FF_CANCELED) {
        /* From the claim of a failure on everything is to stop, also before the tokens say so. */
        if (ff_canceled(task->token) || ff__aborting())
            return FF_OUTCOME_CANCELED;
        *ret_kind = FF__CAUSE_CANCELED_UNASKED;
        return FF_OUTCOME_FAILED;
    }
    *ret_kind = FF__CAUSE_STATUS;
    return FF_OUTCOME_FAILED;
}

/* Completes frame->failure. What ff_fail() said counts if it was for the returned code, and so does
 * the failure that the task read from a group. */
static void fill_failure(struct ff__frame *frame, int rc, enum ff__cause kind)
{
    ff_failure *failure = &frame->failure;

    if (!frame->said || failure->code != rc)
        ff__failure_init(failure, kind);
    failure->kind = kind;
    failure->code = rc;
    failure->run_ns = ff__clock_coarse() - frame->since_ns;
    ff__task_describe(failure, frame->task);
    failure->cause = NULL;
    if (frame->cause && frame->cause->code == rc) {
        failure->cause = frame->cause;
        frame->cause = NULL;
    }
}

static void drop_failed(void *arg)
{
    ff__task_drop(arg, FF_OUTCOME_FAILED);
}

/* The failure finds its owner, or the process its end. On return another failure ended the process
 * first, or a group has taken this one over. */
static void fail(struct ff__frame *frame)
{
    ff_task *task = frame->task;

    if (task->group) {
        ff__task_drop(task, FF_OUTCOME_FAILED);
        ff__group_child_failed(task->group, &frame->failure);
        return;
    }
    /* The winner's drop runs on the runner, after the report. A loser's runs here. */
    ff__abort_failure(&frame->failure, drop_failed, task);
    if (task->kind != FF__TASK_TIMER)
        ff__task_drop(task, FF_OUTCOME_FAILED);
}

/* The task has returned and nobody is left to wait for its groups: what fails in them would be
 * lost. */
FF__COLD static void fail_for_groups(struct ff__frame *frame, uint32_t groups)
{
    ff_failure *failure = &frame->failure;

    ff__failure_init(failure, FF__CAUSE_GROUP_LEFT);
    failure->code = -EBUSY;
    failure->run_ns = ff__clock_coarse() - frame->since_ns;
    ff__task_describe(failure, frame->task);
    snprintf(failure->message, sizeof failure->message,
             "the task returned without freeing its groups: %" PRIu32, groups);
    ff__group_disown(frame->task);
    ff__abort_failure(failure, drop_failed, frame->task);
}

static void frame_enter(struct ff__frame *frame, ff_task *task)
{
    frame->outer = ff__self.frame;
    frame->task = task;
    frame->cause = NULL;
    frame->said = false;
    ff__store_relaxed(&frame->groups, 0);
    frame->since_ns = ff__clock_coarse();
    task->frame = frame;
    ff__self.frame = frame;
    if (ff__self.slot) {
        /* Relaxed: a reporter that pairs the old task with the new time is off by one task. */
        ff__store_relaxed(&ff__self.slot->since_ns, frame->since_ns);
        ff__slot_set_task(ff__self.slot, &task->facts);
    }
}

static void frame_leave(struct ff__frame *frame)
{
    ff__failure_unref(frame->cause);
    ff__self.frame = frame->outer;
    if (ff__self.slot) {
        struct ff__frame *outer = frame->outer;

        if (outer)
            ff__store_relaxed(&ff__self.slot->since_ns, outer->since_ns);
        ff__slot_set_task(ff__self.slot, outer ? &outer->task->facts : NULL);
    }
}

void ff__task_drop_alone(ff_task *task, ff_outcome outcome)
{
    struct ff__frame frame;

    if (!task->drop)
        return;
    frame_enter(&frame, task);
    ff__task_drop(task, outcome);
    frame_leave(&frame);
}

/* Calls fn and deals with what it left and returned. */
static ff_outcome call(struct ff__frame *frame)
{
    ff_task *task = frame->task;
    enum ff__cause kind = FF__CAUSE_STATUS;
    int rc = task->fn(task, task->arg);
    ff_outcome outcome = judge(task, rc, &kind);
    uint32_t groups = ff__load_relaxed(&frame->groups);

    /* A failure that nobody owns tells more than the groups that it left behind. */
    if (ff__unlikely(groups != 0) && (outcome != FF_OUTCOME_FAILED || task->group))
        fail_for_groups(frame, groups);
    if (ff__unlikely(outcome == FF_OUTCOME_FAILED)) {
        fill_failure(frame, rc, kind);
        fail(frame);
    }
    return outcome;
}

ff_outcome ff__task_run(ff_task *task)
{
    struct ff__frame frame;
    ff_outcome outcome = FF_OUTCOME_SKIPPED;

    frame_enter(&frame, task);
    if (!ff_canceled(task->token))
        outcome = call(&frame);
    if (outcome != FF_OUTCOME_FAILED && task->kind != FF__TASK_TIMER)
        ff__task_drop(task, outcome);
    frame_leave(&frame);
    return outcome;
}
