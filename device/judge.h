/* From what was seen to verdicts: the rules of `latchkey doctor` as a pure function, without
 * clock, network or memory of its own. The worker fills in the findings
 * (worker_diagnosis*.c). */
#ifndef DEVICE_JUDGE_H
#define DEVICE_JUDGE_H

#include "base/net/dns_message.h"
#include "device/diagnosis.h"
#include "device/own_addresses.h"
#include "device/relay_facts.h"

enum { JUDGE_RESOLVERS_MAX = 4, JUDGE_PUBLICS_MAX = 4, JUDGE_TEXT_BYTES = 160 };

/* What is asked of each resolver. */
enum judge_question {
    JUDGE_LOCAL,   /* localhost: what it knows by itself */
    JUDGE_CONTROL, /* TXT at _acme-challenge.<id>.<zone>: public, and always there */
    JUDGE_OWN,     /* the name of the device's first address */
    JUDGE_FRESH4,  /* a name nobody has asked for, in 10/8 */
    JUDGE_FRESH6,  /* another, in fd00::/8 */
    JUDGE_STABLE,  /* <label>.<id>.<zone> */
    JUDGE_PROBE,   /* probe-<token>.<id>.<zone> */
    JUDGE_QUESTION_COUNT,
};

enum judge_reply {
    JUDGE_UNASKED,
    JUDGE_SILENT, /* nothing came */
    JUDGE_RIGHT,  /* what was expected; of JUDGE_STABLE: any address */
    JUDGE_EMPTY,  /* NOERROR without data */
    JUDGE_NXDOMAIN,
    JUDGE_REFUSED,
    JUDGE_SERVFAIL, /* and every other code */
    JUDGE_SINKHOLE, /* 0.0.0.0, :: or loopback */
    JUDGE_OTHER,    /* another address */
};

struct judge_answer {
    enum judge_reply reply;
    int ede; /* or DNS_MESSAGE_NO_EDE */
    bool has_soa;
    size_t address_count;
    struct dns_message_address addresses[DNS_MESSAGE_ADDRESSES_MAX];
};

struct judge_resolver {
    char text[JUDGE_TEXT_BYTES];    /* its address, or a public one's URL */
    bool is_reached;                /* public ones: it answered by HTTP */
    char failure[JUDGE_TEXT_BYTES]; /* public ones: why not */
    struct judge_answer answers[JUDGE_QUESTION_COUNT];
};

/* What became of fetching the relay's directory. */
struct judge_relay {
    char name[JUDGE_TEXT_BYTES]; /* host and port */
    bool is_asked;
    int error; /* 0: there was a response */
    char reason[JUDGE_TEXT_BYTES];
    int status;       /* HTTP */
    bool is_acme;     /* a directory with newOrder */
    bool is_latchkey; /* with meta.latchkey */
    bool is_proxy;    /* it was the proxy that failed or refused */
    bool has_pin;     /* of its key, from the configuration or a signed move */
    enum relay_verdict verdict;
    char doubt[2 * JUDGE_TEXT_BYTES]; /* why it is not itself */
    bool is_name_known;               /* asked after a failure: its address was found */
    bool is_connected; /* and a TLS handshake came about, whatever the certificate */
    char issuer[JUDGE_TEXT_BYTES]; /* of that certificate */
    int64_t not_before_at;         /* 0: no certificate was seen */
    int64_t not_after_at;
};

enum judge_served {
    JUDGE_SERVED_UNASKED,
    JUDGE_SERVED_NOTHING, /* no connection, or no handshake */
    JUDGE_SERVED_OWN,     /* the certificate that the device has now */
    JUDGE_SERVED_ANOTHER,
};

enum { JUDGE_SEEN_UNASKED = -1, JUDGE_SEEN_FAILED = -2 };

struct findings {
    int64_t now_at;    /* as the device goes by */
    int64_t system_at; /* by the system's clock, which may have been found wrong */
    int64_t floor_at;  /* before it the clock was never set */
    /* What others say the time is, over a verified connection; 0: nobody. */
    int64_t date_at; /* when now_at was */
    char date_source[JUDGE_TEXT_BYTES];
    const struct own_addresses *addresses;
    bool is_route_known; /* the kernel could be asked */
    bool has_route4;
    bool has_route6;
    char gateway[46]; /* of IPv4, or "" */
    size_t resolver_count;
    struct judge_resolver resolvers[JUDGE_RESOLVERS_MAX];
    size_t unusable_resolvers; /* lines of resolv.conf that name no address */
    size_t public_count;
    struct judge_resolver publics[JUDGE_PUBLICS_MAX];
    char zone[DIAGNOSIS_ZONE_BYTES]; /* "" : not known */
    struct judge_relay relay;
    int64_t
        seen; /* how often the relay was asked for the probe's name, or JUDGE_SEEN_* */
    char seen_reason[JUDGE_TEXT_BYTES];
    enum judge_served port; /* at an own address */
    char port_text[JUDGE_TEXT_BYTES];
    enum judge_served served; /* where the stable name leads */
    char served_text[JUDGE_TEXT_BYTES];
};

/* Reads a reply to QUESTION; EXPECTED (may be NULL) is the address that belongs there. */
void judge_reply_of(const struct dns_message_reply *reply, enum judge_question question,
                    const struct dns_message_address *expected,
                    struct judge_answer *ret_answer);
/* Sets every verdict but those that only the agent can give (order, certificate). */
void judge_all(const struct findings *findings, struct diagnosis *diagnosis);

#endif
