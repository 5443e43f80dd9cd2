/* Mishaps on demand, to see what becomes of them. A service of your own has real ones: leave this
 * file out of the copy.
 *
 * Each happens once. It is on disk before it happens, so the next process knows. */
#ifndef STREAM_MISHAP_H
#define STREAM_MISHAP_H

#include "reader.h"
#include "service.h"

/* What shall happen to one record of a piece. */
struct misfortune {
    enum mishap mishap; /* MISHAP_COUNT: nothing. */
    const char *record; /* Where it begins. */
    uint64_t number;    /* Of all the records that the service has handled. */
};

/* Looks for the record of --poison or --crash in the piece, whose records get their numbers. Should
 * the record have gone by, lost with a killed process, the next one will do. */
struct misfortune mishap_find(struct service *service, const struct piece *piece);

/* Lets it happen, in the task of the record. @return What the task shall return. */
int mishap_happen(ff_task *self, struct service *service, const struct misfortune *misfortune);

/* Whether this consumer shall leave now: --leave. @return 1, 0, or a negative errno. */
int mishap_leaves(struct service *service, unsigned consumer);

#endif
