/* How to make the routers and resolvers that people have answer with private addresses under
 * one zone: where the setting is, and what to write there. */
#ifndef DEVICE_ROUTER_MENDS_H
#define DEVICE_ROUTER_MENDS_H

#include "device/diagnosis.h"

enum { ROUTER_MENDS_LINES_MAX = 3, ROUTER_MENDS_LINE_BYTES = 384 };

/* Texts are constants. */
struct router_mend {
    const char *system; /* "OpenWrt" */
    const char *where;  /* a sentence */
    const char
        *lines[ROUTER_MENDS_LINES_MAX + 1]; /* to write there; "{zone}" is filled in */
};

/* How many systems there are advices for; all of them by index. */
size_t router_mends_count(void);
const struct router_mend *router_mends_at(size_t index);
/* Whether the advice fits what ROUTER is known to be. All fit DIAGNOSIS_ROUTER_ANY. */
bool router_mends_fits(const struct router_mend *mend, enum diagnosis_router router);
/* The INDEXth line with ZONE filled in; false when there is none. */
bool router_mends_line(const struct router_mend *mend, size_t index, const char *zone,
                       char ret_line[static ROUTER_MENDS_LINE_BYTES]);

#endif
