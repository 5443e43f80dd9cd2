#include "words.h"

#include <stdbool.h>
#include <string.h>

/* Not isspace(): that one would ask the locale. */
static bool is_space(char byte)
{
    return byte == ' ' || (byte >= '\t' && byte <= '\r');
}

struct counts words_count(const char *data, size_t length)
{
    struct counts counts = {0};
    bool space = is_space(data[-1]);

    for (size_t i = 0; i < length; i++) {
        bool before = space;

        space = is_space(data[i]);
        counts.words += before && !space;
        counts.records += data[i] == '\n';
    }
    return counts;
}

const char *words_after_lines(const char *data, size_t length, uint64_t count)
{
    const char *end = data + length;

    for (; count > 0; count--) {
        const char *newline = memchr(data, '\n', (size_t)(end - data));

        if (!newline)
            return NULL;
        data = newline + 1;
    }
    return data;
}
