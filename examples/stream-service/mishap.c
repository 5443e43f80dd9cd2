#include "mishap.h"

#include <inttypes.h>

/* Whether it is due by this record, and has not happened before. */
static bool take(struct service *service, enum mishap mishap, uint64_t last_number)
{
    uint64_t wanted = service->options.mishaps[mishap];

    return wanted != 0 && wanted <= last_number && ledger_take_mishap(&service->ledger, mishap);
}

struct misfortune mishap_find(struct service *service, const struct piece *piece)
{
    uint64_t before = ledger_number(&service->ledger, piece->records);
    struct misfortune found = {.mishap = MISHAP_COUNT};

    if (take(service, MISHAP_POISON, before + piece->records))
        found.mishap = MISHAP_POISON;
    else if (take(service, MISHAP_CRASH, before + piece->records))
        found.mishap = MISHAP_CRASH;
    else
        return found;
    found.number = service->options.mishaps[found.mishap];
    if (found.number <= before)
        found.number = before + 1;
    found.record = words_after_lines(piece->data, piece->length, found.number - before - 1);
    if (!found.record)
        found.record = piece->data;
    return found;
}

/* Volatile, or the compiler may leave the fault out; and no sanitizer may come before it. */
__attribute__((no_sanitize("undefined"))) static void write_nowhere(void)
{
    volatile int *volatile nowhere = NULL;

    *nowhere = 1;
}

int mishap_happen(ff_task *self, struct service *service, const struct misfortune *misfortune)
{
    int rc = checkpoint_save(&service->checkpoint, &service->ledger);

    if (rc < 0)
        return ff_fail(self, rc, "cannot write %s", service->checkpoint.path);
    if (misfortune->mishap == MISHAP_CRASH)
        write_nowhere();
    return ff_fail(self, -EBADMSG, "record %" PRIu64 " is poisoned", misfortune->number);
}

int mishap_leaves(struct service *service, unsigned consumer)
{
    int rc;

    if (service->options.mishaps[MISHAP_LEAVE] != consumer ||
        !ledger_take_mishap(&service->ledger, MISHAP_LEAVE))
        return 0;
    rc = checkpoint_save(&service->checkpoint, &service->ledger);
    return rc < 0 ? rc : 1;
}
