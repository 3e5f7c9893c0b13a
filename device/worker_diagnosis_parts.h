/* The worker's diagnosis, shared by worker_diagnosis*.c only. */
#ifndef DEVICE_WORKER_DIAGNOSIS_PARTS_H
#define DEVICE_WORKER_DIAGNOSIS_PARTS_H

#include "acme/acme.h"
#include "base/net/http_client.h"
#include "base/net/tls_probe.h"
#include "device/judge.h"
#include "device/worker_diagnosis.h"
#include "device/worker_task_parts.h"

struct diagnose;

/* One question to one resolver. */
struct asking {
    struct diagnose *diagnose;
    struct judge_resolver *resolver;
    enum judge_question question;
    struct resolve_query *query;    /* to a resolver of this network, or */
    struct http_transfer *transfer; /* to a public one; NULL: answered */
    bool is_retried;
};

/* One TLS handshake, to see what is served. */
struct looking {
    struct diagnose *diagnose;
    struct tls_probe *probe;
    enum judge_served *place;
    char *text; /* JUDGE_TEXT_BYTES */
    char where[JUDGE_TEXT_BYTES];
};

enum {
    DIAGNOSE_ASKINGS_MAX =
        (JUDGE_RESOLVERS_MAX + JUDGE_PUBLICS_MAX) * JUDGE_QUESTION_COUNT,
    DIAGNOSE_LOOKINGS_MAX = 2,
    DIAGNOSE_TOKEN_SIZE = 16,
};

enum diagnose_stage {
    DIAGNOSE_BEGIN, /* what needs nothing: resolvers, the relay's directory, the own port */
    DIAGNOSE_ZONE,  /* questions about the zone, when only the directory named it */
    DIAGNOSE_AFTER, /* what the answers lead to */
    DIAGNOSE_DONE,
};

struct diagnose {
    struct worker_channel *channel;
    const json_t *body;
    const json_t *facts; /* of the body */
    struct loop *loop;
    struct loop_timer *deadline;
    struct loop_timer *step; /* the next stage, from outside any callback */
    struct loop_watch *agent_watch;
    struct resolver *resolver;
    struct http_client *http;   /* for the relay */
    struct http_client *public; /* for public resolvers: the system's CAs */
    struct key *key;
    char id[KEY_ID_SIZE + 1];
    struct own_addresses addresses;
    struct dns_message_address fresh4;
    struct dns_message_address fresh6;
    char token[DIAGNOSE_TOKEN_SIZE + 1];
    enum diagnose_stage stage;
    size_t pending;
    bool are_zone_asked;
    size_t asking_count;
    struct asking askings[DIAGNOSE_ASKINGS_MAX];
    size_t looking_count;
    struct looking lookings[DIAGNOSE_LOOKINGS_MAX];
    /* The relay. */
    char host[256];
    uint16_t port;
    struct http_transfer *directory_transfer;
    json_t *directory;
    struct resolve_query *relay_query;
    struct tls_probe *relay_probe;
    /* The signed question for the count. */
    struct task signer; /* its channel only */
    struct acme_client *client;
    struct acme_call *call;
    struct http_transfer *client_transfer;
    struct http_transfer *call_transfer;
    struct loop_timer *client_timer;
    bool is_seen_asked;
    bool is_ended;
    int error; /* of the channel */
    struct findings findings;
};

/* worker_diagnosis.c: one of the pending things has ended. */
void worker_diagnosis_ended(struct diagnose *diagnose);

/* worker_diagnosis_dns.c */
/* Reads resolv.conf and the routes, and asks each resolver for localhost. */
void worker_diagnosis_dns_begin(struct diagnose *diagnose);
/* Asks everybody about the zone, which must be known. */
void worker_diagnosis_dns_ask(struct diagnose *diagnose);
/* Whether the relay's name can be looked up at all: some resolver has replied to something,
 * or others are configured for it, or it is an address. */
bool worker_diagnosis_dns_is_alive(const struct diagnose *diagnose);
/* An answer for the stable name that came through, or NULL. */
const struct judge_answer *worker_diagnosis_dns_stable(const struct diagnose *diagnose);
void worker_diagnosis_dns_close(struct diagnose *diagnose);

/* worker_diagnosis_relay.c */
/* Fetches the directory. */
void worker_diagnosis_relay_begin(struct diagnose *diagnose);
/* After a failure: looks at what is at the relay's address. */
void worker_diagnosis_relay_look(struct diagnose *diagnose);
/* Notes what VALUE (an HTTP Date, may be NULL) of SOURCE says the time is. */
void worker_diagnosis_relay_date(struct diagnose *diagnose, const char *value,
                                 const char *source);
void worker_diagnosis_relay_close(struct diagnose *diagnose);

/* worker_diagnosis_seen.c */
/* Asks the relay, signed, how often its name servers were asked for the probe. */
void worker_diagnosis_seen_begin(struct diagnose *diagnose);
void worker_diagnosis_seen_close(struct diagnose *diagnose);

#endif
