/* Bounded names. See name.h: anybody may call, signal handlers included; calls nothing. */
#include "base/name.h"

static bool is_continuation(char byte)
{
    return ((unsigned char)byte & 0xc0) == 0x80;
}

/* How many bytes the character takes that begins with this byte; 1 for what begins none. */
static size_t character_length(char byte)
{
    unsigned char b = (unsigned char)byte;

    if (b >= 0xf0)
        return 4;
    if (b >= 0xe0)
        return 3;
    return b >= 0xc0 ? 2 : 1;
}

/* Where to cut: before the character that begins in front of length and ends behind it. */
static size_t cut_at_boundary(const char *name, size_t length)
{
    size_t start = length;

    while (start > 0 && length - start < 3 && is_continuation(name[start]))
        start--;
    return start + character_length(name[start]) > length ? start : length;
}

/* AS-safe: touches the caller's memory only. */
void ff__name_copy(char *ret_name, size_t capacity, const char *name)
{
    size_t length = 0;

    while (length < capacity - 1 && name[length] != '\0')
        length++;
    if (name[length] != '\0')
        length = cut_at_boundary(name, length);
    for (size_t i = 0; i < length; i++)
        ret_name[i] = name[i];
    ret_name[length] = '\0';
}
