/* Every two seconds (nothing here is urgent) we look at issuer.db for the newest chain of
 * our key, install it when it is new, and write a request when there is none or its
 * renewal moment has come. The moment is drawn once per window.
 *
 * A request's number is derived from the key, the certificate to be replaced and the
 * attempt, not drawn: a front that is restarted finds its own request again instead of
 * asking for a second certificate. */
#include "relay/front/relay_certificate.h"

#include "acme/acme.h"
#include "base/core/clock.h"
#include "base/core/file.h"
#include "base/core/json.h"
#include "base/core/log.h"
#include "base/core/text.h"
#include "base/crypto/csr.h"
#include "base/crypto/digest.h"
#include "base/crypto/random.h"
#include "relay/front/journal.h"
#include "relay/front/renewal.h"
#include "relay/store/front_store.h"
#include "relay/store/place.h"
#include "relay/store/private_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    LOOK_MS = 2000,
    FIRST_LOOK_MS = 20,
    RETRY_FIRST_S = 60,
    RETRY_MAX_S = 3600,
    FALLBACK_LIFE_S = 10 * 365 * 86400,
    HASH_CAPACITY = TEXT_HEX_SIZE(DIGEST_SHA256_SIZE) + 1,
};

enum relay_certificate_state {
    RELAY_CERTIFICATE_IDLE,    /* nothing asked */
    RELAY_CERTIFICATE_ASKED,   /* a request is written */
    RELAY_CERTIFICATE_REFUSED, /* it failed; asked again at retry_at */
};

struct relay_certificate {
    struct service *service;
    struct tls_server *tls;
    char name
        [256]; /* of a further zone's certificate in TLS; "": the main zone's, which has
                       the slots */
    struct loop_timer *timer;
    struct key *key;
    char spki_hash[HASH_CAPACITY];
    bool given_fallback; /* the operator's certificate_file */
    enum relay_certificate_state state;
    char number[33]; /* of the request */
    unsigned attempt;
    int64_t retry_at;
    char cert_id[CERT_ID_MAX]; /* installed; "" : none */
    int64_t window_start_at;   /* for which renew_at was drawn */
    int64_t window_end_at;
    int64_t renew_at;
};

/* ---- keys and the fallback ---- */

static int take_key(struct relay_certificate *certificate)
{
    char path[LIMIT_URL_BYTES];
    uint8_t hash[DIGEST_SHA256_SIZE];
    char name[sizeof(certificate->name) + 32];
    int error = text_format(name, sizeof(name), "front-tls%s%s.key",
                            certificate->name[0] != '\0' ? "-" : "", certificate->name)
                    ? place_path(certificate->service->config->store, "front", name, path,
                                 sizeof(path))
                    : ERROR_LIMIT;

    if (error == 0) {
        error = private_file_read_key(path, PRIVATE_FILE_OWNER, &certificate->key);
    }
    if (error == ERROR_NOT_FOUND) {
        error = private_file_make_key(path, &certificate->key);
    }
    if (error == 0) {
        error = key_spki_sha256(certificate->key, hash);
    }
    if (error != 0) {
        log_error("the relay's TLS key '%s': %s", path,
                  error == ERROR_IO ? strerror(errno) : error_text(error));
        return error;
    }
    text_hex(hash, sizeof(hash), certificate->spki_hash);
    return 0;
}

static int read_given(struct relay_certificate *certificate)
{
    const struct relay_config *config = certificate->service->config;
    struct buffer pem = buffer_init(LIMIT_CHAIN_BYTES);
    struct cert *cert = NULL;
    struct key *key = NULL;
    const char *path = config->front_certificate_file;
    int error = file_read(path, &pem);

    if (error == 0) {
        error = cert_from_pem(pem.data, pem.size, &cert);
    }
    if (error == 0) {
        path = config->front_key_file;
        error = private_file_read_key(path, PRIVATE_FILE_MEMBERS, &key);
    }
    if (error == 0) {
        error = tls_server_set(certificate->tls, TLS_FALLBACK, cert, key);
    }
    if (error != 0) {
        log_error("[front] '%s': %s", path,
                  error == ERROR_IO       ? strerror(errno)
                  : error == ERROR_CRYPTO ? "is not the key of certificate_file"
                                          : error_text(error));
    }
    buffer_free(&pem);
    cert_free(cert);
    key_free(key);
    return error;
}

