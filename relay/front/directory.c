/* Made once, and again when the issuer announces another key or move: we look twice a second
 * at most. What is announced is, or was signed by, a key that front does not have. keyChange is
 * left out on purpose: a new key is a new id, so it is a new account.
 *
 * There are two bodies, because clients believe externalAccountRequired: certbot asks for a
 * token where it stands, and sends none where it does not. So each source is told what is
 * true for it. */
#include "relay/front/directory.h"

#include "base/core/clock.h"
#include "base/core/json.h"
#include "base/core/log.h"
#include "base/core/text.h"
#include "relay/front/response.h"
#include "relay/front/source.h"
#include "relay/store/issuer_store.h"
#include "relay/store/url.h"

#include <stdlib.h>
#include <string.h>

enum { LOOK_MS = 500 };

/* The names of the servers that answer for the zone, without the addresses of the
 * configuration. */
static json_t *name_servers(const struct relay_config *config)
{
    json_t *names = json_array();

    for (size_t i = 0; names != NULL && i < config->dns_name_servers.count; i++) {
        const char *text = config->dns_name_servers.at[i];
        json_t *name = json_stringn(text, strcspn(text, "="));

        if (name == NULL || json_array_append_new(names, name) != 0) {
            json_decref(names);
            return NULL;
        }
    }
    return names;
}

/* Adds a TEXT of JSON as the member NAME; nothing for NULL. */
static int set_announced(json_t *object, const char *name, const char *text)
{
    json_t *value = NULL;
    int error =
        text == NULL ? 0 : json_parse(text, strlen(text), STATEMENT_BYTES_MAX, &value);

    return error != 0 || value == NULL ? error : json_set_take(object, name, value);
}

/* The relay's own key, and with it what it signs. */
static int add_announcements(const struct service_base *base, json_t *latchkey)
{
    const char *key = base->service->announced_key;
    char url[LIMIT_URL_BYTES];
    int error = 0;

    if (key == NULL) {
        return 0;
    }
    error =
        url_time(base->url, url) ? json_set_text(latchkey, "timeUrl", url) : ERROR_LIMIT;
    if (error == 0) {
        error = set_announced(latchkey, "relayKey", key);
    }
    return error != 0 ? error : set_announced(latchkey, "movedTo", base->announced_move);
}

static int make_latchkey(const struct service_base *base, json_t *meta)
{
    const struct service *service = base->service;
    char addresses[LIMIT_URL_BYTES];
    char probe[LIMIT_URL_BYTES];

    if (!url_addresses(base->url, addresses) || !url_probe(base->url, probe)) {
        return ERROR_LIMIT;
    }
    json_t *latchkey =
        json_pack("{s:s,s:o,s:s,s:s,s:b}", "zone", service->zone, "nameServers",
                  name_servers(service->config), "addressesUrl", addresses, "probeUrl",
                  probe, "receipts", 1);
    int error = json_set_take(meta, "latchkey", latchkey);

    return error != 0 ? error : add_announcements(base, latchkey);
}

/* The relay's pages, for people: RFC 8555 7.1.1. */
static int add_pages(const struct service *service, json_t *meta)
{
    char url[LIMIT_URL_BYTES];
    int error =
        url_home(service->base, url) ? json_set_text(meta, "website", url) : ERROR_LIMIT;

    if (error == 0) {
        error = url_terms(service->base, service->terms_version, url)
                    ? json_set_text(meta, "termsOfService", url)
                    : ERROR_LIMIT;
    }
    return error;
}

static int make_meta(const struct service_base *base, bool token, json_t *directory)
{
    json_t *meta = json_object();
    json_t *profiles = json_pack("{s:s,s:s}", "classic", "the CA's usual certificate",
                                 "tlsserver", "a short certificate for servers");
    int error = json_set_take(directory, "meta", meta);

    if (error != 0) {
        json_decref(profiles);
        return error;
    }
    error = json_set_take(meta, "profiles", profiles);
    if (error == 0) {
        error = add_pages(base->service, meta);
    }
    if (error == 0 && token) {
        error = json_set_bool(meta, "externalAccountRequired", true);
    }
    return error != 0 ? error : make_latchkey(base, meta);
}

typedef bool directory_url_fn(const char *base, char ret_url[static LIMIT_URL_BYTES]);

/* The directory as those see it who need a token (TOKEN), or who need none. */
static int make_body(const struct service_base *base, bool token,
                     struct service_text *ret_body)
{
    static const struct {
        const char *key;
        directory_url_fn *url;
    } resources[] = {
        {"newNonce", url_new_nonce},       {"newAccount", url_new_account},
        {"newOrder", url_new_order},       {"revokeCert", url_revoke},
        {"renewalInfo", url_renewal_info},
    };
    json_t *directory = json_object();
    struct buffer body = buffer_init(LIMIT_JSON_BYTES);
    char url[LIMIT_URL_BYTES];
    int error = 0;

