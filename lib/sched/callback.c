/* Registrations: what is called when a token is cancelled. Public calls, and ff__callbacks_run()
 * for the canceller.
 *
 * The rule is that of C++ std::stop_callback. All states are changed under the token's lock:
 *
 *   state     linked  runner          leaves by
 *   waiting   yes     NULL            take_next() -> running; ff_unregister() -> freed
 *   running   no      the canceller   finish() -> done; ff_unregister() inside fn -> freed
 *   done      no      NULL            ff_unregister() -> freed
 *
 * 1. fn runs at most once: it runs only by waiting -> running, which takes it off the list.
 * 2. fn runs if the token is cancelled while it waits. Linking checks the reason under the lock;
 *    the canceller sets the reason before it takes the lock and empties the list. Linked before
 *    that: found. After it: the reason is seen and nothing is linked. A mark by a signal handler
 *    sets the reason without the lock; the walk that follows on the timer thread empties the list.
 * 3. ff_unregister() by another thread returns only when state is not running: it waits on
 *    callback_epoch, which finish() changes under the lock after it saw awaited. The waiter reads
 *    the epoch under the lock too, so it sees the change or its futex_wait compares with the old
 *    value and does not sleep, or sleeps and is woken.
 * 4. After ff_unregister() inside fn nobody touches the registration: gone, on the canceller's
 *    stack, tells it. Runner and unregisterer are one thread there, so gone needs no atomic.
 * 5. A waiter touches the token after finish(): its registration holds a reference. The canceller
 *    holds one of its own.
 *
 * runner is the address of the thread's record, unique while the thread lives, and it does live: it
 * is inside fn. */
#include "sched/cancel.h"

#include "sys/futex.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>

struct ff_registration {
    /* Fixed. */
    ff_token *token; /* One reference. */
    void (*fn)(void *arg);
    void *arg;
    uint32_t fork_generation;
    /* Guarded by token->lock. */
    bool awaited;                  /* Somebody waits for the end of fn. */
    const struct ff__self *runner; /* Non-NULL while fn runs. */
    bool *gone;                    /* The runner's: set when fn ended its own registration. */
    struct ff__list link;          /* In token->callbacks. */
};

/* @return whether the token was still uncancelled. */
static bool link_to(ff_token *token, ff_registration *registration,
                    ff_registration **ret_registration)
{
    bool linked;

    if (ff__token_foreign(token)) { /* Nobody in this process cancels it: it waits for ever. */
        *ret_registration = registration;
        return true;
    }
    ff__lock(&token->lock);
    linked = !ff_canceled(token);
    if (linked) {
        ff__list_push_back(&token->callbacks, &registration->link);
        *ret_registration = registration; /* Before fn can run, which may end it. */
    }
    ff__unlock(&token->lock);
    return linked;
}

int ff_register(ff_token *token, void (*fn)(void *arg), void *arg,
                ff_registration **ret_registration)
{
    ff_registration *registration;

    if (!token || !fn || !ret_registration)
        return -EINVAL;
    if (ff_canceled(token))
        return FF_CANCELED;
    registration = malloc(sizeof *registration);
    if (!registration)
        return -ENOMEM;
    *registration = (ff_registration){
        .token = ff_token_ref(token), .fn = fn, .arg = arg, .fork_generation = ff__fork_generation};
    ff__list_init(&registration->link);
    if (link_to(token, registration, ret_registration))
        return 0;
    free(registration);
    ff_token_unref(token);
    return FF_CANCELED;
}

/* Called and returning with the token's lock held. */
static void await_end_of_fn(ff_registration *registration, ff_token *token)
{
    while (registration->runner) {
        /* Relaxed: guarded by the lock. */
        uint32_t epoch = ff__load_relaxed(&token->callback_epoch);

        registration->awaited = true;
        ff__unlock(&token->lock);
        (void)ff__futex_wait(&token->callback_epoch, epoch, FF_NEVER); /* The loop looks again. */
        ff__lock(&token->lock);
    }
}

static void unlink_from(ff_registration *registration, ff_token *token)
{
    ff__lock(&token->lock);
    if (registration->runner == &ff__self)
        *registration->gone = true;
    else
        await_end_of_fn(registration, token);
    ff__list_remove(&registration->link);
    ff__unlock(&token->lock);
}

void ff_unregister(ff_registration *registration)
{
    ff_token *token;

    if (!registration || registration->fork_generation != ff__fork_generation)
        return;
    token = registration->token;
    if (!ff__token_foreign(token))
        unlink_from(registration, token);
    free(registration);
    ff_token_unref(token);
}

/* waiting -> running, in order of registration. NULL: none is left. */
static ff_registration *take_next(ff_token *token, bool *gone)
{
    ff_registration *registration = NULL;

    ff__lock(&token->lock);
    if (!ff__list_empty(&token->callbacks)) {
        registration = ff__list_first(&token->callbacks, ff_registration, link);
        ff__list_remove(&registration->link);
        registration->runner = &ff__self;
        registration->gone = gone;
    }
    ff__unlock(&token->lock);
    return registration;
}

/* running -> done. */
static void finish(ff_registration *registration, ff_token *token)
{
    bool awaited;

    ff__lock(&token->lock);
    registration->runner = NULL;
    awaited = registration->awaited;
    if (awaited)
        ff__add_relaxed(&token->callback_epoch, 1); /* Relaxed: guarded by the lock. */
    ff__unlock(&token->lock);
    /* The registration may be freed by now; the token is the caller's. */
    if (awaited)
        ff__futex_wake(&token->callback_epoch, INT_MAX);
}

void ff__callbacks_run(ff_token *token)
{
    ff_registration *registration;
    bool gone = false;

    /* Foreign: fn forked, and in the child its thread came back here. No lock may be taken. */
    while (!ff__token_foreign(token) && (registration = take_next(token, &gone))) {
        ff__self.in_callback++;
        registration->fn(registration->arg);
        ff__self.in_callback--;
        if (!gone && !ff__token_foreign(token))
            finish(registration, token);
        gone = false;
    }
}
