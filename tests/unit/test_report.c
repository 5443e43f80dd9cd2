/* What a report is made of: places in code, bounded writing, the page, the supervisors. */
#include "runner.h"

#include "fail/module.h"
#include "fail/page.h"
#include "fail/sink.h"
#include "fail/supervisor.h"
#include "sys/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static const char *place(uintptr_t pc)
{
    static char text[256];
    struct ff__fmt fmt;

    ff__fmt_init(&fmt, text, sizeof text);
    ff__module_write_place(&fmt, pc);
    return text;
}

START_TEST(module_place_names_the_file_and_its_build_id)
{
    const char *text;

    ff__modules_load();
    text = place((uintptr_t)place);
    ck_assert_ptr_eq(strstr(text, "test_report+0x"), text);
    ck_assert_ptr_nonnull(strstr(text, " ("));
    ck_assert_uint_eq(strlen(strstr(text, " (")), 2 + 16 + 1);
    ck_assert_ptr_nonnull(strstr(place((uintptr_t)getauxval), ".so"));
    ck_assert_str_eq(place(0x10), "0x10");
}
END_TEST

START_TEST(module_executable_knows_code_from_data_and_nothing)
{
    static char data[16];

    ff__modules_load();
    ck_assert(ff__module_executable((uintptr_t)place));
    ck_assert(!ff__module_executable((uintptr_t)data));
    ck_assert(!ff__module_executable((uintptr_t)&data));
    ck_assert(!ff__module_executable(0));
    ck_assert(!ff__module_executable(UINTPTR_MAX));
}
END_TEST

