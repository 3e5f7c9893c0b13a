/* What the parts of front share for one zone: configuration, loop, the three files of the
 * store, nonces, journal, held exchanges. The zones are a list, the main one first; what is
 * `shared` is the same in each and front's to free. */
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
struct relay_certificate;
struct tls_server;

enum { SERVICE_TERMS_VERSION_CAPACITY = 64 };

/* The service's own; data is NULL while there is none. */
struct service_text {
    char *data;
    size_t size;
};

/* A URL under which a zone is served: base_url, or one of its aliases. Who comes by one of
 * them gets all URLs below it. */
struct service_base {
    struct service_base *next;
    struct service *service;
    char *url;          /* "https://relay.lan.example.com:8443/path" */
    const char *prefix; /* its path: "" mostly */
    char *host;         /* without the port */
    bool retired;       /* not configured any more; held exchanges may still have it */
    struct timekeeper *timekeeper;
    char *announced_move;               /* as the directory shows it; NULL: none */
    struct service_text directory;      /* the directory's body */
    struct service_text open_directory; /* the same for those who need no token */
    char *index_link;                   /* the Link header's value for rel="index" */
};

struct service {
    struct service *next;
    const struct relay_config *config;
    const char *zone;           /* config->zone */
    bool retired;               /* not configured any more */
    struct relay_config *kept;  /* a retired one's configuration, ours; else NULL */
    const char *base;           /* config->base_url: where people are led */
    const char *prefix;         /* its path */
    struct service_base *bases; /* base_url first */
    struct loop *loop;          /* shared */
    struct database *front;     /* the writer; shared */
    struct database *issuer;    /* by service_issuer() */
    struct database *admin;     /* by service_admin() */
    int64_t issuer_tried_mono_ms;
    int64_t admin_tried_mono_ms;
    uint8_t secret[TOKEN_SECRET_SIZE];
    struct nonce_maker *nonces;
    struct journal *journal;   /* shared */
    struct key_cache *keys;    /* shared: an id is of one key in every zone */
    struct tls_server *tls;    /* shared */
    struct front_meter *meter; /* shared; NULL while it is not made */
    struct waiting *waiting;
    struct quota *quota;
    struct probe_set *probes;
    struct stale *stale;
    struct front_wishes *wishes;
    struct relay_certificate *certificate;
    char *
        announced_key; /* that the issuer announces, as the directory shows it; NULL: none */
    int64_t announced_mono_ms;                          /* when we last looked */
    char terms_version[SERVICE_TERMS_VERSION_CAPACITY]; /* of the terms in force */
};

/* Makes SERVICE, zeroed but for what is shared, for CONFIG's zone: reads the secret, makes
 * nonces, bases and the parts. Free with service_close in any case. Failures are logged. */
int service_open(struct service *service, const struct relay_config *config) MUST_CHECK;
/* Takes over what CONFIG says of the zone; what can't be made stays as it was, and the log
 * says so. Nothing points into the former configuration afterwards. */
void service_reload(struct service *service, const struct relay_config *config);
/* The zone is served no more. Its exchanges that are held go on with KEPT, which becomes
 * SERVICE's. */
void service_retire(struct service *service, struct relay_config *kept);
/* Frees what SERVICE has, not what is shared. */
void service_close(struct service *service);

/* The base of SERVICES by which a request for PATH with this Host field (NULL: none) came:
 * the longest one of that host, else the main zone's first. *RET_PATH is PATH below it. A
 * reverse proxy may have taken the base's own path off. */
struct service_base *service_choose(struct service *services, const char *host,
                                    const char *path, const char **ret_path);

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
