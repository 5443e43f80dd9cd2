/* The list of input files, in an order that is the same at every start.
 *
 * Made once by main, read-only afterwards: any thread may read it. */
#ifndef STREAM_INPUTS_H
#define STREAM_INPUTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct stat;

struct input {
    char *path;
    uint64_t size;
    uint64_t inode;
    uint64_t mtime_ns;
};

/* What tells one list of inputs from another: a checkpoint counts only for the list it was made
 * with. The digest covers every path, size, inode and time of last change. */
struct inputs_identity {
    uint64_t count;
    uint64_t bytes;
    uint64_t digest;
};

struct inputs {
    struct input *items;
    struct inputs_identity identity;
    size_t capacity;
    size_t skipped; /* Found in directories, but no readable text files. */
};

/* Lists the paths (NULL at the end); directories with all that is below them. A path given here
 * that cannot be read is an error; inside a directory it is skipped and counted, and so are binary
 * files (a NUL byte at their beginning).
 * @return 0, or -1 after saying why on stderr; nothing is left allocated then. */
int inputs_collect(struct inputs *inputs, char *const *paths);

void inputs_done(struct inputs *inputs);

/* Whether the file is still the one that was listed. */
bool input_is_unchanged(const struct input *input, const struct stat *now);

#endif
