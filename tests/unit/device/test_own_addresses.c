/* The choice among a machine's addresses, from made-up machines; what this machine has
 * itself is only looked at for what must never be. */
#include "device/own_addresses.h"

#include "base/core/text.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <string.h>
#include <cmocka.h>

static int collect(char **texts, size_t count, struct own_addresses *ret_addresses)
{
    struct conf_texts given = {.at = texts, .count = count};
    struct own_addresses_rules rules = {.addresses = &given};
    return own_addresses_collect(&rules, ret_addresses);
}

/* One interface more; its number is its place. */
static struct interface *link_of(struct interfaces *machine, const char *name,
                                 const char *kind)
{
    struct interface *link = &machine->at[machine->count++];
    *link = (struct interface){.is_up = true, .has_carrier = true};
    link->index = (unsigned)machine->count;
    assert_true(text_copy(link->name, sizeof(link->name), name));
    assert_true(text_copy(link->kind, sizeof(link->kind), kind));
    return link;
}

static void address_of(struct interfaces *machine, unsigned index, const char *text)
{
    struct interface_address *address = &machine->addresses[machine->address_count++];
    *address = (struct interface_address){.index = index};
    assert_true(lanname_address_parse(text, &address->address));
}

static void selected(const struct interfaces *machine,
                     const struct own_addresses_rules *rules,
                     const struct own_addresses *held, const char *expected, bool is_held)
{
    struct own_addresses addresses;
    bool got_held = !is_held;
    char text[512];
    assert_int_equal(own_addresses_select(rules, machine, held, &addresses, &got_held),
                     0);
    own_addresses_text(&addresses, text, sizeof(text));
    assert_string_equal(text, expected);
    assert_int_equal(got_held, is_held);
}

static const struct own_addresses_rules by_default = {.addresses = NULL};

/* A container host with a VPN: the LAN, and nothing but the LAN. */
static void test_virtual_ones_are_left_out(void **state)
{
    (void)state;
    struct interfaces machine = {.count = 0};
    static const struct {
        const char *name, *kind, *address;
    } links[] = {
        {"eth0", "", "192.168.1.51"},
        {"docker0", "bridge", "172.17.0.1"},
        {"br-0123456789ab", "bridge", "172.18.0.1"},
        {"virbr0", "bridge", "192.168.122.1"},
        {"lxdbr0", "bridge", "10.1.1.1"},
        {"veth12ab", "veth", "10.2.2.2"},
        {"wg0", "wireguard", "10.3.3.3"},
        {"tailscale0", "tun", "fd7a:115c:a1e0::1"},
        {"br-lan", "bridge", "192.168.2.1"},
        {"eth0.20", "vlan", "192.168.20.51"},
        {"wlan0", "", "fd12::51"},
    };
    for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++) {
        link_of(&machine, links[i].name, links[i].kind);
        address_of(&machine, (unsigned)machine.count, links[i].address);
    }
    link_of(&machine, "home", "wireguard")->is_point_to_point = true;
    address_of(&machine, (unsigned)machine.count, "10.4.4.4");
    link_of(&machine, "eth9", "")->is_up = false;
    address_of(&machine, (unsigned)machine.count, "10.5.5.5");
    link_of(&machine, "lo", "")->is_loopback = true;
    address_of(&machine, (unsigned)machine.count, "10.6.6.6");
    selected(&machine, &by_default, NULL,
             "192.168.1.51, 192.168.2.1, 192.168.20.51, fd12::51", false);
}

