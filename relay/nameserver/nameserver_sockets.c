#include "relay/nameserver/nameserver_sockets.h"

#include "base/core/log.h"

#include <string.h>

static size_t count_at(const struct activation *activation, const struct address *address,
                       bool datagram)
{
    char wanted[ADDRESS_TEXT_CAPACITY];
    size_t count = 0;
    address_text(address, wanted);
    for (size_t i = 0; i < activation->count; i++) {
        char text[ADDRESS_TEXT_CAPACITY];
        address_text(&activation->at[i].address, text);
        count += activation->at[i].datagram == datagram && strcmp(text, wanted) == 0;
    }
    return count;
}

/* Who asks by UDP must be able to come again by TCP (RFC 7766 5), and the other way round. */
static int check_pairs(const struct activation *activation)
{
    for (size_t i = 0; i < activation->count; i++) {
        const struct activation_socket *socket = &activation->at[i];
        char text[ADDRESS_TEXT_CAPACITY];
        address_text(&socket->address, text);
        if (count_at(activation, &socket->address, socket->datagram) != 1 ||
            count_at(activation, &socket->address, !socket->datagram) != 1) {
            log_error(
                "the service manager's sockets for %s must be one of UDP and one of "
                "TCP: give ListenDatagram= and ListenStream= once each",
                text);
            return ERROR_RANGE;
        }
    }
    return 0;
}

int nameserver_sockets_take(struct activation *ret_activation)
{
    struct activation activation = {.count = 0};
    struct buffer report = buffer_init(1024);
    int result = activation_take("dns", &activation, &report);
    if (result != 0) {
        log_error("the service manager's sockets: %s", buffer_text(&report));
    } else if (activation.count > 0) {
        log_info("%zu sockets are the service manager's: [dns] listen is ignored",
                 activation.count);
        result = check_pairs(&activation);
    }
    buffer_free(&report);
    if (result == 0) {
        *ret_activation = activation;
    }
    return result;
}
