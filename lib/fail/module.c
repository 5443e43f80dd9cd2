/* Executable mappings and ELF identities. See module.h. */
#include "fail/module.h"

#include "base/name.h"
#include "fail/raw.h"

#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <stddef.h>
#include <string.h>

#define MODULES_MAX 512
#define NAME_BYTES 64
#define ID_BYTES 8
#define HEADERS_MAX 16
#define NOTE_BYTES 512

struct module {
    uintptr_t low, high; /* The executable mapping. */
    uintptr_t base;      /* Where the file's first byte would be mapped. */
    uintptr_t bias;      /* What to subtract for an address as the file counts; if identified. */
    bool identified, has_id;
    unsigned char id[ID_BYTES];
    char name[NAME_BYTES]; /* "" for memory without a file. */
};

/* Static: the stack of a handler is small. */
static struct module modules[MODULES_MAX];
static size_t module_count;
static bool table_full;

/* One line of /proc/self/maps, and the file that the lines before it belonged to. */
struct mapping {
    uintptr_t low, high, offset;
    bool executable;
    const char *path;
};
static char current_path[256];
static uintptr_t current_base;

static const char *parse_hex(const char *text, uintptr_t *ret_value)
{
    uintptr_t value = 0;

    for (;; text++) {
        if (*text >= '0' && *text <= '9')
            value = value * 16 + (uintptr_t)(*text - '0');
        else if (*text >= 'a' && *text <= 'f')
            value = value * 16 + (uintptr_t)(*text - 'a') + 10;
        else
            break;
    }
    *ret_value = value;
    return text;
}

static const char *skip_field(const char *text)
{
    while (*text != ' ' && *text != '\0')
        text++;
    while (*text == ' ')
        text++;
    return text;
}

/* "7f00-7f10 r-xp 00001000 fe:01 1234    /usr/bin/demo" */
static bool parse_line(const char *line, struct mapping *ret_mapping)
{
    const char *at = parse_hex(line, &ret_mapping->low);

    if (*at != '-')
        return false;
    at = skip_field(parse_hex(at + 1, &ret_mapping->high));
    if (strlen(at) < 4)
        return false;
    ret_mapping->executable = at[2] == 'x';
    at = parse_hex(skip_field(at), &ret_mapping->offset);
    ret_mapping->path = skip_field(skip_field(skip_field(at)));
    return true;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

/* Lines of one file follow one another; its base is where its first line puts it. */
static void follow_file(const struct mapping *mapping)
{
    if (mapping->path[0] != '\0' &&
        strncmp(mapping->path, current_path, sizeof current_path - 1) == 0)
        return;
    current_path[0] = '\0';
    strncat(current_path, mapping->path, sizeof current_path - 1);
    current_base = mapping->low - mapping->offset;
}

static void add_mapping(const struct mapping *mapping)
{
    struct module *module;

    follow_file(mapping);
    if (!mapping->executable)
        return;
    /* Generated code comes in thousands of pieces: it must not push out the files. */
    if (module_count == MODULES_MAX ||
        (mapping->path[0] == '\0' && module_count >= MODULES_MAX / 2)) {
        table_full = true;
        return;
    }
    module = &modules[module_count];
    memset(module, 0, sizeof *module);
    module->low = mapping->low;
    module->high = mapping->high;
    module->base = current_base;
    ff__name_copy(module->name, sizeof module->name, base_name(mapping->path));
    module_count++;
}

static void add_line(const char *line)
{
    struct mapping mapping;

    if (parse_line(line, &mapping))
        add_mapping(&mapping);
}

/* Handles the complete lines among the first used bytes. @return how many bytes remain, moved to
 * the front. */
static size_t take_lines(char *text, size_t used, size_t capacity)
{
    char *line = text, *end;

    while ((end = memchr(line, '\n', used - (size_t)(line - text))) != NULL) {
        *end = '\0';
        add_line(line);
        line = end + 1;
    }
    used -= (size_t)(line - text);
    /* No line is that long: it is dropped, its end will not parse. */
    if (used == capacity)
        return 0;
    memmove(text, line, used);
    return used;
}

/* AS-safe. */
void ff__modules_load(void)
{
    static char text[8192];
    /* Not /proc/self: that is the first thread, whose maps are empty once it has ended. */
    int fd = ff__raw_open("/proc/thread-self/maps", O_RDONLY | O_CLOEXEC);
    size_t used = 0;
    long got;

    if (fd < 0)
        return;
    got = ff__raw_read(fd, text, sizeof text);
    if (got > 0) {
        module_count = 0;
        table_full = false;
        current_path[0] = '\0';
    }
    for (; got > 0; got = ff__raw_read(fd, text + used, sizeof text - used))
        used = take_lines(text, used + (size_t)got, sizeof text);
    ff__raw_close(fd);
}

static struct module *find(uintptr_t pc)
{
    for (size_t i = 0; i < module_count; i++)
        if (pc >= modules[i].low && pc < modules[i].high)
            return &modules[i];
    return NULL;
}

/* AS-safe. */
bool ff__module_executable(uintptr_t pc)
{
    char byte;

    if (find(pc))
        return true;
    return (module_count == 0 || table_full) && ff__raw_peek(pc, &byte, 1) == 1;
}

static bool peek_all(uintptr_t address, void *ret_bytes, size_t length)
{
    return ff__raw_peek(address, ret_bytes, length) == (long)length;
}

/* Looks for the build-id among the notes, each a header, a name and a content, padded to 4. */
static void find_id(struct module *module, const char *notes, size_t length)
{
    size_t at = 0;

    while (at + sizeof(ElfW(Nhdr)) <= length) {
        ElfW(Nhdr) note;
        size_t name_at = at + sizeof note, content_at;

        memcpy(&note, notes + at, sizeof note);
        if (note.n_namesz > length || note.n_descsz > length)
            return;
        content_at = name_at + ((note.n_namesz + 3U) & ~3U);
        at = content_at + ((note.n_descsz + 3U) & ~3U);
        if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 && note.n_descsz >= ID_BYTES &&
            content_at + ID_BYTES <= length && memcmp(notes + name_at, "GNU", 4) == 0) {
            memcpy(module->id, notes + content_at, ID_BYTES);
            module->has_id = true;
            return;
        }
    }
}