static void test_lists_of_interfaces(void **state)
{
    (void)state;
    struct interfaces machine = {.count = 0};
    link_of(&machine, "eth0", "");
    address_of(&machine, 1, "192.168.1.51");
    link_of(&machine, "docker0", "bridge");
    address_of(&machine, 2, "172.17.0.1");
    link_of(&machine, "eth1", "");
    address_of(&machine, 3, "192.168.2.51");
    char docker[] = "docker0";
    char eths[] = "eth*";
    char bridges[] = "kind:bridge";
    char second[] = "eth1";
    char *named[] = {docker, second};
    char *skipped[] = {eths};
    char *kinds[] = {bridges, second};
    struct conf_texts these = {.at = named, .count = 2};
    struct conf_texts not_these = {.at = skipped, .count = 1};
    struct conf_texts not_those = {.at = kinds, .count = 2};
    struct conf_texts none = {.count = 0};
    /* `interface` wins, over the list and over the default. */
    struct own_addresses_rules rules = {.interfaces = &these, .skipped = &not_these};
    selected(&machine, &rules, NULL, "172.17.0.1, 192.168.2.51", false);
    rules = (struct own_addresses_rules){.interfaces = &none, .skipped = &not_these};
    selected(&machine, &rules, NULL, "172.17.0.1", false);
    rules = (struct own_addresses_rules){.skipped = &not_those};
    selected(&machine, &rules, NULL, "192.168.1.51", false);
    /* A list that is empty by `none` leaves nothing out. */
    rules = (struct own_addresses_rules){.skipped = &none};
    selected(&machine, &rules, NULL, "192.168.1.51, 172.17.0.1, 192.168.2.51", false);
}

/* The kernel's order is by the moment; ours must not be. */
static void test_the_order_is_stable(void **state)
{
    (void)state;
    struct interfaces machine = {.count = 0};
    link_of(&machine, "eth1", "")->index = 3;
    link_of(&machine, "eth0", "")->index = 2;
    address_of(&machine, 2, "fd12::2");
    address_of(&machine, 3, "fd13::2");
    address_of(&machine, 3, "192.168.3.4");
    address_of(&machine, 2, "192.168.2.9");
    machine.addresses[machine.address_count - 1].is_secondary = true;
    address_of(&machine, 2, "192.168.2.51");
    address_of(&machine, 2, "fd12::1");
    address_of(&machine, 3, "192.168.2.51"); /* twice is once */
    selected(&machine, &by_default, NULL,
             "192.168.2.51, 192.168.2.9, fd12::1, fd12::2, 192.168.3.4, fd13::2", false);
    machine.default_index = 3;
    selected(&machine, &by_default, NULL,
             "192.168.2.51, 192.168.3.4, fd13::2, 192.168.2.9, fd12::1, fd12::2", false);
}

static void test_at_most_eight(void **state)
{
    (void)state;
    struct interfaces machine = {.count = 0};
    struct own_addresses addresses;
    bool held = false;
    link_of(&machine, "eth0", "");
    for (int i = 0; i < 20; i++) {
        address_of(&machine, 1, "192.168.1.1");
        machine.addresses[i].address.octets[3] = (uint8_t)(200 - i);
    }
    assert_int_equal(own_addresses_select(&by_default, &machine, NULL, &addresses, &held),
                     0);
    assert_int_equal(addresses.count, LIMIT_DEVICE_ADDRESSES);
    assert_int_equal(addresses.at[0].octets[3], 181);
}

static void test_a_cable_that_is_out(void **state)
{
    (void)state;
    struct interfaces machine = {.count = 0};
    struct own_addresses known;
    bool held = false;
    link_of(&machine, "eth0", "");
    address_of(&machine, 1, "192.168.1.51");
    link_of(&machine, "eth1", "");
    address_of(&machine, 2, "192.168.2.51");
    assert_int_equal(own_addresses_select(&by_default, &machine, NULL, &known, &held), 0);
    machine.at[1].has_carrier = false;
    address_of(&machine, 2, "192.168.2.52"); /* was never known */
    selected(&machine, &by_default, &known, "192.168.1.51, 192.168.2.51", true);
    selected(&machine, &by_default, NULL, "192.168.1.51", false);
    /* What the administrator has switched off is not waited for. */
    machine.at[1].is_up = false;
    selected(&machine, &by_default, &known, "192.168.1.51", false);
}

