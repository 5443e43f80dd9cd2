/* The sd_notify protocol, against a real datagram socket. */
#include "runner.h"
#include "service/notify.h"

#include <failfast/service.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static int manager_fd = -1;
static struct sockaddr_un manager;
static char directory[64];

static void manager_bind(socklen_t length)
{
    manager_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(manager_fd, 0);
    ck_assert_int_eq(bind(manager_fd, (struct sockaddr *)&manager, length), 0);
}

/* A socket with a path of exactly that many bytes, the NUL not counted. */
static void manager_at_path(size_t length)
{
    char text[sizeof manager.sun_path] = "";

    strcpy(directory, "/tmp/test_notify.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
    memset(text, 'n', length);
    memcpy(text, directory, strlen(directory));
    text[strlen(directory)] = '/';
    manager = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(manager.sun_path, text, length);
    manager_bind(sizeof manager);
    setenv("NOTIFY_SOCKET", text, 1);
}

static void manager_forget(void)
{
    unlink(manager.sun_path);
    rmdir(directory);
    close(manager_fd);
}

/* An abstract name of exactly that many bytes, the '@' counted. */
static void manager_abstract(size_t length)
{
    char text[sizeof manager.sun_path + 1];

    memset(text, 'n', length);
    text[length] = '\0';
    text[0] = '@';
    snprintf(text + 1, 16, "%014d", getpid());
    text[15] = 'n';
    manager = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(manager.sun_path + 1, text + 1, length - 1);
    manager_bind((socklen_t)(offsetof(struct sockaddr_un, sun_path) + length));
    setenv("NOTIFY_SOCKET", text, 1);
}

static void expect_message(const char *expected)
{
    char text[256] = "";
    ssize_t length = recv(manager_fd, text, sizeof text - 1, MSG_DONTWAIT);

    ck_assert_int_eq(length, (ssize_t)strlen(expected));
    ck_assert_str_eq(text, expected);
}

static void expect_no_message(void)
{
    char byte;

    ck_assert_int_lt(recv(manager_fd, &byte, 1, MSG_DONTWAIT), 0);
    ck_assert_int_eq(errno, EAGAIN);
}

START_TEST(notify_sends_exactly_the_state_to_a_socket_path)
{
    manager_at_path(60);
    ck_assert_int_eq(ff_notify("READY=1"), 1);
    ck_assert_int_eq(ff_notify("STATUS=two\nERRNO=2"), 1);
    expect_message("READY=1");
    expect_message("STATUS=two\nERRNO=2");
    expect_no_message();
    manager_forget();
}
END_TEST

START_TEST(notify_sends_to_an_abstract_socket)
{
    manager_abstract(40);
    ck_assert_int_eq(ff_notify("STOPPING=1"), 1);
    expect_message("STOPPING=1");
    expect_no_message();
}
END_TEST

START_TEST(notify_uses_addresses_of_full_length)
{
    manager_abstract(sizeof manager.sun_path);
    ck_assert_int_eq(ff_notify("A=1"), 1);
    expect_message("A=1");
    close(manager_fd);
    manager_at_path(sizeof manager.sun_path - 1);
    ck_assert_int_eq(ff_notify("B=1"), 1);
    expect_message("B=1");
    manager_forget();
}
END_TEST

START_TEST(notify_does_nothing_without_notify_socket)
{
    unsetenv("NOTIFY_SOCKET");
    ck_assert_int_eq(ff_notify("READY=1"), 0);
    setenv("NOTIFY_SOCKET", "", 1);
    ck_assert_int_eq(ff_notify("READY=1"), 0);
}
END_TEST

START_TEST(notify_refuses_a_missing_or_empty_state)
{
    manager_abstract(40);
    ck_assert_int_eq(ff_notify(NULL), -EINVAL);
    ck_assert_int_eq(ff_notify(""), -EINVAL);
    expect_no_message();
    unsetenv("NOTIFY_SOCKET");
    ck_assert_int_eq(ff_notify(NULL), -EINVAL);
    ck_assert_int_eq(ff_notify(""), -EINVAL);
}
END_TEST

START_TEST(notify_refuses_a_malformed_address)
{
    static const char *const malformed[] = {"relative/path", "/", "@", "vsock:2:1", " /run/x"};
    char text[sizeof manager.sun_path + 2];

    for (size_t i = 0; i < sizeof malformed / sizeof *malformed; i++) {
        setenv("NOTIFY_SOCKET", malformed[i], 1);
        ck_assert_int_eq(ff_notify("READY=1"), -EINVAL);
    }
    memset(text, 'n', sizeof text);
    text[0] = '/';
    text[sizeof manager.sun_path] = '\0'; /* One byte more than a path may have. */
    setenv("NOTIFY_SOCKET", text, 1);
    ck_assert_int_eq(ff_notify("READY=1"), -EINVAL);
    text[0] = '@';
    text[sizeof manager.sun_path] = 'n'; /* One byte more than an abstract name may have. */
    text[sizeof manager.sun_path + 1] = '\0';
    setenv("NOTIFY_SOCKET", text, 1);
    ck_assert_int_eq(ff_notify("READY=1"), -EINVAL);
}
END_TEST

START_TEST(notify_returns_the_errno_of_a_socket_nobody_listens_on)
{
    setenv("NOTIFY_SOCKET", "/nonexistent/notify", 1);
    ck_assert_int_eq(ff_notify("READY=1"), -ENOENT);
    manager_abstract(40);
    close(manager_fd);
    ck_assert_int_eq(ff_notify("READY=1"), -ECONNREFUSED);
}
END_TEST

START_TEST(notify_returns_emfile_without_a_free_descriptor_and_recovers)
{
    struct rlimit former, none;

    manager_abstract(40);
    getrlimit(RLIMIT_NOFILE, &former);
    none = former;
    none.rlim_cur = 0;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    ck_assert_int_eq(ff_notify("READY=1"), -EMFILE);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &former), 0);
    ck_assert_int_eq(ff_notify("READY=1"), 1);
    expect_message("READY=1");
}
END_TEST