/* The host of base_url, without port and path. */
static bool base_host(const char *base, char ret_host[static 256])
{
    const char *host = strstr(base, "://");

    host = host != NULL ? host + 3 : base;
    return text_format(ret_host, 256, "%.*s", (int)strcspn(host, ":/"), host);
}

/* Serves CERT from now on. */
static int show(struct relay_certificate *certificate, const struct cert *cert,
                bool is_trusted)
{
    struct tls_server *tls = certificate->tls;
    int error = 0;

    if (certificate->name[0] != '\0') {
        return tls_server_put(tls, certificate->name, cert, certificate->key);
    }
    if (is_trusted) {
        error = tls_server_set(tls, TLS_TRUSTED, cert, certificate->key);
    }
    /* Who asks without SNI is better served by the trusted one than by one that we signed
     * ourselves. */
    return error == 0 && !certificate->given_fallback
               ? tls_server_set(tls, TLS_FALLBACK, cert, certificate->key)
               : error;
}

static int sign_fallback(struct relay_certificate *certificate)
{
    const struct relay_config *config = certificate->service->config;
    char host[256] = "";
    const char *names[2] = {config->host, host};
    /* The operator's own is better for the host of base_url than one of ours. */
    bool is_given =
        certificate->name[0] != '\0' && config->front_certificate_file[0] != '\0';
    bool both =
        !is_given && base_host(config->base_url, host) && strcmp(host, config->host) != 0;
    size_t count = both ? 2 : 1;
    int64_t now_at = clock_wall_at();
    struct key *identity = NULL;
    struct cert *authority = NULL;
    struct cert *leaf = NULL;
    int error = key_generate(KEY_P256, &identity);

    if (error == 0) {
        error = cert_make_identity(identity, "latchkey relay", names, count, &authority);
    }
    if (error == 0) {
        error = cert_make_leaf(authority, identity, certificate->key, names, count, NULL,
                               0, now_at - 86400, now_at + FALLBACK_LIFE_S, &leaf);
    }
    if (error == 0) {
        error = show(certificate, leaf, false);
    }
    if (error != 0) {
        log_error("no self-signed certificate for '%s': %s", config->host,
                  error_text(error));
    }
    key_free(identity);
    cert_free(authority);
    cert_free(leaf);
    return error;
}

/* ---- following the issuer ---- */

/* Draws the renewal moment when the window is new. */
static void draw_moment(struct relay_certificate *certificate,
                        const struct issuer_store_certificate *row)
{
    int64_t start_at = 0;
    int64_t end_at = 0;

    renewal_window(row, clock_wall_at(), &start_at, &end_at);
    if (start_at == certificate->window_start_at &&
        end_at == certificate->window_end_at) {
        return;
    }
    certificate->window_start_at = start_at;
    certificate->window_end_at = end_at;
    certificate->renew_at =
        start_at +
        (end_at > start_at ? (int64_t)random_below((uint64_t)(end_at - start_at)) : 0);
}

static int install(const struct issuer_store_certificate *row, void *arg)
{
    struct relay_certificate *certificate = arg;
    struct cert *cert = NULL;
    char until[TEXT_TIME_CAPACITY];
    int error = 0;

    if (strcmp(row->cert_id, certificate->cert_id) == 0) {
        draw_moment(certificate, row);
        return 0;
    }
    error = cert_from_pem(row->chain, strlen(row->chain), &cert);
    if (error == 0) {
        error = show(certificate, cert, true);
    }
    cert_free(cert);
    if (error != 0) {
        log_error("the relay's certificate %s can't be used: %s", row->cert_id,
                  error_text(error));
        return error;
    }
    (void)text_copy(certificate->cert_id, sizeof(certificate->cert_id), row->cert_id);
    draw_moment(certificate, row);
    certificate->state = RELAY_CERTIFICATE_IDLE;
    certificate->attempt = 0;
    text_time(row->not_after_at, until);
    log_info("the relay serves its certificate %s, good until %s", row->serial, until);
    return 0;
}

