/* What the account at the CA needs of files: its key, the key of the binding, whom to trust. What
 * is wrong with one of them shuts the CA: nothing is asked of it, orders are refused with the
 * reason, and it is opened again later, for those who hold its client already. An issuer that
 * serves this zone alone ends instead, but for a key that is lost: that takes longer to mend. */
#include "relay/issuer/ca_parts.h"

#include "base/core/log.h"
#include "base/core/text.h"
#include "relay/issuer/ca_key.h"
#include "relay/store/private_file.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
    CONNECT_MS = 10000,
    TOTAL_MS = 45000, /* a CA may take 30 s to finalize; hanging up would lose its work */
};

static void shut(struct ca *ca, const char *state, const char *format, ...)
    PRINTF_LIKE(3, 4);

/* The first fault is told. */
static void shut(struct ca *ca, const char *state, const char *format, ...)
{
    va_list arguments;

    if (ca->shut != NULL) {
        return;
    }
    ca->shut = state;
    ca->failure.type = ACME_ERROR_ACCOUNT;
    ca->failure.scope = ACME_SCOPE_OPERATOR;
    va_start(arguments, format);
    (void)vsnprintf(ca->failure.text, sizeof(ca->failure.text), format, arguments);
    va_end(arguments);
    log_error("%s", ca->failure.text);
}

/* ERROR, of a file that the text names. */
static const char *cause_text(int error)
{
    return error == ERROR_IO ? strerror(errno)
           : error == ERROR_DENIED
               ? "others can read or change it (the log says how to mend its mode)"
               : error_text(error);
}

/* 0 when the CA may stay shut for ERROR. */
static int bear(const struct ca *ca, int error)
{
    return error == ERROR_MEMORY || ca->config->first->next == NULL ? error : 0;
}

/* The account is there, and nobody can speak for it. A new one must not come silently: it
 * costs budgets and a change of CAA, and the key may be in a backup. */
static void lose_key(struct ca *ca, const char *path, int cause)
{
    ca->is_lost = true;
    shut(ca, "no-key",
         "the key of the account '%.200s', '%.160s', %s: bring it back from a "
         "backup, or set 'new_account = yes' in [issuer] of relay.conf to make "
         "a new account; then reload the issuer",
         ca->former_url, path,
         cause == ERROR_NOT_FOUND ? "is gone" : "is not a key any more");
}

/* The key of the account, or one for the first account. */
static int read_key(struct ca *ca)
{
    char path[PATH_MAX] = "";
    int error = ca_key_read(ca->config, CA_KEY_PRESENT, path, &ca->key);
    int cause = error;

    if (error == 0) {
        return 0;
    }
    if (error != ERROR_IO && error != ERROR_MEMORY && error != ERROR_DENIED &&
        ca->former_url[0] != '\0') {
        if (!ca->config->ca_new_account) {
            lose_key(ca, path, cause);
            return 0;
        }
        log_warning("'%s' %s; 'new_account = yes' allows another", path,
                    cause == ERROR_NOT_FOUND ? "is gone" : "is no key");
        error =
            cause == ERROR_NOT_FOUND ? 0 : ca_key_set_aside(ca->config, CA_KEY_PRESENT);
        ca->is_new_key = true;
    } else if (error == ERROR_NOT_FOUND) {
        error = 0;
    }
    if (error == 0) {
        error = ca_key_make(ca->config, CA_KEY_PRESENT, &ca->key);
    }
    if (error != 0) {
        shut(ca, "unusable", "the CA account's key '%.200s': %s", path,
             cause_text(error));
    }
    return bear(ca, error);
}

static int open_key(struct ca *ca)
{
    int error = 0;

    key_free(ca->key);
    ca->key = NULL;
    error = read_key(ca);
    /* The client wants one; it signs nothing. */
    return error == 0 && ca->key == NULL ? key_generate(KEY_P256, &ca->key) : error;
}

