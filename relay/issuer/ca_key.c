#include "relay/issuer/ca_key.h"

#include "base/core/file.h"
#include "base/core/text.h"
#include "relay/store/place.h"
#include "relay/store/private_file.h"

#include <limits.h>
#include <stdio.h>

enum { KEY_FILE_BYTES = 16 << 10 };

static int path_of(const struct relay_config *config, enum ca_key_file file,
                   char ret_path[static PATH_MAX])
{
    char name[300];
    bool is_present = file == CA_KEY_PRESENT;
    /* A zone has no '_' in it, so that no two files get one name. */
    bool fits = config->is_main
                    ? text_copy(name, sizeof(name),
                                is_present ? "ca-account.key" : "ca-account-new.key")
                    : text_format(name, sizeof(name), "ca-account-%s%s.key", config->zone,
                                  is_present ? "" : "_new");
    return fits ? place_path(config->store, "issuer", name, ret_path, PATH_MAX)
                : ERROR_LIMIT;
}

int ca_key_read(const struct relay_config *config, enum ca_key_file file, char *ret_path,
                struct key **ret_key)
{
    int error = path_of(config, file, ret_path);

    return error == 0 ? private_file_read_key(ret_path, PRIVATE_FILE_OWNER, ret_key)
                      : error;
}

int ca_key_make(const struct relay_config *config, enum ca_key_file file,
                struct key **ret_key)
{
    char path[PATH_MAX];
    int error = path_of(config, file, path);

    return error == 0 ? private_file_make_key(path, ret_key) : error;
}

int ca_key_follow(const struct relay_config *config, const struct key *key)
{
    char path[PATH_MAX];
    struct buffer pem = buffer_init_secret(KEY_FILE_BYTES);
    int error = path_of(config, CA_KEY_PRESENT, path);

    if (error == 0) {
        error = key_to_pem(key, &pem);
    }
    if (error == 0) {
        error = file_write_atomic(path, pem.data, pem.size, 0600);
    }
    buffer_free(&pem);
    return error == 0 ? ca_key_drop_next(config) : error;
}

int ca_key_drop_next(const struct relay_config *config)
{
    char path[PATH_MAX];
    int error = path_of(config, CA_KEY_NEXT, path);

    if (error == 0) {
        error = file_remove(path);
    }
    return error == ERROR_NOT_FOUND ? 0 : error;
}

int ca_key_set_aside(const struct relay_config *config, enum ca_key_file file)
{
    char path[PATH_MAX];
    char aside[PATH_MAX];
    int error = path_of(config, file, path);

    if (error == 0 && !text_format(aside, sizeof(aside), "%s.bad", path)) {
        error = ERROR_LIMIT;
    }
    return error == 0 && rename(path, aside) != 0 ? ERROR_IO : error;
}
