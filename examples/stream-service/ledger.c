#include "ledger.h"

void ledger_init(struct ledger *ledger, const struct inputs *inputs,
                 const struct progress *progress)
{
    *ledger =
        (struct ledger){.inputs = inputs, .progress = *progress, .numbered = progress->records};
    pthread_mutex_init(&ledger->lock, NULL);
}

void ledger_done(struct ledger *ledger)
{
    pthread_mutex_destroy(&ledger->lock);
}

/* Puts the next stream that is not empty on a free place. The lock is held. */
static void open_next(struct ledger *ledger)
{
    struct progress *progress = &ledger->progress;
    const struct inputs *inputs = ledger->inputs;
    size_t place = 0;

    while (place < CONSUMERS_MAX && progress->open[place].used)
        place++;
    while (progress->next < inputs->identity.count && inputs->items[progress->next].size == 0)
        progress->next++;
    if (place < CONSUMERS_MAX && progress->next < inputs->identity.count)
        progress->open[place] = (struct open_stream){.used = true, .stream = progress->next++};
}

/* Finds an open stream without a consumer. The lock is held. */
static bool claim_open(struct ledger *ledger, struct claim *ret_claim)
{
    for (size_t place = 0; place < CONSUMERS_MAX; place++) {
        const struct open_stream *open = &ledger->progress.open[place];

        if (!open->used || ledger->held[place])
            continue;
        ledger->held[place] = true;
        *ret_claim = (struct claim){.place = place,
                                    .input = &ledger->inputs->items[open->stream],
                                    .offset = open->offset};
        return true;
    }
    return false;
}

bool ledger_claim(struct ledger *ledger, struct claim *ret_claim)
{
    bool claimed;

    pthread_mutex_lock(&ledger->lock);
    claimed = claim_open(ledger, ret_claim);
    if (!claimed) {
        open_next(ledger);
        claimed = claim_open(ledger, ret_claim);
    }
    pthread_mutex_unlock(&ledger->lock);
    return claimed;
}

void ledger_commit(struct ledger *ledger, struct claim *claim, struct counts counts, uint64_t bytes)
{
    struct progress *progress = &ledger->progress;
    struct open_stream *open = &progress->open[claim->place];

    pthread_mutex_lock(&ledger->lock);
    progress->records += counts.records;
    progress->words += counts.words;
    progress->bytes += bytes;
    open->offset += bytes;
    if (open->offset == claim->input->size) {
        open->used = false;
        ledger->held[claim->place] = false;
    }
    pthread_mutex_unlock(&ledger->lock);
    claim->offset += bytes;
}

bool ledger_is_finished(struct ledger *ledger)
{
    bool finished;

    pthread_mutex_lock(&ledger->lock);
    finished = progress_files(&ledger->progress) == ledger->inputs->identity.count;
    pthread_mutex_unlock(&ledger->lock);
    return finished;
}

uint64_t ledger_number(struct ledger *ledger, uint64_t records)
{
    uint64_t before;

    pthread_mutex_lock(&ledger->lock);
    before = ledger->numbered;
    ledger->numbered += records;
    pthread_mutex_unlock(&ledger->lock);
    return before;
}

bool ledger_take_mishap(struct ledger *ledger, enum mishap mishap)
{
    bool first;

    pthread_mutex_lock(&ledger->lock);
    first = !ledger->progress.happened[mishap];
    ledger->progress.happened[mishap] = 1;
    pthread_mutex_unlock(&ledger->lock);
    return first;
}

struct progress ledger_snapshot(struct ledger *ledger)
{
    struct progress progress;

    pthread_mutex_lock(&ledger->lock);
    progress = ledger->progress;
    pthread_mutex_unlock(&ledger->lock);
    return progress;
}
