/* Made once: nothing in it changes while the process runs. keyChange is left out on
 * purpose: a new key is a new id, so it is a new account. */
#include "relay/front/directory.h"

#include "base/core/clock.h"
#include "base/core/json.h"
#include "base/core/log.h"
#include "relay/front/response.h"
#include "relay/store/url.h"

#include <string.h>

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

static int make_latchkey(const struct service *service, json_t *meta)
{
    char addresses[LIMIT_URL_BYTES];
    char probe[LIMIT_URL_BYTES];

    if (!url_addresses(service->base, addresses) || !url_probe(service->base, probe)) {
        return ERROR_LIMIT;
    }
    return json_set_take(meta, "latchkey",
                         json_pack("{s:s,s:o,s:s,s:s}", "zone", service->zone,
                                   "nameServers", name_servers(service->config),
                                   "addressesUrl", addresses, "probeUrl", probe));
}

static int make_meta(const struct service *service, json_t *directory)
{
    bool token = service->config->enrolment == RELAY_ENROLMENT_TOKEN;
    json_t *meta = json_object();
    json_t *profiles = json_pack("{s:s,s:s}", "classic", "the CA's usual certificate",
                                 "tlsserver", "a short certificate for servers");
    int error = json_set_take(directory, "meta", meta);

    if (error != 0) {
        json_decref(profiles);
        return error;
    }
    error = json_set_take(meta, "profiles", profiles);
    if (error == 0 && token) {
        error = json_set_bool(meta, "externalAccountRequired", true);
    }
    return error != 0 ? error : make_latchkey(service, meta);
}

typedef bool directory_url_fn(const char *base, char ret_url[static LIMIT_URL_BYTES]);

int directory_make(struct service *service)
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
    struct buffer link = buffer_init(2 * LIMIT_URL_BYTES);
    char url[LIMIT_URL_BYTES];
    int error = 0;

    for (size_t i = 0; error == 0 && i < sizeof(resources) / sizeof(resources[0]); i++) {
        error = resources[i].url(service->base, url)
                    ? json_set_text(directory, resources[i].key, url)
                    : ERROR_LIMIT;
    }
    if (error == 0) {
        error = make_meta(service, directory);
    }
    if (error == 0) {
        error = json_dump(directory, &body);
    }
    if (error == 0) {
        error = url_directory(service->base, url) ? 0 : ERROR_LIMIT;
    }
    if (error == 0) {
        error = buffer_printf(&link, "<%s>;rel=\"index\"", url);
    }
    if (error != 0) {
        log_error("no directory for base_url '%s': %s", service->base, error_text(error));
        buffer_free(&body);
        buffer_free(&link);
    } else {
        service->directory_size = body.size;
        service->directory = buffer_take(&body);
        service->index_link = buffer_take(&link);
    }
    json_decref(directory);
    return error;
}

void directory_respond(struct request *request)
{
    struct service *service = request->service;

    request->is_directory = true;
    response_bytes(request, 200, "application/json", service->directory,
                   service->directory_size);
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