/* When a request that failed may be repeated: after a pause that doubles, or later if the
 * issuer says so. */
static void plan_retry(struct relay_certificate *certificate,
                       const struct issuer_store_order *row)
{
    int64_t backoff_s = RETRY_FIRST_S;

    for (unsigned i = 0; i < certificate->attempt && backoff_s < RETRY_MAX_S; i++) {
        backoff_s *= 2;
    }
    backoff_s = backoff_s < RETRY_MAX_S ? backoff_s : RETRY_MAX_S;
    certificate->retry_at =
        row->created_at + backoff_s + (int64_t)random_below((uint64_t)backoff_s / 4);
    if (row->retry_at > certificate->retry_at) {
        certificate->retry_at = row->retry_at;
    }
}

static int take_outcome(const struct issuer_store_order *row, void *arg)
{
    struct relay_certificate *certificate = arg;
    char until[TEXT_TIME_CAPACITY];

    switch (row->state) {
    case ISSUER_STORE_READY:
    case ISSUER_STORE_PROCESSING:
        break;
    case ISSUER_STORE_VALID:
        /* Issued, yet not what the store gives us: revoked since. A new one then. */
        if (strcmp(row->certificate, certificate->cert_id) != 0) {
            certificate->attempt++;
        }
        certificate->state = RELAY_CERTIFICATE_IDLE;
        break;
    case ISSUER_STORE_REFUSED:
    case ISSUER_STORE_INVALID:
        plan_retry(certificate, row);
        certificate->attempt++;
        certificate->state = RELAY_CERTIFICATE_REFUSED;
        text_time(certificate->retry_at, until);
        log_warning("no certificate for the relay itself: %.300s; asked again at %s",
                    row->problem, until);
        break;
    }
    return 0;
}

static int make_number(struct relay_certificate *certificate)
{
    char text[HASH_CAPACITY + CERT_ID_MAX + 32];
    uint8_t hash[DIGEST_SHA256_SIZE];
    int error = text_format(text, sizeof(text), "relay %s %s %u", certificate->spki_hash,
                            certificate->cert_id, certificate->attempt)
                    ? digest_sha256(text, strlen(text), hash)
                    : ERROR_LIMIT;

    if (error == 0) {
        text_hex(hash, 16, certificate->number);
    }
    return error;
}

static int make_csr(struct relay_certificate *certificate, char **ret_text)
{
    const char *names[1] = {certificate->service->config->host};
    struct buffer der = buffer_init(LIMIT_CSR_BYTES);
    char *text = NULL;
    int error = csr_make(certificate->key, names, 1, &der);

    if (error == 0) {
        text = malloc(TEXT_BASE64URL_SIZE(der.size) + 1);
        error = text != NULL ? 0 : ERROR_MEMORY;
    }
    if (error == 0) {
        text_base64url(der.data, der.size, text);
        *ret_text = text;
    }
    buffer_free(&der);
    return error;
}

static void ask(struct relay_certificate *certificate)
{
    struct service *service = certificate->service;
    struct front_store_request row = {.kind = "relay", .id = "", .jwk = ""};
    char *csr = NULL;
    int64_t rev = 0;
    int error = make_number(certificate);

    if (error == 0) {
        error = make_csr(certificate, &csr);
    }
    if (error == 0) {
        error = journal_begin(service->journal, &rev);
    }
    if (error == 0) {
        row.number = certificate->number;
        row.jws = csr;
        row.received_at = clock_wall_at();
        error = front_store_add_request(service->front, service->zone, rev, &row);
    }
    free(csr);
    if (error == 0 || error == ERROR_EXISTS) {
        certificate->state = RELAY_CERTIFICATE_ASKED;
        log_info("a certificate for '%s' is asked for (%s)", service->config->host,
                 certificate->number);
    } else {
        log_error("a certificate for '%s' can't be asked for: %s", service->config->host,
                  error_text(error));
    }
}

