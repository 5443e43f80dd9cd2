/* Groups: children, their failures, and the wait that helps.
 *
 * A child can be reached twice: through the queue it was put into (a deque or the injector), and
 * through its group's list, from which a waiting worker takes children to run them itself. One
 * exchange of child->claimed decides who runs it:
 *
 *   worker with the queue entry              helper with group->lock
 *   X: exchange claimed to 1 (acq_rel)       X: exchange claimed to 1 (acq_rel)
 *   lost:  let go of the queue's reference   lost:  leave it; the winner will unlink it
 *   won:   lock, unlink, unlock, run,        won:   unlink, unlock, run,
 *          free the block                           let go of the run's reference
 *
 * The winner runs an unfinished child, and a group lives as long as it has one, so task->group is
 * valid for it. The loser touches only the block, which its own reference keeps. The block is freed
 * by whoever lets go last.
 *
 * A queue entry that has lost is dead weight until it is popped. The waiter therefore looks into
 * its own deque first: what it spawned lies on top there, so a task that spawns and waits for ever
 * leaves nothing behind. */
#include "sched/group.h"

#include "base/name.h"
#include "base/options.h"
#include "fail/abort.h"
#include "fail/unwind.h"
#include "sched/room.h"
#include "sched/spawn.h"
#include "sched/task.h"
#include "sched/waiting.h"
#include "sched/worker.h"
#include "sys/clock.h"
#include "sys/futex.h"
#include "sys/thread.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

static void group_release(ff_token *token)
{
    free(ff__container_of(token, ff_group, source.token));
}

/* The pool that the group's children run on; NULL when none is named, or two are. */
static ff_pool *pool_for(const ff_task *self, const struct ff_group_options *options)
{
    if (self && self->pool && options->pool && options->pool != self->pool)
        return NULL;
    return self && self->pool ? self->pool : options->pool;
}

/* A group is counted where it was made until it is freed: in its task's frame, or in the pool. */
static _Atomic uint32_t *count_of(ff_group *group)
{
    return group->owner ? &group->owner->groups : &group->pool->groups;
}

static void cancel_too(void *arg)
{
    ff_group *group = arg;

    ff__cancel_for(&group->source, FF_REASON_REQUESTED);
}

/* Has the group cancelled with another token, too. @return 0 or -ENOMEM. */
static int follow(ff_group *group, ff_token *token)
{
    int rc = ff_register(token, cancel_too, group, &group->also_with);

    if (rc == FF_CANCELED) {
        cancel_too(group);
        rc = 0;
    }
    return rc;
}

static void group_init(ff_group *group, ff_task *self, const struct ff_group_options *options,
                       ff_pool *pool)
{
    ff_token *parent = self && self->token ? self->token : &pool->root.token;

    group->pool = pool;
    group->owner = self ? self->frame : NULL;
    group->also_with = NULL;
    group->parent = self ? self->group : NULL;
    group->owner_id = self ? self->facts.id : 0;
    ff__name_copy(group->name, sizeof group->name,
                  options->name ? options->name
                  : self        ? self->facts.name
                                : "group");
    ff__lock_init(&group->lock);
    ff__list_init(&group->waiting);
    group->pending = group->failure_count = 0;
    group->kept = group->sleepers = 0;
    group->unread = group->skipped = false;
    ff__store_relaxed(&group->change, 0);
    ff__source_init(&group->source, parent, options->deadline_ns, group_release);
}

