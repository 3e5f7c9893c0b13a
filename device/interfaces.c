/* Own questions instead of getifaddrs(3), because that hides what decides here: whether an
 * address is tentative, deprecated or temporary, what kind an interface is of, whether it
 * has a carrier. Addresses are asked for first: of hundreds of interfaces (a container
 * host has one a container) only those with an address are kept.
 *
 * The default route is not searched for in the routing table, which may be large: the
 * kernel is asked which way a packet to the internet would take. Nothing is sent. */
#include "device/interfaces.h"

#include "base/core/reader.h"

#include <errno.h>
#include <limits.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { ANSWER_BYTES = 16 << 10, TRIES = 4, WAIT_S = 1 };

/* One attribute of a message: its type without flags, and its value. */
struct attribute {
    unsigned type;
    struct bytes value;
};

/* Netlink is in the host's byte order, so its structs are copied as they are. */
static bool take_struct(struct reader *reader, void *ret_struct, size_t size)
{
    struct bytes bytes = reader_bytes(reader, size);
    if (bytes.data == NULL) {
        return false;
    }
    memcpy(ret_struct, bytes.data, size);
    return true;
}

static void skip_padding(struct reader *reader, size_t size)
{
    size_t padding = (4 - size % 4) % 4;
    (void)reader_bytes(reader,
                       padding < reader_left(reader) ? padding : reader_left(reader));
}

static bool next_attribute(struct reader *reader, struct attribute *ret_attribute)
{
    struct rtattr head;
    if (reader_left(reader) < sizeof(head) || !take_struct(reader, &head, sizeof(head)) ||
        head.rta_len < sizeof(head)) {
        return false;
    }
    ret_attribute->type = head.rta_type & NLA_TYPE_MASK;
    ret_attribute->value = reader_bytes(reader, head.rta_len - sizeof(head));
    skip_padding(reader, head.rta_len);
    return !reader->failed;
}

static uint32_t number(const struct bytes *value)
{
    uint32_t result = 0;
    if (value->size >= sizeof(result)) {
        memcpy(&result, value->data, sizeof(result));
    }
    return result;
}

/* The kernel ends names with NUL, and they are short; what is neither stays empty. */
static void take_name(const struct bytes *value, char ret_name[static 16])
{
    size_t size = strnlen((const char *)value->data, value->size);
    if (size < 16) {
        memcpy(ret_name, value->data, size);
        ret_name[size] = '\0';
    }
}

static bool take_octets(uint8_t family, const struct bytes *value,
                        struct lanname_address *ret_address)
{
    size_t size = family == AF_INET ? 4 : 16;
    if (value->size != size) {
        return false;
    }
    *ret_address = (struct lanname_address){.family = family == AF_INET ? 4 : 6};
    memcpy(ret_address->octets, value->data, size);
    return true;
}

static void take_address(struct interfaces *interfaces, struct reader *message)
{
    static const struct lanname_policy policy = {.shared = false};
    static const uint32_t unusable = IFA_F_DEPRECATED | IFA_F_TENTATIVE | IFA_F_DADFAILED;
    struct ifaddrmsg head;
    struct attribute attribute;
    struct interface_address found = {.index = 0};
    if (!take_struct(message, &head, sizeof(head)) ||
        (head.ifa_family != AF_INET && head.ifa_family != AF_INET6)) {
        return;
    }
    found.index = head.ifa_index;
    uint32_t flags = head.ifa_flags;
    bool has_local = false;
    while (next_attribute(message, &attribute)) {
        if (attribute.type == IFA_LOCAL) {
            has_local = take_octets(head.ifa_family, &attribute.value, &found.address);
        } else if (attribute.type == IFA_ADDRESS && !has_local) {
            /* On a point-to-point link this is the peer; IFA_LOCAL stands beside it. */
            (void)take_octets(head.ifa_family, &attribute.value, &found.address);
        } else if (attribute.type == IFA_FLAGS) {
            flags = number(&attribute.value);
        }
    }
    /* The same bit means "temporary" (RFC 8981) for IPv6. */
    bool is_temporary = head.ifa_family == AF_INET6 && (flags & IFA_F_TEMPORARY) != 0;
    found.is_secondary = head.ifa_family == AF_INET && (flags & IFA_F_SECONDARY) != 0;
    if ((flags & unusable) == 0 && !is_temporary && found.address.family != 0 &&
        lanname_allowed(&found.address, &policy) &&
        interfaces->address_count < LIMIT_DEVICE_INTERFACE_ADDRESSES) {
        interfaces->addresses[interfaces->address_count++] = found;
    }
}

