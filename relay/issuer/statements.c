/* A signed time is true for whoever reads it, whoever asked: so nothing about the asker is
 * verified. What front could do with this is learn the time. A nonce is 128 random bits, so it
 * can't ask ahead of a device either.
 *
 * A move is signed when the operator has written it to admin.db, by `latchkey-relay move`; front
 * has no way to ask for one. */
#include "relay/issuer/statements.h"

#include "base/core/clock.h"
#include "base/core/json.h"
#include "base/core/log.h"
#include "base/core/text.h"
#include "relay/store/admin_store.h"
#include "relay/store/issuer_store.h"
#include "relay/store/private_file.h"
#include "relay/store/schema.h"
#include "relay/store/url.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
    FOLLOW_MS = 1000,
    ANSWER_KEPT_S = 60,
    ADMIN_NONE = -1,
    WHAT_CAPACITY = LIMIT_URL_BYTES + 8,
};

struct statements {
    struct issuer *issuer;
    struct key *key; /* NULL: nothing is signed */
    struct loop_timer *timer;
    int64_t admin_rev;   /* of admin.db, as last looked at */
    int64_t move_serial; /* of the announced move */
};

/* Whether a key was announced before: *RET_WAS. */
static int was_announced(const struct issuer *issuer, bool *ret_was)
{
    struct buffer content = buffer_init(STATEMENT_BYTES_MAX);
    int error = issuer_store_announcement(issuer->database, issuer->config->zone, "key",
                                          &content);

    buffer_free(&content);
    *ret_was = error == 0;
    return error == ERROR_NOT_FOUND ? 0 : error;
}

/* A relay that can't sign still issues certificates: only what is broken is left out. */
static int open_key(struct statements *statements)
{
    struct issuer *issuer = statements->issuer;
    const char *path = issuer->config->relay_key_file;
    bool was = false;
    int error = private_file_read_key(path, PRIVATE_FILE_OWNER, &statements->key);

    if (error == ERROR_NOT_FOUND) {
        error = was_announced(issuer, &was);
        if (error == 0 && was) {
            log_error(
                "the relay's own key '%s' is gone: bring it back. Devices know it, so no "
                "other is made; until then no time and no move is signed",
                path);
            return 0;
        }
        if (error == 0) {
            error = private_file_make_key(path, &statements->key);
        }
    }
    if (error != 0) {
        log_error("the relay's own key '%s': %s; no time and no move is signed", path,
                  error == ERROR_IO ? strerror(errno) : error_text(error));
    }
    /* Others can read it: somebody must look, but that stops no other zone. */
    return error == ERROR_DENIED && issuer->config->first->next == NULL ? error : 0;
}

/* Writes the announcement WHAT if it is another one than before. */
static int announce(struct issuer *issuer, const char *what, const char *content)
{
    const char *zone = issuer->config->zone;
    struct buffer before = buffer_init(STATEMENT_BYTES_MAX);
    int64_t rev = 0;
    int error = issuer_store_announcement(issuer->database, zone, what, &before);

    if (error == 0 && strcmp(buffer_text(&before), content) == 0) {
        buffer_free(&before);
        return 0;
    }
    buffer_free(&before);
    if (error != 0 && error != ERROR_NOT_FOUND) {
        return error;
    }
    error = commit_begin(issuer->commit, &rev);
    return error != 0 ? error
                      : issuer_store_put_announcement(issuer->database, zone, rev, what,
                                                      content, clock_wall_at());
}

/* Which other zone has announced JWK as its own: its file lies where this zone's should. NULL:
 * none; nor when both are meant to have one file. */
static const char *owner_of(const struct issuer *issuer, const char *jwk)
{
    const struct relay_config *config = issuer->config;

    for (const struct relay_config *at = config->first; at != NULL; at = at->next) {
        struct buffer content = buffer_init(STATEMENT_BYTES_MAX);
        bool is_its =
            strcmp(at->zone, config->zone) != 0 &&
            strcmp(at->relay_key_file, config->relay_key_file) != 0 &&
            issuer_store_announcement(issuer->database, at->zone, "key", &content) == 0 &&
            strcmp(buffer_text(&content), jwk) == 0;

        buffer_free(&content);
        if (is_its) {
            return at->zone;
        }
    }
    return NULL;
}

