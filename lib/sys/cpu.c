/* How many processors the process may use. See cpu.h: any thread may call, not signal handlers;
 * called once for each pool. A limit that cannot be read does not count: a container without /proc
 * still gets its workers.
 *
 * The quota of a cgroup is a share of time: 150000 of each 100000 us is one and a half processors,
 * for which two workers are right. The limits of all ancestors hold as well, so the least counts.
 */
#include "sys/cpu.h"

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The kernel's limit is far lower; only where to stop growing the mask. */
#define CPUS_MAX (1u << 20)

enum version { CGROUP_V1, CGROUP_V2 };

/* One line of /proc/self/mountinfo, as far as it matters. */
struct mount {
    char *root;    /* The directory of the file system that is mounted. */
    char *point;   /* Where it is mounted. */
    char *type;    /* "cgroup", "cgroup2". */
    char *options; /* For v1: the controllers among others. */
};

/* -1 when the mask is too small for this kernel, 0 when there is no answer. */
static int affinity_count_in(unsigned cpus)
{
    cpu_set_t *mask = CPU_ALLOC(cpus);
    size_t size = CPU_ALLOC_SIZE(cpus);
    int count = 0;

    if (!mask)
        return 0;
    if (sched_getaffinity(0, size, mask) == 0)
        count = CPU_COUNT_S(size, mask);
    else if (errno == EINVAL)
        count = -1;
    CPU_FREE(mask);
    return count;
}

static unsigned affinity_count(void)
{
    int count = -1;
    long online;

    for (unsigned cpus = CPU_SETSIZE; count < 0 && cpus <= CPUS_MAX; cpus *= 2)
        count = affinity_count_in(cpus);
    if (count > 0)
        return (unsigned)count;
    online = sysconf(_SC_NPROCESSORS_ONLN);
    return online > 0 ? (unsigned)online : 1;
}

/* Whether word stands in a list such as "cpu,cpuacct". */
static bool list_has(const char *list, const char *word)
{
    size_t length = strlen(word);

    for (const char *at = list; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL)
        if (strncmp(at, word, length) == 0 && (at[length] == ',' || at[length] == '\0'))
            return true;
    return false;
}

/* Reads one short file below root. */
static bool file_read(const char *root, const char *directory, const char *name, char *ret_text,
                      size_t capacity)
{
    char path[PATH_MAX];
    FILE *file;
    bool ok;

    if (snprintf(path, sizeof path, "%s%s/%s", root, directory, name) >= (int)sizeof path)
        return false;
    file = fopen(path, "re");
    if (!file)
        return false;
    ok = fgets(ret_text, (int)capacity, file) != NULL;
    fclose(file);
    return ok;
}

/* Workers for quota in each period, rounded up; 0 for no limit. */
static unsigned quota_workers(const char *quota_text, const char *period_text)
{
    char *end;
    long long quota = strtoll(quota_text, &end, 10);
    long long period;

    if (end == quota_text || quota <= 0)
        return 0;
    period = strtoll(period_text, &end, 10);
    if (end == period_text || period <= 0 || quota / period >= CPUS_MAX)
        return 0;
    return (unsigned)(quota / period + (quota % period != 0));
}

/* The limit that one directory of the hierarchy sets; 0 for none. */
static unsigned directory_limit(const char *root, enum version version, const char *directory)
{
    char quota[64], period[64];
    const char *blank;

    if (version == CGROUP_V1) {
        if (!file_read(root, directory, "cpu.cfs_quota_us", quota, sizeof quota) ||
            !file_read(root, directory, "cpu.cfs_period_us", period, sizeof period))
            return 0;
        return quota_workers(quota, period);
    }
    if (!file_read(root, directory, "cpu.max", quota, sizeof quota))
        return 0;
    blank = strchr(quota, ' '); /* "150000 100000", or "max 100000". */
    return blank ? quota_workers(quota, blank + 1) : 0;
}

/* The group as seen through the mount. A group outside of it (another namespace) cannot be seen:
 * then only the mount's own top is known, "". */
static const char *group_below(const struct mount *mount, const char *group)
{
    size_t length = strcmp(mount->root, "/") == 0 ? 0 : strlen(mount->root);

    if (strncmp(group, mount->root, length) != 0 || strstr(group, "/.."))
        return "";
    return group[length] == '/' ? group + length : "";
}

