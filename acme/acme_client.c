/* The client's shared half: directory, account, nonces.
 *
 *   DIRECTORY -> ACCOUNT -> SAVE -> READY        (an account URL known before: DIRECTORY
 * -> READY) | the CA forgot the account: ACCOUNT again any -> FAILED, and back where it
 * was when retry_at has passed
 *
 * One request is under way at a time: each state has its own, and any state that needs a
 * nonce and has none fetches one first (HEAD newNonce). In READY it works only for
 * others: a nonce when an exchange found the pool empty, the directory when it is a day
 * old. The account URL is saved before any order may use it, because CAA records name it
 * (RFC 8657). */
#include "acme/acme_client.h"

#include "acme/client_session.h"
#include "acme/failure.h"
#include "acme/origin.h"
#include "base/core/json.h"
#include "base/core/text.h"
#include "base/crypto/random.h"

#include <stdlib.h>
#include <string.h>

enum {
    DIRECTORY_AGE_MS = 24 * 3600 * 1000,
    DIRECTORY_RETRY_MS = 3600 * 1000,
    CONTACTS_MAX = 4,
};

enum client_state {
    CLIENT_DIRECTORY,
    CLIENT_ACCOUNT,
    CLIENT_SAVE,
    CLIENT_READY,
    CLIENT_FAILED,
};

/* Whose response the one exchange waits for. */
enum client_work { WORK_NONE, WORK_DIRECTORY, WORK_NONCE, WORK_ACCOUNT };

struct acme_client {
    enum client_state state;
    enum client_state resume; /* where to go on after FAILED */
    enum client_work work;
    struct exchange exchange;
    struct exchange_session session;
    struct directory directory;
    int64_t directory_until_mono_ms;
    struct acme_error error;
    char *directory_url;
    char *contacts[CONTACTS_MAX];
    size_t contact_count;
    char *eab_kid;
    struct buffer eab_key;
    enum digest_hash eab_hash;
    bool may_create_account;
    bool without_account;
};

struct exchange_session *client_session(struct acme_client *client)
{
    return &client->session;
}

const struct directory *client_session_directory(const struct acme_client *client)
{
    return &client->directory;
}

const char *client_session_directory_url(const struct acme_client *client)
{
    return client->directory_url;
}

static void set_state(struct acme_client *client, enum client_state state)
{
    client->state = state;
    client->session.ready = state == CLIENT_READY;
    client->session.failed = state == CLIENT_FAILED ? &client->error : NULL;
}

static void fail(struct acme_client *client)
{
    bool is_known = client->session.account_url != NULL || client->without_account;

    client->resume = client->directory.object == NULL ? CLIENT_DIRECTORY
                     : is_known                       ? CLIENT_READY
                                                      : CLIENT_ACCOUNT;
    set_state(client, CLIENT_FAILED);
}

static void fail_memory(struct acme_client *client, struct acme_now now)
{
    failure_set(&client->error, ACME_ERROR_MEMORY, ACME_SCOPE_CA, now.at + FAILURE_BUSY_S,
                true, "out of memory for a request to the CA");
    client->work = WORK_NONE;
    fail(client);
}

static int copy_text(const char *text, char **ret_copy)
{
    *ret_copy = strdup(text);
    return *ret_copy != NULL ? 0 : ERROR_MEMORY;
}

static int copy_options(struct acme_client *client,
                        const struct acme_client_options *options)
{
    int error = copy_text(options->directory_url, &client->directory_url);

    for (size_t i = 0; error == 0 && i < options->contact_count; i++) {
        error = copy_text(options->contacts[i], &client->contacts[i]);
        client->contact_count = i + 1;
    }
    if (error == 0 && options->eab != NULL) {
        error = copy_text(options->eab->kid, &client->eab_kid);
        client->eab_hash = options->eab->hash;
        if (error == 0)
            error = buffer_append(&client->eab_key, options->eab->mac_key.data,
                                  options->eab->mac_key.size);
    }
    if (error == 0 && options->account_url != NULL && !options->without_account)
        error = copy_text(options->account_url, &client->session.account_url);
    return error;
}

int acme_client_new(const struct acme_client_options *options,
                    struct acme_client **ret_client)
{
    struct acme_client *client;
    int error;

