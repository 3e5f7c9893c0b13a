#include "relay/admin/admin_revoke.h"

#include "base/core/file.h"
#include "base/core/limits.h"
#include "base/core/text.h"
#include "base/crypto/cert.h"
#include "base/crypto/digest.h"
#include "relay/admin/admin_output.h"
#include "relay/admin/admin_wish.h"
#include "relay/store/issuer_store.h"

#include <stdio.h>
#include <string.h>

enum { HASH_CAPACITY = TEXT_HEX_SIZE(DIGEST_SHA256_SIZE) + 1 };

#define REVOKE_USAGE                                                                     \
    "revoke takes a whole device id or a certID, and --reason unspecified, "             \
    "keyCompromise, "                                                                    \
    "affiliationChanged, superseded or cessationOfOperation"

/* RFC 5280 5.3.1; those that a CA takes from a subscriber. */
static const struct {
    const char *name;
    int number;
} reasons[] = {
    {"unspecified", 0}, {"keyCompromise", 1},        {"affiliationChanged", 3},
    {"superseded", 4},  {"cessationOfOperation", 5},
};

static bool take_reason(const char *text, int *ret_number)
{
    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
        if (text_equal_nocase(text, reasons[i].name)) {
            *ret_number = reasons[i].number;
            return true;
        }
    }
    return false;
}

struct target {
    const struct admin_stores *stores;
    char id[LANNAME_ID_SIZE + 1];
    size_t live_count;
    bool revoked;
    bool ended;
};

static int take_life(const struct issuer_store_life *life, void *arg)
{
    struct target *target = arg;

    target->live_count++;
    printf("revoking the certificate with serial %s\n", life->serial);
    return 0;
}

static int take_certificate(const struct issuer_store_certificate *certificate, void *arg)
{
    struct target *target = arg;

    target->revoked = certificate->revoked_at != 0;
    target->ended = certificate->not_after_at <= target->stores->now_at;
    target->live_count = 1;
    if (!text_copy(target->id, sizeof(target->id), certificate->id)) {
        target->id[0] = '\0'; /* the relay's own */
    }
    printf("revoking the certificate with serial %s\n", certificate->serial);
    return 0;
}

/* Says what is wrong with what is to be revoked. */
static int look_at(const char *text, bool is_id, struct target *target)
{
    const struct admin_stores *stores = target->stores;
    int error = stores->issuer == NULL ? ERROR_NOT_FOUND
                : is_id ? issuer_store_lives_of_id(stores->issuer, stores->zone, text,
                                                   stores->now_at, take_life, target)
                        : issuer_store_certificate(stores->issuer, stores->zone, text,
                                                   take_certificate, target);

    if (error == ERROR_NOT_FOUND || (error == 0 && target->live_count == 0)) {
        fprintf(stderr, "latchkey-relay: %s '%s' (latchkey-relay search)\n",
                is_id ? "no live certificate of" : "no certificate with the certID",
                text);
        return ADMIN_NOT_FOUND;
    }
    if (error != 0) {
        return admin_stores_fail("can't read the certificates", error, stores->issuer);
    }
    if (target->revoked || target->ended) {
        fprintf(stderr, "latchkey-relay: '%s' %s already\n", text,
                target->revoked ? "is revoked" : "has ended");
        return target->revoked ? ADMIN_DONE : ADMIN_FAILED;
    }
    return ADMIN_DONE;
}

static int revoke(const struct admin_stores *stores, const char *text, int reason)
{
    bool is_id = lanname_is_id((const uint8_t *)text, strlen(text));
    struct target target = {.stores = stores};
    char detail[CERT_ID_MAX + 16];
    struct admin_store_wish wish = {
        .kind = "revoke", .id = target.id, .detail = detail, .at = stores->now_at};
    int status = ADMIN_DONE;

    if ((is_id && !text_copy(target.id, sizeof(target.id), text)) ||
        !text_format(detail, sizeof(detail), "%d%s%s", reason, is_id ? "" : " ",
                     is_id ? "" : text)) {
        return admin_stores_usage(REVOKE_USAGE);
    }
    status = look_at(text, is_id, &target);
    if (status != ADMIN_DONE || target.revoked) {
        return status;
    }
    (void)fflush(stdout);
    status = admin_wish_run(stores, &wish, false, true);
    if (status == ADMIN_DONE) {
        printf("revoked\n");
    }
    return status;
}

/* By hand: one certID of 64 begins with a hyphen (RFC 9773 4.1: base64url), which getopt takes for
 * an option. */
static bool take_arguments(int argc, char **argv, const char **ret_what, int *ret_reason)
{
    static const char option[] = "--reason";
    *ret_what = NULL;
    for (int i = 1; i < argc; i++) {
        const char *reason = NULL;

        if (strcmp(argv[i], option) == 0) {
            reason = i + 1 < argc ? argv[++i] : "";
        } else if (text_starts_with(argv[i], "--reason=")) {
            reason = argv[i] + sizeof(option);
        } else if (*ret_what != NULL || (argv[i][0] == '-' && strchr(argv[i], '.') == NULL)) {
            return false;
        } else {
            *ret_what = argv[i];
        }
        if (reason != NULL && !take_reason(reason, ret_reason)) {
            return false;
        }
    }
    return *ret_what != NULL;
}