static void test_patterns(void **state)
{
    (void)state;
    static const struct {
        const char *pattern;
        bool matches;
    } cases[] = {
        {"br-lan", true},      {"br-la", false},   {"br-lan0", false},
        {"*", true},           {"br*", true},      {"br-lan*", true},
        {"br-???", true},      {"br-????", false}, {"br-????????????", false},
        {"kind:bridge", true}, {"kind:br*", true}, {"kind:veth", false},
        {"kind:ptp", false},   {"kind:", false},   {"", false},
    };
    struct interface link = {.name = "br-lan", .kind = "bridge"};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (own_addresses_matches(cases[i].pattern, &link) != cases[i].matches) {
            fail_msg("'%s'", cases[i].pattern);
        }
    }
}

static void test_given_ones_are_taken_as_they_are(void **state)
{
    (void)state;
    char a[] = "192.168.1.51";
    char b[] = "fd12::1";
    char again[] = "192.168.1.51";
    char *texts[] = {a, b, again};
    char text[128];
    struct own_addresses addresses;
    assert_int_equal(collect(texts, 3, &addresses), 0);
    own_addresses_text(&addresses, text, sizeof(text));
    assert_string_equal(text, "192.168.1.51, fd12::1");
}

static void test_nonsense(void **state)
{
    (void)state;
    char bad[] = "192.168.1";
    char *texts[] = {bad};
    struct own_addresses addresses;
    assert_int_equal(collect(texts, 1, &addresses), ERROR_SYNTAX);
}

/* What the system has differs by machine, what may be named does not. */
static void test_only_private_ones_are_found(void **state)
{
    (void)state;
    static const struct lanname_policy policy = {.shared = false};
    struct own_addresses addresses;
    assert_int_equal(collect(NULL, 0, &addresses), 0);
    assert_true(addresses.count <= LIMIT_DEVICE_ADDRESSES);
    for (size_t i = 0; i < addresses.count; i++) {
        assert_true(lanname_allowed(&addresses.at[i], &policy));
    }
}

static void test_an_interface_that_is_not_there(void **state)
{
    (void)state;
    char name[] = "nosuchinterface0";
    char *names[] = {name};
    struct conf_texts interfaces = {.at = names, .count = 1};
    struct own_addresses_rules rules = {.interfaces = &interfaces};
    struct own_addresses addresses;
    char text[32];
    assert_int_equal(own_addresses_collect(&rules, &addresses), 0);
    assert_int_equal(addresses.count, 0);
    own_addresses_text(&addresses, text, sizeof(text));
    assert_string_equal(text, "none");
}

static void test_equality(void **state)
{
    (void)state;
    char a[] = "192.168.1.51";
    char b[] = "192.168.1.52";
    char *first[] = {a, b};
    char *second[] = {b, a};
    struct own_addresses x;
    struct own_addresses y;
    assert_int_equal(collect(first, 2, &x), 0);
    assert_int_equal(collect(second, 2, &y), 0);
    assert_true(own_addresses_equal(&x, &x));
    assert_false(own_addresses_equal(&x, &y));
    y.count = 1;
    assert_false(own_addresses_equal(&x, &y));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_virtual_ones_are_left_out),
        cmocka_unit_test(test_lists_of_interfaces),
        cmocka_unit_test(test_the_order_is_stable),
        cmocka_unit_test(test_at_most_eight),
        cmocka_unit_test(test_a_cable_that_is_out),
        cmocka_unit_test(test_patterns),
        cmocka_unit_test(test_given_ones_are_taken_as_they_are),
        cmocka_unit_test(test_nonsense),
        cmocka_unit_test(test_only_private_ones_are_found),
        cmocka_unit_test(test_an_interface_that_is_not_there),
        cmocka_unit_test(test_equality),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