    if (!origin_is_https(options->directory_url) ||
        (options->account_url != NULL &&
         !origin_is_same(options->account_url, options->directory_url)))
        return ERROR_SYNTAX;
    if (options->contact_count > CONTACTS_MAX)
        return ERROR_LIMIT;
    client = calloc(1, sizeof(*client));
    if (client == NULL)
        return ERROR_MEMORY;
    client->eab_key = buffer_init_secret(EAB_MAC_KEY_MAX);
    client->may_create_account = options->may_create_account;
    client->without_account = options->without_account;
    client->session.random = options->random != NULL ? options->random : random_below;
    client->session.signer = options->signer;
    client->session.signer.key = key_ref(options->signer.key);
    error = copy_options(client, options);
    if (error != 0) {
        acme_client_free(client);
        return error;
    }
    set_state(client, CLIENT_DIRECTORY);
    *ret_client = client;
    return 0;
}

void acme_client_free(struct acme_client *client)
{
    if (client == NULL)
        return;
    exchange_free(&client->exchange);
    directory_free(&client->directory);
    for (size_t i = 0; i < client->contact_count; i++)
        free(client->contacts[i]);
    free(client->eab_kid);
    buffer_free(&client->eab_key);
    free(client->session.account_url);
    free(client->directory_url);
    key_free(client->session.signer.key);
    free(client);
}

static int set_contacts(const struct acme_client *client, json_t *payload)
{
    json_t *list;
    int error = 0;

    if (client->contact_count == 0)
        return 0;
    list = json_array();
    for (size_t i = 0; error == 0 && i < client->contact_count; i++) {
        if (json_array_append_new(list, json_string(client->contacts[i])) != 0)
            error = ERROR_MEMORY;
    }
    if (error != 0) {
        json_decref(list);
        return error;
    }
    return json_set_take(payload, "contact", list);
}

static int make_account_payload(const struct acme_client *client, json_t **ret_payload)
{
    json_t *payload = json_object(), *binding = NULL;
    int error = payload != NULL ? 0 : ERROR_MEMORY;

    if (error == 0 && !client->may_create_account) {
        error = json_set_bool(payload, "onlyReturnExisting", true);
    } else if (error == 0) {
        error = json_set_bool(payload, "termsOfServiceAgreed", true);
        if (error == 0)
            error = set_contacts(client, payload);
        if (error == 0 && client->eab_kid != NULL) {
            struct eab_credentials credentials = {
                client->eab_kid, buffer_bytes(&client->eab_key), client->eab_hash};

            error = eab_make(&credentials, client->session.signer.key,
                             client->directory.new_account, &binding);
            if (error == 0)
                error = json_set_take(payload, "externalAccountBinding", binding);
        }
    }
    if (error != 0) {
        json_decref(payload);
        return error;
    }
    *ret_payload = payload;
    return 0;
}

static int start(struct acme_client *client, enum client_work work)
{
    json_t *payload = NULL;
    int error = 0;

    switch (work) {
    case WORK_DIRECTORY:
        error = exchange_start(&client->exchange, EXCHANGE_GET, "directory",
                               client->directory_url, NULL, NULL, LIMIT_JSON_BYTES, true);
        break;
    case WORK_NONCE:
        error = exchange_start(&client->exchange, EXCHANGE_HEAD, "newNonce",
                               client->directory.new_nonce, NULL, NULL, LIMIT_JSON_BYTES,
                               true);
        break;
    case WORK_ACCOUNT:
        error = make_account_payload(client, &payload);
        if (error == 0)
            error = exchange_start(&client->exchange, EXCHANGE_POST_JWK, "newAccount",
                                   client->directory.new_account, payload, NULL,
                                   LIMIT_JSON_BYTES, true);
        json_decref(payload);
        break;
    case WORK_NONE:
        return 0;
    }
    if (error == 0)
        client->work = work;
    return error;
}

/* What is to be done now, if nothing is under way. */
static enum client_work choose(const struct acme_client *client, struct acme_now now)
{
    bool is_dry = client->session.nonces.count == 0;

