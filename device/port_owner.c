/* The kernel shows listeners with their socket's inode in /proc/net/tcp and tcp6, and each
 * process its descriptors in /proc/PID/fd as links to "socket:[INODE]". There is no shorter
 * way without netlink's sock_diag module, which small kernels leave out.
 *
 *    0: 0100007F:01BB 00000000:0000 0A 00000000:00000000 00:00000000 00000000  0  0 31337 ...
 *       local         remote        state (0A: LISTEN)                         ^8 ^9 inode */
#include "device/port_owner.h"

#include "base/core/text.h"

#include <dirent.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { INODES_MAX = 16, LINE_BYTES = 512, PATH_BYTES = 300, LISTENER_FIELDS = 10 };

struct inodes {
    uint64_t at[INODES_MAX];
    size_t count;
};

/* An address as the kernel prints it: hexadecimal words in its own byte order. */
static void kernel_text(const struct address *address, char *ret_text, size_t capacity)
{
    uint32_t words[4] = {0};
    size_t count = 1;
    if (address->storage.ss_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, &address->storage, sizeof(in));
        memcpy(words, &in.sin_addr, sizeof(in.sin_addr));
    } else {
        struct sockaddr_in6 in6;
        memcpy(&in6, &address->storage, sizeof(in6));
        memcpy(words, &in6.sin6_addr, sizeof(in6.sin6_addr));
        count = 4;
    }
    ret_text[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        text_format(ret_text + 8 * i, capacity - 8 * i, "%08X", words[i]);
    }
}

static bool is_any(const char *kernel_host)
{
    return strspn(kernel_host, "0") == strlen(kernel_host);
}

/* Whether a listener at HOST keeps ours from the port: the same address, or either one is
 * all of them. */
static bool is_in_the_way(const char *host, const struct address *address)
{
    char own[40];
    kernel_text(address, own, sizeof(own));
    return is_any(host) || is_any(own) || strcmp(host, own) == 0;
}

static void take_line(char *line, const struct address *address, struct inodes *inodes)
{
    char *fields[LISTENER_FIELDS] = {NULL};
    char *rest = NULL;
    char port[8];
    uint64_t inode = 0;
    size_t count = 0;
    for (char *word = strtok_r(line, " \n", &rest);
         word != NULL && count < LISTENER_FIELDS; word = strtok_r(NULL, " \n", &rest)) {
        fields[count++] = word;
    }
    char *colon = count == LISTENER_FIELDS ? strchr(fields[1], ':') : NULL;
    if (colon == NULL || strcmp(fields[3], "0A") != 0 ||
        !text_format(port, sizeof(port), "%04X", (unsigned)address_port(address)) ||
        strcmp(colon + 1, port) != 0) {
        return;
    }
    *colon = '\0';
    if (inodes->count < INODES_MAX && is_in_the_way(fields[1], address) &&
        text_u64(fields[9], UINT64_MAX, &inode) == 0) {
        inodes->at[inodes->count++] = inode;
    }
}

static void find_listeners(const char *table, const struct address *address,
                           struct inodes *inodes)
{
    char line[LINE_BYTES];
    FILE *file = fopen(table, "re");
    if (file == NULL) {
        return;
    }
    while (fgets(line, sizeof(line), file) != NULL) {
        take_line(line, address, inodes);
    }
    fclose(file);
}

static bool is_one_of(const char *link, const struct inodes *inodes)
{
    char wanted[40];
    for (size_t i = 0; i < inodes->count; i++) {
        if (text_format(wanted, sizeof(wanted), "socket:[%llu]",
                        (unsigned long long)inodes->at[i]) &&
            strcmp(link, wanted) == 0) {
            return true;
        }
    }
    return false;
}

static bool has_descriptor(const char *pid, const struct inodes *inodes)
{
    char folder[PATH_BYTES];
    char path[2 * PATH_BYTES];
    char link[64];
    bool is_found = false;
    DIR *entries =
        text_format(folder, sizeof(folder), "/proc/%s/fd", pid) ? opendir(folder) : NULL;
    if (entries == NULL) {
        return false;
    }
    for (const struct dirent *entry = readdir(entries); entry != NULL && !is_found;
         entry = readdir(entries)) {
        text_format(path, sizeof(path), "%s/%s", folder, entry->d_name);
        ssize_t size = readlink(path, link, sizeof(link) - 1);
        if (size > 0) {
            link[size] = '\0';
            is_found = is_one_of(link, inodes);
        }
    }
    closedir(entries);
    return is_found;
}

static void describe(const char *pid, char ret_text[static PORT_OWNER_CAPACITY])
{
    char path[PATH_BYTES];
    char raw[32] = "";
    char name[32] = "?";
    FILE *file = NULL;
    if (text_format(path, sizeof(path), "/proc/%s/comm", pid)) {
        file = fopen(path, "re");
    }
    if (file != NULL) {
        if (fgets(raw, sizeof(raw), file) != NULL) {
            /* A process names itself as it likes. */
            text_printable(name, sizeof(name), raw, strcspn(raw, "\n"));
        }
        fclose(file);
    }
    text_format(ret_text, PORT_OWNER_CAPACITY, "%s (pid %.12s)", name, pid);
}

bool port_owner_find(const struct address *address,
                     char ret_text[static PORT_OWNER_CAPACITY])
{
    struct inodes inodes = {.count = 0};
    bool is_found = false;
    if (address_port(address) == 0) {
        return false;
    }
    find_listeners("/proc/net/tcp", address, &inodes);
    find_listeners("/proc/net/tcp6", address, &inodes);
    DIR *entries = inodes.count > 0 ? opendir("/proc") : NULL;
    if (entries == NULL) {
        return false;
    }
    for (const struct dirent *entry = readdir(entries); entry != NULL && !is_found;
         entry = readdir(entries)) {
        uint64_t pid = 0;
        if (text_u64(entry->d_name, UINT64_MAX, &pid) == 0 &&
            has_descriptor(entry->d_name, &inodes)) {
            describe(entry->d_name, ret_text);
            is_found = true;
        }
    }
    closedir(entries);
    return is_found;
}
