/* The tree of tokens: making, cancelling, ending. Callers and locks: cancel.h.
 *
 * Sleepers (wait.c) and the one who marks:
 *
 *   sleeper                                      canceller (mark)
 *   W: sleepers += 1           (sc)              M: reason goes from 0, by CAS   (sc)
 *   C: read reason             (sc)              R: read sleepers                (sc)
 *   S: futex_wait(reason, 0)                     F: if R > 0, futex_wake(reason)
 *
 * M before C: C sees the reason and does not sleep. C before M: then W before C before M before R,
 * all in the one order of sc, so R counts the sleeper and F runs; S has not compared yet and finds
 * the reason, or sleeps and is woken. A sleeper counted too long only costs a needless wake.
 *
 * Observers. M releases, and every reader of reason acquires: what was done before the request
 * happens before its observation. A descendant gets the reason that its parent has, read with
 * acquire, so the chain holds from a mark made by a signal handler, too.
 *
 * The walk. Under the walk lock every node of the subtree is marked, put on a list with a reference
 * of its own, and gets walked = true. Claims:
 * 1. Every child is marked or born cancelled. A node is marked before its children are scanned, the
 *    scan holds its lock, and a birth checks the parent's reason and links under the same lock. A
 *    birth before the scan is found by it; one after it sees the reason, as the lock orders them.
 * 2. A node that is walked has no unmarked descendant once the walk lock is free. By 1, and as the
 *    walk takes the children of every node that it marks. So a second canceller that finds walked
 *    under the lock may return: its promise is kept, whoever kept it.
 * 3. A node marked by a signal handler only is not walked: the walk decides by walked, not by
 *    reason, and whoever walks next owes the callbacks. A node born cancelled is walked from the
 *    start: nobody can register on it or be born uncancelled below it.
 * 4. No node is on two lists: it is put on one when walked becomes true, which happens once.
 * 5. A child that is ending (refs 0) is skipped. Its memory is valid during the scan, because it
 *    leaves the parent's list under the parent's lock before it is freed.
 *
 * Ending. The last reference takes the node out of its parent and frees it, then gives back the
 * node's reference to the parent: a loop, no recursion. The decrement is acq_rel, so that all uses
 * of the node happen before its release.
 *
 * Deadlines. The timer queue owns a reference while the node is in it. Either remove() answers
 * true and the remover gives that reference back, or fire() runs, holding it to its end. So nobody
 * waits for anybody, and a node that fires is alive. The same holds for posts of signal handlers:
 * the post owns a reference until run() ends. A source from ff_source_new() holds the timer thread
 * until its node is freed, hence longer than any fire() or run() of it.
 *
 * Forked child: nodes of the parent process are never locked, linked or cancelled here; they can be
 * observed and freed. */
#include "sched/cancel.h"

#include "base/options.h"
#include "sys/clock.h"
#include "sys/futex.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

static struct ff__lock walk_lock = FF__LOCK_INIT;

/* AS-safe. @return true when this call cancelled it. */
static bool mark(ff_token *token, uint32_t reason)
{
    uint32_t none = FF_REASON_NONE;

    if (!ff__cas_seqcst(&token->reason, &none, reason)) /* M */
        return false;
    if (ff__load_seqcst(&token->sleepers) > 0)   /* R */
        ff__futex_wake(&token->reason, INT_MAX); /* F */
    return true;
}

/* A reference, unless the node is ending. Relaxed: whoever tries already sees the node, by the
 * parent's lock. */
static bool token_try_ref(ff_token *token)
{
    uint32_t refs = ff__load_relaxed(&token->refs);

    while (refs > 0)
        if (ff__cas_weak_relaxed(&token->refs, &refs, refs + 1))
            return true;
    return false;
}