static bool has_address(const struct interfaces *interfaces, unsigned index)
{
    for (size_t i = 0; i < interfaces->address_count; i++) {
        if (interfaces->addresses[i].index == index) {
            return true;
        }
    }
    return false;
}

static void take_kind(const struct bytes *value, char ret_kind[static 16])
{
    struct reader inside = reader_init(value->data, value->size);
    struct attribute attribute;
    while (next_attribute(&inside, &attribute)) {
        if (attribute.type == IFLA_INFO_KIND) {
            take_name(&attribute.value, ret_kind);
        }
    }
}

static void take_link(struct interfaces *interfaces, struct reader *message)
{
    struct ifinfomsg head;
    struct attribute attribute;
    if (!take_struct(message, &head, sizeof(head)) || head.ifi_index <= 0 ||
        !has_address(interfaces, (unsigned)head.ifi_index) ||
        interfaces->count == LIMIT_DEVICE_INTERFACES) {
        return;
    }
    struct interface *link = &interfaces->at[interfaces->count++];
    *link = (struct interface){
        .index = (unsigned)head.ifi_index,
        .is_up = (head.ifi_flags & IFF_UP) != 0,
        /* Dummies and the like have no state of operation, but are always "lower up". */
        .has_carrier = (head.ifi_flags & IFF_LOWER_UP) != 0,
        .is_loopback = (head.ifi_flags & IFF_LOOPBACK) != 0,
        .is_point_to_point = (head.ifi_flags & IFF_POINTOPOINT) != 0,
    };
    while (next_attribute(message, &attribute)) {
        if (attribute.type == IFLA_IFNAME) {
            take_name(&attribute.value, link->name);
        } else if (attribute.type == IFLA_LINKINFO) {
            take_kind(&attribute.value, link->kind);
        } else if (attribute.type == IFLA_OPERSTATE && attribute.value.size == 1 &&
                   (attribute.value.data[0] == IF_OPER_DORMANT ||
                    attribute.value.data[0] == IF_OPER_LOWERLAYERDOWN)) {
            /* Wi-Fi that is not yet associated; a VLAN whose cable is out. */
            link->has_carrier = false;
        }
    }
}

static void take_route(struct interfaces *interfaces, struct reader *message)
{
    struct rtmsg head;
    struct attribute attribute;
    if (!take_struct(message, &head, sizeof(head)) || head.rtm_type != RTN_UNICAST) {
        return;
    }
    while (next_attribute(message, &attribute)) {
        if (attribute.type == RTA_OIF) {
            interfaces->default_index = number(&attribute.value);
        }
    }
}

static int kernel_error(const struct bytes *body)
{
    struct nlmsgerr error = {.error = 0};
    if (body->size < sizeof(error.error)) {
        return ERROR_SYNTAX;
    }
    memcpy(&error.error, body->data, sizeof(error.error));
    if (error.error == 0) {
        return 0;
    }
    if (error.error > 0 || error.error == INT_MIN) {
        return ERROR_SYNTAX; /* the kernel's are negative numbers of errno */
    }
    errno = -error.error;
    return ERROR_IO;
}

int interfaces_take(struct interfaces *interfaces, const void *answer, size_t size,
                    bool *ret_more)
{
    struct reader reader = reader_init(answer, size);
    bool more = false;
    while (reader_left(&reader) > 0) {
        struct nlmsghdr head;
        if (!take_struct(&reader, &head, sizeof(head)) || head.nlmsg_len < sizeof(head)) {
            return ERROR_SYNTAX;
        }
        struct bytes body = reader_bytes(&reader, head.nlmsg_len - sizeof(head));
        if (reader.failed) {
            return ERROR_SYNTAX;
        }
        skip_padding(&reader, head.nlmsg_len);
        if ((head.nlmsg_flags & NLM_F_DUMP_INTR) != 0) {
            return ERROR_BUSY;
        }
        more = (head.nlmsg_flags & NLM_F_MULTI) != 0 && head.nlmsg_type != NLMSG_DONE;
        struct reader message = reader_init(body.data, body.size);
        if (head.nlmsg_type == RTM_NEWADDR) {
            take_address(interfaces, &message);
        } else if (head.nlmsg_type == RTM_NEWLINK) {
            take_link(interfaces, &message);
        } else if (head.nlmsg_type == RTM_NEWROUTE) {
            take_route(interfaces, &message);
        } else if (head.nlmsg_type == NLMSG_ERROR) {
            int error = kernel_error(&body);
            if (error < 0) {
                return error;
            }
        }
    }
    *ret_more = more;
    return 0;
}