int ff_group_new(ff_task *self, const struct ff_group_options *options, ff_group **ret_group)
{
    struct ff_group_options known;
    ff_group *group;
    ff_pool *pool;
    bool timed;
    int rc = ff__options_read(&known, sizeof known, options);

    if (rc < 0)
        return rc;
    pool = pool_for(self, &known);
    if (!ret_group || !pool)
        return -EINVAL;
    if (pool->fork_generation != ff__fork_generation)
        return -EOWNERDEAD;
    timed = known.deadline_ns != 0 && known.deadline_ns != FF_NEVER;
    if (timed && (rc = ff__timerq_ref()) < 0)
        return rc;
    group = malloc(sizeof *group);
    if (!group) {
        if (timed)
            ff__timerq_unref();
        return -ENOMEM;
    }
    group->site = __builtin_return_address(0);
    group_init(group, self, &known, pool);
    group->source.token.holds_timerq = timed;
    if (known.parent && (rc = follow(group, known.parent)) < 0) {
        ff_source_unref(&group->source);
        return rc;
    }
    ff__add_relaxed(count_of(group), 1);
    *ret_group = group;
    return 0;
}

int ff_group_spawn(ff_group *group, const char *name, ff_task_fn *fn, void *arg)
{
    struct ff__task_plan plan = {.name = name,
                                 .fn = fn,
                                 .arg = arg,
                                 .site = __builtin_return_address(0),
                                 .kind = FF__TASK_POOL};

    if (!group || !fn || !ff__name_ok(name))
        return -EINVAL;
    return ff__spawn_task(group->pool, group, &plan);
}

/* Under group->lock: whoever waits shall look again. */
static void changed(ff_group *group)
{
    /* Relaxed: the lock orders it; the futex compares the value. */
    ff__add_relaxed(&group->change, 1);
    if (group->sleepers)
        ff__futex_wake(&group->change, INT_MAX);
}

void ff__group_add(ff_group *group, ff_task *task)
{
    task->group = group;
    ff__store_relaxed(&task->claimed, 0); /* Published by the lock and by the queue. */
    ff__store_relaxed(&task->refs, 2);
    ff__lock(&group->lock);
    ff__list_push_back(&group->waiting, &task->sibling);
    group->pending++;
    changed(group);
    ff__unlock(&group->lock);
}

void ff__group_let_go(ff_task *task)
{
    /* acq_rel: the last one frees after the other's last access. */
    if (ff__sub_acq_rel(&task->refs, 1) == 1)
        ff__task_free(task);
}

static bool claim(ff_task *task)
{
    return ff__exchange_acq_rel(&task->claimed, 1) == 0; /* X */
}

static void unlink_claimed(ff_task *task)
{
    ff__lock(&task->group->lock);
    ff__list_remove(&task->sibling);
    ff__unlock(&task->group->lock);
}

/* An entry whose child its group ran has left the queue. It held its place until now: entries are
 * memory, and the bound of the queue is one of memory. */
static void let_go_queued(struct ff__worker *worker, ff_task *task)
{
    ff__room_give(worker->pool, worker);
    ff__group_let_go(task);
}

static void run_claimed_from_queue(struct ff__worker *worker, ff_task *task)
{
    ff__room_give(worker->pool, worker);
    unlink_claimed(task);
    ff__worker_execute(worker, task);
    ff__task_free(task); /* Both references are ours: nobody else can find the block any more. */
}

void ff__group_run_queued(struct ff__worker *worker, ff_task *task)
{
    if (claim(task))
        run_claimed_from_queue(worker, task);
    else
        let_go_queued(worker, task);
}

void ff__group_child_failed(ff_group *group, const ff_failure *failure)
{
    ff_failure *kept = ff__failure_clone(failure);
    bool first;

    if (!kept) {
        ff_failure lost = *failure;

        /* Keeping it is impossible, losing it is not allowed. */
        lost.kind = FF__CAUSE_GROUP_NO_MEMORY;
        ff__abort_failure(&lost, NULL, NULL);
        return;
    }
    ff__lock(&group->lock);
    first = group->failure_count++ == 0;
    group->unread = true;
    if (group->kept < FF_GROUP_FAILURES_MAX) {
        group->failures[group->kept++] = kept;
        kept = NULL;
    }
    ff__unlock(&group->lock);
    ff__failure_unref(kept);
    if (first)
        ff__cancel_for(&group->source, FF_REASON_SIBLING);
}

