/* The kernel's answers, rebuilt byte by byte, and the real kernel's own. */
#include "device/interfaces.h"

#include "base/core/buffer.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <errno.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>
#include <cmocka.h>

static struct buffer answer;

static int set_up(void **state)
{
    (void)state;
    answer = buffer_init(64 << 10);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    buffer_free(&answer);
    return 0;
}

/* Appends and pads to four bytes, as the kernel does. */
static void put(const void *data, size_t size)
{
    static const char zeros[4] = "";
    assert_int_equal(buffer_append(&answer, data, size), 0);
    assert_int_equal(buffer_append(&answer, zeros, (4 - size % 4) % 4), 0);
}

/* Begins a message; end_message() writes its length. */
static size_t begin_message(uint16_t type, uint16_t flags)
{
    size_t at = answer.size;
    struct nlmsghdr head = {.nlmsg_type = type, .nlmsg_flags = flags};
    put(&head, sizeof(head));
    return at;
}

static void end_message(size_t at)
{
    uint32_t size = (uint32_t)(answer.size - at);
    memcpy(answer.data + at, &size, sizeof(size));
}

static void put_attribute(uint16_t type, const void *data, size_t size)
{
    struct rtattr head = {.rta_type = type, .rta_len = (uint16_t)(sizeof(head) + size)};
    assert_int_equal(buffer_append(&answer, &head, sizeof(head)), 0);
    put(data, size);
}

static void put_address(uint8_t family, const char *text, uint32_t flags, uint16_t type)
{
    struct lanname_address address;
    struct ifaddrmsg head = {.ifa_family = family, .ifa_index = 2};
    assert_true(lanname_address_parse(text, &address));
    size_t at = begin_message(RTM_NEWADDR, NLM_F_MULTI);
    put(&head, sizeof(head));
    put_attribute(type, address.octets, family == AF_INET ? 4 : 16);
    put_attribute(IFA_FLAGS, &flags, sizeof(flags));
    end_message(at);
}

static void put_link(unsigned index, const char *name, const char *kind, unsigned flags,
                     uint8_t state)
{
    struct ifinfomsg head = {.ifi_index = (int)index, .ifi_flags = flags};
    size_t at = begin_message(RTM_NEWLINK, NLM_F_MULTI);
    put(&head, sizeof(head));
    put_attribute(IFLA_IFNAME, name, strlen(name) + 1);
    put_attribute(IFLA_OPERSTATE, &state, 1);
    size_t info = answer.size;
    put_attribute(IFLA_LINKINFO | NLA_F_NESTED, "", 0);
    put_attribute(IFLA_INFO_KIND, kind, strlen(kind) + 1);
    uint16_t size = (uint16_t)(answer.size - info);
    memcpy(answer.data + info, &size, sizeof(size));
    end_message(at);
}

static int take(struct interfaces *interfaces, bool *ret_more)
{
    return interfaces_take(interfaces, answer.data, answer.size, ret_more);
}

static void test_addresses(void **state)
{
    (void)state;
    struct interfaces interfaces = {.count = 0};
    bool more = false;
    put_address(AF_INET, "192.168.1.51", IFA_F_PERMANENT, IFA_LOCAL);
    put_address(AF_INET, "192.168.1.52", IFA_F_SECONDARY, IFA_LOCAL);
    put_address(AF_INET6, "fd12::1", IFA_F_PERMANENT, IFA_ADDRESS);
    put_address(AF_INET6, "fd12::2", IFA_F_TEMPORARY, IFA_ADDRESS);
    put_address(AF_INET6, "fd12::3", IFA_F_TENTATIVE, IFA_ADDRESS);
    put_address(AF_INET6, "fd12::4", IFA_F_DEPRECATED, IFA_ADDRESS);
    put_address(AF_INET6, "fd12::5", IFA_F_DADFAILED | IFA_F_PERMANENT, IFA_ADDRESS);
    put_address(AF_INET6, "fe80::1", IFA_F_PERMANENT, IFA_ADDRESS);
    put_address(AF_INET6, "2a01::1", IFA_F_PERMANENT, IFA_ADDRESS);
    put_address(AF_INET, "203.0.114.7", IFA_F_PERMANENT, IFA_LOCAL);
    put_address(AF_INET, "127.0.0.1", IFA_F_PERMANENT, IFA_LOCAL);
    assert_int_equal(take(&interfaces, &more), 0);
    assert_true(more);
    assert_int_equal(interfaces.address_count, 3);
    assert_int_equal(interfaces.addresses[0].address.octets[3], 51);
    assert_false(interfaces.addresses[0].is_secondary);
    assert_true(interfaces.addresses[1].is_secondary);
    assert_int_equal(interfaces.addresses[2].address.family, 6);
    assert_int_equal(interfaces.addresses[2].index, 2);
}

