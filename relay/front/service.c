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
#include "relay/front/key_cache.h"
#include "relay/front/terms.h"
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
        error = nonce_maker_new(key, &service->nonces);
    }
    digest_wipe(key, sizeof(key));
    if (error != 0) {
        log_error("no nonces: %s", error_text(error));
    }
    return error;
}

int service_open(struct service *service, const struct relay_config *config,
                 struct loop *loop)
{
    const char *host = NULL;
    int error = 0;

    service->config = config;
    service->zone = config->zone;
    service->base = config->base_url;
    service->loop = loop;
    service->issuer_tried_mono_ms = -TRY_MS;
    service->admin_tried_mono_ms = -TRY_MS;
    service->announced_mono_ms = -1;
    host = strstr(config->base_url, "://");
    host = host != NULL ? strchr(host + 3, '/') : NULL;
    service->prefix = host != NULL ? host : "";
    error = database_open(config->store, "front.db", DATABASE_WRITER, schema_front,
                          &service->front);
    if (error != 0) {
        log_error("the store can't be opened: %s%s", database_open_error(),
                  error == ERROR_BUSY ? " (another front runs: end it first)" : "");
        return error;
    }
    error = open_nonces(service);
    if (error == 0) {
        error = terms_load(service);
    }
    if (error == 0) {
        error = directory_make(service);
    }
    return error;
}

void service_free(struct service *service)
{
    database_close(service->front);
    database_close(service->issuer);
    database_close(service->admin);
    nonce_maker_free(service->nonces);
    key_cache_free(service->keys);
    digest_wipe(service->secret, sizeof(service->secret));
    free(service->announced_key);
    free(service->announced_move);
    free(service->directory.data);
    free(service->open_directory.data);
    free(service->index_link);
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
