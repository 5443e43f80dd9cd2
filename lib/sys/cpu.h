/* How many processors the process may use, and the spin hint. */
#ifndef FF__SYS_CPU_H
#define FF__SYS_CPU_H

/* Workers to start by default: the CPUs of the affinity mask, cut by the cgroup CPU quota (v2
 * cpu.max of the process's cgroup and every ancestor, or v1 cpu.cfs_quota_us / cpu.cfs_period_us),
 * rounded up, at least 1. Whatever cannot be read or parsed does not limit. Not AS-safe. */
unsigned ff__cpu_usable(void);

/* The same with another root in place of "/" and a given affinity count, for tests. */
unsigned ff__cpu_usable_below(const char *root, unsigned affinity_count);

static inline void ff__cpu_pause(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb" ::: "memory");
#endif
}

#endif