int admin_revoke_run(const struct relay_config *config, int argc, char **argv)
{
    struct admin_stores stores;
    const char *what = NULL;
    int reason = 0;
    int status = ADMIN_FAILED;

    if (!take_arguments(argc, argv, &what, &reason)) {
        return admin_stores_usage(REVOKE_USAGE);
    }
    if (admin_stores_open(config, &stores) == 0) {
        status = revoke(&stores, what, reason);
    }
    admin_stores_close(&stores);
    return status;
}

/* ---- keys ---- */

struct keys {
    bool json;
    size_t count;
};

static int print_key(const struct issuer_store_entry *entry, void *arg)
{
    struct keys *keys = arg;
    char since[TEXT_TIME_CAPACITY];
    json_t *object = NULL;
    int error = 0;

    keys->count++;
    text_time(entry->at, since);
    if (!keys->json) {
        printf("%s  since %s%s%s\n", entry->what, since,
               entry->id[0] != '\0' ? "  of " : "", entry->id);
        return 0;
    }
    object = json_object();
    error = object == NULL ? ERROR_MEMORY : json_set_text(object, "keyHash", entry->what);
    if (error == 0) {
        error = admin_output_time(object, "since", entry->at);
    }
    if (error == 0 && entry->id[0] != '\0') {
        error = json_set_text(object, "id", entry->id);
    }
    if (error == 0) {
        error = admin_output_line(json_incref(object));
    }
    json_decref(object);
    return error;
}

static int list_keys(const struct admin_stores *stores, bool json)
{
    struct keys keys = {.json = json};
    int error = stores->issuer == NULL
                    ? 0
                    : issuer_store_entries(stores->issuer, stores->zone, "revoked-key",
                                           "", print_key, &keys);

    if (error != 0) {
        return admin_stores_fail("can't read the revoked keys", error, stores->issuer);
    }
    fprintf(stderr, "%zu key%s\n", keys.count, keys.count == 1 ? "" : "s");
    return ADMIN_DONE;
}

/* The SPKI's hash of the key or certificate in FILE. */
static int hash_file(const char *path, char ret_hash[static HASH_CAPACITY])
{
    struct buffer pem = buffer_init_secret(LIMIT_FILE_BYTES);
    uint8_t digest[DIGEST_SHA256_SIZE];
    struct cert *cert = NULL;
    struct key *key = NULL;
    int error = file_read(path, &pem);

    if (error == 0 && cert_from_pem(pem.data, pem.size, &cert) == 0) {
        error = cert_key(cert, &key);
    } else if (error == 0) {
        error = key_from_pem(pem.data, pem.size, &key);
    }
    if (error == 0) {
        error = key_spki_sha256(key, digest);
    }
    if (error == 0) {
        text_hex(digest, sizeof(digest), ret_hash);
    }
    cert_free(cert);
    key_free(key);
    buffer_free(&pem);
    return error;
}

static int add_key(const struct admin_stores *stores, const char *text)
{
    char hash[HASH_CAPACITY];
    struct admin_store_wish wish = {
        .kind = "refuse-key", .id = "", .detail = hash, .at = stores->now_at};
    int status = ADMIN_DONE;

    if (text_copy(hash, sizeof(hash), text) &&
        strlen(hash) == (size_t)HASH_CAPACITY - 1 &&
        strspn(hash, "0123456789abcdefABCDEF") == (size_t)HASH_CAPACITY - 1) {
        text_lower(hash);
    } else {
        int error = hash_file(text, hash);

        if (error != 0) {
            fprintf(
                stderr,
                "latchkey-relay: revoked-keys add '%s': %s; it must be the SHA-256 of a "
                "key's "
                "SPKI (64 hex characters), or a PEM file with a key or a certificate\n",
                text, error_text(error));
            return ADMIN_USAGE;
        }
    }
    status = admin_wish_run(stores, &wish, false, true);
    if (status == ADMIN_DONE) {
        printf("%s is never certified again\n", hash);
    }
    return status;
}

int admin_revoke_keys(const struct relay_config *config, int argc, char **argv)
{
    struct admin_stores stores;
    bool list = argc >= 2 && strcmp(argv[1], "list") == 0;
    bool json = argc == 3 && strcmp(argv[2], "--json") == 0;
    int status = ADMIN_FAILED;

    if (!(list && (argc == 2 || json)) && !(argc == 3 && strcmp(argv[1], "add") == 0)) {
        return admin_stores_usage("revoked-keys takes: list [--json], or add HASH|FILE");
    }
    if (admin_stores_open(config, &stores) == 0) {
        status = list ? list_keys(&stores, json) : add_key(&stores, argv[2]);
    }
    admin_stores_close(&stores);
    return status;
}
