#include "device/owner_cert.h"

#include "base/core/file.h"
#include "base/core/limits.h"
#include "base/core/log.h"
#include "base/core/text.h"

#include <errno.h>
#include <string.h>

enum { FILE_BYTES = LIMIT_CHAIN_BYTES + (16 << 10) };

static const char host_prefix[] = "host: ";
static const char request_name[] = "request.pem";
static const char active_name[] = "active.pem";

static bool make_path(const struct owner_cert *owner, const char *name,
                      char ret_path[static OWNER_PATH_CAPACITY])
{
    return text_format(ret_path, OWNER_PATH_CAPACITY, "%s/%s", owner->folder, name);
}

/* --- files --- */

/* The first line's name; the key follows it, as PEM allows text before a block. */
static int read_host(const char *text, char ret_host[static OWNER_HOST_CAPACITY])
{
    char line[OWNER_HOST_CAPACITY];
    size_t size = strcspn(text, "\n");
    size_t start = sizeof(host_prefix) - 1;
    if (!text_starts_with(text, host_prefix) || size - start >= sizeof(line)) {
        return ERROR_SYNTAX;
    }
    memcpy(line, text + start, size - start);
    line[size - start] = '\0';
    return owner_host_check(line, ret_host) == NULL ? 0 : ERROR_SYNTAX;
}

static int parse(const char *text, size_t size, char ret_host[static OWNER_HOST_CAPACITY],
                 struct bundle *ret_bundle)
{
    static const char begin[] = "-----BEGIN CERTIFICATE-----";
    struct key *leaf_key = NULL;
    struct bundle bundle = {.key = NULL};
    const char *chain = strstr(text, begin);
    size_t key_size = chain != NULL ? (size_t)(chain - text) : size;
    int error = read_host(text, ret_host);
    if (error == 0) {
        error = key_from_pem(text, key_size, &bundle.key);
    }
    if (error == 0 && !key_is_private(bundle.key)) {
        error = ERROR_SYNTAX;
    }
    if (error == 0 && chain != NULL) {
        error = cert_from_pem(chain, size - key_size, &bundle.cert);
    }
    if (error == 0 && chain != NULL) {
        error = cert_key(bundle.cert, &leaf_key);
        if (error == 0 && !key_equal(leaf_key, bundle.key)) {
            error = ERROR_CRYPTO;
        }
    }
    if (error == 0) {
        *ret_bundle = bundle;
        bundle = (struct bundle){.key = NULL};
    }
    key_free(leaf_key);
    bundle_free(&bundle);
    return error;
}

static int load(const struct owner_cert *owner, const char *name,
                char ret_host[static OWNER_HOST_CAPACITY], struct bundle *ret_bundle)
{
    char path[OWNER_PATH_CAPACITY];
    struct buffer text = buffer_init_secret(FILE_BYTES);
    int error = make_path(owner, name, path) ? file_read(path, &text) : ERROR_LIMIT;
    if (error == 0) {
        error = parse(buffer_text(&text), text.size, ret_host, ret_bundle);
    }
    if (error < 0 && error != ERROR_NOT_FOUND) {
        log_error("own certificate: can't use '%s': %s", path,
                  error == ERROR_IO ? strerror(errno) : error_text(error));
    }
    buffer_free(&text);
    return error;
}

static int save(const struct owner_cert *owner, const char *name, const char *host,
                const struct bundle *bundle)
{
    char path[OWNER_PATH_CAPACITY];
    struct buffer text = buffer_init_secret(FILE_BYTES);
    int error = file_make_folder(owner->folder, 0700);
    buffer_printf(&text, "%s%s\n", host_prefix, host);
    if (error == 0) {
        error = key_to_pem(bundle->key, &text);
    }
    if (error == 0 && bundle->cert != NULL) {
        error = cert_to_pem(bundle->cert, &text);
    }
    if (error == 0) {
        error = make_path(owner, name, path)
                    ? file_write_atomic(path, text.data, text.size, 0600)
                    : ERROR_LIMIT;
    }
    buffer_free(&text);
    return error;
}

static int remove_file(const struct owner_cert *owner, const char *name)
{
    char path[OWNER_PATH_CAPACITY];
    int error = make_path(owner, name, path) ? file_remove(path) : ERROR_LIMIT;
    return error == ERROR_NOT_FOUND ? 0 : error;
}

/* --- states --- */

static void forget_request(struct owner_cert *owner)
{
    key_free(owner->request_key);
    owner->request_key = NULL;
    owner->request_host[0] = '\0';
}

