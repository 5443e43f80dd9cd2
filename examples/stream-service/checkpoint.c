#include "checkpoint.h"

#include "console.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

/* Opens and locks FILE.lock. @return The descriptor, or a negative errno. */
static int lock_file(const char *path)
{
    char *lock_path;
    int fd;

    if (asprintf(&lock_path, "%s.lock", path) < 0)
        return -ENOMEM;
    fd = open(lock_path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    free(lock_path);
    if (fd < 0)
        return -errno;
    if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        int rc = -errno;

        close(fd);
        return rc;
    }
    return fd;
}

static int refuse(const char *path, const char *why)
{
    console_error("checkpoint %s: %s", path, why);
    return -1;
}

int checkpoint_open(struct checkpoint *checkpoint, const char *path)
{
    int fd;

    *checkpoint = (struct checkpoint){.lock_fd = -1};
    pthread_mutex_init(&checkpoint->saving, NULL);
    if (!path)
        return 0;
    fd = lock_file(path);
    if (fd == -EWOULDBLOCK)
        return refuse(path, "another process uses it");
    if (fd < 0)
        return refuse(path, strerror(-fd));
    checkpoint->lock_fd = fd;
    checkpoint->path = strdup(path);
    if (!checkpoint->path || asprintf(&checkpoint->new_path, "%s.new", path) < 0) {
        checkpoint->new_path = NULL;
        checkpoint_close(checkpoint);
        return refuse(path, strerror(ENOMEM));
    }
    return 0;
}

void checkpoint_close(struct checkpoint *checkpoint)
{
    if (checkpoint->lock_fd >= 0)
        close(checkpoint->lock_fd);
    free(checkpoint->path);
    free(checkpoint->new_path);
    pthread_mutex_destroy(&checkpoint->saving);
}

/* Reads up to PROGRESS_TEXT_MAX bytes. @return How many, or a negative errno. */
static ssize_t read_text(const char *path, char *text)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length = 0;
    ssize_t got;

    if (fd < 0)
        return -errno;
    do {
        got = read(fd, text + length, PROGRESS_TEXT_MAX - (size_t)length);
        if (got > 0)
            length += got;
    } while (got > 0 || (got < 0 && errno == EINTR));
    if (got < 0)
        length = -errno;
    close(fd);
    return length;
}

int checkpoint_load(const struct checkpoint *checkpoint, const struct inputs *inputs,
                    struct progress *ret_progress)
{
    struct progress progress = {.inputs = inputs->identity};
    const char *path = checkpoint->path;
    char text[PROGRESS_TEXT_MAX];
    ssize_t length = path ? read_text(path, text) : -ENOENT;

    if (length == -ENOENT) {
        *ret_progress = progress;
        return 0;
    }
    if (length < 0)
        return refuse(path, strerror((int)-length));
    switch (progress_parse(text, (size_t)length, &progress)) {
    case PROGRESS_FOREIGN:
        return refuse(path, "this file is no checkpoint of stream-service");
    case PROGRESS_VERSION:
        return refuse(path, "written by another version of stream-service");
    case PROGRESS_DAMAGED:
        return refuse(path, "damaged: its checksum or its contents are wrong");
    case PROGRESS_OK:
        break;
    }
    if (!progress_fits(&progress, inputs))
        return refuse(path, "made for other inputs, or the inputs have changed since");
    *ret_progress = progress;
    return 0;
}

static int write_all(int fd, const char *text, size_t length)
{
    while (length > 0) {
        ssize_t written = write(fd, text, length);

        if (written < 0 && errno != EINTR)
            return -errno;
        if (written > 0) {
            text += written;
            length -= (size_t)written;
        }
    }
    return 0;
}

/* Writes a new file and waits until the disk has it. */
static int write_synced(const char *path, const char *text, size_t length)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    int rc;

    if (fd < 0)
        return -errno;
    rc = write_all(fd, text, length);
    if (rc == 0 && fsync(fd) < 0)
        rc = -errno;
    if (close(fd) < 0 && rc == 0)
        rc = -errno;
    return rc;
}

/* Waits until the disk knows the new name. */
static int sync_directory_of(const char *path)
{
    char copy[PATH_MAX];
    int fd, rc;

    if (strlen(path) >= sizeof(copy))
        return -ENAMETOOLONG;
    memcpy(copy, path, strlen(path) + 1);
    fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    rc = fsync(fd) < 0 ? -errno : 0;
    close(fd);
    return rc;
}

static int replace(const struct checkpoint *checkpoint, const char *text, size_t length)
{
    int rc = write_synced(checkpoint->new_path, text, length);

    if (rc < 0)
        return rc;
    if (rename(checkpoint->new_path, checkpoint->path) < 0)
        return -errno;
    return sync_directory_of(checkpoint->path);
}

/* The lock is held, so that an older snapshot never replaces a newer one. */
static int save_snapshot(struct checkpoint *checkpoint, struct ledger *ledger)
{
    struct progress progress = ledger_snapshot(ledger);
    char text[PROGRESS_TEXT_MAX];
    size_t length = progress_render(&progress, text);
    int rc;

    if (length == checkpoint->saved_length && memcmp(text, checkpoint->saved, length) == 0)
        return 0;
    rc = replace(checkpoint, text, length);
    if (rc == 0) {
        memcpy(checkpoint->saved, text, length);
        checkpoint->saved_length = length;
    }
    return rc;
}

int checkpoint_save(struct checkpoint *checkpoint, struct ledger *ledger)
{
    int rc;

    if (!checkpoint->path)
        return 0;
    pthread_mutex_lock(&checkpoint->saving);
    rc = save_snapshot(checkpoint, ledger);
    pthread_mutex_unlock(&checkpoint->saving);
    return rc;
}
