/* A handle of liblatchkey whose relay, storage, clock and events are the test's. */
#ifndef TESTS_UNIT_LIBRARY_FIXTURE_H
#define TESTS_UNIT_LIBRARY_FIXTURE_H

#include "device/lib/latchkey.h"
#include "tests/unit/acme/mock_ca.h"

/* After what it needs. */
#include <cmocka.h>

enum { FIXTURE_ITEMS = 8, FIXTURE_NAME = 32, FIXTURE_DAY_S = 86400 };

#define FIXTURE_ZONE "lan.example.com"

struct fixture_item {
    char name[FIXTURE_NAME]; /* "": free */
    struct buffer data;
};

struct fixture {
    struct mock_ca ca;
    struct fixture_item items[FIXTURE_ITEMS];
    bool is_storage_broken; /* saves fail */
    unsigned save_count;
    unsigned cut_after; /* no save after this many reaches the medium; 0: all do */

    struct latchkey_transport transport;
    struct latchkey_storage storage;
    struct latchkey_events events;
    struct latchkey_options options;
    struct latchkey *handle;

    int start_error; /* what the transport's start returns; 0: it answers */
    bool is_silent;  /* it never answers */
    bool is_unheard; /* the answer is given to nobody, and kept: see last_id */
    uint64_t last_id;
    unsigned starts, cancels, releases;
    unsigned rounds; /* of the owner's loop */

    unsigned fallbacks, trusteds, expireds, states;
    int refusal; /* what the certificate event returns for a trusted one */
    char serial[64];
    char chain[16 << 10];
};

/* Opens the relay and fills in the options; no handle yet. */
void fixture_open(struct fixture *f);
void fixture_close(struct fixture *f);
/* Makes the handle; the options must be good. */
void fixture_start(struct fixture *f);
/* Frees it, as a restart or a power cut does. */
void fixture_stop(struct fixture *f);
/* One round of the owner's loop: process, then sleep for as long as the handle says. */
void fixture_round(struct fixture *f);
/* Rounds until COUNT trusted certificates were offered; how many seconds that took. */
int64_t fixture_run(struct fixture *f, unsigned count);
/* Rounds until SECONDS have passed. */
void fixture_pass(struct fixture *f, int64_t seconds);
/* The stored item, or NULL. */
struct fixture_item *fixture_item(struct fixture *f, const char *name);
struct latchkey_status fixture_status(struct fixture *f);

#endif