static int announce_key(struct statements *statements)
{
    struct buffer text = buffer_init(STATEMENT_BYTES_MAX);
    const char *owner = NULL;
    char pin[KEY_PIN_SIZE + 1];
    json_t *jwk = NULL;
    int error = key_to_jwk(statements->key, &jwk);

    if (error == 0) {
        error = json_dump(jwk, &text);
    }
    owner = error == 0 ? owner_of(statements->issuer, buffer_text(&text)) : NULL;
    if (owner != NULL) {
        log_error(
            "the relay's own key '%s' is that of '%s': rename the files when another "
            "zone becomes the main one; no time and no move is signed",
            statements->issuer->config->relay_key_file, owner);
        key_free(statements->key);
        statements->key = NULL;
        goto out;
    }
    if (error == 0) {
        error = statement_pin(statements->key, pin);
    }
    if (error == 0) {
        error = announce(statements->issuer, "key", buffer_text(&text));
    }
    if (error == 0) {
        log_info("the relay's own key has the pin '%s'", pin);
    }
out:
    json_decref(jwk);
    buffer_free(&text);
    return error;
}

/* ---- moves ---- */

/* Under which name the move away from the directory of the INDEXth base is announced. */
static bool name_move(const char *from, size_t index, char ret_what[static WHAT_CAPACITY])
{
    return text_format(ret_what, WHAT_CAPACITY, "move%s%s", index == 0 ? "" : " ",
                       index == 0 ? "" : from);
}

/* A statement is about the directory that a device reads it from, so each base has one. */
static int announce_move_of(struct statements *statements,
                            const struct admin_store_move *wish, size_t index)
{
    struct issuer *issuer = statements->issuer;
    struct statement_move move = {.serial = wish->serial, .issued_at = wish->issued_at};
    struct buffer text = buffer_init(STATEMENT_BYTES_MAX);
    char what[WHAT_CAPACITY];
    int error =
        url_directory(relay_config_zones_base(issuer->config, index), move.from) &&
                name_move(move.from, index, what) &&
                text_copy(move.to, sizeof(move.to), wish->target) &&
                text_copy(move.pin, sizeof(move.pin), wish->pin)
            ? 0
            : ERROR_LIMIT;

    if (error == 0) {
        error = statement_make_move(statements->key, &move, &text);
    }
    if (error == 0) {
        error = announce(issuer, what, buffer_text(&text));
    }
    buffer_free(&text);
    return error;
}

static int announce_move(struct statements *statements,
                         const struct admin_store_move *wish)
{
    int error = 0;

    for (size_t i = 0;
         error == 0 && relay_config_zones_base(statements->issuer->config, i) != NULL;
         i++) {
        error = announce_move_of(statements, wish, i);
    }
    if (error == 0) {
        log_info("announcing move %" PRId64 " to '%s'", wish->serial, wish->target);
        statements->move_serial = wish->serial;
    }
    return error;
}

static void follow(void *arg)
{
    struct statements *statements = arg;
    struct issuer *issuer = statements->issuer;
    struct database *admin = issuer_state_admin(issuer);
    struct admin_store_move move = {.serial = 0};
    int64_t rev = 0;
    int error = 0;

    if (admin != NULL && database_revision(admin, &rev) == 0 &&
        rev != statements->admin_rev) {
        error = admin_store_last_move(admin, issuer->config->zone, &move);
        /* Signed anew at each start: the signature differs, so the announced serial decides. */
        if (error == 0 && move.serial != statements->move_serial) {
            error = announce_move(statements, &move);
        }
        if (error == 0 || error == ERROR_NOT_FOUND) {
            statements->admin_rev = rev;
        } else {
            log_warning(
                "the move that the operator wishes can't be announced: %s; trying again",
                error_text(error));
        }
    }
    loop_timer_set(statements->timer, FOLLOW_MS);
}