    for (size_t i = 0; error == 0 && i < sizeof(resources) / sizeof(resources[0]); i++) {
        error = resources[i].url(base->url, url)
                    ? json_set_text(directory, resources[i].key, url)
                    : ERROR_LIMIT;
    }
    if (error == 0) {
        error = make_meta(base, token, directory);
    }
    if (error == 0) {
        error = json_dump(directory, &body);
    }
    if (error == 0) {
        ret_body->size = body.size;
        ret_body->data = buffer_take(&body);
    }
    buffer_free(&body);
    json_decref(directory);
    return error;
}

static int make(struct service_base *base)
{
    bool is_open = base->service->config->enrolment == RELAY_ENROLMENT_OPEN;
    struct service_text body = {.data = NULL};
    struct service_text open_body = {.data = NULL};
    struct buffer link = buffer_init(2 * LIMIT_URL_BYTES);
    char url[LIMIT_URL_BYTES];
    int error = make_body(base, !is_open, &body);

    if (error == 0) {
        error = make_body(base, false, &open_body);
    }
    if (error == 0) {
        error = url_directory(base->url, url) ? 0 : ERROR_LIMIT;
    }
    if (error == 0) {
        error = buffer_printf(&link, "<%s>;rel=\"index\"", url);
    }
    if (error != 0) {
        log_error("no directory for '%s': %s", base->url, error_text(error));
        free(body.data);
        free(open_body.data);
        buffer_free(&link);
        return error;
    }
    free(base->directory.data);
    free(base->open_directory.data);
    free(base->index_link);
    base->directory = body;
    base->open_directory = open_body;
    base->index_link = buffer_take(&link);
    return 0;
}

int directory_make(struct service *service)
{
    int error = 0;

    for (struct service_base *base = service->bases; error == 0 && base != NULL;
         base = base->next) {
        error = make(base);
    }
    return error;
}

/* Reads the announcement WHAT into *TEXT; whether it is another one than before. */
static bool look_at(struct service *service, struct database *issuer, const char *what,
                    char **text)
{
    struct buffer content = buffer_init(STATEMENT_BYTES_MAX);
    int error = issuer_store_announcement(issuer, service->zone, what, &content);
    const char *before = *text != NULL ? *text : "";

    if (error != 0 || strcmp(buffer_text(&content), before) == 0) {
        buffer_free(&content); /* what was announced once stays so */
        return false;
    }
    free(*text);
    *text = buffer_take(&content);
    buffer_free(&content);
    return true;
}

/* A move is signed for each directory: base_url's is "move", an alias's "move <URL>". */
static bool look_at_move(struct service_base *base, struct database *issuer)
{
    char url[LIMIT_URL_BYTES];
    char what[LIMIT_URL_BYTES + 8];

    if (base == base->service->bases) {
        return look_at(base->service, issuer, "move", &base->announced_move);
    }
    return url_directory(base->url, url) &&
           text_format(what, sizeof(what), "move %s", url) &&
           look_at(base->service, issuer, what, &base->announced_move);
}

static void look(struct service *service)
{
    int64_t now_mono_ms = clock_mono_ms();
    struct database *issuer = NULL;

    if (service->announced_mono_ms >= 0 &&
        now_mono_ms - service->announced_mono_ms < LOOK_MS) {
        return;
    }
    service->announced_mono_ms = now_mono_ms;
    issuer = service_issuer(service);
    if (issuer != NULL) {
        bool changed = look_at(service, issuer, "key", &service->announced_key);

        for (struct service_base *base = service->bases; base != NULL;
             base = base->next) {
            changed = look_at_move(base, issuer) || changed;
        }
        if (changed && directory_make(service) != 0) {
            log_error("the directory stays as it was");
        }
    }
}

void directory_respond(struct request *request)
{
    const struct service_base *base = request->base;
    const struct service_text *body = NULL;

    look(request->service);
    body = source_is_open(request) ? &base->open_directory : &base->directory;
    request->is_directory = true;
    response_bytes(request, 200, "application/json", body->data, body->size);
}

void directory_respond_nonce(struct request *request)
{
    bool head = strcmp(http_exchange_method(request->exchange), "GET") != 0;
    char nonce[NONCE_CAPACITY];

    if (!request->post) { /* a POST gets one anyway */
        int error = nonce_make(request->service->nonces, clock_wall_at(), nonce);

        if (error != 0) {
            response_internal(request, error, "a nonce");
            return;
        }
        response_header(request, "Replay-Nonce", nonce);
    }
    /* RFC 8555 7.2: HEAD gives 200, GET 204. */
    response_bytes(request, head ? 200 : 204, NULL, "", 0);
}
