/* Other roles' files may not exist yet when front starts (systemd starts the roles in any
 * order), so they are opened when they are needed and there, and a missing one is said in
 * the response, not at start. */
#include "relay/front/service.h"

#include "base/core/clock.h"
#include "base/core/log.h"
#include "base/core/text.h"
#include "base/crypto/digest.h"
#include "base/crypto/random.h"
#include "relay/front/directory.h"
#include "relay/front/front_wishes.h"
#include "relay/front/probe.h"
#include "relay/front/quota.h"
#include "relay/front/relay_certificate.h"
#include "relay/front/stale.h"
#include "relay/front/terms.h"
#include "relay/front/timekeeper.h"
#include "relay/front/waiting.h"
#include "relay/store/admin_store.h"
#include "relay/store/schema.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { TRY_MS = 250 };

static int open_nonces(struct service *service)
{
    uint8_t key[TOKEN_KEY_SIZE];
    int error = token_secret_read(service->config->secret_file, true, service->secret);

    if (error != 0) {
        log_error("secret_file '%s': %s", service->config->secret_file,
                  error == ERROR_IO ? strerror(errno) : error_text(error));
        return error;
    }
    error = token_nonce_key(service->secret, service->zone, key);
    if (error == 0) {
        error = nonce_maker_new(key, NONCE_WINDOW, &service->nonces);
    }
    digest_wipe(key, sizeof(key));
    if (error != 0) {
        log_error("no nonces: %s", error_text(error));
    }
    return error;
}

/* ---- bases ---- */

/* The host of URL and its size, without the port. */
static const char *host_of(const char *url, size_t *ret_size)
{
    const char *host = url + strlen("https://");

    *ret_size = strcspn(host, ":/");
    return host;
}

static void base_free(struct service_base *base)
{
    timekeeper_free(base->timekeeper);
    free(base->url);
    free(base->host);
    free(base->announced_move);
    free(base->directory.data);
    free(base->open_directory.data);
    free(base->index_link);
    free(base);
}

static int base_new(struct service *service, const char *url,
                    struct service_base **ret_base)
{
    struct service_base *base = calloc(1, sizeof(*base));
    const char *host = NULL;
    size_t size = 0;
    int error = 0;

    if (base == NULL) {
        return ERROR_MEMORY;
    }
    base->service = service;
    base->url = strdup(url);
    host = host_of(url, &size);
    base->host = strndup(host, size);
    if (base->url == NULL || base->host == NULL) {
        base_free(base);
        return ERROR_MEMORY;
    }
    host = host_of(base->url, &size);
    base->prefix = host + strcspn(host, "/");
    error = timekeeper_new(base, &base->timekeeper);
    if (error != 0) {
        base_free(base);
        return error;
    }
    *ret_base = base;
    return 0;
}

/* The base of URL, in its place of the list; made when it is new. */
static int show_base(struct service *service, const char *url,
                     struct service_base **place, struct service_base **ret_base)
{
    struct service_base **at = place;
    struct service_base *base = NULL;
    int error = 0;

    while (*at != NULL && strcmp((*at)->url, url) != 0) {
        at = &(*at)->next;
    }
    base = *at;
    if (base != NULL) {
        *at = base->next;
    } else {
        error = base_new(service, url, &base);
    }
    if (error == 0) {
        base->retired = false;
        base->next = *place;
        *place = base;
        *ret_base = base;
    }
    return error;
}

/* base_url and its aliases in their order, then those that are configured no more. */
static int show_bases(struct service *service)
{
    const struct conf_texts *aliases = &service->config->base_url_aliases;
    struct service_base **place = &service->bases;
    struct service_base *base = NULL;
    int error = 0;

    for (base = service->bases; base != NULL; base = base->next) {
        base->retired = true;
    }
    for (size_t i = 0; error == 0 && i <= aliases->count; i++) {
        error =
            show_base(service, i == 0 ? service->config->base_url : aliases->at[i - 1],
                      place, &base);
        if (error == 0) {
            place = &base->next;
        }
    }
    if (error == 0) {
        service->base = service->bases->url;
        service->prefix = service->bases->prefix;
        error = directory_make(service);
    }
    if (error != 0) {
        log_error("the bases of '%s' can't be made: %s", service->zone,
                  error_text(error));
    }
    return error;
}

/* Whether PATH is PREFIX or below it. */
static bool is_below(const char *path, const char *prefix)
{
    size_t size = strlen(prefix);

    return strncmp(path, prefix, size) == 0 && (path[size] == '/' || path[size] == '\0');
}

static bool is_host(const struct service_base *base, const char *host)
{
    size_t size = strcspn(host, ":");
    char name[256];

    return text_format(name, sizeof(name), "%.*s", (int)size, host) &&
           text_equal_nocase(name, base->host);
}

/* Whether BASE is nearer to the request than BEST: by its path, else by its host alone. */
static bool is_nearer(const struct service_base *base, const struct service_base *best,
                      const char *path)
{
    if (best == NULL) {
        return true;
    }
    if (!is_below(path, base->prefix)) {
        return false;
    }
    return !is_below(path, best->prefix) || strlen(base->prefix) > strlen(best->prefix);
}

