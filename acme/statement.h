/* What a relay says and signs with its own long-lived key (`relayKey` in its directory): the
 * time, and that it has moved. A statement is a JWS (RFC 7515) in flattened JSON, whose
 * protected header has exactly alg, typ and url: typ keeps one kind from being taken for
 * another (RFC 8725 3.11), url keeps one relay's from being taken for another's. See
 * docs/PROTOCOL.md. Pure. */
#ifndef ACME_STATEMENT_H
#define ACME_STATEMENT_H

#include "base/core/limits.h"
#include "base/crypto/key.h"

enum {
    STATEMENT_NONCE_BYTES = 16,
    STATEMENT_NONCE_SIZE = 22, /* the same in base64url */
    STATEMENT_NONCES_MAX = 256,
    STATEMENT_ZONE_CAPACITY = 254,
    STATEMENT_BYTES_MAX = 16 << 10, /* of the whole JWS */
};

/* "It is now AT": to all whose nonces it names, and to nobody else. */
struct statement_time {
    char zone[STATEMENT_ZONE_CAPACITY];
    int64_t at;
};

/* "This relay's devices go to TO." */
struct statement_move {
    char from[LIMIT_URL_BYTES]; /* the directory that moves */
    char to[LIMIT_URL_BYTES];   /* the directory that they go to; FROM: the move is off */
    char pin[KEY_PIN_SIZE + 1]; /* of the new relay's key; "" : none was given */
    int64_t serial;             /* rises with each statement: the highest counts */
    int64_t issued_at;
};

/* Whether TEXT is a nonce: 22 characters of base64url. */
bool statement_is_nonce(const char *text);
/* A fresh nonce. ERROR_CRYPTO. */
int statement_make_nonce(char ret_nonce[static STATEMENT_NONCE_SIZE + 1]) MUST_CHECK;

/* Appends the statement to TEXT, signed with KEY for URL (timeUrl). NONCES is an array of
 * texts; it is checked: ERROR_SYNTAX for what is no nonce, ERROR_LIMIT for none or too many. */
int statement_make_time(const struct key *key, const char *url,
                        const struct statement_time *time, const json_t *nonces,
                        struct buffer *text) MUST_CHECK;
/* Reads one that KEY signed for URL and that names NONCE. ERROR_SIGNATURE when KEY did not sign
 * it, ERROR_DENIED when it is for another url or nonce, ERROR_SYNTAX or ERROR_RANGE for what is
 * no such statement. */
int statement_read_time(const void *data, size_t size, const struct key *key,
                        const char *url, const char *nonce,
                        struct statement_time *ret_time) MUST_CHECK;

/* The same for a move; its url is MOVE->from. */
int statement_make_move(const struct key *key, const struct statement_move *move,
                        struct buffer *text) MUST_CHECK;
/* ERROR_DENIED when it is not about FROM. */
int statement_read_move(const void *data, size_t size, const struct key *key,
                        const char *from, struct statement_move *ret_move) MUST_CHECK;

/* The pin of KEY: base64url of SHA-256 over its SubjectPublicKeyInfo. */
int statement_pin(const struct key *key,
                  char ret_pin[static KEY_PIN_SIZE + 1]) MUST_CHECK;
/* Whether TEXT has the form of a pin. */
bool statement_is_pin(const char *text);

#endif
