/* The least that a UDP server can do, as the measure for dns/udp.c: a blocking recvmmsg,
 * each datagram sent back with EXTRA octets more and QR set, one sendmmsg. Arguments: the
 * number of extra octets. Prints its port (on 127.0.0.1) and serves until it is ended. */
#include "base/core/text.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

enum { BATCH = 64, SIZE = 1500, RECEIVE_BUFFER = 4 << 20 };

static struct mmsghdr messages[BATCH];
static struct iovec io[BATCH];
static struct sockaddr_in peers[BATCH];
static uint8_t data[BATCH][SIZE];

static void prepare(int count)
{
    for (int i = 0; i < count; i++) {
        io[i] = (struct iovec){data[i], SIZE};
        messages[i].msg_hdr = (struct msghdr){.msg_name = &peers[i],
                                              .msg_namelen = sizeof(peers[i]),
                                              .msg_iov = &io[i],
                                              .msg_iovlen = 1};
    }
}

static int serve(int fd, size_t extra)
{
    prepare(BATCH);
    for (;;) {
        int count = recvmmsg(fd, messages, BATCH, MSG_WAITFORONE, NULL);
        if (count <= 0) {
            return 1;
        }
        for (int i = 0; i < count; i++) {
            data[i][2] |= 0x80;
            io[i].iov_len = messages[i].msg_len + extra;
        }
        for (int sent = 0; sent < count;) {
            int result = sendmmsg(fd, messages + sent, (unsigned)(count - sent), 0);
            sent += result > 0 ? result : 1;
        }
        prepare(count);
    }
}

int main(int argc, char **argv)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    uint64_t extra = 0;
    const int buffer = RECEIVE_BUFFER;
    if (argc != 2 || text_u64(argv[1], 100, &extra) != 0) {
        fprintf(stderr, "usage: %s EXTRA-OCTETS (at most 100)\n", argv[0]);
        return 2;
    }
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof(buffer));
    if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof(address)) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &size) != 0) {
        perror(argv[0]);
        return 1;
    }
    printf("%u\n", ntohs(address.sin_port));
    fflush(stdout);
    return serve(fd, extra);
}