struct service_base *service_choose(struct service *services, const char *host,
                                    const char *path, const char **ret_path)
{
    struct service_base *best = NULL;

    for (struct service *service = services; host != NULL && service != NULL;
         service = service->next) {
        for (struct service_base *base = service->bases; base != NULL;
             base = base->next) {
            if (!base->retired && is_host(base, host) && is_nearer(base, best, path)) {
                best = base;
            }
        }
    }
    if (best == NULL) {
        best = services->bases;
    }
    *ret_path = path + (is_below(path, best->prefix) ? strlen(best->prefix) : 0);
    return best;
}

/* ---- life ---- */

static int open_parts(struct service *service)
{
    int error = waiting_new(service, &service->waiting);

    if (error == 0) {
        error = quota_new(&service->quota);
    }
    if (error == 0) {
        error = probe_set_new(service, &service->probes);
    }
    if (error == 0) {
        error = stale_new(service, &service->stale);
    }
    if (error == 0) {
        error = front_wishes_new(service, &service->wishes);
    }
    if (error != 0) {
        log_error("'%s' can't be served: %s", service->zone, error_text(error));
        return error;
    }
    return relay_certificate_new(service, &service->certificate);
}

int service_open(struct service *service, const struct relay_config *config)
{
    int error = 0;

    service->config = config;
    service->zone = config->zone;
    service->issuer_tried_mono_ms = -TRY_MS;
    service->admin_tried_mono_ms = -TRY_MS;
    service->announced_mono_ms = -1;
    error = open_nonces(service);
    if (error == 0) {
        error = terms_load(service);
    }
    if (error == 0) {
        error = show_bases(service);
    }
    return error == 0 ? open_parts(service) : error;
}

void service_reload(struct service *service, const struct relay_config *config)
{
    service->config = config;
    service->zone = config->zone;
    if (terms_load(service) != 0) {
        log_error("the terms of '%s' stay as they were", service->zone);
    }
    (void)!show_bases(service);
    probe_set_reload(service->probes, config);
    if (service->retired) {
        service->retired = false;
        if (relay_certificate_new(service, &service->certificate) != 0) {
            log_error("'%s' has no certificate until a restart", service->zone);
        }
    } else if (service->certificate != NULL) {
        relay_certificate_reload(service->certificate);
    }
    if (service->kept != NULL) {
        relay_config_replace(&service->kept, NULL);
    }
}

void service_retire(struct service *service, struct relay_config *kept)
{
    service->retired = true;
    service->kept = kept;
    service->config = kept;
    service->zone = kept->zone;
    for (struct service_base *base = service->bases; base != NULL; base = base->next) {
        base->retired = true;
    }
    relay_certificate_free(service->certificate);
    service->certificate = NULL;
}

void service_close(struct service *service)
{
    relay_certificate_free(service->certificate);
    waiting_free(service->waiting);
    while (service->bases != NULL) {
        struct service_base *base = service->bases;

        service->bases = base->next;
        base_free(base);
    }
    stale_free(service->stale);
    front_wishes_free(service->wishes);
    probe_set_free(service->probes);
    quota_free(service->quota);
    database_close(service->issuer);
    database_close(service->admin);
    nonce_maker_free(service->nonces);
    digest_wipe(service->secret, sizeof(service->secret));
    free(service->announced_key);
    if (service->kept != NULL) {
        relay_config_replace(&service->kept, NULL);
    }
}

static struct database *open_when_there(struct service *service, const char *name,
                                        const char *const *schema, int64_t *tried_mono_ms)
{
    struct database *database = NULL;
    int64_t now_mono_ms = clock_mono_ms();
    int error = 0;

    if (now_mono_ms - *tried_mono_ms < TRY_MS) {
        return NULL;
    }
    error =
        database_open(service->config->store, name, DATABASE_READER, schema, &database);
    if (error != 0 && error != ERROR_NOT_FOUND) {
        *tried_mono_ms =
            now_mono_ms; /* a file that is just not there costs little to try */
        log_warning("the store can't be read: %s", database_open_error());
    }
    return error == 0 ? database : NULL;
}

struct database *service_issuer(struct service *service)
{
    if (service->issuer == NULL) {
        service->issuer = open_when_there(service, "issuer.db", schema_issuer,
                                          &service->issuer_tried_mono_ms);
    }
    return service->issuer;
}

struct database *service_admin(struct service *service)
{
    if (service->admin == NULL) {
        service->admin = open_when_there(service, "admin.db", schema_admin,
                                         &service->admin_tried_mono_ms);
    }
    return service->admin;
}

int service_is_blocked(struct service *service, const char *id, bool *ret_blocked)
{
    struct database *admin = service_admin(service);

    if (admin == NULL) {
        *ret_blocked = false;
        return 0;
    }
    return admin_store_is_blocked(admin, service->zone, id, ret_blocked);
}

int service_number(char ret_number[static 33])
{
    uint8_t number[16];
    int error = random_bytes(number, sizeof(number));

    if (error == 0) {
        text_hex(number, sizeof(number), ret_number);
    }
    return error;
}
