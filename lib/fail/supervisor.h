/* Telling those who restart the process: the Kubernetes termination log, and systemd. */
#ifndef FF__FAIL_SUPERVISOR_H
#define FF__FAIL_SUPERVISOR_H

#include <stddef.h>

/* Reads NOTIFY_SOCKET. Once, at the first ff__fail_ref(). */
void ff__supervisor_init(void);

/* Another path than /dev/termination-log, for tests. Static text. */
void ff__supervisor_set_log(const char *path);

/* Writes at most 4096 bytes of the text to the termination log, if that file is there; the first
 * line, without its end, becomes the STATUS of a notification. error: a positive errno for ERRNO=,
 * 0 for none. AS-safe. */
void ff__supervisor_tell(const char *text, size_t length, int error);

#endif
