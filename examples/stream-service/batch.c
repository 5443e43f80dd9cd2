#include "batch.h"

#include <string.h>

/* The work of one child task: whole records of the piece, or a part of a very long one. */
struct slice {
    struct service *service;
    const char *data;
    size_t length;
    struct counts counts;                /* The child's result. */
    const struct misfortune *misfortune; /* NULL: all is well. */
};

static int count_words(ff_task *self, void *arg)
{
    struct slice *slice = arg;

    if (slice->misfortune)
        return mishap_happen(self, slice->service, slice->misfortune);
    slice->counts = words_count(slice->data, slice->length);
    return 0;
}

/* Where a slice that should end at `end` ends: behind that record. */
static const char *end_of_record(const char *end, const char *piece_end)
{
    const char *newline = memchr(end, '\n', (size_t)(piece_end - end));

    return newline ? newline + 1 : piece_end;
}

/* Cuts the piece into slices of about the same size. @return How many. */
static size_t cut(const struct piece *piece, struct slice *slices)
{
    const char *data = piece->data, *piece_end = piece->data + piece->length;
    size_t size = piece->length / BATCH_SLICES;
    size_t count = 0;

    if (size < BATCH_SLICE_BYTES)
        size = BATCH_SLICE_BYTES;
    for (; data < piece_end; count++) {
        bool last = count + 1 == BATCH_SLICES || (size_t)(piece_end - data) <= size;
        const char *end = last ? piece_end : end_of_record(data + size - 1, piece_end);

        slices[count] = (struct slice){.data = data, .length = (size_t)(end - data)};
        data = end;
    }
    return count;
}

static int spawn_slices(ff_group *group, struct slice *slices, size_t count)
{
    int rc = 0;

    for (size_t i = 0; i < count && rc == 0; i++)
        rc = ff_group_spawn(group, "count_words", count_words, &slices[i]);
    return rc;
}

/* Runs the slices as children of self. They use the slices until the wait is over. */
static int run_slices(ff_task *self, struct slice *slices, size_t count)
{
    ff_group *group;
    int rc = ff_group_new(self, NULL, &group);
    int waited;

    if (rc < 0)
        return rc;
    rc = spawn_slices(group, slices, count);
    if (rc < 0)
        ff_group_cancel(group);
    waited = ff_group_wait(group);
    ff_group_free(group);
    /* A failed child says more than the spawn that it stopped, or that stopped the others. */
    return waited < 0 && waited != FF_CANCELED ? waited : rc < 0 ? rc : waited;
}

int batch_run(ff_task *self, struct service *service, const struct piece *piece,
              struct counts *ret_counts)
{
    struct misfortune misfortune = mishap_find(service, piece);
    struct counts counts = {.records = piece->records};
    struct slice slices[BATCH_SLICES];
    size_t count = cut(piece, slices);
    int rc;

    for (size_t i = 0; i < count; i++) {
        slices[i].service = service;
        if (misfortune.mishap != MISHAP_COUNT && misfortune.record >= slices[i].data &&
            misfortune.record < slices[i].data + slices[i].length)
            slices[i].misfortune = &misfortune;
    }
    rc = run_slices(self, slices, count);
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < count; i++)
        counts.words += slices[i].counts.words;
    *ret_counts = counts;
    return 0;
}
