/* Reading one stream in pieces of whole records, in bounded memory.
 *
 * A piece holds up to a number of records. A line that is longer than the buffer comes in several
 * pieces, of which the last one ends the record. One thread at a time. */
#ifndef STREAM_READER_H
#define STREAM_READER_H

#include "inputs.h"

#include <stddef.h>
#include <stdint.h>

#define READER_BYTES (256 * 1024)

struct reader {
    const struct input *input;
    int fd;
    uint64_t offset;   /* Of the first byte that was not handed out. */
    size_t begin, end; /* buffer[begin] to buffer[end - 1]: read, not handed out. begin >= 1. */
    char *buffer;      /* buffer[begin - 1]: the byte before, a newline at the stream's start. */
};

struct piece {
    const char *data; /* data[-1] is the byte before. Valid until the next piece. */
    size_t length;    /* 0: the stream has ended. */
    uint64_t records; /* That end here: newlines, and a last line without one. */
};

/* Opens the stream so that the next piece begins at offset.
 * @return 0, or -ESTALE (the file is not the one that was listed), -ENOMEM, or the errno of open or
 * read. */
int reader_open(struct reader *reader, const struct input *input, uint64_t offset);

/* @return 0, or -ESTALE (the file became shorter, or has changed at its end), or the errno of read.
 */
int reader_next(struct reader *reader, uint64_t max_records, struct piece *ret_piece);

void reader_close(struct reader *reader);

#endif
