/* Who enrols must have read the invitation from the device itself: the control socket gives
 * it out, and no page does. The order of the last steps makes each invitation good for one
 * app: it is closed in memory, then the list is written, then the app hears of it; requests
 * are handled one after the other, so of two at once one finds it closed. An invitation is
 * spent also when the disk then refuses. */
#include "device/agent_apps.h"

#include "base/core/clock.h"
#include "base/core/log.h"
#include "base/core/text.h"
#include "device/agent_parts.h"
#include "device/endorsement.h"
#include "device/enrolment.h"

#include <string.h>

enum { LIST_BYTES = 16 << 10, REFUSAL_MS = 60 * 1000 };

static void respond(struct http_exchange *exchange, int status, json_t *object, int error)
{
    struct buffer body = buffer_init_secret(LIST_BYTES);
    if (error == 0) {
        error = json_dump(object, &body);
    }
    http_exchange_add_header(exchange, "Cache-Control", "no-store");
    http_exchange_respond(exchange, error == 0 ? status : 500, "application/json",
                          body.data, error == 0 ? body.size : 0);
    json_decref(object);
    buffer_free(&body);
}

static void refuse(struct http_exchange *exchange, int status, const char *code,
                   const char *detail)
{
    json_t *object = json_object();
    int error = json_set_text(object, "error", code);
    if (error == 0) {
        error = json_set_text(object, "detail", detail);
    }
    respond(exchange, status, object, error);
}

void agent_apps_open(struct agent *agent)
{
    char path[AGENT_PATH_CAPACITY];
    agent_path(agent, "apps.json", path);
    int error = app_list_load(path, &agent->apps);
    if (error < 0) {
        log_warning("apps: '%s': %s; starting without them", path, error_text(error));
    }
}

/* Writes LIST and makes it the agent's. */
static int keep(struct agent *agent, const struct app_list *list)
{
    char path[AGENT_PATH_CAPACITY];
    agent_path(agent, "apps.json", path);
    int error = app_list_save(path, list);
    if (error < 0) {
        log_error("apps: can't write '%s': %s", path, error_text(error));
        return error;
    }
    agent->apps = *list;
    return 0;
}

static int describe(const struct agent *agent, const struct app *app, json_t *object)
{
    char pin[KEY_PIN_SIZE + 1];
    uint8_t hash[32];
    json_t *pins = json_array();
    int error = key_spki_sha256(agent->identity.key, hash);
    if (error == 0) {
        text_base64url(hash, sizeof(hash), pin);
        error = json_array_append_new(pins, json_string(pin)) == 0 ? 0 : ERROR_MEMORY;
    }
    if (error == 0) {
        error = json_set_take(object, "pins", json_incref(pins));
    }
    json_decref(pins);
    if (error == 0) {
        error = json_set_i64(object, "v", 1);
    }
    if (error == 0) {
        error = json_set_text(object, "id", agent->identity.id);
    }
    if (error == 0 && agent->state.zone[0] != '\0') {
        error = json_set_text(object, "zone", agent->state.zone);
    }
    if (error == 0) {
        error = json_set_text(object, "app", app->id);
    }
    return error == 0 ? json_set_text(object, "name", app->name) : error;
}

static void respond_app(struct http_exchange *exchange, const struct agent *agent,
                        const struct app *app)
{
    json_t *object = json_object();
    int error = describe(agent, app, object);
    respond(exchange, 200, object, error);
}

/* Anybody on the network may try as often as he likes: the log hears of it once a minute. */
static void note_refusal(struct agent *agent, const char *name)
{
    int64_t now_mono_ms = clock_mono_ms();
    if (agent->refused_mono_ms == 0 || now_mono_ms - agent->refused_mono_ms > REFUSAL_MS) {
        agent->refused_mono_ms = now_mono_ms;
        log_warning("apps: '%s' came with an invitation that is not open", name);
    }
}

static void enrol(struct agent *agent, const struct enrolment *enrolment,
                  const struct key *key, struct http_exchange *exchange)
{
    struct app_list list = agent->apps;
    char name[APP_NAME_MAX + 1];
    text_printable(name, sizeof(name), enrolment->name, strlen(enrolment->name));
    if (invitation_take(&agent->invitations, clock_mono_ms(), enrolment->invitation) <
        0) {
        note_refusal(agent, name);
        refuse(exchange, 403, "invitation",
               "This invitation is not open: it was used, or is older than ten minutes.");
        return;
    }
    int error = app_list_add(&list, enrolment->name, key, clock_wall_at());
    if (error == ERROR_LIMIT) {
        refuse(exchange, 409, "full",
               "No more apps fit; remove one on the device first.");
        return;
    }
    if (error == 0) {
        error = keep(agent, &list);
    }
    const struct app *app = error == 0 ? app_list_find(&agent->apps, key) : NULL;
    if (app == NULL) {
        refuse(exchange, 500, "disk", "The device could not write it down.");
        return;
    }
    log_info("apps: '%s' has enrolled as %s", name, app->id);
    respond_app(exchange, agent, app);
}

static void on_enrol(struct agent *agent, const struct key *key,
                     struct http_exchange *exchange)
{
    struct enrolment enrolment;
    struct bytes body = http_exchange_body(exchange);
    struct bytes spki = key_spki(key);
    const char *type = http_exchange_header(exchange, "Content-Type");
    if (strcmp(http_exchange_method(exchange), "POST") != 0) {
        http_exchange_add_header(exchange, "Allow", "POST");
        refuse(exchange, 405, "method", "Only POST is answered here.");
        return;
    }
    if (type == NULL || strcmp(type, "application/json") != 0) {
        refuse(exchange, 415, "type", "The request must be application/json.");
        return;
    }
    if (enrolment_parse(body.data, body.size, &enrolment) < 0) {
        refuse(exchange, 400, "syntax",
               "The request must have v, t, name and spki, and nothing else.");
        return;
    }
    if (enrolment.spki_size != spki.size ||
        memcmp(enrolment.spki, spki.data, spki.size) != 0) {
        refuse(exchange, 403, "key", "spki is not the key of the TLS certificate.");
    } else {
        enrol(agent, &enrolment, key, exchange);
    }
    explicit_bzero(&enrolment, sizeof(enrolment));
}

