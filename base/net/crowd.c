/* A crowd with fair places.
 *
 * One LAN peer can open as many connections as a server takes, say nothing, and keep
 * everybody else out until its deadlines pass. So a full crowd does not turn a newcomer
 * away: it names the quietest member of the peer that has the most, which must be more than
 * the newcomer's own peer has (or be the newcomer's peer itself, which then replaces one of
 * its own). A peer that floods can in this way push out only itself.
 *
 * "Quiet" is the list's: where the caller knows that nothing is lost (no request has come
 * yet) it is 0 ms; where bytes pass that it does not understand it is a while. A peer that
 * holds more than half of all places is not protected by trickling bytes.
 *
 * Peers are whole addresses, as on a LAN, or networks, as on the internet, where one
 * customer has many addresses. One that changes its address with every connection is many
 * peers of one member each: then the oldest of all goes, and a newcomer still gets in.
 *
 * Joining, moving and leaving cost a few pointers; the search walks the members, and only
 * happens when the crowd is full. */
#include "base/net/crowd.h"

#include "base/core/siphash.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

enum {
    BUCKETS = 256,
    KEY_BYTES = 16,
    NETWORK_BYTES_V4 = 15, /* a /24 of the mapped form */
    NETWORK_BYTES_V6 = 6,
};

struct crowd_peer {
    struct crowd_peer *next;
    unsigned bucket;
    unsigned count; /* of its members */
    uint8_t key[KEY_BYTES];
};

struct list {
    struct crowd_list rule;
    unsigned count;
    struct crowd_member *first;
    struct crowd_member *last;
};

struct crowd {
    unsigned max_members;
    unsigned count;
    bool has_networks;
    uint64_t hash_key[2];
    struct list lists[CROWD_LISTS];
    struct crowd_peer *buckets[BUCKETS];
};

int crowd_new(unsigned max_members, const struct crowd_list lists[static CROWD_LISTS],
              struct crowd **ret_crowd)
{
    if (max_members == 0) {
        return ERROR_RANGE;
    }
    struct crowd *crowd = calloc(1, sizeof(*crowd));
    if (crowd == NULL) {
        return ERROR_MEMORY;
    }
    int error = siphash_key(crowd->hash_key);
    if (error != ERROR_NONE) {
        free(crowd);
        return error;
    }
    crowd->max_members = max_members;
    for (size_t i = 0; i < CROWD_LISTS; i++) {
        crowd->lists[i].rule = lists[i];
    }
    *ret_crowd = crowd;
    return ERROR_NONE;
}

void crowd_free(struct crowd *crowd)
{
    free(crowd);
}

void crowd_join_networks(struct crowd *crowd)
{
    crowd->has_networks = true;
}

bool crowd_is_full(const struct crowd *crowd)
{
    return crowd->count >= crowd->max_members;
}

unsigned crowd_count(const struct crowd *crowd)
{
    return crowd->count;
}

unsigned crowd_count_in(const struct crowd *crowd, unsigned list)
{
    return crowd->lists[list].count;
}

/* Peers without an IP (unix sockets) are one. */
static unsigned key_of(const struct crowd *crowd, const struct address *address,
                       uint8_t ret_key[static KEY_BYTES])
{
    size_t known = KEY_BYTES;
    memset(ret_key, 0, KEY_BYTES);
    if (address->storage.ss_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, &address->storage, sizeof(in));
        ret_key[10] = ret_key[11] = 0xff; /* as ::ffff:192.0.2.1 */
        memcpy(ret_key + 12, &in.sin_addr, sizeof(in.sin_addr));
        known = crowd->has_networks ? NETWORK_BYTES_V4 : known;
    } else if (address->storage.ss_family == AF_INET6) {
        struct sockaddr_in6 in6;
        memcpy(&in6, &address->storage, sizeof(in6));
        memcpy(ret_key, &in6.sin6_addr, sizeof(in6.sin6_addr));
        known = crowd->has_networks ? NETWORK_BYTES_V6 : known;
    }
    memset(ret_key + known, 0, KEY_BYTES - known);
    return (unsigned)(siphash_13(crowd->hash_key, ret_key, KEY_BYTES) % BUCKETS);
}

static struct crowd_peer *find_peer(const struct crowd *crowd,
                                    const struct address *address)
{
    uint8_t key[KEY_BYTES];
    struct crowd_peer *peer = crowd->buckets[key_of(crowd, address, key)];
    while (peer != NULL && memcmp(peer->key, key, sizeof(key)) != 0) {
        peer = peer->next;
    }
    return peer;
}