/* One step of the walk: makes the node's eventfd readable, and marks and appends its children. */
static void walk_node(ff_token *node, ff_token **tail)
{
    const uint32_t reason = ff__load_acquire(&node->reason); /* Observers, above. */
    const uint64_t one = 1;

    ff__lock(&node->lock);
    if (node->event_fd >= 0)
        (void)!write(node->event_fd, &one, sizeof one); /* Fails only when readable already. */
    ff__list_each (link, &node->children) {
        ff_token *child = ff__container_of(link, ff_token, sibling);

        if (child->walked || !token_try_ref(child))
            continue;
        mark(child, reason);
        child->walked = true;
        child->walk_next = NULL;
        (*tail)->walk_next = child;
        *tail = child;
    }
    ff__unlock(&node->lock);
}

/* Marks the whole subtree. @return the nodes walked now, each with a reference, or NULL. */
static ff_token *walk(ff_token *root, ff_reason reason, bool *ret_first)
{
    ff_token *tail = root, *walked = NULL;

    ff__lock(&walk_lock);
    *ret_first = mark(root, reason);
    if (!root->walked) {
        walked = ff_token_ref(root);
        root->walked = true;
        root->walk_next = NULL;
        for (ff_token *node = root; node; node = node->walk_next)
            walk_node(node, &tail);
    }
    ff__unlock(&walk_lock);
    return walked;
}

static bool cancel(ff_token *token, ff_reason reason)
{
    ff_token *next;
    bool first;

    if (ff__token_foreign(token))
        return false;
    for (ff_token *node = walk(token, reason, &first); node; node = next) {
        next = node->walk_next;
        ff__callbacks_run(node);
        ff_token_unref(node);
    }
    return first;
}

static void deadline_fire(struct ff__timer_node *timer)
{
    ff_token *token = ff__container_of(timer, ff_token, timer);

    cancel(token, FF_REASON_DEADLINE);
    ff_token_unref(token); /* The queue's. */
}

static void post_run(struct ff__post *post)
{
    ff_token *token = ff__container_of(post, ff_token, post);

    cancel(token, FF_REASON_REQUESTED);
    ff_token_unref(token); /* The post's. */
}

static void forked(void)
{
    ff__lock_init(&walk_lock);
}

static void fork_register(void)
{
    ff__fork_register(forked);
}

/* Puts the node below its parent. @return the reason of a parent that is cancelled, else 0: the
 * node is on its list (or the parent is foreign and will not change). */
static uint32_t link_below(ff_token *token, ff_token *parent)
{
    uint32_t reason;

    if (ff__token_foreign(parent))
        return ff__load_acquire(&parent->reason);
    ff__lock(&parent->lock);
    reason = ff__load_acquire(&parent->reason); /* Observers, above. */
    if (reason == FF_REASON_NONE)
        ff__list_push_back(&parent->children, &token->sibling);
    ff__unlock(&parent->lock);
    return reason;
}

/* Nobody else knows the node: it can have neither child nor callback nor sleeper. */
static void born_cancelled(ff_token *token, uint32_t reason)
{
    ff__store_release(&token->reason, reason); /* As M, for whom the source is handed to. */
    token->walked = true;
}

static void token_init(ff_token *token, ff_token *parent, void (*release)(ff_token *token))
{
    atomic_init(&token->reason, FF_REASON_NONE);
    atomic_init(&token->sleepers, 0);
    atomic_init(&token->refs, 1);
    atomic_init(&token->callback_epoch, 0);
    ff__lock_init(&token->lock);
    token->event_fd = -1;
    token->fork_generation = ff__fork_generation;
    token->walked = token->holds_timerq = false;
    token->parent = ff_token_ref(parent);
    ff__list_init(&token->children);
    ff__list_init(&token->sibling);
    ff__list_init(&token->callbacks);
    token->walk_next = NULL;
    ff__timer_node_init(&token->timer, NULL);
    ff__post_init(&token->post, post_run);
    token->release = release;
}

void ff__source_init(ff_source *source, ff_token *parent, uint64_t deadline_ns,
                     void (*release)(ff_token *token))
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    const bool timed = deadline_ns != 0 && deadline_ns != FF_NEVER;
    ff_token *token = &source->token;
    uint32_t reason = FF_REASON_NONE;

    pthread_once(&once, fork_register);
    token_init(token, parent, release);
    atomic_init(&source->owners, 1);
    if (timed && deadline_ns > ff__clock_now())
        token->timer.fire = deadline_fire;
    else if (timed)
        reason = FF_REASON_DEADLINE;
    if (parent && reason == FF_REASON_NONE)
        reason = link_below(token, parent);
    if (reason != FF_REASON_NONE) {
        born_cancelled(token, reason);
    } else if (token->timer.fire) {
        ff_token_ref(token); /* The queue's. */
        ff__timerq_add(&token->timer, deadline_ns);
    }
}

