/* How the process shall fail: ff_failure_configure() and FAILFAST_GRACE_MS. */
#include "fail/config.h"
#include "base/options.h"
#include "fail/abort.h"
#include "sys/env.h"

#include <errno.h>

/* All relaxed: each field stands alone, and "the last call counts" says no more than the order in
 * which a field was written. Atomic because a failure may read while another thread configures. */
static struct {
    _Atomic uint64_t grace_ns, hook_ns, deadline_ns;
    _Atomic int exit_code;
    _Atomic unsigned exit_on_fault;
    _Atomic uint64_t environment_grace_ns;
    _Atomic bool environment_set;
} config;

int ff_failure_configure(const struct ff_failure_options *options)
{
    struct ff_failure_options known;
    int rc;

    if (!options)
        return -EINVAL;
    rc = ff__options_read(&known, sizeof known, options);
    if (rc < 0)
        return rc;
    if (known.exit_code < 0 || known.exit_code > 255 || known.exit_on_fault > 1)
        return -EINVAL;
    ff__store_relaxed(&config.grace_ns, known.grace_ns);
    ff__store_relaxed(&config.hook_ns, known.hook_ns);
    ff__store_relaxed(&config.deadline_ns, known.deadline_ns);
    ff__store_relaxed(&config.exit_code, known.exit_code);
    ff__store_relaxed(&config.exit_on_fault, known.exit_on_fault);
    return 0;
}

void ff__config_read_environment(void)
{
    uint64_t grace_ms;

    if (!ff__env_u64("FAILFAST_GRACE_MS", 0, 3600000, &grace_ms))
        return;
    ff__store_relaxed(&config.environment_grace_ns, grace_ms * FF_MILLISECOND);
    ff__store_relaxed(&config.environment_set, true);
}

static uint64_t grace_default(void)
{
    return ff__load_relaxed(&config.environment_set)
               ? ff__load_relaxed(&config.environment_grace_ns)
               : 3 * FF_SECOND;
}

/* AS-safe. */
struct ff__fail_config ff__fail_config(void)
{
    struct ff__fail_config now = {
        .grace_ns = ff__load_relaxed(&config.grace_ns),
        .hook_ns = ff__load_relaxed(&config.hook_ns),
        .deadline_ns = ff__load_relaxed(&config.deadline_ns),
        .exit_code = ff__load_relaxed(&config.exit_code),
        .exit_on_fault = ff__load_relaxed(&config.exit_on_fault) != 0,
    };

    if (now.grace_ns == 0)
        now.grace_ns = grace_default();
    if (now.hook_ns == 0)
        now.hook_ns = 1 * FF_SECOND;
    if (now.deadline_ns == 0)
        now.deadline_ns = 10 * FF_SECOND;
    if (now.exit_code == 0)
        now.exit_code = 1;
    return now;
}
