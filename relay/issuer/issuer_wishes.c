/* A wish is answered "begun" in the transaction that takes it, and looked at every second
 * until nothing is left to do: what is left is read from the store each time, so that a wish
 * that was under way when the issuer was killed goes on by itself. Each certificate is revoked
 * under a number made from the wish and the certID: the same wish never revokes it twice.
 *
 * A device is forgotten by front first, so that it can't order meanwhile; then what is under
 * way for it ends; then its certificates are revoked. A front that does not answer (it is
 * down, or captured) delays this by half a minute. */
#include "relay/issuer/issuer_wishes.h"

#include "base/core/clock.h"
#include "base/core/json.h"
#include "base/core/log.h"
#include "base/lanname.h"
#include "relay/issuer/revoke.h"
#include "relay/store/admin_store.h"
#include "relay/store/issuer_store.h"
#include "relay/store/queue_store.h"
#include "relay/store/schema.h"
#include "relay/store/wish_answer.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
    FOLLOW_MS = 500,
    BATCH_COUNT = 100,
    FRONT_WAIT_S = 30,
    CERTIFICATES_MAX = 32, /* of one device, begun at a time */
    ADMIN_NONE = -1,
};

struct issuer_wishes {
    struct issuer *issuer;
    struct loop_timer *timer;
    int64_t last;      /* the number of the last wish taken */
    int64_t admin_rev; /* of admin.db, as last looked at */
    size_t open_count; /* wishes under way */
    int own_error;     /* of our own store */
};

/* What one look at a wish finds. */
struct look {
    struct issuer_wishes *wishes;
    int64_t number;
    int64_t rev;
    int reason;
    char id[LANNAME_ID_SIZE + 1];
    char cert_id[CERT_ID_MAX]; /* "" : all of ID */
    bool is_forget;
    int64_t at;
    size_t waiting;
    size_t failed;
    char problem[LIMIT_DETAIL_BYTES];
    char cert_ids[CERTIFICATES_MAX][CERT_ID_MAX];
    size_t count;
};

/* A wish that this version does not know, or that is broken, must not stop those behind it. */
static int answer(struct issuer_wishes *wishes, int64_t rev, int64_t number,
                  enum wish_answer_state state, const char *content)
{
    struct issuer *issuer = wishes->issuer;
    struct wish_answer row = {
        .number = number, .state = state, .content = content, .at = clock_wall_at()};

    return wish_answer_put(issuer->database, issuer->config->zone, rev, &row);
}

/* ---- taking ---- */

static int refuse_key(struct issuer_wishes *wishes, int64_t rev,
                      const struct admin_store_wish *wish)
{
    struct issuer *issuer = wishes->issuer;
    struct issuer_store_entry entry = {
        .kind = "revoked-key", .what = wish->detail, .id = "", .at = clock_wall_at()};
    int64_t known_at = -1;
    int error = issuer_store_entry_at(issuer->database, issuer->config->zone, entry.kind,
                                      entry.what, &known_at);

    if (error == 0 && known_at < 0) {
        error =
            issuer_store_put_entry(issuer->database, issuer->config->zone, rev, &entry);
    }
    if (error == 0) {
        log_info("the key '%.64s' is refused from now on, as the operator wishes",
                 wish->detail);
        error = answer(wishes, rev, wish->number, WISH_ANSWER_DONE, "");
    }
    return error;
}

static int take_wish(const struct admin_store_wish *wish, void *arg)
{
    struct issuer_wishes *wishes = arg;
    int64_t rev = 0;
    int error = commit_begin(wishes->issuer->commit, &rev);

    if (error == 0 && strcmp(wish->kind, "refuse-key") == 0) {
        error = refuse_key(wishes, rev, wish);
    } else if (error == 0 &&
               (strcmp(wish->kind, "forget") == 0 || strcmp(wish->kind, "revoke") == 0)) {
        error = answer(wishes, rev, wish->number, WISH_ANSWER_BEGUN, "");
        wishes->open_count++;
    } else if (error == 0) {
        error = answer(wishes, rev, wish->number, WISH_ANSWER_DONE, "");
    }
    wishes->own_error = error;
    if (error == 0) {
        wishes->last = wish->number;
    }
    return error;
}