static void source_free(ff_token *token)
{
    free(ff__container_of(token, ff_source, token));
}

int ff_source_new(const struct ff_source_options *options, ff_source **ret_source)
{
    struct ff_source_options known;
    ff_source *source;
    int rc;

    if (!ret_source)
        return -EINVAL;
    rc = ff__options_read(&known, sizeof known, options);
    if (rc < 0)
        return rc;
    source = malloc(sizeof *source);
    if (!source)
        return -ENOMEM;
    rc = ff__timerq_ref();
    if (rc < 0) {
        free(source);
        return rc;
    }
    ff__source_init(source, known.parent, known.deadline_ns, source_free);
    source->token.holds_timerq = true;
    *ret_source = source;
    return 0;
}

/* Relaxed: the caller has a reference, so the count is not 0 and nothing is read through it. */
ff_source *ff_source_ref(ff_source *source)
{
    if (source)
        ff__add_relaxed(&source->owners, 1);
    return source;
}

void ff_source_unref(ff_source *source)
{
    ff_token *token = ff_source_token(source);

    /* acq_rel: as for tokens, what the other owners did happens before the end. */
    if (!source || ff__sub_acq_rel(&source->owners, 1) > 1)
        return;
    if (token->timer.fire && ff__timerq_remove(&token->timer))
        ff_token_unref(token); /* The queue's. */
    ff_token_unref(token);     /* The owners'. */
}

ff_token *ff_source_token(ff_source *source)
{
    return source ? &source->token : NULL;
}

/* Relaxed: as ff_source_ref(). */
ff_token *ff_token_ref(ff_token *token)
{
    if (token)
        ff__add_relaxed(&token->refs, 1);
    return token;
}

static void token_end(ff_token *token)
{
    const bool holds_timerq = token->holds_timerq && !ff__token_foreign(token);

    if (token->parent && !ff__token_foreign(token->parent)) {
        ff__lock(&token->parent->lock);
        ff__list_remove(&token->sibling);
        ff__unlock(&token->parent->lock);
    }
    if (token->event_fd >= 0)
        close(token->event_fd);
    token->release(token);
    if (holds_timerq)
        ff__timerq_unref();
}

void ff_token_unref(ff_token *token)
{
    while (token && ff__sub_acq_rel(&token->refs, 1) == 1) { /* Ending, above. */
        ff_token *parent = token->parent;

        token_end(token);
        token = parent;
    }
}

bool ff__cancel_for(ff_source *source, ff_reason reason)
{
    return cancel(&source->token, reason);
}

bool ff_cancel(ff_source *source)
{
    return source && ff__cancel_for(source, FF_REASON_REQUESTED);
}

/* AS-safe. */
void ff__cancel_mark_from_signal(ff_token *token, ff_reason reason)
{
    mark(token, reason);
}

/* AS-safe. */
void ff_cancel_from_signal(ff_source *source)
{
    ff_token *token = ff_source_token(source);

    if (!source || ff__token_foreign(token))
        return;
    mark(token, FF_REASON_REQUESTED);
    ff_token_ref(token); /* The post's. */
    /* A post that waits has its own. Never the last one, since the caller has the source: so
     * nothing ends here, and relaxed is enough. */
    if (!ff__timerq_post(&token->post))
        ff__sub_relaxed(&token->refs, 1);
}

/* AS-safe. */
bool ff_canceled(const ff_token *token)
{
    return ff_token_reason(token) != FF_REASON_NONE;
}

/* AS-safe. */
ff_reason ff_token_reason(const ff_token *token)
{
    return token ? (ff_reason)ff__load_acquire(&token->reason) : FF_REASON_NONE;
}
