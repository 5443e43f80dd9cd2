#include "progress.h"

#include "checksum.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define MAGIC "stream-service checkpoint "
#define FIRST_LINE MAGIC "1\n"

static size_t open_count(const struct progress *progress)
{
    size_t count = 0;

    for (size_t i = 0; i < CONSUMERS_MAX; i++)
        count += progress->open[i].used;
    return count;
}

uint64_t progress_files(const struct progress *progress)
{
    return progress->next - open_count(progress);
}

/* Appends at *length. PROGRESS_TEXT_MAX is more than the longest text: 64 lines of two numbers. */
__attribute__((format(printf, 3, 4))) static void add(char *text, size_t *length,
                                                      const char *format, ...)
{
    va_list values;

    va_start(values, format);
    *length += (size_t)vsnprintf(text + *length, PROGRESS_TEXT_MAX - *length, format, values);
    va_end(values);
}

size_t progress_render(const struct progress *progress, char *text)
{
    const struct inputs_identity *inputs = &progress->inputs;
    const unsigned *happened = progress->happened;
    size_t length = 0;

    add(text, &length, FIRST_LINE);
    add(text, &length, "inputs %" PRIu64 " %" PRIu64 " %016" PRIx64 "\n", inputs->count,
        inputs->bytes, inputs->digest);
    add(text, &length, "next %" PRIu64 "\n", progress->next);
    add(text, &length, "counted %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", progress->records,
        progress->words, progress->bytes);
    add(text, &length, "happened %u %u %u\n", happened[MISHAP_POISON], happened[MISHAP_CRASH],
        happened[MISHAP_LEAVE]);
    add(text, &length, "open %zu\n", open_count(progress));
    for (size_t i = 0; i < CONSUMERS_MAX; i++) {
        const struct open_stream *open = &progress->open[i];

        if (open->used)
            add(text, &length, "%" PRIu64 " %" PRIu64 "\n", open->stream, open->offset);
    }
    add(text, &length, "checksum %016" PRIx64 "\n", checksum_add(CHECKSUM_START, text, length));
    return length;
}

/* Reads all numbers, with little care: progress_parse() compares the result with the text. */
static bool scan(const char *text, struct progress *progress)
{
    struct inputs_identity *inputs = &progress->inputs;
    unsigned *happened = progress->happened;
    size_t count;
    int used = 0;

    if (sscanf(text,
               "inputs %" SCNu64 " %" SCNu64 " %" SCNx64 " next %" SCNu64 " counted %" SCNu64
               " %" SCNu64 " %" SCNu64 " happened %u %u %u open %zu%n",
               &inputs->count, &inputs->bytes, &inputs->digest, &progress->next, &progress->records,
               &progress->words, &progress->bytes, &happened[MISHAP_POISON],
               &happened[MISHAP_CRASH], &happened[MISHAP_LEAVE], &count, &used) != 11)
        return false;
    for (size_t i = 0; i < count && i < CONSUMERS_MAX; i++) {
        struct open_stream *open = &progress->open[i];

        text += used;
        if (sscanf(text, "%" SCNu64 "%" SCNu64 "%n", &open->stream, &open->offset, &used) != 2)
            return false;
        open->used = true;
    }
    return count <= CONSUMERS_MAX;
}

enum progress_status progress_parse(const char *text, size_t length, struct progress *ret_progress)
{
    struct progress progress = {0};
    char copy[PROGRESS_TEXT_MAX];
    char again[PROGRESS_TEXT_MAX];

    if (length < strlen(MAGIC) || memcmp(text, MAGIC, strlen(MAGIC)) != 0)
        return PROGRESS_FOREIGN;
    if (length < strlen(FIRST_LINE) || memcmp(text, FIRST_LINE, strlen(FIRST_LINE)) != 0)
        return PROGRESS_VERSION;
    if (length >= sizeof(copy))
        return PROGRESS_DAMAGED;
    memcpy(copy, text, length);
    copy[length] = '\0';
    if (!scan(copy + strlen(FIRST_LINE), &progress))
        return PROGRESS_DAMAGED;
    if (progress_render(&progress, again) != length || memcmp(again, text, length) != 0)
        return PROGRESS_DAMAGED;
    *ret_progress = progress;
    return PROGRESS_OK;
}

/* Whether the entry names a started stream, an offset inside it, and no other entry's stream. */
static bool open_fits(const struct progress *progress, size_t index, const struct inputs *inputs)
{
    const struct open_stream *open = &progress->open[index];

    for (size_t i = 0; i < index; i++) {
        if (progress->open[i].used && progress->open[i].stream == open->stream)
            return false;
    }
    return open->stream < progress->next && open->offset < inputs->items[open->stream].size;
}

bool progress_fits(const struct progress *progress, const struct inputs *inputs)
{
    const struct inputs_identity *mine = &progress->inputs, *theirs = &inputs->identity;
    uint64_t bytes = 0;

    if (mine->count != theirs->count || mine->bytes != theirs->bytes ||
        mine->digest != theirs->digest || progress->next > theirs->count)
        return false;
    for (uint64_t i = 0; i < progress->next; i++)
        bytes += inputs->items[i].size;
    for (size_t i = 0; i < CONSUMERS_MAX; i++) {
        const struct open_stream *open = &progress->open[i];

        if (open->used && !open_fits(progress, i, inputs))
            return false;
        if (open->used)
            bytes -= inputs->items[open->stream].size - open->offset;
    }
    return bytes == progress->bytes;
}