/* ---- what is under way ---- */

static bool read_look(const struct admin_store_wish *wish, struct look *look)
{
    char detail[CERT_ID_MAX + 16];
    char *cert_id = detail;
    uint64_t reason = 0;

    look->is_forget = strcmp(wish->kind, "forget") == 0;
    look->at = wish->at;
    look->reason = REVOKE_REASON_CESSATION;
    if (!text_copy(look->id, sizeof(look->id), wish->id) ||
        !text_copy(detail, sizeof(detail), wish->detail)) {
        return false;
    }
    if (look->is_forget) {
        return true;
    }
    (void)strsep(&cert_id, " ");
    if (text_u64(detail, 10, &reason) != 0 ||
        !text_copy(look->cert_id, sizeof(look->cert_id),
                   cert_id != NULL ? cert_id : "")) {
        return false;
    }
    look->reason = (int)reason;
    return true;
}

static int take_look(const struct admin_store_wish *wish, void *arg)
{
    struct look *look = arg;

    if (wish->number == look->number && !read_look(wish, look)) {
        look->number = 0;
    }
    return 0;
}

static int take_problem(const struct issuer_store_revocation *revocation, void *arg)
{
    struct look *look = arg;
    json_t *problem = NULL;

    if (revocation->done) {
        return 0;
    }
    look->failed++;
    if (json_parse(revocation->problem, strlen(revocation->problem), LIMIT_JSON_BYTES,
                   &problem) == 0) {
        const char *detail = json_get_text(problem, "detail");

        text_printable(look->problem, sizeof(look->problem), detail != NULL ? detail : "",
                       detail != NULL ? strlen(detail) : 0);
        json_decref(problem);
    }
    return 0;
}

static int collect(const struct issuer_store_life *life, void *arg)
{
    struct look *look = arg;

    if (look->count < CERTIFICATES_MAX &&
        text_copy(look->cert_ids[look->count], CERT_ID_MAX, life->cert_id)) {
        look->count++;
    }
    return 0;
}

static int collect_one(const struct issuer_store_certificate *certificate, void *arg)
{
    struct look *look = arg;

    look->count = certificate->revoked_at == 0 ? 1 : 0;
    return text_copy(look->cert_ids[0], CERT_ID_MAX, certificate->cert_id) ? 0
                                                                           : ERROR_LIMIT;
}

/* The certificates that are still to be revoked. */
static int find_certificates(struct look *look)
{
    struct issuer *issuer = look->wishes->issuer;
    const char *zone = issuer->config->zone;
    int error = 0;

    look->count = 0;
    if (look->cert_id[0] == '\0') {
        return issuer_store_lives_of_id(issuer->database, zone, look->id, clock_wall_at(),
                                        collect, look);
    }
    error = issuer_store_certificate(issuer->database, zone, look->cert_id, collect_one,
                                     look);
    if (error == ERROR_NOT_FOUND) {
        look->failed++;
        (void)text_copy(look->problem, sizeof(look->problem),
                        "no such certificate was issued here");
        error = 0;
    }
    return error;
}

/* 32 characters, as the numbers of front's requests, but never one of these: 'w' is no hex. */
static int name_revocation(const struct look *look, const char *cert_id,
                           char ret_number[static 33])
{
    char text[CERT_ID_MAX + 32];
    char hash[TEXT_HEX_SIZE(DIGEST_SHA256_SIZE) + 1];
    uint8_t digest[DIGEST_SHA256_SIZE];

    if (!text_format(text, sizeof(text), "%" PRId64 " %s", look->number, cert_id) ||
        digest_sha256(text, strlen(text), digest) != 0) {
        return ERROR_CRYPTO;
    }
    text_hex(digest, sizeof(digest), hash);
    return text_format(ret_number, 33, "w%.31s", hash) ? 0 : ERROR_LIMIT;
}

