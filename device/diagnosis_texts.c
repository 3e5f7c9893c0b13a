#include "device/diagnosis_texts.h"

static const struct diagnosis_texts_check checks[] = {
    [DIAGNOSIS_CHECK_CLOCK] = {"clock", "Is the device's clock right?"},
    [DIAGNOSIS_CHECK_ADDRESS] = {"address", "Has it an address in the network?"},
    [DIAGNOSIS_CHECK_ROUTE] = {"route", "Is there a way out to the internet?"},
    [DIAGNOSIS_CHECK_RESOLVER] = {"resolver", "Does the network's DNS resolver answer?"},
    [DIAGNOSIS_CHECK_ZONE] = {"zone", "Does it find the zone of the device's names?"},
    [DIAGNOSIS_CHECK_PRIVATE] = {"private-answers",
                                 "Does it pass on answers with private addresses?"},
    [DIAGNOSIS_CHECK_QUESTION] = {"question", "Do its questions reach the relay?"},
    [DIAGNOSIS_CHECK_PUBLIC] = {"public-resolver",
                                "Does a public resolver find the device's names?"},
    [DIAGNOSIS_CHECK_RELAY] = {"relay", "Does the relay respond, and is it the relay?"},
    [DIAGNOSIS_CHECK_ORDER] = {"order", "Does an order for a certificate wait?"},
    [DIAGNOSIS_CHECK_CERTIFICATE] = {"certificate",
                                     "Has the device a trusted certificate?"},
    [DIAGNOSIS_CHECK_PORT] = {"port", "Does the device serve HTTPS at its own address?"},
    [DIAGNOSIS_CHECK_SERVED] = {"served",
                                "Does its stable name lead to its certificate?"},
    [DIAGNOSIS_CHECK_NAMES] = {"names", "Are the published addresses its own?"},
    [DIAGNOSIS_CHECK_STORAGE] = {"storage", "Can the device write to its storage?"},
    [DIAGNOSIS_CHECK_IDENTITY] = {"identity", "Is it the only device with its key?"},
};
_Static_assert(sizeof(checks) / sizeof(checks[0]) == DIAGNOSIS_CHECK_COUNT,
               "one entry per check");

#define ANY DIAGNOSIS_CHECK_COUNT
#define CODE(check, level, word, text, mend)                                             \
    {                                                                                    \
        DIAGNOSIS_CHECK_##check, DIAGNOSIS_##level, word, text, mend                     \
    }

