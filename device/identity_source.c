#include "device/identity_source.h"

#include "base/core/text.h"
#include "device/state_place.h"

#include <errno.h>
#include <string.h>

static int open_token(const struct device_config *config, struct identity_source *source,
                      struct identity *ret_identity, char *reason, size_t capacity)
{
    struct key *key = NULL;
    char detail[256] = "";
    struct key_uri_options options = {
        .uri = config->identity,
        .providers = (const char *const *)config->openssl_providers.at,
        .provider_count = config->openssl_providers.count,
    };
    int error = key_uri_open(&options, &source->uri, &key, detail, sizeof(detail));
    if (error == 0) {
        error = identity_from_key(key, ret_identity);
    }
    key_free(key);
    if (error < 0) {
        text_format(reason, capacity, "identity: %s",
                    detail[0] != '\0' ? detail : error_text(error));
        key_uri_close(source->uri);
        source->uri = NULL;
    }
    return error;
}

static int open_file(const struct device_config *config, struct identity *ret_identity,
                     bool *ret_made, char *reason, size_t capacity)
{
    const char *folder = config->state_folder;
    const char *forgets =
        config->volatile_state || ret_made == NULL ? NULL : state_place_volatile(folder);
    if (forgets != NULL) {
        text_format(reason, capacity,
                    "state_folder = '%s' is on %s, which forgets the identity key and so "
                    "the device's name at each boot; name a folder that lasts, or set "
                    "volatile_state = yes for a test",
                    folder, forgets);
        return ERROR_DENIED;
    }
    int error = ret_made != NULL ? identity_open(folder, ret_identity, ret_made)
                                 : identity_read(folder, ret_identity);
    if (error == ERROR_NOT_FOUND && ret_made == NULL) {
        text_format(reason, capacity,
                    "'%s/identity.pem': there is none; the agent makes it when it first "
                    "runs",
                    folder);
    } else if (error < 0) {
        text_format(
            reason, capacity,
            "identity key: '%s/identity.pem': %s; it is this device's name and is "
            "never replaced: bring it back, or remove it to become a new device",
            folder, error == ERROR_IO ? strerror(errno) : error_text(error));
    }
    return error;
}

int identity_source_open(const struct device_config *config,
                         struct identity_source *ret_source,
                         struct identity *ret_identity, bool *ret_made, char *reason,
                         size_t reason_capacity)
{
    *ret_source = (struct identity_source){.uri = NULL};
    if (config->identity[0] == '\0') {
        return open_file(config, ret_identity, ret_made, reason, reason_capacity);
    }
    int error = open_token(config, ret_source, ret_identity, reason, reason_capacity);
    if (error == 0 && ret_made != NULL) {
        *ret_made = false;
    }
    return error;
}

void identity_source_close(struct identity_source *source)
{
    key_uri_close(source->uri);
    source->uri = NULL;
}