static int revoke_one(struct look *look, const char *cert_id)
{
    struct issuer *issuer = look->wishes->issuer;
    char number[33];
    int error = name_revocation(look, cert_id, number);

    if (error != 0) {
        return error;
    }
    if (revoke_is_open(issuer->revocations, number)) {
        look->waiting++;
        return 0;
    }
    error = issuer_store_revocation(issuer->database, issuer->config->zone, number,
                                    take_problem, look);
    if (error != ERROR_NOT_FOUND) {
        return error;
    }
    error = commit_begin(issuer->commit, &look->rev);
    if (error == 0) {
        error = revoke_begin(issuer, look->rev, number, cert_id, look->reason);
        if (error == ERROR_SYNTAX) { /* a damaged row must not end the issuer */
            look->failed++;
            (void)text_copy(look->problem, sizeof(look->problem),
                            "the stored certificate can't be read");
            return 0;
        }
        look->waiting++;
    }
    return error;
}

static int see_answer(const struct wish_answer *row, void *arg)
{
    (void)row;
    *(bool *)arg = true;
    return 0;
}

static int take_ticket(const struct queue_store_place *place, void *arg)
{
    *(int64_t *)arg = place->ticket;
    return 0;
}

static int leave_queue(struct issuer *issuer, const char *id)
{
    const char *zone = issuer->config->zone;
    int64_t ticket = -1;
    int error = queue_store_place(issuer->database, zone, id, take_ticket, &ticket);

    if (error == 0) {
        error = queue_store_remove(issuer->database, zone, ticket);
    }
    return error == ERROR_NOT_FOUND ? 0 : error;
}

/* Whether the device can't order any more, and nothing is under way for it. */
static int may_forget(struct look *look, bool *ret_may)
{
    static const char problem[] = "{\"type\":\"urn:ietf:params:acme:error:unauthorized\","
                                  "\"detail\":\"The operator has forgotten this device\","
                                  "\"status\":403}";
    struct issuer *issuer = look->wishes->issuer;
    const char *zone = issuer->config->zone;
    int64_t processing = 0;
    bool answered = false;
    int error = 0;

    if (issuer->front != NULL) {
        (void)!wish_answer_get(issuer->front, zone, look->number, see_answer, &answered);
    }
    *ret_may = answered || clock_wall_at() - look->at >= FRONT_WAIT_S;
    if (!*ret_may) {
        return 0;
    }
    error = commit_begin(issuer->commit, &look->rev);
    if (error == 0) {
        error = issuer_store_end_ready_orders(issuer->database, zone, look->rev, look->id,
                                              problem);
    }
    if (error == 0) {
        error = issuer_store_forget_enrolment(issuer->database, zone, look->id);
    }
    if (error == 0) {
        error = leave_queue(issuer, look->id);
    }
    if (error == 0) {
        error =
            issuer_store_count_processing(issuer->database, zone, look->id, &processing);
    }
    *ret_may = processing == 0;
    return error;
}

static int finish(struct look *look)
{
    struct issuer *issuer = look->wishes->issuer;
    int error = commit_begin(issuer->commit, &look->rev);

    if (error == 0) {
        log_info("wish %" PRId64 " of the operator: %s%s", look->number,
                 look->failed > 0 ? "failed: " : "done", look->problem);
        error = answer(look->wishes, look->rev, look->number,
                       look->failed > 0 ? WISH_ANSWER_FAILED : WISH_ANSWER_DONE,
                       look->problem);
    }
    if (error == 0) {
        look->wishes->open_count--;
    }
    return error;
}

