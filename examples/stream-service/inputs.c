#include "inputs.h"

#include "checksum.h"
#include "console.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PROBE_BYTES 4096

static uint64_t mtime_ns(const struct stat *status)
{
    return (uint64_t)status->st_mtim.tv_sec * UINT64_C(1000000000) +
           (uint64_t)status->st_mtim.tv_nsec;
}

bool input_is_unchanged(const struct input *input, const struct stat *now)
{
    return (uint64_t)now->st_size == input->size && (uint64_t)now->st_ino == input->inode &&
           mtime_ns(now) == input->mtime_ns;
}

/* Reads the beginning of a file. @return 0, or a negative errno. */
static int probe(const char *path, bool *ret_is_text)
{
    char bytes[PROBE_BYTES];
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t got;
    int rc;

    if (fd < 0)
        return -errno;
    got = read(fd, bytes, sizeof(bytes));
    rc = got < 0 ? -errno : 0;
    close(fd);
    if (rc == 0)
        *ret_is_text = !memchr(bytes, '\0', (size_t)got);
    return rc;
}

static int make_room(struct inputs *inputs)
{
    size_t capacity = inputs->capacity ? 2 * inputs->capacity : 64;
    struct input *items;

    if (inputs->identity.count < inputs->capacity)
        return 0;
    items = reallocarray(inputs->items, capacity, sizeof(*items));
    if (!items)
        return -ENOMEM;
    inputs->items = items;
    inputs->capacity = capacity;
    return 0;
}

static int add(struct inputs *inputs, const char *path, const struct stat *status)
{
    struct input input = {
        .size = (uint64_t)status->st_size,
        .inode = (uint64_t)status->st_ino,
        .mtime_ns = mtime_ns(status),
    };
    const uint64_t facts[] = {input.size, input.inode, input.mtime_ns};
    uint64_t *digest = &inputs->identity.digest;

    if (make_room(inputs) < 0 || !(input.path = strdup(path)))
        return -ENOMEM;
    *digest = checksum_add(*digest, path, strlen(path) + 1);
    *digest = checksum_add(*digest, facts, sizeof(facts));
    inputs->items[inputs->identity.count++] = input;
    inputs->identity.bytes += input.size;
    return 0;
}

/* @return 0 when the file was taken or skipped, else a negative errno. */
static int visit_file(struct inputs *inputs, const FTSENT *entry)
{
    bool given = entry->fts_level == FTS_ROOTLEVEL;
    bool is_text = false;
    int rc = probe(entry->fts_accpath, &is_text);

    if (rc < 0 && given)
        return rc;
    if (rc < 0 || (!is_text && !given)) {
        inputs->skipped++;
        return 0;
    }
    return add(inputs, entry->fts_path, entry->fts_statp);
}

static int visit(struct inputs *inputs, const FTSENT *entry)
{
    switch (entry->fts_info) {
    case FTS_D:
    case FTS_DP:
        return 0;
    case FTS_F:
        return visit_file(inputs, entry);
    default:
        if (entry->fts_level == FTS_ROOTLEVEL)
            return entry->fts_errno ? -entry->fts_errno : -EINVAL;
        inputs->skipped++;
        return 0;
    }
}

static int by_name(const FTSENT **left, const FTSENT **right)
{
    return strcmp((*left)->fts_name, (*right)->fts_name);
}

/* Says why the entry stops us. @return -1. */
static int refuse(const char *path, int rc)
{
    if (rc == -EINVAL)
        console_error("cannot read %s: neither a regular file nor a directory", path);
    else
        console_error("cannot read %s: %s", path, strerror(-rc));
    return -1;
}

static int walk(struct inputs *inputs, FTS *tree)
{
    FTSENT *entry;

    while ((errno = 0, entry = fts_read(tree))) {
        int rc = visit(inputs, entry);

        if (rc < 0)
            return refuse(entry->fts_path, rc);
    }
    if (errno != 0)
        return refuse("the inputs", -errno);
    if (inputs->identity.count == 0) {
        console_error("nothing to read: no readable text file (%zu skipped)", inputs->skipped);
        return -1;
    }
    return 0;
}

int inputs_collect(struct inputs *inputs, char *const *paths)
{
    FTS *tree = fts_open(paths, FTS_PHYSICAL | FTS_COMFOLLOW | FTS_NOCHDIR, by_name);
    int rc;

    *inputs = (struct inputs){.identity.digest = CHECKSUM_START};
    if (!tree)
        return refuse(paths[0], -errno);
    rc = walk(inputs, tree);
    fts_close(tree);
    if (rc < 0)
        inputs_done(inputs);
    return rc;
}

void inputs_done(struct inputs *inputs)
{
    for (uint64_t i = 0; i < inputs->identity.count; i++)
        free(inputs->items[i].path);
    free(inputs->items);
    *inputs = (struct inputs){0};
}
