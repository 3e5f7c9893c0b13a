/* A CA's directory. Unknown members are ignored (a known CA adds a random one on
 * purpose). */
#include "acme/directory.h"

#include "acme/origin.h"
#include "base/core/json.h"
#include "base/core/text.h"

#include <stdio.h>
#include <string.h>

enum { DIRECTORY_BYTES_MAX = 64 << 10 };

static int read_url(const json_t *object, const char *member, bool is_required,
                    const char *url, const char **ret_url, char *reason, size_t capacity)
{
    const char *text = json_get_text(object, member);

    if (text == NULL || !origin_is_same(text, url)) {
        /* What is offered elsewhere is not offered: only what we can't do without counts.
         */
        if (!is_required)
            return 0;
        (void)snprintf(reason, capacity, "%s in the directory is %s", member,
                       text == NULL ? "missing" : "not an https URL of the same origin");
        return ERROR_SYNTAX;
    }
    *ret_url = text;
    return 0;
}

int directory_parse(const void *body, size_t size, const char *url,
                    struct directory *ret_directory, char *reason, size_t reason_capacity)
{
    struct directory directory = {0};
    const json_t *object;
    int error = json_parse(body, size, DIRECTORY_BYTES_MAX, &directory.object);

    if (error != 0 || !json_is_object(directory.object)) {
        (void)snprintf(reason, reason_capacity, "the directory is no JSON object");
        error = error == ERROR_MEMORY ? error : ERROR_SYNTAX;
        goto out;
    }
    object = directory.object;
    error = read_url(object, "newNonce", true, url, &directory.new_nonce, reason,
                     reason_capacity);
    if (error == 0)
        error = read_url(object, "newAccount", true, url, &directory.new_account, reason,
                         reason_capacity);
    if (error == 0)
        error = read_url(object, "newOrder", true, url, &directory.new_order, reason,
                         reason_capacity);
    if (error == 0)
        error = read_url(object, "revokeCert", false, url, &directory.revoke_cert, reason,
                         reason_capacity);
    if (error == 0)
        error = read_url(object, "renewalInfo", false, url, &directory.renewal_info,
                         reason, reason_capacity);
    if (error == 0)
        error = read_url(object, "keyChange", false, url, &directory.key_change, reason,
                         reason_capacity);
out:
    if (error != 0)
        directory_free(&directory);
    else
        *ret_directory = directory;
    return error;
}

bool directory_has_profile(const struct directory *directory, const char *profile)
{
    const json_t *meta = json_get_object(directory->object, "meta");

    return json_object_get(json_get_object(meta, "profiles"), profile) != NULL;
}

void directory_free(struct directory *directory)
{
    json_decref(directory->object);
    memset(directory, 0, sizeof(*directory));
}
