#include "consumer.h"

#include "batch.h"
#include "mishap.h"
#include "reader.h"
#include "service.h"

#include <inttypes.h>

/* However slow the rate, a consumer shows at least this often that it lives. */
#define LONGEST_SLEEP_NS (1 * FF_SECOND)

static void note_progress(struct consumer *consumer, uint64_t when_ns)
{
    atomic_store_explicit(&consumer->progress_ns, when_ns, memory_order_relaxed);
}

/* Waits for the throttle. @return 0, or FF_CANCELED. */
static int wait_for_turn(ff_task *self, struct consumer *consumer, uint64_t records)
{
    uint64_t start_ns = throttle_reserve(&consumer->service->throttle, records);

    for (;;) {
        uint64_t now_ns = ff_now_ns();
        uint64_t left_ns = start_ns > now_ns ? start_ns - now_ns : 0;
        int rc;

        note_progress(consumer, now_ns);
        if (left_ns == 0)
            return 0;
        rc = ff_sleep(self, left_ns < LONGEST_SLEEP_NS ? left_ns : LONGEST_SLEEP_NS);
        if (rc < 0)
            return rc;
    }
}

/* Counts one piece and commits it. The failure of a batch names the stream and the place. */
static int consume_piece(ff_task *self, struct consumer *consumer, struct claim *claim,
                         const struct piece *piece)
{
    struct service *service = consumer->service;
    struct counts counts;
    int rc = wait_for_turn(self, consumer, piece->records);

    if (rc < 0)
        return rc;
    ff_beat(self);
    rc = batch_run(self, service, piece, &counts);
    if (rc == FF_CANCELED)
        return rc;
    if (rc < 0)
        return ff_fail(self, rc, "batch at byte %" PRIu64 " of %s", claim->offset,
                       claim->input->path);
    ledger_commit(&service->ledger, claim, counts, piece->length);
    return 0;
}

static int consume_pieces(ff_task *self, struct consumer *consumer, struct claim *claim,
                          struct reader *reader)
{
    while (claim->offset < claim->input->size) {
        struct piece piece;
        int rc = reader_next(reader, consumer->service->options.batch, &piece);

        if (rc < 0)
            return ff_fail(self, rc, "cannot read %s at byte %" PRIu64, claim->input->path,
                           claim->offset);
        rc = consume_piece(self, consumer, claim, &piece);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int consume_stream(ff_task *self, struct consumer *consumer, struct claim *claim)
{
    struct reader reader;
    int rc = reader_open(&reader, claim->input, claim->offset);

    if (rc < 0)
        return ff_fail(self, rc, "cannot open %s", claim->input->path);
    rc = consume_pieces(self, consumer, claim, &reader);
    reader_close(&reader);
    return rc;
}

/* There is no stream left for this consumer. The one that finds all of them finished shuts the pool
 * down, if it shall not stay up; a task can only ask for that, which the answer -EDEADLK says. */
static int rest(ff_task *self, struct consumer *consumer)
{
    struct service *service = consumer->service;

    note_progress(consumer, FF_NEVER);
    if (!service->options.follow && ledger_is_finished(&service->ledger)) {
        int rc = ff_pool_shutdown(ff_task_pool(self), FF_DRAIN, FF_NEVER);

        if (rc < 0 && rc != -EDEADLK)
            return ff_fail(self, rc, "cannot shut down");
    }
    return ff_sleep(self, FF_NEVER);
}

int consumer_run(ff_task *self, void *arg)
{
    struct consumer *consumer = arg;
    struct service *service = consumer->service;
    struct claim claim;
    int rc = mishap_leaves(service, consumer->number);

    if (rc != 0)
        return rc < 0 ? rc : 0; /* On demand, what this library is about: a loop that ends. */
    while (ledger_claim(&service->ledger, &claim)) {
        rc = consume_stream(self, consumer, &claim);
        if (rc < 0)
            return rc;
    }
    return rest(self, consumer);
}