/* Of a point-to-point link IFA_ADDRESS is the peer's. */
static void test_the_peer_is_not_us(void **state)
{
    (void)state;
    static const uint8_t own[4] = {10, 0, 0, 1};
    static const uint8_t peer[4] = {10, 0, 0, 2};
    struct interfaces interfaces = {.count = 0};
    struct ifaddrmsg head = {.ifa_family = AF_INET, .ifa_index = 4};
    bool more = true;
    size_t at = begin_message(RTM_NEWADDR, 0);
    put(&head, sizeof(head));
    put_attribute(IFA_LOCAL, own, 4);
    put_attribute(IFA_ADDRESS, peer, 4);
    end_message(at);
    at = begin_message(RTM_NEWADDR, 0);
    put(&head, sizeof(head));
    put_attribute(IFA_ADDRESS, peer, 4);
    put_attribute(IFA_LOCAL, own, 4);
    end_message(at);
    assert_int_equal(take(&interfaces, &more), 0);
    assert_false(more);
    assert_int_equal(interfaces.address_count, 2);
    assert_int_equal(interfaces.addresses[0].address.octets[3], 1);
    assert_int_equal(interfaces.addresses[1].address.octets[3], 1);
}

static void test_links(void **state)
{
    (void)state;
    struct interfaces interfaces = {.address_count = 3};
    bool more = false;
    interfaces.addresses[0].index = 2;
    interfaces.addresses[1].index = 3;
    interfaces.addresses[2].index = 4;
    put_link(1, "eth9", "veth", IFF_UP, IF_OPER_UP); /* has no address */
    put_link(2, "br-lan", "bridge", IFF_UP | IFF_LOWER_UP, IF_OPER_UP);
    put_link(3, "wg0", "wireguard", IFF_UP | IFF_LOWER_UP | IFF_POINTOPOINT,
             IF_OPER_UNKNOWN);
    put_link(4, "wlan0", "", IFF_UP | IFF_LOWER_UP, IF_OPER_DORMANT);
    assert_int_equal(take(&interfaces, &more), 0);
    assert_int_equal(interfaces.count, 3);
    assert_string_equal(interfaces.at[0].name, "br-lan");
    assert_string_equal(interfaces.at[0].kind, "bridge");
    assert_true(interfaces.at[0].has_carrier && interfaces.at[0].is_up);
    assert_true(interfaces.at[1].is_point_to_point && interfaces.at[1].has_carrier);
    assert_false(interfaces.at[2].has_carrier);
}

static void test_what_the_limits_do_not_hold(void **state)
{
    (void)state;
    struct interfaces interfaces = {.count = 0};
    bool more = false;
    for (int i = 0; i < LIMIT_DEVICE_INTERFACE_ADDRESSES + 10; i++) {
        put_address(AF_INET, "10.0.0.1", 0, IFA_LOCAL);
    }
    for (int i = 0; i < LIMIT_DEVICE_INTERFACES + 10; i++) {
        put_link(2, "eth0", "", IFF_UP, IF_OPER_UP);
    }
    assert_int_equal(take(&interfaces, &more), 0);
    assert_int_equal(interfaces.address_count, LIMIT_DEVICE_INTERFACE_ADDRESSES);
    assert_int_equal(interfaces.count, LIMIT_DEVICE_INTERFACES);
}

static void test_ends_and_errors(void **state)
{
    (void)state;
    struct interfaces interfaces = {.count = 0};
    bool more = true;
    int status = 0;
    size_t at = begin_message(NLMSG_DONE, NLM_F_MULTI);
    put(&status, sizeof(status));
    end_message(at);
    assert_int_equal(take(&interfaces, &more), 0);
    assert_false(more);

    answer.size = 0;
    struct nlmsgerr error = {.error = -ENETUNREACH};
    at = begin_message(NLMSG_ERROR, 0);
    put(&error, sizeof(error));
    end_message(at);
    assert_int_equal(take(&interfaces, &more), ERROR_IO);
    assert_int_equal(errno, ENETUNREACH);

    answer.size = 0;
    at = begin_message(RTM_NEWADDR, NLM_F_MULTI | NLM_F_DUMP_INTR);
    end_message(at);
    assert_int_equal(take(&interfaces, &more), ERROR_BUSY);
}

/* Cut anywhere, an answer is taken as far as it goes or refused, and never read beyond. */
static void test_cut_answers(void **state)
{
    (void)state;
    put_address(AF_INET, "192.168.1.51", 0, IFA_LOCAL);
    put_link(2, "eth0", "veth", IFF_UP, IF_OPER_UP);
    for (size_t size = 1; size < answer.size; size++) {
        struct interfaces interfaces = {.count = 0};
        bool more = false;
        struct buffer cut = buffer_init(answer.size);
        assert_int_equal(buffer_append(&cut, answer.data, size), 0);
        int error = interfaces_take(&interfaces, cut.data, cut.size, &more);
        assert_true(error == 0 || error == ERROR_SYNTAX);
        buffer_free(&cut);
    }
}

static void test_the_kernel_answers(void **state)
{
    (void)state;
    struct interfaces interfaces;
    assert_int_equal(interfaces_read(&interfaces), 0);
    for (size_t i = 0; i < interfaces.address_count; i++) {
        bool known = false;
        for (size_t j = 0; j < interfaces.count; j++) {
            known = known || interfaces.at[j].index == interfaces.addresses[i].index;
        }
        assert_true(known);
    }
    for (size_t i = 0; i < interfaces.count; i++) {
        assert_true(interfaces.at[i].name[0] != '\0');
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_addresses, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_peer_is_not_us, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_links, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_the_limits_do_not_hold, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_ends_and_errors, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_cut_answers, set_up, tear_down),
        cmocka_unit_test(test_the_kernel_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
