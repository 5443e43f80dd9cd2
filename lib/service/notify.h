/* Messages to the service manager, in the protocol of sd_notify(3), without its library. For the
 * service room; programs call ff_notify(). */
#ifndef FF__SERVICE_NOTIFY_H
#define FF__SERVICE_NOTIFY_H

#include <stdint.h>

/* ff_notify(), but while the manager's queue is full it waits for up to patience_ns, after which it
 * answers -EAGAIN. */
int ff__notify_send(const char *state, uint64_t patience_ns);

#endif
