#include "base/net/address.h"

#include "base/core/text.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>
/* After the standard headers it needs. */
#include <cmocka.h>

struct row {
    const char *text;
    uint16_t default_port;
    int error;
    const char *expect;
    const char *host;
};

static void test_parse(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"192.0.2.1:53", 0, 0, "192.0.2.1:53", "192.0.2.1"},
        {"192.0.2.1", 53, 0, "192.0.2.1:53", "192.0.2.1"},
        {"127.0.0.1:0", 53, 0, "127.0.0.1:0", "127.0.0.1"},
        {"[2001:DB8:0::1]:65535", 0, 0, "[2001:db8::1]:65535", "2001:db8::1"},
        {"[::1]", 443, 0, "[::1]:443", "::1"},
        {"2001:db8::1", 53, 0, "[2001:db8::1]:53", "2001:db8::1"},
        {":53", 0, 0, "[::]:53", "::"},
        {"/run/latchkey/x.sock", 0, 0, "/run/latchkey/x.sock", ""},
        {"192.0.2.1", 0, ERROR_SYNTAX, NULL, NULL},
        {"[::1]", 0, ERROR_SYNTAX, NULL, NULL},
        {"", 53, ERROR_SYNTAX, NULL, NULL},
        {"192.0.2.1:", 53, ERROR_SYNTAX, NULL, NULL},
        {"192.0.2.1:x", 53, ERROR_SYNTAX, NULL, NULL},
        {"192.0.2.1:-1", 53, ERROR_SYNTAX, NULL, NULL},
        {"192.0.2.1: 53", 53, ERROR_SYNTAX, NULL, NULL},
        {"192.0.2.1:65536", 53, ERROR_RANGE, NULL, NULL},
        {"192.0.2.256:53", 53, ERROR_SYNTAX, NULL, NULL},
        {"192.0.2:53", 53, ERROR_SYNTAX, NULL, NULL},
        {"localhost:53", 53, ERROR_SYNTAX, NULL, NULL},
        {"[192.0.2.1]:53", 53, ERROR_SYNTAX, NULL, NULL},
        {"[::1]53", 53, ERROR_SYNTAX, NULL, NULL},
        {"[::1", 53, ERROR_SYNTAX, NULL, NULL},
        {"[]:53", 53, ERROR_SYNTAX, NULL, NULL},
        {"::1]:53", 53, ERROR_SYNTAX, NULL, NULL},
        {"fe80::1%lo:53", 53, ERROR_SYNTAX, NULL, NULL},
        {"1:2:3:4:5:6:7:8:9:10:11:12:13:14:15:16:17:18:19:20", 53, ERROR_SYNTAX, NULL,
         NULL},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct address address = {.size = 77};
        char text[ADDRESS_TEXT_CAPACITY];
        int error = address_parse(rows[i].text, rows[i].default_port, &address);
        if (error != rows[i].error) {
            fail_msg("'%s': %d, not %d", rows[i].text, error, rows[i].error);
        }
        if (error != 0) {
            assert_int_equal(address.size, 77);
            continue;
        }
        address_text(&address, text);
        assert_string_equal(text, rows[i].expect);
        address_host_text(&address, text);
        assert_string_equal(text, rows[i].host);
    }
}

static void test_long_path(void **state)
{
    (void)state;
    char path[sizeof(((struct sockaddr_un *)NULL)->sun_path) + 2];
    struct address address;
    memset(path, 'x', sizeof(path));
    path[0] = '/';
    path[sizeof(path) - 1] = '\0';
    assert_int_equal(address_parse(path, 0, &address), ERROR_RANGE);
    path[sizeof(path) - 3] = '\0';
    assert_int_equal(address_parse(path, 0, &address), 0);
}

static void test_port(void **state)
{
    (void)state;
    struct address address;
    assert_int_equal(address_parse("[::1]:53", 0, &address), 0);
    assert_int_equal(address_port(&address), 53);
    address_set_port(&address, 5353);
    assert_int_equal(address_port(&address), 5353);
    assert_int_equal(address_parse("/x", 0, &address), 0);
    address_set_port(&address, 1);
    assert_int_equal(address_port(&address), 0);
}