/* The least limit from the process's directory up to the mount point; 0 for none. */
static unsigned mount_limit(const char *root, enum version version, const struct mount *mount,
                            const char *group)
{
    char directory[PATH_MAX];
    size_t top = strlen(mount->point);
    unsigned least = 0;

    if (snprintf(directory, sizeof directory, "%s%s", mount->point, group_below(mount, group)) >=
        (int)sizeof directory)
        return 0;
    for (;;) {
        unsigned limit = directory_limit(root, version, directory);
        char *slash = strrchr(directory, '/');

        if (limit != 0 && (least == 0 || limit < least))
            least = limit;
        if (!slash || (size_t)(slash - directory) < top)
            return least;
        *slash = '\0';
    }
}

/* "\040" and the like, by which mountinfo writes blanks, in place. */
static void unescape(char *text)
{
    char *out = text;

    for (; *text != '\0'; out++) {
        if (text[0] == '\\' && strspn(text + 1, "01234567") >= 3) {
            *out = (char)((text[1] - '0') * 64 + (text[2] - '0') * 8 + (text[3] - '0'));
            text += 4;
        } else {
            *out = *text++;
        }
    }
    *out = '\0';
}

/* "36 35 98:0 /root /point rw,noatime shared:1 - type source options": the fields before the lone
 * minus vary in number. Cuts the line up. */
static bool mount_parse(char *line, struct mount *ret_mount)
{
    char *rest = strstr(line, " - "), *save = NULL;
    char *field = strtok_r(line, " ", &save);

    if (!rest)
        return false;
    for (int i = 0; field && i < 3; i++)
        field = strtok_r(NULL, " ", &save);
    ret_mount->root = field;
    ret_mount->point = field ? strtok_r(NULL, " ", &save) : NULL;
    ret_mount->type = strtok_r(rest + 3, " \n", &save);
    field = ret_mount->type ? strtok_r(NULL, " \n", &save) : NULL;
    ret_mount->options = field ? strtok_r(NULL, " \n", &save) : NULL;
    if (!ret_mount->point || !ret_mount->options)
        return false;
    unescape(ret_mount->root);
    unescape(ret_mount->point);
    return true;
}

static bool mount_matches(const struct mount *mount, enum version version)
{
    if (version == CGROUP_V2)
        return strcmp(mount->type, "cgroup2") == 0;
    return strcmp(mount->type, "cgroup") == 0 && list_has(mount->options, "cpu");
}

/* Looks at every mount of that hierarchy. They show the same groups, so the least limit is true. */
static unsigned hierarchy_limit(const char *root, enum version version, const char *group)
{
    char path[PATH_MAX], *line = NULL;
    size_t capacity = 0;
    unsigned least = 0;
    FILE *file;

    snprintf(path, sizeof path, "%s/proc/self/mountinfo", root);
    file = fopen(path, "re");
    if (!file)
        return 0;
    while (getline(&line, &capacity, file) >= 0) {
        struct mount mount;
        unsigned limit;

        if (!mount_parse(line, &mount) || !mount_matches(&mount, version))
            continue;
        limit = mount_limit(root, version, &mount, group);
        if (limit != 0 && (least == 0 || limit < least))
            least = limit;
    }
    free(line);
    fclose(file);
    return least;
}

/* One line of /proc/self/cgroup, "0::/a/b" (v2) or "4:cpu,cpuacct:/a/b" (v1); 0 for no limit. */
static unsigned membership_limit(const char *root, char *line)
{
    char *controllers = strchr(line, ':');
    char *group = controllers ? strchr(controllers + 1, ':') : NULL;

    if (!group)
        return 0;
    *group++ = '\0';
    controllers++;
    group[strcspn(group, "\n")] = '\0';
    if (controllers[0] == '\0')
        return hierarchy_limit(root, CGROUP_V2, group);
    return list_has(controllers, "cpu") ? hierarchy_limit(root, CGROUP_V1, group) : 0;
}

unsigned ff__cpu_usable_below(const char *root, unsigned affinity)
{
    char path[PATH_MAX], *line = NULL;
    size_t capacity = 0;
    unsigned usable = affinity > 0 ? affinity : 1;
    FILE *file;

    if (strcmp(root, "/") == 0)
        root = "";
    snprintf(path, sizeof path, "%s/proc/self/cgroup", root);
    file = fopen(path, "re");
    if (!file)
        return usable;
    while (getline(&line, &capacity, file) >= 0) {
        unsigned limit = membership_limit(root, line);

        if (limit != 0 && limit < usable)
            usable = limit;
    }
    free(line);
    fclose(file);
    return usable;
}

unsigned ff__cpu_usable(void)
{
    return ff__cpu_usable_below("/", affinity_count());
}
