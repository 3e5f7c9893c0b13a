/* Texts as data. What fits is decided by how a filter behaves, never by asking the router who
 * it is: an empty answer with "Blocked" (EDE 15) is dnsmasq from 2.90, REFUSED with
 * "Prohibited" (EDE 18) is Knot Resolver, and two makers are known by the network that they
 * hand out. Anything else gets the whole list. */
#include "device/router_mends.h"

#include "base/core/text.h"

#include <string.h>

struct entry {
    unsigned fits; /* bits of enum diagnosis_router */
    struct router_mend mend;
};

#define PLACE "{zone}"
#define BIT(router) (1U << DIAGNOSIS_ROUTER_##router)

static const struct entry entries[] = {
    {BIT(DNSMASQ) | BIT(UNBOUND),
     {"OpenWrt",
      "Network > DHCP and DNS > Filter > Domain whitelist (under Rebind protection), or "
      "on "
      "its command line:",
      {"uci add_list dhcp.@dnsmasq[0].rebind_domain='{zone}'", "uci commit dhcp",
       "service dnsmasq restart"}}},
    {BIT(FRITZBOX) | BIT(UNBOUND),
     {"FRITZ!Box",
      "Home Network > Network > Network Settings > Additional Settings > DNS Rebind "
      "Protection "
      "(Heimnetz > Netzwerk > Netzwerkeinstellungen > DNS-Rebind-Schutz): add this line "
      "to "
      "the host name exceptions, and apply:",
      {"{zone}"}}},
    {BIT(DNSMASQ) | BIT(UNBOUND),
     {"dnsmasq",
      "In /etc/dnsmasq.conf or a file in /etc/dnsmasq.d, then restart dnsmasq:",
      {"rebind-domain-ok=/{zone}/"}}},
    {BIT(UNBOUND),
     {"Unbound",
      "In the section server: of unbound.conf, then reload it:",
      {"private-domain: \"{zone}\""}}},
    {BIT(UNBOUND),
     {"pfSense",
      "Services > DNS Resolver > General Settings > Custom options:",
      {"server:", "private-domain: \"{zone}\""}}},
    {BIT(UNBOUND),
     {"OPNsense", "Services > Unbound DNS > Advanced > Private Domains:", {"{zone}"}}},
    {BIT(DNSMASQ) | BIT(UNBOUND),
     {"Pi-hole",
      "It drops nothing by itself. Where its dnsmasq was told to, in Settings > All "
      "settings > "
      "Miscellaneous > misc.dnsmasq_lines (before version 6 in "
      "/etc/dnsmasq.d/99-latchkey.conf); "
      "else mend the router that it asks:",
      {"rebind-domain-ok=/{zone}/"}}},
    {0,
     {"AdGuard Home",
      "It drops nothing by itself. Where a block list does, in Filters > Custom "
      "filtering "
      "rules, the first line; where the resolver that it asks does, in Settings > DNS "
      "settings > Upstream DNS servers, the second:",
      {"@@||{zone}^", "[/{zone}/]https://1.1.1.1/dns-query"}}},
    {BIT(DNSMASQ) | BIT(UNBOUND),
     {"ASUS",
      "WAN > Internet Connection > Enable DNS Rebind protection: No. With "
      "Asuswrt-Merlin, "
      "instead, in /jffs/configs/dnsmasq.conf.add, then 'service restart_dnsmasq':",
      {"rebind-domain-ok=/{zone}/"}}},
    {BIT(KNOT),
     {"Knot Resolver",
      "Its module 'rebinding' knows no exceptions. Take this line out of kresd.conf, and "
      "restart it:",
      {"modules.load('rebinding < iterate')"}}},
    {BIT(GOOGLE) | BIT(UNBOUND),
     {"Google Wifi, Nest Wifi",
      "They have no setting for it: they always drop answers with addresses of their own "
      "network, whichever DNS server they ask themselves. Give the computers and phones "
      "that "
      "visit this device another DNS server by hand, e.g. this one, or put a router "
      "behind "
      "it that can be told:",
      {"1.1.1.1"}}},
    {0,
     {"NextDNS, OpenDNS",
      "NextDNS: Allowlist, or switch off Security > DNS Rebinding Protection. OpenDNS: "
      "switch "
      "off Security > Block internal IP addresses. The zone to allow:",
      {"{zone}"}}},
};

enum { ENTRY_COUNT = sizeof(entries) / sizeof(entries[0]) };

size_t router_mends_count(void)
{
    return ENTRY_COUNT;
}

const struct router_mend *router_mends_at(size_t index)
{
    return index < ENTRY_COUNT ? &entries[index].mend : NULL;
}

bool router_mends_fits(const struct router_mend *mend, enum diagnosis_router router)
{
    for (size_t i = 0; i < ENTRY_COUNT; i++) {
        if (&entries[i].mend == mend) {
            return router == DIAGNOSIS_ROUTER_ANY ||
                   (entries[i].fits & (1U << router)) != 0;
        }
    }
    return false;
}

bool router_mends_line(const struct router_mend *mend, size_t index, const char *zone,
                       char ret_line[static ROUTER_MENDS_LINE_BYTES])
{
    if (index >= ROUTER_MENDS_LINES_MAX || mend->lines[index] == NULL) {
        return false;
    }
    const char *text = mend->lines[index];
    const char *place = strstr(text, PLACE);
    if (place == NULL) {
        return text_copy(ret_line, ROUTER_MENDS_LINE_BYTES, text);
    }
    return text_format(ret_line, ROUTER_MENDS_LINE_BYTES, "%.*s%s%s", (int)(place - text),
                       text, zone, place + strlen(PLACE));
}