static void read_notes(struct module *module, const ElfW(Phdr) * header)
{
    static char notes[NOTE_BYTES];
    size_t length = header->p_filesz < sizeof notes ? header->p_filesz : sizeof notes;

    if (!module->has_id && peek_all(module->bias + header->p_vaddr, notes, length))
        find_id(module, notes, length);
}

/* Once for each module named in the report: the bias from the first loadable header, the build-id.
 */
static void identify(struct module *module)
{
    static ElfW(Phdr) headers[HEADERS_MAX];
    ElfW(Ehdr) elf;
    size_t count;
    bool loads = false;

    module->identified = true;
    module->bias = module->base;
    if (!peek_all(module->base, &elf, sizeof elf) || memcmp(elf.e_ident, ELFMAG, SELFMAG) != 0)
        return;
    count = elf.e_phnum < HEADERS_MAX ? elf.e_phnum : HEADERS_MAX;
    if (!peek_all(module->base + elf.e_phoff, headers, count * sizeof *headers))
        return;
    for (size_t i = 0; i < count && !loads; i++) {
        loads = headers[i].p_type == PT_LOAD;
        if (loads)
            module->bias = module->base - (headers[i].p_vaddr - headers[i].p_offset);
    }
    for (size_t i = 0; i < count; i++)
        if (headers[i].p_type == PT_NOTE)
            read_notes(module, &headers[i]);
}

static void write_id(struct ff__fmt *fmt, const struct module *module)
{
    static const char digits[] = "0123456789abcdef";

    if (!module->has_id)
        return;
    ff__fmt_str(fmt, " (");
    for (size_t i = 0; i < ID_BYTES; i++) {
        ff__fmt_char(fmt, digits[module->id[i] >> 4]);
        ff__fmt_char(fmt, digits[module->id[i] & 15]);
    }
    ff__fmt_char(fmt, ')');
}

/* AS-safe. */
void ff__module_write_place(struct ff__fmt *fmt, uintptr_t pc)
{
    struct module *module = find(pc);

    if (!module || module->name[0] == '\0') {
        ff__fmt_hex(fmt, pc);
        return;
    }
    if (!module->identified)
        identify(module);
    ff__fmt_safe_str(fmt, module->name);
    ff__fmt_char(fmt, '+');
    ff__fmt_hex(fmt, pc - module->bias);
    write_id(fmt, module);
}