START_TEST(module_table_keeps_the_files_among_thousands_of_code_pieces)
{
    const size_t page = 4096, count = 3000;
    char *area = mmap(NULL, count * page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    ck_assert_ptr_ne(area, MAP_FAILED);
    for (size_t i = 0; i < count; i += 2)
        ck_assert_int_eq(mprotect(area + i * page, page, PROT_READ | PROT_EXEC), 0);
    ff__modules_load();
    ck_assert_ptr_nonnull(strstr(place((uintptr_t)place), "test_report+0x"));
    ck_assert_ptr_nonnull(strstr(place((uintptr_t)getauxval), ".so"));
    ck_assert(ff__module_executable((uintptr_t)(area + (count - 2) * page)));
    munmap(area, count * page);
}
END_TEST

START_TEST(sink_writes_everything_to_a_reader)
{
    static char text[10000], got[sizeof text];
    struct ff__sink sink;
    size_t length = 0;
    int fds[2];

    memset(text, 'x', sizeof text);
    ck_assert_int_eq(pipe(fds), 0);
    ff__sink_init(&sink, fds[1]);
    ff__sink_write(&sink, text, sizeof text);
    ck_assert(!sink.dead);
    while (length < sizeof text) {
        ssize_t n = read(fds[0], got + length, sizeof got - length);

        ck_assert_int_gt(n, 0);
        length += (size_t)n;
    }
    ck_assert_mem_eq(text, got, sizeof text);
    close(fds[0]);
    close(fds[1]);
}
END_TEST

START_TEST(sink_gives_a_full_pipe_its_budget_once)
{
    static const char zeros[4096];
    struct ff__sink sink;
    uint64_t start, took;
    int fds[2];

    ck_assert_int_eq(pipe2(fds, O_NONBLOCK), 0);
    while (write(fds[1], zeros, sizeof zeros) > 0)
        ;
    ck_assert_int_eq(fcntl(fds[1], F_SETFL, 0), 0);
    ff__sink_init(&sink, fds[1]);
    start = ff__clock_now();
    ff__sink_write(&sink, "x", 1);
    ff__sink_write(&sink, "y", 1);
    took = ff__clock_now() - start;
    ck_assert(sink.dead);
    ck_assert_uint_ge(took, FF__SINK_BUDGET_NS);
    ck_assert_uint_lt(took, FF__SINK_BUDGET_NS * (uint64_t)(2 * ff_test_slow()));
    close(fds[0]);
    close(fds[1]);
}
END_TEST

START_TEST(sink_leaves_no_sigpipe_and_no_errno_behind)
{
    struct ff__sink sink;
    sigset_t pending;
    int fds[2];

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    close(fds[0]);
    errno = 77;
    ff__sink_init(&sink, fds[1]);
    ff__sink_write(&sink, "x", 1); /* A SIGPIPE would end this process. */
    ff__sink_init(&sink, -1);
    ff__sink_write(&sink, "x", 1);
    ck_assert(sink.dead);
    ck_assert_int_eq(errno, 77);
    ck_assert_int_eq(sigpending(&pending), 0);
    ck_assert(!sigismember(&pending, SIGPIPE));
    close(fds[1]);
}
END_TEST

START_TEST(page_keeps_its_head_and_never_loses_its_end)
{
    static char block[8192];
    const char *head;
    size_t length, total = 0;
    char path[] = "/tmp/failfast-page-XXXXXX";
    int fd = mkstemp(path), saved = dup(STDERR_FILENO);
    char tail[4];

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(dup2(fd, STDERR_FILENO), STDERR_FILENO);
    memset(block, 'b', sizeof block - 1);
    ff__fmt_str(ff__page(), "head");
    for (int i = 0; i < 20; i++) {
        ff__fmt_str(ff__page(), block);
        total += sizeof block - 1;
        ff__page_flush();
    }
    ff__fmt_str(ff__page(), "end");
    ff__page_flush();
    dup2(saved, STDERR_FILENO);
    ck_assert_int_eq(lseek(fd, 0, SEEK_END), (off_t)(4 + total + 3));
    ck_assert_int_eq(pread(fd, tail, 3, (off_t)(4 + total)), 3);
    ck_assert_mem_eq(tail, "end", 3);
    head = ff__page_head(&length);
    ck_assert_uint_eq(length, 4096);
    ck_assert_mem_eq(head, "headbbbb", 8);
    close(fd);
    unlink(path);
}
END_TEST

START_TEST(supervisor_gets_the_head_in_the_log_and_one_line_by_notify)
{
    static char text[5000], got[5000];
    char log[] = "/tmp/failfast-log-XXXXXX", name[64];
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = mkstemp(log), receiver = socket(AF_UNIX, SOCK_DGRAM, 0), length;
    ssize_t n;

    length = snprintf(name, sizeof name, "@failfast-test-%d", (int)getpid());
    memcpy(address.sun_path + 1, name + 1, (size_t)length - 1);
    ck_assert_int_eq(bind(receiver, (void *)&address,
                          (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)length)),
                     0);
    ck_assert_int_eq(setenv("NOTIFY_SOCKET", name, 1), 0);
    memset(text, 't', sizeof text);
    memcpy(text, "verdict\n", 8);
    ff__supervisor_init();
    ff__supervisor_set_log(log);
    ff__supervisor_tell(text, sizeof text, EIO);
    ck_assert_int_eq(pread(fd, got, sizeof got, 0), 4096);
    ck_assert_mem_eq(got, text, 4096);
    n = recv(receiver, got, sizeof got, MSG_DONTWAIT);
    ck_assert_int_gt(n, 0);
    got[n] = '\0';
    ck_assert_str_eq(got, "STATUS=verdict\nERRNO=5");
    close(receiver);
    close(fd);
    unlink(log);
}
END_TEST

FF_TEST_MAIN("report", 10, module_place_names_the_file_and_its_build_id,
             module_executable_knows_code_from_data_and_nothing,
             module_table_keeps_the_files_among_thousands_of_code_pieces,
             sink_writes_everything_to_a_reader, sink_gives_a_full_pipe_its_budget_once,
             sink_leaves_no_sigpipe_and_no_errno_behind,
             page_keeps_its_head_and_never_loses_its_end,
             supervisor_gets_the_head_in_the_log_and_one_line_by_notify)
