/* Failures as values: made, kept, read. See failure.h. */
#include "fail/failure.h"

#include <stdlib.h>
#include <string.h>

void ff__failure_init(ff_failure *failure, enum ff__cause kind)
{
    memset(failure, 0, sizeof *failure);
    failure->kind = kind;
}

ff_failure *ff__failure_clone(const ff_failure *failure)
{
    ff_failure *clone = malloc(sizeof *clone);

    if (!clone)
        return NULL;
    memcpy(clone, failure, sizeof *clone);
    /* Relaxed: whoever gets the pointer gets it by an ordered way. */
    ff__store_relaxed(&clone->refs, 1);
    return clone;
}

ff_failure *ff__failure_ref(ff_failure *failure)
{
    /* Relaxed: a new reference is made from one that is held. */
    ff__add_relaxed(&failure->refs, 1);
    return failure;
}

void ff__failure_unref(ff_failure *failure)
{
    /* U, acq_rel, partner: every other U. All reads through other references come before the free.
     */
    while (failure && ff__sub_acq_rel(&failure->refs, 1) == 1) {
        ff_failure *cause = failure->cause;

        free(failure);
        failure = cause;
    }
}

/* AS-safe. */
const char *ff__cause_text(enum ff__cause kind)
{
    switch (kind) {
    case FF__CAUSE_STATUS:
        return "error status";
    case FF__CAUSE_CANCELED_UNASKED:
        return "cancelled without a request";
    case FF__CAUSE_SERVICE_RETURNED:
        return "service task returned";
    case FF__CAUSE_THREAD_ENDED:
        return "its thread ended inside the task";
    case FF__CAUSE_GROUP_UNREAD:
        return "a group was freed with an unread failure";
    case FF__CAUSE_GROUP_ABANDONED:
        return "a group was freed with children running";
    case FF__CAUSE_GROUP_LEFT:
        return "a group was left behind";
    case FF__CAUSE_GROUP_NO_MEMORY:
        return "no memory to keep a failure for its group";
    case FF__CAUSE_SHUTDOWN_DEADLINE:
        return "a shutdown missed its deadline";
    case FF__CAUSE_REQUESTED:
        return "failed by request";
    }
    return "unknown cause";
}

int ff_failure_code(const ff_failure *failure)
{
    return failure->code;
}

const char *ff_failure_message(const ff_failure *failure)
{
    return failure->message;
}

const char *ff_failure_task(const ff_failure *failure)
{
    return failure->task.name;
}

uint64_t ff_failure_task_id(const ff_failure *failure)
{
    return failure->task.id;
}

const char *ff_failure_file(const ff_failure *failure)
{
    return failure->file;
}

int ff_failure_line(const ff_failure *failure)
{
    return failure->line;
}

const ff_failure *ff_failure_cause(const ff_failure *failure)
{
    return failure->cause;
}

size_t ff_failure_backtrace(const ff_failure *failure, void **ret_frames, size_t capacity)
{
    size_t count = failure->frame_count < capacity ? failure->frame_count : capacity;

    for (size_t i = 0; i < count; i++)
        ret_frames[i] = failure->frames[i];
    return failure->frame_count;
}