void ff__group_child_done(ff_group *group, ff_outcome outcome)
{
    ff__lock(&group->lock);
    if (outcome == FF_OUTCOME_CANCELED || outcome == FF_OUTCOME_SKIPPED)
        group->skipped = true;
    if (--group->pending == 0)
        changed(group);
    ff__unlock(&group->lock);
}

void ff__group_disown(ff_task *task)
{
    ff_group *group = task->group;

    task->group = NULL;
    if (group)
        ff__group_child_done(group, FF_OUTCOME_CANCELED);
}

/* Whether the calling thread runs a child of the group, at any depth: it would wait for itself. A
 * frame whose group is the parent of the inner frame's group was looked at together with that one:
 * deep recursion would cost depth squared otherwise. */
static bool waits_for_itself(const ff_group *group)
{
    const ff_group *inner = NULL;

    for (const struct ff__frame *frame = ff__self.frame; frame; frame = frame->outer) {
        const ff_group *own = frame->task->group;

        if (!inner || inner->parent != own)
            for (const ff_group *g = own; g; g = g->parent)
                if (g == group)
                    return true;
        inner = own;
    }
    return false;
}

/* Helps from the worker's own deque: the newest entries there are what this task spawned last.
 * Stops at the first that is none of the group's. @return whether it ran one. */
static bool help_from_deque(struct ff__worker *worker, ff_group *group)
{
    ff_task *task;

    while ((task = ff__deque_pop(&worker->deque))) {
        /* Relaxed: 1 stays 1, and 0 is settled by claim(). */
        if (task->group && ff__load_relaxed(&task->claimed)) {
            let_go_queued(worker, task);
        } else if (task->group == group) {
            if (claim(task)) {
                run_claimed_from_queue(worker, task);
                return true;
            }
            let_go_queued(worker, task);
        } else {
            /* Back to where it was; it was out of sight for a moment, so wake as for a new one. */
            ff__worker_submit(worker->pool, worker, worker->index, task);
            return false;
        }
    }
    return false;
}

/* Under group->lock: takes the newest child that nobody has claimed. */
static ff_task *claim_listed(ff_group *group)
{
    for (struct ff__list *node = group->waiting.prev; node != &group->waiting; node = node->prev) {
        ff_task *task = ff__container_of(node, ff_task, sibling);

        if (claim(task)) {
            ff__list_remove(&task->sibling);
            return task;
        }
    }
    return NULL;
}

/* Under group->lock: what the wait tells, and marks as read. */
static int collect(ff_group *group)
{
    int rc = 0;

    if (group->unread) {
        rc = group->failures[0]->code;
        if (ff__self.frame) {
            ff__failure_unref(ff__self.frame->cause);
            ff__self.frame->cause = ff__failure_ref(group->failures[0]);
        }
    } else if (group->skipped) {
        rc = FF_CANCELED;
    }
    group->unread = group->skipped = false;
    return rc;
}

/* One step of the wait. @return true when the group has finished and *ret_rc is set. */
static bool wait_step(ff_group *group, struct ff__worker *worker, int *ret_rc)
{
    ff_task *task = NULL;
    const char *outer;
    uint32_t key;

    if (worker && help_from_deque(worker, group))
        return false;
    ff__lock(&group->lock);
    if (group->pending == 0) {
        *ret_rc = collect(group);
        ff__unlock(&group->lock);
        return true;
    }
    if (worker)
        task = claim_listed(group);
    if (task) {
        ff__unlock(&group->lock);
        ff__worker_execute(worker, task);
        ff__group_let_go(task);
        return false;
    }
    key = ff__load_relaxed(&group->change); /* Under the lock, as every change of it. */
    group->sleepers++;
    ff__unlock(&group->lock);
    outer = ff__waiting_set("for its group");
    ff__futex_wait(&group->change, key, FF_NEVER);
    ff__waiting_set(outer);
    ff__lock(&group->lock);
    group->sleepers--;
    ff__unlock(&group->lock);
    return false;
}