/* One step of the wish NUMBER. */
static int advance(struct issuer_wishes *wishes, int64_t number)
{
    struct issuer *issuer = wishes->issuer;
    struct look look = {.wishes = wishes, .number = number};
    bool may = true;
    int error = admin_store_wishes_after(issuer->admin, issuer->config->zone, number - 1,
                                         1, take_look, &look);

    if (error != 0) {
        return 0; /* admin.db is another's file: tried again */
    }
    if (look.number == 0 || (look.id[0] == '\0' && look.cert_id[0] == '\0')) {
        look.number = number;
        look.failed = 1;
        (void)text_copy(look.problem, sizeof(look.problem), "this wish makes no sense");
        return finish(&look);
    }
    if (look.is_forget) {
        error = may_forget(&look, &may);
    }
    if (error == 0 && may) {
        error = find_certificates(&look);
    }
    for (size_t i = 0; error == 0 && may && i < look.count; i++) {
        error = revoke_one(&look, look.cert_ids[i]);
    }
    return error == 0 && may && look.waiting == 0 ? finish(&look) : error;
}

struct begun {
    int64_t numbers[BATCH_COUNT];
    size_t count;
};

static int take_begun(const struct wish_answer *row, void *arg)
{
    struct begun *begun = arg;

    if (begun->count < BATCH_COUNT) {
        begun->numbers[begun->count++] = row->number;
    }
    return 0;
}

static int advance_all(struct issuer_wishes *wishes)
{
    struct issuer *issuer = wishes->issuer;
    struct begun begun = {.count = 0};
    int error =
        wish_answer_begun(issuer->database, issuer->config->zone, take_begun, &begun);

    wishes->open_count = begun.count;
    for (size_t i = 0; error == 0 && i < begun.count; i++) {
        error = advance(wishes, begun.numbers[i]);
    }
    return error;
}

/* ---- following ---- */

static int take_news(struct issuer_wishes *wishes, struct database *admin)
{
    struct issuer *issuer = wishes->issuer;
    int64_t rev = 0;
    int64_t before = wishes->last;
    int error = 0;

    wishes->own_error = 0;
    if (database_revision(admin, &rev) != 0 || rev == wishes->admin_rev) {
        return 0;
    }
    error = admin_store_wishes_after(admin, issuer->config->zone, wishes->last,
                                     BATCH_COUNT, take_wish, wishes);
    if (error == 0 && wishes->last == before) {
        wishes->admin_rev = rev;
    }
    return wishes->own_error;
}

static void follow(void *arg)
{
    struct issuer_wishes *wishes = arg;
    struct issuer *issuer = wishes->issuer;
    struct database *admin = issuer_state_admin(issuer);
    int error = 0;

    if (commit_error(issuer->commit) != 0) {
        return;
    }
    if (admin != NULL) {
        error = take_news(wishes, admin);
        if (error == 0 && wishes->open_count > 0) {
            error = advance_all(wishes);
        }
    }
    if (error != 0) {
        (void)commit_fail(issuer->commit, error, "the operator's wishes");
        return;
    }
    loop_timer_set(wishes->timer, FOLLOW_MS);
}

int issuer_wishes_open(struct issuer *issuer, struct issuer_wishes **ret_wishes)
{
    struct issuer_wishes *wishes = calloc(1, sizeof(*wishes));
    int error = 0;

    if (wishes == NULL) {
        return ERROR_MEMORY;
    }
    wishes->issuer = issuer;
    wishes->admin_rev = ADMIN_NONE;
    wishes->open_count = 1; /* looked for at the first turn */
    error = wish_answer_last(issuer->database, issuer->config->zone, &wishes->last);
    if (error == 0) {
        error = loop_timer_new(issuer->loop, follow, wishes, &wishes->timer);
    }
    if (error != 0) {
        free(wishes);
        return error;
    }
    loop_timer_set(wishes->timer, 0);
    *ret_wishes = wishes;
    return 0;
}

void issuer_wishes_close(struct issuer_wishes *wishes)
{
    if (wishes == NULL) {
        return;
    }
    loop_timer_free(wishes->timer);
    free(wishes);
}