    switch (client->state) {
    case CLIENT_DIRECTORY:
        return WORK_DIRECTORY;
    case CLIENT_ACCOUNT:
        return is_dry ? WORK_NONCE : WORK_ACCOUNT;
    case CLIENT_READY:
        if (client->session.nonce_wanted && is_dry)
            return WORK_NONCE;
        return now.mono_ms >= client->directory_until_mono_ms ? WORK_DIRECTORY
                                                              : WORK_NONE;
    case CLIENT_SAVE:
    case CLIENT_FAILED:
        break;
    }
    return WORK_NONE;
}

/* The CA said to somebody that it does not know our account. */
static void forget_account(struct acme_client *client)
{
    client->session.account_lost = false;
    if (client->state == CLIENT_READY || client->state == CLIENT_SAVE) {
        free(client->session.account_url);
        client->session.account_url = NULL;
        set_state(client, CLIENT_ACCOUNT);
    }
}

void acme_client_next(struct acme_client *client, struct acme_now now,
                      struct acme_step *ret_step)
{
    struct acme_step step = {.want = ACME_WANT_IDLE};

    if (client->state == CLIENT_FAILED && failure_is_over(&client->error, now.at))
        acme_client_retry(client);
    if (client->session.account_lost)
        forget_account(client);
    for (;;) {
        if (client->state == CLIENT_FAILED) {
            step.want = ACME_WANT_FAILED;
            step.error = &client->error;
            break;
        }
        if (client->state == CLIENT_SAVE) {
            step.want = ACME_WANT_SAVE;
            break;
        }
        if (client->work == WORK_NONE && start(client, choose(client, now)) != 0) {
            fail_memory(client, now);
            continue;
        }
        if (client->work == WORK_NONE)
            break;
        exchange_next(&client->exchange, &client->session, now, &step, &client->error);
        if (step.want == ACME_WANT_SHARED) {
            /* The account's request found no nonce, or lost it to an order. */
            client->work = WORK_NONE;
            continue;
        }
        if (step.want == ACME_WANT_FAILED) {
            client->work = WORK_NONE;
            fail(client);
            continue;
        }
        break;
    }
    *ret_step = step;
}

static void take_directory(struct acme_client *client,
                           const struct acme_response *response, struct acme_now now)
{
    struct directory directory = {0};
    char reason[160] = "";
    int error =
        directory_parse(response->body.data, response->body.size, client->directory_url,
                        &directory, reason, sizeof(reason));

    if (error != 0) {
        client->directory_until_mono_ms = now.mono_ms + DIRECTORY_RETRY_MS;
        if (client->state == CLIENT_READY)
            return;
        if (error == ERROR_MEMORY) {
            fail_memory(client, now);
            return;
        }
        failure_set(&client->error, ACME_ERROR_PROTOCOL, ACME_SCOPE_CA,
                    now.at + FAILURE_NAME_S, false, "%s: %s", client->directory_url,
                    reason);
        fail(client);
        return;
    }
    directory_free(&client->directory);
    client->directory = directory;
    client->session.has_directory = true;
    client->directory_until_mono_ms = now.mono_ms + DIRECTORY_AGE_MS;
    if (client->state == CLIENT_DIRECTORY)
        set_state(client, client->session.account_url == NULL && !client->without_account
                              ? CLIENT_ACCOUNT
                              : CLIENT_READY);
}

static void refuse_account(struct acme_client *client, struct acme_now now,
                           const char *text)
{
    failure_set(&client->error, ACME_ERROR_PROTOCOL, ACME_SCOPE_CA,
                now.at + FAILURE_NAME_S, false, "newAccount: %s", text);
    fail(client);
}

static void take_account(struct acme_client *client, const struct acme_response *response,
                         struct acme_now now)
{
    const char *location = exchange_header(response, "location", 0);
    const char *status;
    json_t *object = NULL;
    int error;

    if (!origin_is_same(location, client->directory_url)) {
        refuse_account(client, now, "no Location of the same origin");
        return;
    }
    error =
        json_parse(response->body.data, response->body.size, LIMIT_JSON_BYTES, &object);
    status = error == 0 ? json_get_text(object, "status") : NULL;
    if (error == ERROR_MEMORY) {
        fail_memory(client, now);
    } else if (error != 0 || !json_is_object(object)) {
        refuse_account(client, now, "the response is no JSON object");
    } else if (status != NULL && strcmp(status, "valid") != 0) {
        failure_set(&client->error, ACME_ERROR_ACCOUNT, ACME_SCOPE_OPERATOR, 0, false,
                    "newAccount: the account is %.32s", status);
        fail(client);
    } else if ((client->session.account_url = strdup(location)) == NULL) {
        fail_memory(client, now);
    } else {
        client->session.account_generation++;
        set_state(client, CLIENT_SAVE);
    }
    json_decref(object);
}

