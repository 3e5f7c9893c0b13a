/* What all parts of front share: configuration, loop, the three files of the store,
 * nonces, journal, held exchanges. One of them, made by front_run. */
#ifndef RELAY_FRONT_SERVICE_H
#define RELAY_FRONT_SERVICE_H

#include "base/net/loop.h"
#include "relay/front/nonce.h"
#include "relay/relay_config.h"
#include "relay/store/database.h"
#include "relay/store/token.h"

struct journal;
struct waiting;
struct quota;
struct key_cache;
struct probe_set;
struct timekeeper;
struct stale;
struct front_meter;
struct front_wishes;

enum { SERVICE_TERMS_VERSION_CAPACITY = 64 };

/* The service's own; data is NULL while there is none. */
struct service_text {
    char *data;
    size_t size;
};

struct service {
    const struct relay_config *config;
    const char *zone;   /* config->zone */
    const char *base;   /* config->base_url */
    const char *prefix; /* the path of base: "" mostly */
    struct loop *loop;
    struct database *front;  /* the writer */
    struct database *issuer; /* by service_issuer() */
    struct database *admin;  /* by service_admin() */
    int64_t issuer_tried_mono_ms;
    int64_t admin_tried_mono_ms;
    uint8_t secret[TOKEN_SECRET_SIZE];
    struct nonce_maker *nonces;
    struct journal *journal;
    struct waiting *waiting;
    struct quota *quota;
    struct key_cache *keys;
    struct probe_set *probes;
    struct timekeeper *timekeeper;
    struct stale *stale;
    struct front_meter *meter;
    struct front_wishes *wishes;
    /* What the issuer announces of the relay, as the directory shows it; NULL: nothing. */
    char *announced_key;
    char *announced_move;
    int64_t announced_mono_ms; /* when we last looked */
    char terms_version[SERVICE_TERMS_VERSION_CAPACITY]; /* of the terms in force */
    struct service_text directory;                      /* the directory's body */
    struct service_text open_directory; /* the same for those who need no token */
    char *index_link; /* the Link header's value for rel="index" */
};

/* Opens the store as writer, reads the secret, makes nonces and fixed texts. SERVICE is
 * zeroed by the caller and freed with service_free in any case. Failures are logged. */
int service_open(struct service *service, const struct relay_config *config,
                 struct loop *loop) MUST_CHECK;
void service_free(struct service *service);

/* The issuer's and the operator's file, opened as soon as they are there: NULL while not.
 * One that can't be read is tried four times a second. */
struct database *service_issuer(struct service *service);
struct database *service_admin(struct service *service);

/* Whether ID is blocked: *RET_BLOCKED. No admin.db is no block; one that can't be read is
 * an error. */
int service_is_blocked(struct service *service, const char *id,
                       bool *ret_blocked) MUST_CHECK;
/* A random 128-bit number as 32 hex characters. */
int service_number(char ret_number[static 33]) MUST_CHECK;

#endif