static unsigned manager_fill(void)
{
    unsigned sent = 0;
    int rc;

    while ((rc = ff_notify("X=1")) == 1)
        sent++;
    ck_assert_int_eq(rc, -EAGAIN);
    return sent;
}

START_TEST(notify_never_waits_for_a_manager_that_does_not_read)
{
    unsigned sent;

    manager_abstract(40);
    sent = manager_fill();
    ck_assert_uint_gt(sent, 0);
    while (sent-- > 0)
        expect_message("X=1");
    expect_no_message();
}
END_TEST

START_TEST(notify_send_gives_up_when_its_patience_ends)
{
    manager_abstract(40);
    manager_fill();
    ck_assert_int_eq(ff__notify_send("READY=1", 10 * FF_MILLISECOND), -EAGAIN);
    expect_message("X=1");
    ck_assert_int_eq(ff__notify_send("READY=1", 10 * FF_SECOND), 1);
}
END_TEST

START_TEST(notify_leaves_no_descriptor_open)
{
    int before, after;

    manager_abstract(40);
    before = open("/dev/null", O_RDONLY | O_CLOEXEC);
    ck_assert_int_ge(before, 0);
    close(before);
    ck_assert_int_eq(ff_notify("READY=1"), 1);
    setenv("NOTIFY_SOCKET", "/nonexistent/notify", 1);
    ck_assert_int_lt(ff_notify("READY=1"), 0);
    after = open("/dev/null", O_RDONLY | O_CLOEXEC);
    ck_assert_int_eq(after, before);
    close(after);
}
END_TEST

FF_TEST_MAIN("notify", 10, notify_sends_exactly_the_state_to_a_socket_path,
             notify_sends_to_an_abstract_socket, notify_uses_addresses_of_full_length,
             notify_does_nothing_without_notify_socket, notify_refuses_a_missing_or_empty_state,
             notify_refuses_a_malformed_address,
             notify_returns_the_errno_of_a_socket_nobody_listens_on,
             notify_returns_emfile_without_a_free_descriptor_and_recovers,
             notify_never_waits_for_a_manager_that_does_not_read,
             notify_send_gives_up_when_its_patience_ends, notify_leaves_no_descriptor_open)
