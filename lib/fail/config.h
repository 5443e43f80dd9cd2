/* What the environment says about failing. ff__fail_config() (abort.h) gives the result. */
#ifndef FF__FAIL_CONFIG_H
#define FF__FAIL_CONFIG_H

/* Reads FAILFAST_GRACE_MS. Once, at the first ff__fail_ref(): getenv() is no call for a dying
 * process. */
void ff__config_read_environment(void);

#endif