void owner_cert_open(struct owner_cert *owner, const char *state_folder)
{
    struct bundle request = {.key = NULL};
    *owner = (struct owner_cert){.request_key = NULL};
    if (!text_format(owner->folder, sizeof(owner->folder), "%s/own", state_folder)) {
        return;
    }
    if (file_remove_temporaries(owner->folder) == ERROR_IO) {
        log_warning("own certificate: '%s' can't be tidied: %s", owner->folder,
                    strerror(errno));
    }
    if (load(owner, active_name, owner->host, &owner->active) == 0 &&
        owner->active.cert == NULL) {
        log_error("own certificate: '%s/%s' holds none", owner->folder, active_name);
        bundle_free(&owner->active);
    }
    if (load(owner, request_name, owner->request_host, &request) == 0) {
        owner->request_key = key_ref(request.key);
    }
    bundle_free(&request);
    if (owner->request_key != NULL && owner->active.key != NULL &&
        key_equal(owner->request_key, owner->active.key)) {
        /* The last run ended between keeping the certificate and forgetting the request. */
        forget_request(owner);
        if (remove_file(owner, request_name) < 0) {
            log_debug("own certificate: an answered request can't be removed");
        }
    }
}

void owner_cert_close(struct owner_cert *owner)
{
    forget_request(owner);
    bundle_free(&owner->active);
    bundle_free(&owner->trial);
}

int owner_cert_request(struct owner_cert *owner, const char *host, struct buffer *der)
{
    const char *names[] = {host};
    struct key *key = NULL;
    int error = 0;
    if (owner->request_key == NULL || strcmp(owner->request_host, host) != 0) {
        error = key_generate(KEY_P256, &key);
        if (error == 0) {
            error = save(owner, request_name, host, &(struct bundle){.key = key});
        }
        if (error < 0) {
            key_free(key);
            return error;
        }
        forget_request(owner);
        owner->request_key = key;
        text_copy(owner->request_host, sizeof(owner->request_host), host);
    }
    return csr_make(owner->request_key, names, 1, der);
}

int owner_cert_offer(struct owner_cert *owner, struct bytes upload,
                     const struct upload_clock *clock,
                     struct upload_verdicts *ret_verdicts)
{
    struct upload_subject subjects[2];
    struct key *keys[2];
    size_t count = 0;
    size_t subject = 0;
    struct cert *cert = NULL;
    *ret_verdicts = (struct upload_verdicts){.count = 0};
    if (owner->request_key != NULL) {
        keys[count] = owner->request_key;
        subjects[count++] =
            (struct upload_subject){owner->request_key, owner->request_host};
    }
    if (owner->active.key != NULL) {
        /* The CA has signed the old request once more. */
        keys[count] = owner->active.key;
        subjects[count++] = (struct upload_subject){owner->active.key, owner->host};
    }
    if (count == 0) {
        return ERROR_STATE;
    }
    int error =
        upload_judge(upload, subjects, count, clock, ret_verdicts, &cert, &subject);
    if (error < 0) {
        return error;
    }
    bundle_free(&owner->trial);
    owner->trial = (struct bundle){.key = key_ref(keys[subject]), .cert = cert};
    text_copy(owner->trial_host, sizeof(owner->trial_host), subjects[subject].host);
    return 0;
}

int owner_cert_commit(struct owner_cert *owner)
{
    if (owner->trial.cert == NULL) {
        return ERROR_STATE;
    }
    int error = save(owner, active_name, owner->trial_host, &owner->trial);
    if (error < 0) {
        return error;
    }
    bundle_free(&owner->active);
    owner->active = owner->trial;
    owner->trial = (struct bundle){.key = NULL};
    text_copy(owner->host, sizeof(owner->host), owner->trial_host);
    if (owner->request_key != NULL && key_equal(owner->request_key, owner->active.key)) {
        forget_request(owner);
        /* What stays is noticed by the next start. */
        if (remove_file(owner, request_name) < 0) {
            log_debug("own certificate: an answered request can't be removed");
        }
    }
    return 0;
}

void owner_cert_cancel(struct owner_cert *owner)
{
    bundle_free(&owner->trial);
    owner->trial_host[0] = '\0';
}

int owner_cert_remove(struct owner_cert *owner)
{
    int error = remove_file(owner, active_name);
    int error_request = remove_file(owner, request_name);
    owner_cert_cancel(owner);
    if (error == 0) {
        bundle_free(&owner->active);
        owner->host[0] = '\0';
        error = error_request;
    }
    if (error == 0) {
        forget_request(owner);
    }
    return error;
}
