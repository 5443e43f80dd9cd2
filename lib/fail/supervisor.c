/* Termination log and sd_notify. See supervisor.h. */
#include "fail/supervisor.h"

#include "base/compiler.h"
#include "base/fmt.h"
#include "fail/raw.h"
#include "fail/sink.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#define LOG_BYTES 4096

static const char *log_path = "/dev/termination-log";
static struct sockaddr_un address;
static long address_length; /* 0: nobody to notify. */

void ff__supervisor_init(void)
{
    const char *path = getenv("NOTIFY_SOCKET");
    size_t length = path ? strlen(path) : 0;

    address_length = 0;
    if (length < 2 || length >= sizeof address.sun_path || (path[0] != '/' && path[0] != '@'))
        return;
    memset(&address, 0, sizeof address);
    address.sun_family = AF_UNIX;
    memcpy(address.sun_path, path, length);
    if (path[0] == '@') /* An abstract address: its name begins with NUL, and has no end. */
        address.sun_path[0] = '\0';
    address_length = (long)(offsetof(struct sockaddr_un, sun_path) + length);
}

void ff__supervisor_set_log(const char *path)
{
    log_path = path;
}

/* AS-safe. */
static void write_log(const char *text, size_t length)
{
    struct ff__sink sink;
    int fd = ff__raw_open(log_path, O_WRONLY | O_TRUNC | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);

    if (fd < 0)
        return;
    ff__sink_init(&sink, fd);
    ff__sink_write(&sink, text, length < LOG_BYTES ? length : LOG_BYTES);
    ff__raw_close(fd);
}

/* AS-safe. A datagram is sent whole or not at all; it never waits. */
static void send_datagram(const char *text, size_t length)
{
    struct iovec part = {(void *)(uintptr_t)text, length};
    struct msghdr message = {.msg_name = &address,
                             .msg_namelen = (socklen_t)address_length,
                             .msg_iov = &part,
                             .msg_iovlen = 1};
    long fd =
        ff__raw(SYS_socket, AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, /* any */ 0, 0, 0);

    if (fd < 0)
        return;
    ff__raw(SYS_sendmsg, fd, FF__RAW_PTR(&message), MSG_NOSIGNAL | MSG_DONTWAIT, 0, 0);
    ff__raw_close((int)fd);
}

/* AS-safe. */
static void notify(const char *text, size_t length, int error)
{
    static char buffer[512];
    const char *end = memchr(text, '\n', length);
    struct ff__fmt fmt;

    ff__fmt_init(&fmt, buffer, sizeof buffer - 32); /* ERRNO= shall always fit. */
    ff__fmt_str(&fmt, "STATUS=");
    ff__fmt_bytes(&fmt, text, end ? (size_t)(end - text) : length);
    fmt.capacity = sizeof buffer;
    fmt.truncated = false;
    if (error > 0) {
        ff__fmt_str(&fmt, "\nERRNO=");
        ff__fmt_i64(&fmt, error);
    }
    send_datagram(buffer, fmt.used);
}

/* AS-safe. */
void ff__supervisor_tell(const char *text, size_t length, int error)
{
    static bool notified; /* The log is written again when there is more to say. */

    write_log(text, length);
    if (address_length > 0 && !notified) {
        notified = true;
        notify(text, length, error);
    }
}
