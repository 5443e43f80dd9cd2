/* The command line. */
#ifndef STREAM_OPTIONS_H
#define STREAM_OPTIONS_H

#include "progress.h"

#include <stdbool.h>
#include <stdint.h>

struct options {
    char **inputs; /* NULL at the end. */
    size_t input_count;
    const char *checkpoint_path;
    const char *liveness_path;
    uint64_t consumers;
    uint64_t workers;               /* 0: as many as the process may use. */
    uint64_t batch;                 /* Most records in a batch. */
    uint64_t rate;                  /* Records per second, 0: as fast as it goes. */
    uint64_t mishaps[MISHAP_COUNT]; /* When, as mishap.h says. 0: never. */
    uint64_t metrics_ms, health_ms, refresh_ms;
    bool follow;
    bool list;
};

enum options_next { OPTIONS_RUN, OPTIONS_EXIT_OK, OPTIONS_EXIT_BAD };

/* Reads the command line, or says on stderr what is wrong with it. The texts stay argv's.
 * @return OPTIONS_RUN: end the options with options_done(). Else the exit status is known. */
enum options_next options_parse(int argc, char **argv, struct options *options);

void options_done(struct options *options);

#endif
