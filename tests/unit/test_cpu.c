/* sys/cpu.c: quotas of cgroup v1 and v2, read from a tree of files made for each test. */
#include "runner.h"

#include "sys/cpu.h"

#include <ftw.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define V2_MOUNT "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"
#define OTHER_MOUNTS                          \
    "21 25 0:20 / /sys rw - sysfs sysfs rw\n" \
    "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/r rw\n"

static char root[] = "/tmp/ff-test-cpu-XXXXXX";

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *ftw)
{
    (void)status, (void)type, (void)ftw;
    return remove(path);
}

static void begin(void)
{
    ck_assert_ptr_nonnull(mkdtemp(root));
}

static void end(void)
{
    nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    strcpy(root + strlen(root) - 6, "XXXXXX");
}

/* Writes root/path, its directories made as needed. */
static void file_write(const char *path, const char *text)
{
    char full[PATH_MAX];
    FILE *file;

    ck_assert_int_lt(snprintf(full, sizeof full, "%s%s", root, path), (int)sizeof full);
    for (char *slash = strchr(full + strlen(root) + 1, '/'); slash;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(full, 0700);
        *slash = '/';
    }
    file = fopen(full, "w");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_ge(fputs(text, file), 0);
    fclose(file);
}

static void membership(const char *cgroup, const char *mounts)
{
    file_write("/proc/self/cgroup", cgroup);
    file_write("/proc/self/mountinfo", mounts);
}

static unsigned usable(unsigned affinity)
{
    return ff__cpu_usable_below(root, affinity);
}

START_TEST(cpu_count_is_the_affinity_when_nothing_can_be_read)
{
    begin();
    ck_assert_uint_eq(usable(7), 7);
    ck_assert_uint_eq(usable(0), 1);
    membership("0::/a\n", OTHER_MOUNTS V2_MOUNT);
    ck_assert_uint_eq(usable(7), 7);
    end();
}
END_TEST

START_TEST(cpu_quota_of_v2_is_rounded_up)
{
    begin();
    membership("0::/a\n", OTHER_MOUNTS V2_MOUNT);
    file_write("/sys/fs/cgroup/a/cpu.max", "150000 100000\n");
    ck_assert_uint_eq(usable(8), 2);
    ck_assert_uint_eq(usable(1), 1);
    file_write("/sys/fs/cgroup/a/cpu.max", "200000 100000\n");
    ck_assert_uint_eq(usable(8), 2);
    file_write("/sys/fs/cgroup/a/cpu.max", "1000 100000\n");
    ck_assert_uint_eq(usable(8), 1);
    end();
}
END_TEST

START_TEST(cpu_quota_of_v2_max_does_not_limit)
{
    begin();
    membership("0::/a\n", V2_MOUNT);
    file_write("/sys/fs/cgroup/a/cpu.max", "max 100000\n");
    ck_assert_uint_eq(usable(8), 8);
    end();
}
END_TEST

START_TEST(cpu_quota_of_any_ancestor_counts)
{
    begin();
    membership("0::/a/b/c\n", V2_MOUNT);
    file_write("/sys/fs/cgroup/a/b/c/cpu.max", "700000 100000\n");
    file_write("/sys/fs/cgroup/a/b/cpu.max", "max 100000\n");
    file_write("/sys/fs/cgroup/a/cpu.max", "300000 100000\n");
    ck_assert_uint_eq(usable(8), 3);
    file_write("/sys/fs/cgroup/cpu.max", "200000 100000\n");
    ck_assert_uint_eq(usable(8), 2);
    end();
}
END_TEST

START_TEST(cpu_quota_of_a_stranger_does_not_count)
{
    begin();
    membership("0::/a\n", V2_MOUNT);
    file_write("/sys/fs/cgroup/b/cpu.max", "100000 100000\n");
    file_write("/sys/cpu.max", "100000 100000\n");
    file_write("/sys/fs/cpu.max", "100000 100000\n");
    ck_assert_uint_eq(usable(8), 8);
    end();
}
END_TEST