static void test_unmap(void **state)
{
    (void)state;
    struct address address;
    char text[ADDRESS_TEXT_CAPACITY];
    assert_int_equal(address_parse("[::ffff:192.0.2.1]:53", 0, &address), 0);
    address_unmap(&address);
    address_text(&address, text);
    assert_string_equal(text, "192.0.2.1:53");
    assert_int_equal(address.size, sizeof(struct sockaddr_in));
    address_unmap(&address);
    address_text(&address, text);
    assert_string_equal(text, "192.0.2.1:53");
    assert_int_equal(address_parse("[2001:db8::1]:53", 0, &address), 0);
    address_unmap(&address);
    address_text(&address, text);
    assert_string_equal(text, "[2001:db8::1]:53");
    assert_int_equal(address_parse("/run/x", 0, &address), 0);
    address_unmap(&address);
    address_text(&address, text);
    assert_string_equal(text, "/run/x");
}

static void listen_on(const char *text, int *ret_fd, struct address *ret_bound)
{
    struct address address;
    ret_bound->size = sizeof(ret_bound->storage);
    assert_int_equal(address_parse(text, 0, &address), 0);
    assert_int_equal(address_listen(&address, 8, ret_fd), 0);
    assert_int_equal(
        getsockname(*ret_fd, (struct sockaddr *)&ret_bound->storage, &ret_bound->size),
        0);
}

static void test_listen_tcp(void **state)
{
    (void)state;
    int fd = -1;
    int on = 0;
    socklen_t size = sizeof(on);
    struct address bound;
    listen_on("127.0.0.1:0", &fd, &bound);
    assert_true(address_port(&bound) != 0);
    assert_true((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
    assert_true((fcntl(fd, F_GETFL) & O_NONBLOCK) != 0);
    assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, &size), 0);
    assert_int_equal(on, 1);
    /* The same port again is the system's no, and errno says which. */
    int second = -1;
    assert_int_equal(address_listen(&bound, 8, &second), ERROR_IO);
    assert_int_equal(errno, EADDRINUSE);
    assert_int_equal(second, -1);
    close(fd);
}

static void test_listen_everywhere_takes_ipv4(void **state)
{
    (void)state;
    int fd = -1;
    struct address bound;
    struct address loopback;
    listen_on(":0", &fd, &bound);
    assert_int_equal(address_parse("127.0.0.1:1", 0, &loopback), 0);
    address_set_port(&loopback, address_port(&bound));
    int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(client, (struct sockaddr *)&loopback.storage, loopback.size),
                     0);
    close(client);
    close(fd);
}

static void test_listen_unix(void **state)
{
    (void)state;
    char folder[] = "/tmp/latchkey-address-XXXXXX";
    char path[64];
    int fd = -1;
    int second = -1;
    struct address bound;
    struct address address;
    assert_non_null(mkdtemp(folder));
    assert_true(text_format(path, sizeof(path), "%s/s", folder));
    assert_int_equal(address_parse(path, 0, &address), 0);
    listen_on(path, &fd, &bound);
    /* A live one is left alone. */
    assert_int_equal(address_listen(&address, 8, &second), ERROR_IO);
    assert_int_equal(errno, EADDRINUSE);
    /* A stale one is replaced. */
    close(fd);
    assert_int_equal(address_listen(&address, 8, &fd), 0);
    close(fd);
    assert_int_equal(unlink(path), 0);
    /* A file of another kind is not ours to remove. */
    fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(address_listen(&address, 8, &fd), ERROR_IO);
    assert_int_equal(errno, EADDRINUSE);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(folder), 0);
}

static void test_unnamed_peer(void **state)
{
    (void)state;
    struct address address = {.size = sizeof(sa_family_t)};
    char text[ADDRESS_TEXT_CAPACITY];
    address.storage.ss_family = AF_UNIX;
    address_text(&address, text);
    assert_string_equal(text, "local");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_long_path),
        cmocka_unit_test(test_port),
        cmocka_unit_test(test_unmap),
        cmocka_unit_test(test_listen_tcp),
        cmocka_unit_test(test_listen_everywhere_takes_ipv4),
        cmocka_unit_test(test_listen_unix),
        cmocka_unit_test(test_unnamed_peer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
