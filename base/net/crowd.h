/* Who is connected to a server that takes a bounded number of peers. Members stand in one of
 * a few lists, oldest first: a list is a state that may have a deadline, counted from when
 * the member came into it. When the crowd is full, it says who has to go for a newcomer. */
#ifndef BASE_NET_CROWD_H
#define BASE_NET_CROWD_H

#include "base/net/address.h"

#include <stdbool.h>

struct crowd;
struct crowd_peer;

enum { CROWD_LISTS = 4, CROWD_NEVER = -1 };

/* Part of the caller's connection, all zero at first; its fields are crowd.c's. */
struct crowd_member {
    struct crowd_member *previous;
    struct crowd_member *next;
    struct crowd_peer *peer;
    int64_t since_mono_ms;
    unsigned list;
};

struct crowd_list {
    int64_t deadline_ms; /* how long a member may stay; CROWD_NEVER: for ever */
    int64_t quiet_ms;    /* after this it may have to go for a newcomer; or CROWD_NEVER */
};

/* LISTS is copied. 0 members are ERROR_RANGE; ERROR_IO: no random key. */
int crowd_new(unsigned max_members, const struct crowd_list lists[static CROWD_LISTS],
              struct crowd **ret_crowd) MUST_CHECK;
/* The members must have left. Accepts NULL. */
void crowd_free(struct crowd *crowd);
/* From now on all addresses of one network (as prefix_site has it) are one peer. Before the
 * first member joins. */
void crowd_join_networks(struct crowd *crowd);
bool crowd_is_full(const struct crowd *crowd);
unsigned crowd_count(const struct crowd *crowd);
/* How many members stand in LIST. */
unsigned crowd_count_in(const struct crowd *crowd, unsigned list);
/* How many members are PEER's. */
unsigned crowd_count_of(const struct crowd *crowd, const struct address *peer);

/* Puts MEMBER (borrowed until it leaves) at the end of list 0. PEER's port does not matter.
 * ERROR_LIMIT when the crowd is full. */
int crowd_join(struct crowd *crowd, struct crowd_member *member,
               const struct address *peer, int64_t now_mono_ms) MUST_CHECK;
/* Nothing happens to one that has not joined. */
void crowd_leave(struct crowd *crowd, struct crowd_member *member);
/* Puts MEMBER at the end of LIST, also if it is there already. */
void crowd_move(struct crowd *crowd, struct crowd_member *member, unsigned list,
                int64_t now_mono_ms);

/* The oldest of LIST, and the one after it; NULL when there is none. */
struct crowd_member *crowd_oldest(const struct crowd *crowd, unsigned list);
struct crowd_member *crowd_next(const struct crowd *crowd,
                                const struct crowd_member *member);
/* One that has been in its list beyond the deadline, or NULL. */
struct crowd_member *crowd_overdue(const struct crowd *crowd, int64_t now_mono_ms);
/* Who should go, so that NEWCOMER finds a place: of the peer with the most members the one
 * that has been quiet longest. NULL: nobody; the newcomer has to go. */
struct crowd_member *crowd_victim(const struct crowd *crowd,
                                  const struct address *newcomer, int64_t now_mono_ms);

#endif
