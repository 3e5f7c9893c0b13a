/* A certificate that a person brings for a key that we made: every check that keeps it from
 * failing in somebody's browser later, each with a stable word and a sentence. Pure. */
#ifndef BASE_CRYPTO_UPLOAD_H
#define BASE_CRYPTO_UPLOAD_H

#include "base/crypto/cert.h"

enum upload_check {
    UPLOAD_READ,     /* PEM or DER, certificates only, not too many or too large */
    UPLOAD_SECRET,   /* no private key in it */
    UPLOAD_KEY,      /* exactly one certificate is for our key, which signs for it */
    UPLOAD_LINKS,    /* the others are its issuers, each signed by the next */
    UPLOAD_NAME,     /* the host name is among its DNS names */
    UPLOAD_DATES,    /* it is valid now */
    UPLOAD_PURPOSE,  /* no CA, and for TLS servers */
    UPLOAD_STRENGTH, /* keys and digests that browsers accept */
    UPLOAD_CHECK_COUNT,
};

/* Sizes hold the longest of ours. */
struct upload_verdict {
    enum upload_check check;
    bool is_good;
    const char *code; /* "good", or what is wrong: "other-key", "expired", ...; static */
    char sentence[256]; /* for people, quoting what is wrong; "" when it is good */
};

struct upload_verdicts {
    struct upload_verdict at[UPLOAD_CHECK_COUNT];
    size_t count; /* what could be judged: less than all when it could not even be read */
    bool is_good; /* all of them, and all are there */
};

/* A key that the certificate may be for, and the name that it must then hold. */
struct upload_subject {
    const struct key *key;
    const char *host;
};

/* What a certificate's dates are judged by. */
struct upload_clock {
    int64_t now_at;
    bool is_set; /* else only the end counts: the clock never was set */
};

/* Judges SIZE bytes for one of SUBJECTS. When all is good, *RET_CERT is the chain, leaf first
 * and without its root (free with cert_free), and *RET_SUBJECT which of SUBJECTS it is for. 0
 * or ERROR_RANGE when it is refused; the verdicts are written in any case. ERROR_MEMORY. */
int upload_judge(struct bytes upload, const struct upload_subject *subjects,
                 size_t subject_count, const struct upload_clock *clock,
                 struct upload_verdicts *ret_verdicts, struct cert **ret_cert,
                 size_t *ret_subject) MUST_CHECK;
/* "read", "secret", "key", ...: a stable word. Never NULL. */
const char *upload_check_text(enum upload_check check);

#endif