static const struct diagnosis_texts_code codes[] = {
    [DIAGNOSIS_NOT_CHECKED] = {ANY, DIAGNOSIS_SKIPPED, "not-checked",
                               "Not looked at: something else has to work first.", ""},
    [DIAGNOSIS_NOT_KNOWN] = {ANY, DIAGNOSIS_UNKNOWN, "not-known",
                             "Looked at, but there is no answer that tells.", ""},

    [DIAGNOSIS_CLOCK_RIGHT] = CODE(CLOCK, OK, "clock-right", "The clock is right.", ""),
    [DIAGNOSIS_CLOCK_OFF] = CODE(
        CLOCK, WARN, "clock-off", "The clock is some minutes off.",
        "Let the device set its clock from the network (NTP). At some hours it would no "
        "longer know which certificates are valid."),
    [DIAGNOSIS_CLOCK_CORRECTED] = CODE(
        CLOCK, WARN, "clock-corrected",
        "The system's clock is wrong; the device goes by the time that the relay has "
        "signed instead.",
        "Set the clock, or let the device set it from the network (NTP): other programs "
        "go by it."),
    [DIAGNOSIS_CLOCK_WRONG] = CODE(
        CLOCK, FAIL, "clock-wrong",
        "The clock is wrong: the device can't tell which certificates are valid.",
        "Set the clock, or let the device set it from the network (NTP; UDP port 123 "
        "must be open). If it is wrong after each start, its battery is empty."),
    [DIAGNOSIS_CLOCK_UNSET] = CODE(
        CLOCK, FAIL, "clock-unset",
        "The clock was never set: it shows a time before this software was made.",
        "Set the clock, or let the device set it from the network (NTP; UDP port 123 "
        "must be open). With the pin of the relay's key in `relay`, it takes the time "
        "from the relay."),

    [DIAGNOSIS_ADDRESS_FOUND] =
        CODE(ADDRESS, OK, "address-found", "The device has a private address.", ""),
    [DIAGNOSIS_ADDRESS_NONE] = CODE(
        ADDRESS, FAIL, "address-none",
        "The device has no private address (10/8, 172.16/12, 192.168/16 or fd00::/8), so "
        "no name can lead to it.",
        "Is the cable in, the Wi-Fi joined, and the router's DHCP on? If the addresses "
        "are on an interface that is left out, name it as `interface` in the "
        "configuration."),

    [DIAGNOSIS_ROUTE_FOUND] =
        CODE(ROUTE, OK, "route-found", "There is a default route.", ""),
    [DIAGNOSIS_ROUTE_NONE] = CODE(
        ROUTE, FAIL, "route-none",
        "The device has no default route: it reaches its own network and nothing else.",
        "Let it get its address from the router (DHCP), or set the gateway: the "
        "router's address."),

    [DIAGNOSIS_RESOLVER_ANSWERS] =
        CODE(RESOLVER, OK, "resolver-answers", "The network's resolver answers.", ""),
    [DIAGNOSIS_RESOLVER_PART_SILENT] = CODE(
        RESOLVER, WARN, "resolver-part-silent",
        "One of the configured resolvers does not answer: names open slowly, or now and "
        "then not.",
        "Take the silent one out of the router's DHCP settings (or /etc/resolv.conf), "
        "or mend it."),
    [DIAGNOSIS_RESOLVER_NONE] = CODE(
        RESOLVER, FAIL, "resolver-none",
        "No DNS resolver is configured: /etc/resolv.conf names none.",
        "Let the device get it from the router (DHCP), or write 'nameserver ADDRESS' "
        "there with the router's address."),
    [DIAGNOSIS_RESOLVER_SILENT] =
        CODE(RESOLVER, FAIL, "resolver-silent", "No configured DNS resolver answers.",
             "Is the resolver (mostly the router) on, and does it let this device ask? "
             "Restart it, or name another one in the router's DHCP settings."),
    [DIAGNOSIS_RESOLVER_REFUSES] =
        CODE(RESOLVER, FAIL, "resolver-refuses",
             "The resolver refuses this device's questions.",
             "Allow the device's network in the resolver's access rules, or use another "
             "resolver."),

    [DIAGNOSIS_ZONE_FOUND] = CODE(
        ZONE, OK, "zone-found", "The resolver finds the zone of the device's names.", ""),
    [DIAGNOSIS_ZONE_BLOCKED] = CODE(ZONE, FAIL, "zone-blocked",
                                    "The network's resolver does not find the zone, but "
                                    "a public resolver does: it is "
                                    "blocked, or overridden, in this network.",
                                    "Allow the zone in the resolver's block lists and "
                                    "parental controls, and look for "
                                    "a local entry of the same name."),
    [DIAGNOSIS_ZONE_LOST] = CODE(
        ZONE, FAIL, "zone-lost",
        "Nobody finds the zone: its delegation or the relay's name servers are out of "
        "order.",
        "Nothing to mend here. Tell the relay's operator: the parent zone's NS records "
        "and the relay's port 53 need a look."),
    [DIAGNOSIS_ZONE_FAILING] = CODE(
        ZONE, FAIL, "zone-failing",
        "The resolver does not find the zone, and no public resolver could be asked for "
        "comparison.",
        "Is the internet connection up? If it is, allow the zone in the resolver's block "
        "lists, and tell the relay's operator."),

    [DIAGNOSIS_PRIVATE_ANSWERED] =
        CODE(PRIVATE, OK, "private-answered",
             "The resolver passes on answers with private addresses.", ""),
    [DIAGNOSIS_REBINDING_FILTER] = CODE(
        PRIVATE, FAIL, "rebinding-filter",
        "The network's resolver drops answers with private addresses (protection against "
        "DNS rebinding), so the device's names don't open here.",
        "Make an exception for the zone in the router or resolver:"),
    [DIAGNOSIS_REBINDING_FILTER_IPV4] = CODE(
        PRIVATE, FAIL, "rebinding-filter-ipv4",
        "The network's resolver drops answers with private IPv4 addresses (protection "
        "against DNS rebinding); only IPv6 ones (fd00::/8) come through.",
        "Make an exception for the zone in the router or resolver:"),
    [DIAGNOSIS_REBINDING_FILTER_IPV6] = CODE(
        PRIVATE, WARN, "rebinding-filter-ipv6",
        "The network's resolver drops answers with private IPv6 addresses (fd00::/8); "
        "IPv4 ones come through.",
        "The device's names open by IPv4. For IPv6 too, make an exception for the zone "
        "in the router or resolver:"),
    [DIAGNOSIS_REBINDING_FILTER_SOME] = CODE(
        PRIVATE, FAIL, "rebinding-filter-some",
        "One of the network's resolvers drops answers with private addresses, another "
        "does not: the device's names open now and then.",
        "Make an exception for the zone in the one that drops them:"),
    [DIAGNOSIS_ANSWERS_CHANGED] = CODE(
        PRIVATE, FAIL, "answers-changed",
        "The network's resolver answers with other addresses than the relay gives: "
        "something in the network changes DNS answers.",
        "Look for a local entry for the zone, a login page of the network that waits for "
        "you, or a provider's search help, and switch it off."),
    [DIAGNOSIS_PRIVATE_SILENT] = CODE(
        PRIVATE, WARN, "private-silent",
        "The resolver answers other questions about the zone, but not those for private "
        "addresses.",
        "Ask again in a minute. If it stays so, the resolver or a firewall before it "
        "drops these answers whole: make an exception for the zone."),

    [DIAGNOSIS_QUESTION_ARRIVED] =
        CODE(QUESTION, OK, "question-arrived",
             "A question for a fresh name came through to the relay.", ""),
    [DIAGNOSIS_QUESTION_NOT_ARRIVED] = CODE(
        QUESTION, WARN, "question-not-arrived",
        "The relay never heard the question: the resolver answers, or refuses, without "
        "asking it.",
        "The zone is handled in this network itself: look for a local entry, a block "
        "list or a forwarding rule for it in the resolver."),

    [DIAGNOSIS_PUBLIC_ANSWERS] = CODE(PUBLIC, OK, "public-answers",
                                      "A public resolver finds the device's names.", ""),
    [DIAGNOSIS_PUBLIC_UNREACHABLE] = CODE(
        PUBLIC, WARN, "public-unreachable",
        "No public resolver could be reached for comparison (DNS over HTTPS).",
        "Nothing to mend if everything else is well: this network may keep devices from "
        "asking outside. Other ones to ask can be named as `doh` in the configuration."),
    [DIAGNOSIS_PUBLIC_FILTERS] =
        CODE(PUBLIC, WARN, "public-filters",
             "The public resolver finds the zone, but gives no private addresses.",
             "Name another one as `doh` in the configuration; visitors whose browsers "
             "use this "
             "one don't reach the device by name."),
    [DIAGNOSIS_PUBLIC_LOST] = CODE(
        PUBLIC, FAIL, "public-lost",
        "A public resolver does not find the device's names.",
        "Nothing to mend here. Tell the relay's operator: the delegation or the relay's "
        "name servers need a look."),

    [DIAGNOSIS_RELAY_ANSWERS] =
        CODE(RELAY, OK, "relay-answers", "The relay responds, and is the relay.", ""),
    [DIAGNOSIS_RELAY_NAME_UNKNOWN] =
        CODE(RELAY, FAIL, "relay-name-unknown", "The relay's own name is not found.",
             "Check `relay` in the configuration. If it is right, the resolver blocks "
             "the name, "
             "or the relay's zone is out of order."),
    [DIAGNOSIS_RELAY_UNREACHABLE] = CODE(
        RELAY, FAIL, "relay-unreachable",
        "The relay can't be reached: no connection to its address.",
        "Is the internet connection up, and does the firewall let the device out to the "
        "relay's port? If so, the relay is down; the device tries again by itself."),
    [DIAGNOSIS_RELAY_PROXY] = CODE(
        RELAY, FAIL, "relay-proxy",
        "The HTTP proxy that is configured is down, or does not let the device through.",
        "Check `proxy` in the configuration, and whether the proxy allows CONNECT to the "
        "relay's port."),
    [DIAGNOSIS_RELAY_INTERCEPTED] = CODE(
        RELAY, FAIL, "relay-intercepted",
        "Something else responds in the relay's place: its certificate is not one that "
        "this device trusts for it.",
        "Log in at the network's own page if it has one; take the device out of the "
        "firewall's HTTPS inspection. In a lab, name the relay's CA as `ca_file`."),
    [DIAGNOSIS_RELAY_EXPIRED] =
        CODE(RELAY, FAIL, "relay-expired",
             "The relay's certificate is outside its dates by this device's clock.",
             "Look at the clock first. If it is right, tell the relay's operator."),
    [DIAGNOSIS_RELAY_PORTAL] =
        CODE(RELAY, FAIL, "relay-portal",
             "What responds at the relay's address does not speak as a relay: a web "
             "page, or a "
             "redirection.",
             "Log in at the network's own page if it has one. Check `relay` in the "
             "configuration: it ends in /acme/directory."),
    [DIAGNOSIS_RELAY_DOWN] = CODE(
        RELAY, FAIL, "relay-down", "The relay responds that it can't work at the moment.",
        "Nothing to mend here; the device tries again by itself. Tell the relay's "
        "operator if it stays so."),
    [DIAGNOSIS_RELAY_OTHER] =
        CODE(RELAY, FAIL, "relay-other", "This is an ACME server, but no latchkey relay.",
             "Check `relay` in the configuration."),
    [DIAGNOSIS_RELAY_IMPOSTOR] = CODE(
        RELAY, FAIL, "relay-impostor",
        "The relay does not show the key whose pin this device was given.",
        "Ask the relay's operator for its pin over another way, and compare. Until it "
        "fits, don't change it: this is what it is for."),
    [DIAGNOSIS_RELAY_ZONE] = CODE(
        RELAY, FAIL, "relay-zone", "The relay has another zone than it had at first.",
        "Ask the relay's operator. The device does not take over another zone by itself: "
        "if it is right, remove `state.json` in the device's folder and restart."),
    [DIAGNOSIS_RELAY_KEY] = CODE(
        RELAY, WARN, "relay-key",
        "The relay shows another key than it did at first, or none. Its certificates are "
        "good; its time and its moves are not believed.",
        "Ask the relay's operator for its pin over another way, and write it behind the "
        "URL in `relay`, after a `#`."),

    [DIAGNOSIS_ORDER_NONE] = CODE(ORDER, OK, "order-none", "No order waits.", ""),
    [DIAGNOSIS_ORDER_WAITING] = CODE(
        ORDER, WARN, "order-waiting",
        "An order waits because the relay asked for it: certificates are rationed by "
        "those who issue them.",
        "Nothing to do: the device keeps its place and orders by itself."),
    [DIAGNOSIS_ORDER_FAILED] =
        CODE(ORDER, FAIL, "order-failed", "The last order for a certificate failed.",
             "What failed stands below; the device tries again by itself."),
    [DIAGNOSIS_ORDER_REFUSED] =
        CODE(ORDER, FAIL, "order-refused", "The relay refuses this device.",
             "Ask the relay's operator for an enrolment token, and name its file as "
             "`token_file`; or for the reason."),

    [DIAGNOSIS_CERTIFICATE_GOOD] =
        CODE(CERTIFICATE, OK, "certificate-good",
             "The device has a certificate that browsers trust.", ""),
    [DIAGNOSIS_CERTIFICATE_LATE] =
        CODE(CERTIFICATE, WARN, "certificate-late",
             "The certificate should have been renewed by now; it is still valid.",
             "The other verdicts say what keeps the device from it."),
    [DIAGNOSIS_CERTIFICATE_NONE] = CODE(
        CERTIFICATE, FAIL, "certificate-none",
        "The device has no trusted certificate yet; browsers warn.",
        "The other verdicts say what keeps it from one. On the first start this takes "
        "some seconds."),
    [DIAGNOSIS_CERTIFICATE_EXPIRED] =
        CODE(CERTIFICATE, FAIL, "certificate-expired",
             "The trusted certificate has run out; browsers warn.",
             "The other verdicts say what kept the device from renewing it."),
    [DIAGNOSIS_CERTIFICATE_FUTURE] =
        CODE(CERTIFICATE, FAIL, "certificate-future",
             "By this device's clock the trusted certificate is not valid yet.",
             "Set the clock."),

    [DIAGNOSIS_PORT_OPEN] =
        CODE(PORT, OK, "port-open", "HTTPS is served at the device's own address.", ""),
    [DIAGNOSIS_PORT_CLOSED] =
        CODE(PORT, FAIL, "port-closed",
             "Nothing answers by HTTPS at the device's own address and port.",
             "Is the agent running, and does `serve` name this address and port? With "
             "`serve = none`, the other web server must be running."),

    [DIAGNOSIS_SERVED_TRUSTED] =
        CODE(SERVED, OK, "served-trusted",
             "The stable name leads to this device and its trusted certificate.", ""),
    [DIAGNOSIS_SERVED_OTHER] = CODE(
        SERVED, FAIL, "served-other",
        "At the stable name another certificate is served than this device's.",
        "If another web server takes the certificate from live/, it has not been "
        "reloaded: see `reload`. Else the name leads to another machine: see names."),
    [DIAGNOSIS_SERVED_NOWHERE] = CODE(
        SERVED, FAIL, "served-nowhere",
        "The stable name leads to an address at which nothing answers by HTTPS.",
        "See port and names: the port is closed, or the published addresses are old."),

    [DIAGNOSIS_NAMES_CURRENT] = CODE(NAMES, OK, "names-current",
                                     "The published addresses are the device's own.", ""),
    [DIAGNOSIS_NAMES_OLD] = CODE(
        NAMES, WARN, "names-old",
        "The stable name still leads to other addresses than the device has now.",
        "Wait two minutes: the device publishes them by itself, and resolvers forget the "
        "old ones after one."),
    [DIAGNOSIS_NAMES_MISSING] = CODE(
        NAMES, WARN, "names-missing",
        "The stable name leads nowhere: the device's addresses are not published.",
        "The device publishes them by itself as soon as the relay has accepted it; use a "
        "name by address until then."),

    [DIAGNOSIS_STORAGE_GOOD] =
        CODE(STORAGE, OK, "storage-good", "The device can write to its storage.", ""),
    [DIAGNOSIS_STORAGE_FULL] = CODE(
        STORAGE, FAIL, "storage-full",
        "The device's storage is full: HTTPS goes on, but what is new is lost when it is "
        "switched off.",
        "Make room on the file system of `state_folder`."),
    [DIAGNOSIS_STORAGE_READ_ONLY] = CODE(
        STORAGE, FAIL, "storage-read-only",
        "The device's storage can only be read: HTTPS goes on, but what is new is lost "
        "when it is switched off.",
        "Mount the file system of `state_folder` for writing. If it became so by itself, "
        "the storage is failing: look at the system's log."),
    [DIAGNOSIS_STORAGE_FAILING] = CODE(
        STORAGE, FAIL, "storage-failing",
        "The device can't write to its storage: HTTPS goes on, but what is new is lost "
        "when it is switched off.",
        "Look at the agent's log for the reason, and at the system's log for the "
        "storage."),

    [DIAGNOSIS_IDENTITY_SINGLE] =
        CODE(IDENTITY, OK, "identity-single",
             "The relay knows of no other device with this key.", ""),
    [DIAGNOSIS_IDENTITY_CLONED] = CODE(
        IDENTITY, FAIL, "identity-cloned",
        "The relay sees another device with this device's key: they take each other's "
        "name.",
        "An image or a backup was used twice. On the device that is not to keep the "
        "name: 'latchkey factory-reset --yes'."),
};
_Static_assert(sizeof(codes) / sizeof(codes[0]) == DIAGNOSIS_CODE_COUNT,
               "one entry per code");

const struct diagnosis_texts_check *diagnosis_texts_check(enum diagnosis_check check)
{
    return &checks[check];
}

const struct diagnosis_texts_code *diagnosis_texts_code(enum diagnosis_code code)
{
    return &codes[code];
}