static int found_request(const struct front_store_request *row, void *arg)
{
    (void)row;
    (void)arg;
    return 0;
}

/* What became of the request. The order is read before the certificate: a chain is stored
 * with its order's last state. */
static void follow(struct relay_certificate *certificate, struct database *issuer)
{
    struct service *service = certificate->service;
    int asked = certificate->state == RELAY_CERTIFICATE_ASKED
                    ? issuer_store_order(issuer, service->zone, certificate->number,
                                         take_outcome, certificate)
                    : 0;
    int error = 0;

    if (asked == ERROR_NOT_FOUND &&
        front_store_get_request(service->front, service->zone, certificate->number,
                                "relay", found_request, NULL) == ERROR_NOT_FOUND) {
        certificate->state =
            RELAY_CERTIFICATE_IDLE; /* its commit failed: written again */
    }
    error = issuer_store_relay_certificate(issuer, service->zone, certificate->spki_hash,
                                           install, certificate);
    if (error == ERROR_NOT_FOUND) {
        certificate->renew_at = 0; /* none, or it was revoked */
    } else if (error != 0) {
        log_error("the relay's certificate can't be read: %s", database_error(issuer));
    }
}

static void look(void *arg)
{
    struct relay_certificate *certificate = arg;
    struct database *issuer = service_issuer(certificate->service);
    int64_t now_at = clock_wall_at();
    bool wanted = false;

    if (issuer != NULL) {
        follow(certificate, issuer);
    }
    wanted = certificate->cert_id[0] == '\0' || now_at >= certificate->renew_at;
    switch (certificate->state) {
    case RELAY_CERTIFICATE_IDLE:
        if (wanted) {
            ask(certificate);
        }
        break;
    case RELAY_CERTIFICATE_ASKED:
        break;
    case RELAY_CERTIFICATE_REFUSED:
        if (wanted && now_at >= certificate->retry_at) {
            ask(certificate);
        }
        break;
    }
    loop_timer_set(certificate->timer, LOOK_MS);
}

int relay_certificate_new(struct service *service,
                          struct relay_certificate **ret_certificate)
{
    struct relay_certificate *certificate = calloc(1, sizeof(*certificate));
    int error = 0;

    if (certificate == NULL) {
        return ERROR_MEMORY;
    }
    certificate->service = service;
    certificate->tls = service->tls;
    if (!service->config->is_main &&
        !text_copy(certificate->name, sizeof(certificate->name), service->zone)) {
        free(certificate);
        return ERROR_LIMIT;
    }
    certificate->given_fallback = certificate->name[0] == '\0' &&
                                  service->config->front_certificate_file[0] != '\0';
    error = take_key(certificate);
    if (error == 0) {
        error = certificate->given_fallback ? read_given(certificate)
                                            : sign_fallback(certificate);
    }
    if (error == 0) {
        error = loop_timer_new(service->loop, look, certificate, &certificate->timer);
    }
    if (error != 0) {
        relay_certificate_free(certificate);
        return error;
    }
    loop_timer_set(certificate->timer, FIRST_LOOK_MS);
    *ret_certificate = certificate;
    return 0;
}

void relay_certificate_reload(struct relay_certificate *certificate)
{
    const struct relay_config *config = certificate->service->config;
    bool is_given =
        certificate->name[0] == '\0' && config->front_certificate_file[0] != '\0';

    if (is_given && read_given(certificate) == 0) {
        certificate->given_fallback = true;
    } else if (!is_given && certificate->given_fallback) {
        certificate->given_fallback = false;
        certificate->cert_id[0] = '\0'; /* installed again, in the fallback's place too */
        (void)!sign_fallback(certificate);
    }
}

void relay_certificate_free(struct relay_certificate *certificate)
{
    if (certificate == NULL) {
        return;
    }
    if (certificate->name[0] != '\0') {
        tls_server_remove(certificate->tls, certificate->name);
    }
    loop_timer_free(certificate->timer);
    key_free(certificate->key);
    free(certificate);
}