int ff_group_wait(ff_group *group)
{
    int rc = 0;

    if (!group)
        return -EINVAL;
    if (group->pool->fork_generation != ff__fork_generation)
        return -EOWNERDEAD;
    if (ff__self.in_callback || ff__self.in_hook || waits_for_itself(group))
        return -EDEADLK;
    while (!wait_step(group, ff__worker_here(group->pool), &rc))
        ;
    ff_beat(ff_task_current());
    return rc;
}

void ff_group_cancel(ff_group *group)
{
    if (group)
        ff__cancel_for(&group->source, FF_REASON_REQUESTED);
}

ff_token *ff_group_token(const ff_group *group)
{
    return group ? (ff_token *)&group->source.token : NULL;
}

/* In a forked child the parent's groups stay as they were at the fork, and a thread that is not
 * here may hold the lock for ever. */
static bool foreign(const ff_group *group)
{
    return ff__token_foreign(&group->source.token);
}

const ff_failure *ff_group_failure(const ff_group *group, size_t index)
{
    ff_group *mutable_group = (ff_group *)group; /* For the lock. */
    const ff_failure *failure = NULL;

    if (!group || foreign(group))
        return NULL;
    ff__lock(&mutable_group->lock);
    if (index < group->kept)
        failure = group->failures[index];
    ff__unlock(&mutable_group->lock);
    return failure;
}

size_t ff_group_failure_count(const ff_group *group)
{
    ff_group *mutable_group = (ff_group *)group; /* For the lock. */
    size_t count;

    if (!group || foreign(group))
        return 0;
    ff__lock(&mutable_group->lock);
    count = group->failure_count;
    ff__unlock(&mutable_group->lock);
    return count;
}

/* The group was freed too early: the process fails, in the name of the task that did it. */
FF__COLD static void freed_wrongly(ff_group *group, enum ff__cause kind, size_t children)
{
    ff_failure failure;

    ff__failure_init(&failure, kind);
    if (ff__self.frame) {
        ff__task_describe(&failure, ff__self.frame->task);
        failure.run_ns = ff__clock_coarse() - ff__self.frame->since_ns;
    } else {
        ff__name_copy(failure.task.name, sizeof failure.task.name, group->name);
    }
    failure.code = kind == FF__CAUSE_GROUP_UNREAD ? group->failures[0]->code : -EBUSY;
    if (kind == FF__CAUSE_GROUP_UNREAD)
        failure.cause = ff__failure_ref(group->failures[0]);
    snprintf(failure.message, sizeof failure.message,
             children ? "group \"%s\" was freed with %zu unfinished children"
                      : "group \"%s\" was freed, and nobody had read its failure",
             group->name, children);
    failure.tid = ff__thread_id();
    failure.frame_count = (unsigned)ff__unwind_here(failure.frames, FF__FRAMES_MAX, /* skip= */ 2);
    ff__abort_failure(&failure, NULL, NULL);
    ff__failure_unref(failure.cause);
}

static void release(ff_group *group)
{
    ff_unregister(group->also_with);
    for (unsigned i = 0; i < group->kept; i++)
        ff__failure_unref(group->failures[i]);
    ff_source_unref(&group->source);
}

void ff_group_free(ff_group *group)
{
    size_t pending;
    bool unread;

    if (!group)
        return;
    if (foreign(group)) {
        release(group);
        return;
    }
    ff__lock(&group->lock);
    pending = group->pending;
    unread = group->unread;
    ff__unlock(&group->lock);
    if (pending) {
        freed_wrongly(group, FF__CAUSE_GROUP_ABANDONED, pending);
        return; /* The process is failing already, and the children still use the group. */
    }
    if (unread)
        freed_wrongly(group, FF__CAUSE_GROUP_UNREAD, 0);
    ff__sub_relaxed(count_of(group), 1);
    release(group);
}