static void on_self(struct agent *agent, const struct key *key,
                    struct http_exchange *exchange)
{
    const struct app *app = app_list_find(&agent->apps, key);
    if (app == NULL) {
        refuse(exchange, 403, "unknown", "This app is not enrolled, or was removed.");
        return;
    }
    respond_app(exchange, agent, app);
}

/* Signed once for each certificate: a token may be slow, and everybody may ask. */
static void respond_endorsement(struct agent *agent, struct http_exchange *exchange)
{
    const char *wanted = agent->trusted_facts.fingerprint;
    int error = 0;
    if (!agent->is_trusted_served || agent->trusted.cert == NULL) {
        refuse(exchange, 404, "no-trusted", "There is no trusted certificate to endorse.");
        return;
    }
    if (agent->endorsement.size == 0 || strcmp(agent->endorsed, wanted) != 0) {
        buffer_free(&agent->endorsement);
        agent->endorsement = buffer_init(LIST_BYTES);
        error = endorsement_make(agent->identity.key, agent->trusted.cert,
                                 &agent->endorsement);
        text_copy(agent->endorsed, sizeof(agent->endorsed), wanted);
    }
    if (error < 0) {
        buffer_reset(&agent->endorsement);
        refuse(exchange, 500, "key", "The identity key could not sign.");
        return;
    }
    http_exchange_add_header(exchange, "Cache-Control", "no-store");
    http_exchange_respond(exchange, 200, "application/json", agent->endorsement.data,
                          agent->endorsement.size);
}

bool agent_apps_on_page(struct agent *agent, struct http_exchange *exchange)
{
    const char *path = http_exchange_path(exchange);
    if (strcmp(path, ENDORSEMENT_PATH) == 0 &&
        strcmp(http_exchange_method(exchange), "GET") == 0) {
        respond_endorsement(agent, exchange);
        return true;
    }
    bool is_enrolment = strcmp(path, ENROLMENT_PATH) == 0;
    struct key *key = NULL;
    if (!is_enrolment && strcmp(path, ENROLMENT_SELF_PATH) != 0) {
        return false;
    }
    if (!http_exchange_is_app(exchange) || http_exchange_peer_key(exchange, &key) < 0) {
        refuse(exchange, 403, "no-app",
               "This is for apps, which offer " TLS_APP_PROTOCOL
               " by ALPN and show a certificate.");
    } else if (is_enrolment) {
        on_enrol(agent, key, exchange);
    } else {
        on_self(agent, key, exchange);
    }
    key_free(key);
    return true;
}

/* --- the control socket --- */

static void invite(struct agent *agent, struct http_exchange *exchange)
{
    uint8_t secret[QR_INVITATION_SIZE];
    char text[TEXT_BASE32_SIZE(QR_INVITATION_SIZE) + 1] = "";
    json_t *object = json_object();
    int error = invitation_open(&agent->invitations, clock_mono_ms(), secret);
    if (error == ERROR_BUSY) {
        json_decref(object);
        refuse(
            exchange, 200, "busy",
            "Three invitations are open; use one, or wait until it is ten minutes old.");
        return;
    }
    if (error == 0) {
        text_base32(secret, sizeof(secret), text);
        error = json_set_text(object, "invitation", text);
        log_info("apps: an invitation was opened by the owner");
    }
    if (error == 0) {
        error = json_set_i64(object, "seconds", INVITATION_LIFE_S);
    }
    respond(exchange, 200, object, error);
    explicit_bzero(secret, sizeof(secret));
    explicit_bzero(text, sizeof(text));
}

static void list_apps(const struct agent *agent, struct http_exchange *exchange)
{
    struct buffer text = buffer_init(LIST_BYTES);
    int error = app_list_dump(&agent->apps, &text);
    http_exchange_respond(exchange, error == 0 ? 200 : 500, "application/json", text.data,
                          error == 0 ? text.size : 0);
    buffer_free(&text);
}

static void remove_app(struct agent *agent, struct http_exchange *exchange)
{
    char id[APP_ID_SIZE + 1] = "";
    struct app_list list = agent->apps;
    text_copy(id, sizeof(id), http_exchange_query(exchange));
    if (app_list_remove(&list, id) < 0) {
        refuse(exchange, 200, "unknown", "No app has this id.");
        return;
    }
    if (keep(agent, &list) < 0) {
        refuse(exchange, 200, "disk", "The list could not be written; the app stays.");
        return;
    }
    log_info("apps: %s was removed by the owner", id);
    list_apps(agent, exchange);
}

bool agent_apps_on_control(struct agent *agent, struct http_exchange *exchange)
{
    const char *path = http_exchange_path(exchange);
    bool is_post = strcmp(http_exchange_method(exchange), "POST") == 0;
    if (is_post && strcmp(path, "/invite") == 0) {
        invite(agent, exchange);
    } else if (!is_post && strcmp(path, "/apps.json") == 0) {
        list_apps(agent, exchange);
    } else if (is_post && strcmp(path, "/apps/remove") == 0) {
        remove_app(agent, exchange);
    } else {
        return false;
    }
    return true;
}
