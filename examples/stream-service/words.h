/* Counting records and words in bytes. Pure: no state, any thread.
 *
 * A record is a line. A word is a longest run of bytes that are not one of the six ASCII white
 * spaces. Everything else, NUL bytes included, belongs to words. */
#ifndef STREAM_WORDS_H
#define STREAM_WORDS_H

#include <stddef.h>
#include <stdint.h>

struct counts {
    uint64_t records; /* Newlines. */
    uint64_t words;   /* Words that begin here. */
};

/* Counts data[0] to data[length - 1]. data[-1] must be readable: it says whether a word goes on. So
 * a stream can be cut anywhere, even inside a word, and the counts of the parts add up. The byte
 * before a stream's first one is a newline. */
struct counts words_count(const char *data, size_t length);

/* The byte behind the newline number count (1 is the first), or NULL when there are fewer. */
const char *words_after_lines(const char *data, size_t length, uint64_t count);

#endif