static void take_failure(struct acme_client *client, enum client_work work,
                         struct acme_now now)
{
    if (work == WORK_DIRECTORY && client->state == CLIENT_READY) {
        client->directory_until_mono_ms = now.mono_ms + DIRECTORY_RETRY_MS;
        return;
    }
    /* Not finding our account is final only for an operator's eyes; a refused binding is
     * told as such. */
    if (work == WORK_ACCOUNT && client->eab_kid != NULL && client->may_create_account &&
        client->error.problem.type == ACME_PROBLEM_UNAUTHORIZED) {
        client->error.type = ACME_ERROR_EAB;
        client->error.scope = ACME_SCOPE_OPERATOR;
        client->error.retry_at = 0;
    }
    fail(client);
}

void acme_client_response(struct acme_client *client,
                          const struct acme_response *response, struct acme_now now)
{
    enum client_work work = client->work;
    enum exchange_outcome outcome;

    if (work == WORK_NONE || !client->exchange.in_flight)
        return;
    outcome = exchange_response(&client->exchange, &client->session, response, now,
                                &client->error);
    if (outcome == EXCHANGE_AGAIN)
        return;
    client->work = WORK_NONE;
    if (outcome != EXCHANGE_OK) {
        take_failure(client, work, now);
        return;
    }
    switch (work) {
    case WORK_DIRECTORY:
        take_directory(client, response, now);
        break;
    case WORK_NONCE:
        if (client->session.nonces.count == 0) {
            failure_set(&client->error, ACME_ERROR_PROTOCOL, ACME_SCOPE_CA,
                        now.at + FAILURE_NAME_S, false,
                        "newNonce: no Replay-Nonce in the response");
            fail(client);
        }
        client->session.nonce_wanted = false;
        break;
    case WORK_ACCOUNT:
        take_account(client, response, now);
        break;
    case WORK_NONE:
        break;
    }
}

void acme_client_saved(struct acme_client *client)
{
    if (client->state == CLIENT_SAVE)
        set_state(client, CLIENT_READY);
}

void acme_client_forbid_new_account(struct acme_client *client)
{
    client->may_create_account = false;
}

void acme_client_hold(struct acme_client *client, bool is_held)
{
    client->session.held = is_held;
}

void acme_client_take_key(struct acme_client *client, struct key *key)
{
    struct key *former = client->session.signer.key;

    client->session.signer.key = key_ref(key);
    key_free(former);
}

int acme_client_renew(struct acme_client *client,
                      const struct acme_client_options *options)
{
    struct acme_client *fresh = NULL, former;
    int error = acme_client_new(options, &fresh);

    if (error != 0)
        return error;
    former = *client;
    *client = *fresh;
    *fresh = former;
    acme_client_free(fresh);
    return 0;
}

void acme_client_retry(struct acme_client *client)
{
    if (client->state == CLIENT_FAILED)
        set_state(client, client->resume);
}

size_t acme_client_ready_count(const struct acme_client *client)
{
    if (client->state == CLIENT_FAILED)
        return SIZE_MAX;
    if (!client->session.ready)
        return 0;
    /* One more than there are nonces: it finds the pool empty and asks for another. Not while
     * one is being fetched, whose arrival wakes somebody anyway. */
    return client->session.nonces.count + (client->work == WORK_NONE ? 1 : 0);
}

const char *acme_client_account_url(const struct acme_client *client)
{
    return client->session.account_url;
}

const json_t *acme_client_directory(const struct acme_client *client)
{
    return client->directory.object;
}

bool acme_client_has_renewal_info(const struct acme_client *client)
{
    return client->directory.renewal_info != NULL;
}

bool acme_client_has_profile(const struct acme_client *client, const char *profile)
{
    return directory_has_profile(&client->directory, profile);
}

bool acme_client_same_origin(const struct acme_client *client, const char *url)
{
    return origin_is_same(url, client->directory_url);
}