/* --- the questions --- */

struct question {
    struct nlmsghdr head;
    union {
        struct ifaddrmsg address;
        struct ifinfomsg link;
        struct {
            struct rtmsg head;
            struct rtattr attribute;
            uint8_t target[16];
        } route;
    } body;
};

static int ask(int fd, const struct question *question, struct interfaces *interfaces)
{
    _Alignas(struct nlmsghdr) uint8_t answer[ANSWER_BYTES];
    bool more = true;
    if (send(fd, question, question->head.nlmsg_len, 0) < 0) {
        return ERROR_IO;
    }
    while (more) {
        struct sockaddr_nl from = {.nl_family = AF_NETLINK};
        socklen_t from_size = sizeof(from);
        ssize_t size = recvfrom(fd, answer, sizeof(answer), MSG_TRUNC,
                                (struct sockaddr *)&from, &from_size);
        if (size < 0 && errno == EINTR) {
            continue;
        }
        if (size < 0) {
            return ERROR_IO;
        }
        if (from.nl_pid != 0) {
            continue; /* not from the kernel */
        }
        if ((size_t)size > sizeof(answer)) {
            errno = EMSGSIZE;
            return ERROR_IO;
        }
        int error = interfaces_take(interfaces, answer, (size_t)size, &more);
        if (error < 0) {
            return error;
        }
    }
    return 0;
}

static int ask_for_all(int fd, uint16_t type, size_t size, struct interfaces *interfaces)
{
    struct question question = {
        .head = {.nlmsg_len = (uint32_t)NLMSG_LENGTH(size),
                 .nlmsg_type = type,
                 .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
    };
    return ask(fd, &question, interfaces);
}

/* No such route is no error. */
static void ask_for_route(int fd, uint8_t family, const uint8_t *target,
                          struct interfaces *interfaces)
{
    size_t size = family == AF_INET ? 4 : 16;
    struct question question = {
        .head = {.nlmsg_type = RTM_GETROUTE, .nlmsg_flags = NLM_F_REQUEST},
        .body.route = {.head = {.rtm_family = family, .rtm_dst_len = (uint8_t)(size * 8)},
                       .attribute = {.rta_len = (uint16_t)RTA_LENGTH(size),
                                     .rta_type = RTA_DST}},
    };
    question.head.nlmsg_len =
        (uint32_t)(NLMSG_LENGTH(sizeof(struct rtmsg)) + RTA_LENGTH(size));
    memcpy(question.body.route.target, target, size);
    (void)ask(fd, &question, interfaces);
}

static int read_once(struct interfaces *interfaces)
{
    /* Any address that is nowhere but behind the default route. */
    static const uint8_t internet4[4] = {1, 1, 1, 1};
    static const uint8_t internet6[16] = {0x26, 0x06, 0x47, 0, 0x47, 0, 0,    0,
                                          0,    0,    0,    0, 0,    0, 0x11, 0x11};
    struct timeval wait = {.tv_sec = WAIT_S};
    *interfaces = (struct interfaces){.count = 0};
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (fd < 0) {
        return ERROR_IO;
    }
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
    int error = ask_for_all(fd, RTM_GETADDR, sizeof(struct ifaddrmsg), interfaces);
    if (error == 0) {
        error = ask_for_all(fd, RTM_GETLINK, sizeof(struct ifinfomsg), interfaces);
    }
    if (error == 0) {
        ask_for_route(fd, AF_INET, internet4, interfaces);
        if (interfaces->default_index == 0) {
            ask_for_route(fd, AF_INET6, internet6, interfaces);
        }
    }
    int reason = errno;
    close(fd);
    errno = reason;
    return error;
}

int interfaces_read(struct interfaces *ret_interfaces)
{
    struct interfaces interfaces;
    int error = ERROR_BUSY;
    for (int i = 0; i < TRIES && error == ERROR_BUSY; i++) {
        error = read_once(&interfaces);
    }
    if (error == ERROR_BUSY) {
        errno = EAGAIN;
        error = ERROR_IO;
    }
    if (error == 0) {
        *ret_interfaces = interfaces;
    }
    return error;
}