START_TEST(cpu_quota_of_a_cgroup_namespace_is_that_of_the_mount)
{
    begin();
    membership("0::/\n", V2_MOUNT);
    file_write("/sys/fs/cgroup/cpu.max", "300000 100000\n");
    ck_assert_uint_eq(usable(8), 3);
    membership("0::/../../x\n", "30 23 0:26 /../../x /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
    ck_assert_uint_eq(usable(8), 3);
    end();
}
END_TEST

START_TEST(cpu_quota_of_v1_is_read_where_the_cpu_controller_is)
{
    begin();
    membership(
        "5:cpuset:/other\n4:cpu,cpuacct:/docker/x\n0::/y\n",
        "40 30 0:30 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n"
        "41 30 0:31 /docker/x /sys/fs/cgroup/cpu,cpuacct ro - cgroup cgroup rw,cpu,cpuacct\n");
    file_write("/sys/fs/cgroup/cpuset/cpu.cfs_quota_us", "100000\n");
    file_write("/sys/fs/cgroup/cpuset/cpu.cfs_period_us", "100000\n");
    ck_assert_uint_eq(usable(8), 8);
    file_write("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "250000\n");
    file_write("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n");
    ck_assert_uint_eq(usable(8), 3);
    file_write("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "-1\n");
    ck_assert_uint_eq(usable(8), 8);
    end();
}
END_TEST

START_TEST(cpu_quota_of_v1_counts_for_the_group_below_the_mount)
{
    begin();
    membership("4:cpu:/docker/x/y\n", "41 30 0:31 /docker /cg rw - cgroup cgroup rw,cpu\n");
    file_write("/cg/x/y/cpu.cfs_quota_us", "200000\n");
    file_write("/cg/x/y/cpu.cfs_period_us", "100000\n");
    ck_assert_uint_eq(usable(8), 2);
    membership("4:cpu:/dockerized\n", "41 30 0:31 /docker /cg rw - cgroup cgroup rw,cpu\n");
    file_write("/cg/ized/cpu.cfs_quota_us", "100000\n");
    file_write("/cg/ized/cpu.cfs_period_us", "100000\n");
    ck_assert_uint_eq(usable(8), 8);
    end();
}
END_TEST

START_TEST(cpu_mount_point_with_a_blank_is_understood)
{
    begin();
    membership("0::/a\n", "30 23 0:26 / /my\\040cgroups rw - cgroup2 cgroup2 rw\n");
    file_write("/my cgroups/a/cpu.max", "400000 100000\n");
    ck_assert_uint_eq(usable(8), 4);
    end();
}
END_TEST

START_TEST(cpu_nonsense_in_the_files_does_not_limit)
{
    static const char *const texts[] = {
        "",           "\n",          "max",         "x y\n",      "100000\n",
        "100000 0\n", "100000 -1\n", "-5 100000\n", "0 100000\n", "99999999999999999999 1\n"};

    begin();
    membership("0::/a\n", V2_MOUNT);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        file_write("/sys/fs/cgroup/a/cpu.max", texts[i]);
        ck_assert_uint_eq(usable(8), 8);
    }
    membership("\n:\n::\nx\n0::\n", "\n - \n1 2 3 4 5\n1 2 3 / /x rw - cgroup2\n - cgroup2 a b\n");
    ck_assert_uint_eq(usable(8), 8);
    end();
}
END_TEST

START_TEST(cpu_count_of_this_process_is_within_its_affinity)
{
    cpu_set_t mask;
    unsigned count = ff__cpu_usable();

    ck_assert_int_eq(sched_getaffinity(0, sizeof mask, &mask), 0);
    ck_assert_uint_ge(count, 1);
    ck_assert_uint_le(count, (unsigned)CPU_COUNT(&mask));
    CPU_ZERO(&mask);
    CPU_SET((size_t)sched_getcpu(), &mask);
    ck_assert_int_eq(sched_setaffinity(0, sizeof mask, &mask), 0);
    ck_assert_uint_eq(ff__cpu_usable(), 1);
}
END_TEST

FF_TEST_MAIN("cpu", 4, cpu_count_is_the_affinity_when_nothing_can_be_read,
             cpu_quota_of_v2_is_rounded_up, cpu_quota_of_v2_max_does_not_limit,
             cpu_quota_of_any_ancestor_counts, cpu_quota_of_a_stranger_does_not_count,
             cpu_quota_of_a_cgroup_namespace_is_that_of_the_mount,
             cpu_quota_of_v1_is_read_where_the_cpu_controller_is,
             cpu_quota_of_v1_counts_for_the_group_below_the_mount,
             cpu_mount_point_with_a_blank_is_understood, cpu_nonsense_in_the_files_does_not_limit,
             cpu_count_of_this_process_is_within_its_affinity)
