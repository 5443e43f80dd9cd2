/* The progress on disk.
 *
 * One small file, replaced as a whole: written beside the old one, synced, renamed, the directory
 * synced. So there is always one complete checkpoint, whenever the power fails. It is written some
 * times a second rather than for every batch: a commit in the ledger costs nothing then, and what a
 * crash throws away is a moment of work that is simply done again. Because offsets and totals go
 * together it is neither lost nor counted twice.
 *
 * A file beside it, FILE.lock, keeps a second process away. */
#ifndef STREAM_CHECKPOINT_H
#define STREAM_CHECKPOINT_H

#include "ledger.h"

#include <pthread.h>

struct checkpoint {
    char *path; /* NULL: there is none, and every call does nothing. */
    char *new_path;
    int lock_fd;
    pthread_mutex_t saving; /* Held while the file is replaced. */
    /* Guarded by saving: what the file says. Saving it again would cost two syncs for nothing. */
    size_t saved_length;
    char saved[PROGRESS_TEXT_MAX];
};

/* Takes the checkpoint's lock.
 * @param path  NULL: do without.
 * @return 0, or -1 after saying why on stderr; nothing is left open then. */
int checkpoint_open(struct checkpoint *checkpoint, const char *path);

/* Reads the progress; a checkpoint that is not there yet is progress at the very beginning.
 * @return 0, or -1 after saying on stderr what is wrong with it. */
int checkpoint_load(const struct checkpoint *checkpoint, const struct inputs *inputs,
                    struct progress *ret_progress);

/* Puts the ledger's present state on disk. Any thread.
 * @return 0, or a negative errno; the checkpoint on disk is the old one or the new one then. */
int checkpoint_save(struct checkpoint *checkpoint, struct ledger *ledger);

void checkpoint_close(struct checkpoint *checkpoint);

#endif