/* The move that is announced for the INDEXth base, if it is of this key; else 0. */
static int64_t announced_serial(const struct statements *statements, size_t index)
{
    const struct issuer *issuer = statements->issuer;
    struct buffer text = buffer_init(STATEMENT_BYTES_MAX);
    struct statement_move move = {.serial = 0};
    char from[LIMIT_URL_BYTES];
    char what[WHAT_CAPACITY];

    if (!url_directory(relay_config_zones_base(issuer->config, index), from) ||
        !name_move(from, index, what) ||
        issuer_store_announcement(issuer->database, issuer->config->zone, what, &text) !=
            0 ||
        statement_read_move(text.data, text.size, statements->key, from, &move) != 0) {
        move.serial = 0;
    }
    buffer_free(&text);
    return move.serial;
}

/* The move that is announced for every base already. */
static void read_announced(struct statements *statements)
{
    const struct relay_config *config = statements->issuer->config;
    int64_t serial = announced_serial(statements, 0);

    for (size_t i = 1; relay_config_zones_base(config, i) != NULL; i++) {
        if (announced_serial(statements, i) != serial) {
            serial = 0;
        }
    }
    statements->move_serial = serial;
}

void statements_reload(struct statements *statements)
{
    if (statements->key != NULL) {
        read_announced(statements);
        statements->admin_rev = ADMIN_NONE;
    }
}

int statements_open(struct issuer *issuer, struct statements **ret_statements)
{
    struct statements *statements = calloc(1, sizeof(*statements));
    int error = 0;

    if (statements == NULL) {
        return ERROR_MEMORY;
    }
    statements->issuer = issuer;
    statements->admin_rev = ADMIN_NONE;
    error = open_key(statements);
    if (error == 0 && statements->key != NULL) {
        error = announce_key(statements);
    }
    if (error == 0 && statements->key != NULL) {
        error = loop_timer_new(issuer->loop, follow, statements, &statements->timer);
    }
    if (error != 0) {
        statements_close(statements);
        return error;
    }
    if (statements->key != NULL) {
        read_announced(statements);
        loop_timer_set(statements->timer, 0);
    }
    *ret_statements = statements;
    return 0;
}

void statements_close(struct statements *statements)
{
    if (statements == NULL) {
        return;
    }
    if (statements->timer != NULL) {
        loop_timer_free(statements->timer);
    }
    key_free(statements->key);
    free(statements);
}

/* ---- the time ---- */

/* The URL for the time that ASKED is, under one of the zone's bases; what is none of ours is
 * taken for base_url's. */
static bool find_time_url(const struct relay_config *config, const char *asked,
                          char ret_url[static LIMIT_URL_BYTES])
{
    for (size_t i = 1; relay_config_zones_base(config, i) != NULL; i++) {
        if (url_time(relay_config_zones_base(config, i), ret_url) &&
            strcmp(ret_url, asked) == 0) {
            return true;
        }
    }
    return url_time(config->base_url, ret_url);
}

int statements_time(struct issuer *issuer, int64_t rev,
                    const struct front_store_request *request)
{
    const struct statements *statements = issuer->statements;
    struct statement_time time = {.at = clock_wall_at()};
    struct buffer text = buffer_init(STATEMENT_BYTES_MAX);
    char url[LIMIT_URL_BYTES];
    json_t *nonces = NULL;
    int error = 0;

    if (statements->key == NULL) {
        return 0;
    }
    if (!text_copy(time.zone, sizeof(time.zone), issuer->config->zone) ||
        !find_time_url(issuer->config, request->jwk, url)) {
        return ERROR_LIMIT;
    }
    error = json_parse(request->jws, strlen(request->jws), STATEMENT_BYTES_MAX, &nonces);
    if (error == 0) {
        error = statement_make_time(statements->key, url, &time, nonces, &text);
    }
    if (error == 0) {
        error = issuer_store_put_time(issuer->database, issuer->config->zone, rev,
                                      request->number, buffer_text(&text), time.at);
    } else if (error != ERROR_MEMORY) {
        log_warning("a request 'time' %s holds no nonces: %s; ignoring it",
                    request->number, error_text(error));
        error = 0;
    }
    json_decref(nonces);
    buffer_free(&text);
    return error;
}

int statements_sweep(struct issuer *issuer, int64_t now_at)
{
    return issuer_store_forget_times(issuer->database, issuer->config->zone,
                                     now_at - ANSWER_KEPT_S);
}
