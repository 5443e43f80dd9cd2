/* How far the service has come: where every stream stands and what was counted up to there.
 *
 * Offsets and totals always change together, so that any copy of this struct is a place to resume
 * from: nothing before it is missing in the totals, nothing behind it is in them. Streams are taken
 * in order, so a few numbers describe thousands of them. Pure: no state, any thread. */
#ifndef STREAM_PROGRESS_H
#define STREAM_PROGRESS_H

#include "inputs.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONSUMERS_MAX 64
#define PROGRESS_TEXT_MAX 8192

/* What goes wrong on demand, each once in the life of a checkpoint (mishap.h). */
enum mishap { MISHAP_POISON, MISHAP_CRASH, MISHAP_LEAVE, MISHAP_COUNT };

struct open_stream {
    bool used;
    uint64_t stream; /* Index in the list of inputs. */
    uint64_t offset; /* Counted up to here; below the stream's size. */
};

struct progress {
    struct inputs_identity inputs;
    uint64_t next;                   /* Streams below this are finished, or in open[]. */
    uint64_t records, words, bytes;  /* Of what is finished, and of open streams to offset. */
    unsigned happened[MISHAP_COUNT]; /* 1: has happened. */
    struct open_stream open[CONSUMERS_MAX];
};

enum progress_status {
    PROGRESS_OK,
    PROGRESS_FOREIGN, /* No checkpoint of this program. */
    PROGRESS_VERSION, /* One of another version. */
    PROGRESS_DAMAGED, /* The checksum or a number is wrong. */
};

/* Streams that are read to the end. */
uint64_t progress_files(const struct progress *progress);

/* Writes the progress as text: lines of words and numbers, the last one a checksum.
 * @return Its length; text holds PROGRESS_TEXT_MAX bytes. */
size_t progress_render(const struct progress *progress, char *text);

/* Reads what progress_render() wrote. Text that it would not have written is not accepted. */
enum progress_status progress_parse(const char *text, size_t length, struct progress *ret_progress);

/* Whether the progress can be one through these inputs: the same list, sizes that add up. */
bool progress_fits(const struct progress *progress, const struct inputs *inputs);

#endif
