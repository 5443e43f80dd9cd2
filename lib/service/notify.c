/* sd_notify by hand: one datagram to the AF_UNIX socket that NOTIFY_SOCKET names, by path or, with
 * a leading '@', in the abstract name space. Any thread may call while nobody changes the
 * environment. No state: each message has a socket of its own, which exists only during the call.
 */
#include "service/notify.h"

#include "base/name.h"

#include <failfast/service.h>

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

/* @return the length for connect(), or -EINVAL. A path keeps its final NUL; an abstract name has
 * none, and every byte up to the length counts. */
static int address_make(struct sockaddr_un *ret_address, const char *text)
{
    size_t length = strlen(text);
    size_t room = sizeof ret_address->sun_path;
    bool abstract = text[0] == '@';

    if (text[0] != '/' && !abstract)
        return -EINVAL;
    if (length < 2 || length > (abstract ? room : room - 1))
        return -EINVAL;
    memset(ret_address, 0, sizeof *ret_address);
    ret_address->sun_family = AF_UNIX;
    memcpy(ret_address->sun_path, text, length);
    if (abstract)
        ret_address->sun_path[0] = '\0';
    return (int)(offsetof(struct sockaddr_un, sun_path) + length + (abstract ? 0 : 1));
}

/* Sets how long sendto() may wait. SO_SNDTIMEO rounds up to a tick; 0 would mean for ever. */
static int patience_set(int fd, uint64_t patience_ns)
{
    struct timeval patience = {
        .tv_sec = (time_t)(patience_ns / FF_SECOND),
        .tv_usec = (suseconds_t)(patience_ns % FF_SECOND / FF_MICROSECOND),
    };

    return setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience) < 0 ? -errno : 0;
}

/* A handler of the program may interrupt: SA_RESTART does nothing for a send with a time limit. */
static int datagram_send(int fd, const struct sockaddr_un *address, socklen_t address_length,
                         const char *state, int flags)
{
    ssize_t sent;

    do
        sent = sendto(fd, state, strlen(state), flags | MSG_NOSIGNAL,
                      (const struct sockaddr *)address, address_length);
    while (sent < 0 && errno == EINTR);
    return sent < 0 ? -errno : 1;
}

static int message_send(const struct sockaddr_un *address, socklen_t address_length,
                        const char *state, uint64_t patience_ns)
{
    bool patient = patience_ns >= FF_MICROSECOND;
    int rc = 0, fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -errno;
    if (patient)
        rc = patience_set(fd, patience_ns);
    if (rc == 0)
        rc = datagram_send(fd, address, address_length, state, patient ? 0 : MSG_DONTWAIT);
    close(fd);
    return rc;
}

int ff__notify_send(const char *state, uint64_t patience_ns)
{
    const char *manager = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address;
    int length;

    if (!ff__name_ok(state))
        return -EINVAL;
    if (!ff__name_ok(manager))
        return 0;
    length = address_make(&address, manager);
    if (length < 0)
        return length;
    return message_send(&address, (socklen_t)length, state, patience_ns);
}

int ff_notify(const char *state)
{
    return ff__notify_send(state, /* patience_ns= */ 0);
}