/* The external account binding's key file: one line of base64url. */
static int read_binding(struct ca *ca, struct buffer *key)
{
    const struct relay_config *config = ca->config;
    struct buffer text = buffer_init_secret(EAB_MAC_KEY_MAX * 2);
    uint8_t decoded[EAB_MAC_KEY_MAX];
    size_t size = 0;
    int error = private_file_read(config->ca_eab_key_file, PRIVATE_FILE_OWNER, &text);

    if (error == 0) {
        const char *start = buffer_text(&text);

        error = text_base64url_decode(start, strcspn(start, "\r\n"), decoded,
                                      sizeof(decoded), &size);
    }
    if (error == 0) {
        error = buffer_append(key, decoded, size);
    }
    digest_wipe(decoded, sizeof(decoded));
    buffer_free(&text);
    if (error != 0) {
        shut(ca, "unusable",
             "the CA's binding key '%.200s' must be one line of base64url: %s",
             config->ca_eab_key_file, cause_text(error));
    }
    return bear(ca, error);
}

/* A client that a former try has made, whose certificates may be others by now. Nothing is asked
 * of a CA that is shut. */
static void close_http(struct ca *ca)
{
    if (ca->in_flight > 0) {
        return;
    }
    if (ca->http != NULL) {
        http_client_free(ca->http);
        ca->http = NULL;
    }
    if (ca->resolver != NULL) {
        resolver_free(ca->resolver);
        ca->resolver = NULL;
    }
}

static int open_http(struct ca *ca)
{
    const struct relay_config *config = ca->config;
    struct http_client_options options = {
        .ca_file = config->ca_file[0] != '\0' ? config->ca_file : NULL,
        .user_agent = "latchkey-relay/" LATCHKEY_VERSION,
        .http1 = true,
        .max_connections = (unsigned)config->ca_connections,
        .connect_ms = CONNECT_MS,
        .total_ms = TOTAL_MS,
    };
    int error = 0;

    close_http(ca);
    if (ca->resolver == NULL) {
        error = resolver_new(ca->loop, (const char *const *)config->issuer_resolvers.at,
                             config->issuer_resolvers.count, &ca->resolver);
    }
    if (error == 0 && ca->http == NULL) {
        options.resolver = ca->resolver;
        error = http_client_new(ca->loop, &options, &ca->http);
    }
    if (error != 0) {
        shut(ca, "unusable", "the HTTP client can't be made (CA file '%.200s'): %s",
             config->ca_file, cause_text(error));
    }
    return bear(ca, error);
}

/* The client of OPTIONS, in the place of one that has asked for nothing yet. */
static int set_client(struct ca *ca, const struct acme_client_options *options)
{
    int error = ca->client == NULL ? acme_client_new(options, &ca->client)
                                   : acme_client_renew(ca->client, options);

    if (error == 0) {
        acme_client_hold(ca->client, ca->hold == CA_HELD);
    }
    return error;
}

static int open_client(struct ca *ca)
{
    const struct relay_config *config = ca->config;
    const char *contacts[] = {config->ca_contact};
    struct buffer mac_key = buffer_init_secret(EAB_MAC_KEY_MAX);
    struct eab_credentials eab = {.kid = config->ca_eab_kid, .hash = DIGEST_SHA256};
    struct acme_client_options options = {
        .directory_url = config->ca_directory,
        .signer = {.key = ca->key},
        .contacts = contacts,
        .contact_count = config->ca_contact[0] != '\0' ? 1 : 0,
    };
    int error = 0;

    if (config->ca_eab_kid[0] != '\0') {
        error = read_binding(ca, &mac_key);
        eab.mac_key = buffer_bytes(&mac_key);
        options.eab = ca->shut == NULL ? &eab : NULL;
    }
    if (error == 0) {
        options.account_url =
            ca->former_url[0] != '\0' && !ca->is_new_key ? ca->former_url : NULL;
        /* The first account needs no leave: there is nothing that it could replace. */
        options.may_create_account = ca->former_url[0] == '\0' || config->ca_new_account;
        error = set_client(ca, &options);
    }
    buffer_free(&mac_key);
    return error;
}

int ca_open(struct ca *ca)
{
    int error = 0;

    ca->shut = NULL;
    ca->is_lost = false;
    ca->failure.type = ACME_ERROR_NONE;
    error = open_key(ca);
    if (error == 0) {
        error = open_http(ca);
    }
    if (error == 0) {
        error = open_client(ca);
    }
    if (error != 0) {
        shut(ca, "unusable", "the CA '%.200s' can't be used: %s",
             ca->config->ca_directory, error_text(error));
    }
    return error;
}