unsigned crowd_count_of(const struct crowd *crowd, const struct address *peer)
{
    const struct crowd_peer *its = find_peer(crowd, peer);
    return its != NULL ? its->count : 0;
}

static struct crowd_peer *add_peer(struct crowd *crowd, const struct address *address)
{
    struct crowd_peer *peer = calloc(1, sizeof(*peer));
    if (peer != NULL) {
        peer->bucket = key_of(crowd, address, peer->key);
        peer->next = crowd->buckets[peer->bucket];
        crowd->buckets[peer->bucket] = peer;
    }
    return peer;
}

static void drop_peer(struct crowd *crowd, struct crowd_peer *peer)
{
    struct crowd_peer **at = &crowd->buckets[peer->bucket];
    while (*at != peer) {
        at = &(*at)->next;
    }
    *at = peer->next;
    free(peer);
}

static void append(struct crowd *crowd, struct crowd_member *member, unsigned list,
                   int64_t now_mono_ms)
{
    struct list *to = &crowd->lists[list];
    member->list = list;
    member->since_mono_ms = now_mono_ms;
    to->count++;
    member->next = NULL;
    member->previous = to->last;
    if (to->last != NULL) {
        to->last->next = member;
    } else {
        to->first = member;
    }
    to->last = member;
}

static void unlink_member(struct crowd *crowd, struct crowd_member *member)
{
    struct list *from = &crowd->lists[member->list];
    from->count--;
    if (member->previous != NULL) {
        member->previous->next = member->next;
    } else {
        from->first = member->next;
    }
    if (member->next != NULL) {
        member->next->previous = member->previous;
    } else {
        from->last = member->previous;
    }
}

int crowd_join(struct crowd *crowd, struct crowd_member *member,
               const struct address *peer, int64_t now_mono_ms)
{
    if (crowd_is_full(crowd)) {
        return ERROR_LIMIT;
    }
    struct crowd_peer *its = find_peer(crowd, peer);
    if (its == NULL) {
        its = add_peer(crowd, peer);
    }
    if (its == NULL) {
        return ERROR_MEMORY;
    }
    its->count++;
    crowd->count++;
    member->peer = its;
    append(crowd, member, 0, now_mono_ms);
    return ERROR_NONE;
}

void crowd_leave(struct crowd *crowd, struct crowd_member *member)
{
    if (member->peer == NULL) {
        return;
    }
    unlink_member(crowd, member);
    crowd->count--;
    member->peer->count--;
    if (member->peer->count == 0) {
        drop_peer(crowd, member->peer);
    }
    member->peer = NULL;
}

void crowd_move(struct crowd *crowd, struct crowd_member *member, unsigned list,
                int64_t now_mono_ms)
{
    unlink_member(crowd, member);
    append(crowd, member, list, now_mono_ms);
}

struct crowd_member *crowd_oldest(const struct crowd *crowd, unsigned list)
{
    return crowd->lists[list].first;
}

struct crowd_member *crowd_next(const struct crowd *crowd,
                                const struct crowd_member *member)
{
    (void)crowd;
    return member->next;
}

struct crowd_member *crowd_overdue(const struct crowd *crowd, int64_t now_mono_ms)
{
    for (size_t i = 0; i < CROWD_LISTS; i++) {
        const struct list *list = &crowd->lists[i];
        if (list->first != NULL && list->rule.deadline_ms >= 0 &&
            now_mono_ms - list->first->since_mono_ms >= list->rule.deadline_ms) {
            return list->first;
        }
    }
    return NULL;
}

struct crowd_member *crowd_victim(const struct crowd *crowd,
                                  const struct address *newcomer, int64_t now_mono_ms)
{
    const struct crowd_peer *own = find_peer(crowd, newcomer);
    unsigned own_count = own != NULL ? own->count : 0;
    struct crowd_member *best = NULL;
    for (size_t i = 0; i < CROWD_LISTS; i++) {
        const struct list *list = &crowd->lists[i];
        if (list->rule.quiet_ms < 0) {
            continue;
        }
        for (struct crowd_member *at = list->first; at != NULL; at = at->next) {
            unsigned count = at->peer->count;
            bool is_quiet = now_mono_ms - at->since_mono_ms >= list->rule.quiet_ms;
            bool is_flood = at->peer != own && count > crowd->max_members / 2;
            if ((at->peer != own && count <= own_count) || (!is_quiet && !is_flood)) {
                continue;
            }
            if (best == NULL || count > best->peer->count ||
                (count == best->peer->count && at->since_mono_ms < best->since_mono_ms)) {
                best = at;
            }
        }
    }
    return best;
}
