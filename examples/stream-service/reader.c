#include "reader.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* One read that is complete. @return 0, or -ESTALE at the end of the file, or a negative errno. */
static int read_all(int fd, char *data, size_t length, uint64_t offset)
{
    while (length > 0) {
        ssize_t got = pread(fd, data, length, (off_t)offset);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return got < 0 ? -errno : -ESTALE;
        data += got;
        length -= (size_t)got;
        offset += (uint64_t)got;
    }
    return 0;
}

static int check_unchanged(const struct reader *reader)
{
    struct stat now;

    if (fstat(reader->fd, &now) < 0)
        return -errno;
    return input_is_unchanged(reader->input, &now) ? 0 : -ESTALE;
}

static int prepare(struct reader *reader)
{
    int rc = check_unchanged(reader);

    if (rc < 0)
        return rc;
    reader->buffer[0] = '\n';
    if (reader->offset == 0)
        return 0;
    return read_all(reader->fd, reader->buffer, 1, reader->offset - 1);
}

int reader_open(struct reader *reader, const struct input *input, uint64_t offset)
{
    int fd = open(input->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    char *buffer;
    int rc;

    if (fd < 0)
        return -errno;
    buffer = malloc(1 + READER_BYTES);
    if (!buffer) {
        close(fd);
        return -ENOMEM;
    }
    *reader = (struct reader){
        .input = input, .fd = fd, .offset = offset, .begin = 1, .end = 1, .buffer = buffer};
    rc = prepare(reader);
    if (rc < 0)
        reader_close(reader);
    return rc;
}

/* Fills the buffer up, as far as the stream goes. */
static int fill(struct reader *reader)
{
    size_t kept = reader->end - reader->begin;
    uint64_t left = reader->input->size - reader->offset - kept;
    size_t wanted = READER_BYTES - kept;
    int rc;

    if (wanted > left)
        wanted = (size_t)left;
    memmove(reader->buffer, reader->buffer + reader->begin - 1, kept + 1);
    reader->begin = 1;
    reader->end = 1 + kept;
    rc = read_all(reader->fd, reader->buffer + reader->end, wanted, reader->offset + kept);
    if (rc == 0)
        reader->end += wanted;
    return rc;
}

/* The longest piece that the buffer holds: up to max_records whole records. */
static struct piece cut(const struct reader *reader, uint64_t max_records)
{
    const char *data = reader->buffer + reader->begin;
    const char *end = reader->buffer + reader->end;
    const char *stop = data;
    uint64_t records = 0;
    bool ends = reader->offset + (uint64_t)(end - data) == reader->input->size;

    while (records < max_records && stop < end) {
        const char *newline = memchr(stop, '\n', (size_t)(end - stop));

        if (!newline && records > 0 && !ends)
            break; /* The rest of this record is still in the file. */
        records += newline || ends;
        stop = newline ? newline + 1 : end;
        if (!newline)
            break;
    }
    return (struct piece){.data = data, .length = (size_t)(stop - data), .records = records};
}

int reader_next(struct reader *reader, uint64_t max_records, struct piece *ret_piece)
{
    size_t held = reader->end - reader->begin;
    uint64_t left = reader->input->size - reader->offset;
    struct piece piece;
    int rc = 0;

    /* Half a buffer is as good as a full one: moving bytes for every piece would be quadratic. */
    if (held < READER_BYTES / 2 && held < left)
        rc = fill(reader);
    if (rc < 0)
        return rc;
    piece = cut(reader, max_records);
    if (piece.length == left)
        rc = check_unchanged(reader);
    if (rc < 0)
        return rc;
    reader->begin += piece.length;
    reader->offset += piece.length;
    *ret_piece = piece;
    return 0;
}

void reader_close(struct reader *reader)
{
    free(reader->buffer);
    close(reader->fd);
}
