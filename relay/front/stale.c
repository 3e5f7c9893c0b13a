/* The issuer's ledger says who has enrolled: whoever placed an order that was not refused for
 * good. The issuer itself forgets those who got no certificate within 30 days of it
 * (relay/issuer/enrolment.h), so that one rule is enough here: an account that is older than
 * 30 days and not in the ledger has no use. A deactivated one stays: it is the mark that its
 * key has left.
 *
 * The accounts are walked by id, a piece a second, so that no request waits for long and a
 * million of them are looked at within an hour. While the issuer's file can't be read, nothing
 * goes. */
#include "relay/front/stale.h"

#include "base/core/clock.h"
#include "base/core/log.h"
#include "base/core/text.h"
#include "relay/front/journal.h"
#include "relay/store/front_store.h"
#include "relay/store/issuer_store.h"

#include <stdlib.h>
#include <string.h>

enum {
    FIRST_MS = 10 * 1000,
    PIECE_MS = 1000,
    ROUND_MS = 86400 * 1000,
    PIECE_COUNT = 300,
    WAIT_S = 30 * 86400,
};

struct stale {
    struct service *service;
    struct loop_timer *timer;
    char after[REQUEST_ID_CAPACITY]; /* looked at so far; "" : a round begins */
    /* Of the piece at hand. */
    size_t seen_count;
    size_t old_count;
    char old[PIECE_COUNT][REQUEST_ID_CAPACITY];
};

static int take_account(const struct front_store_account *account, void *arg)
{
    struct stale *stale = arg;
    bool is_old = strcmp(account->status, "valid") == 0 &&
                  clock_wall_at() - account->created_at > WAIT_S;

    stale->seen_count++;
    if (!text_copy(stale->after, sizeof(stale->after), account->id)) {
        return ERROR_SYNTAX;
    }
    if (is_old) {
        memcpy(stale->old[stale->old_count++], stale->after, sizeof(stale->after));
    }
    return 0;
}

static int look_at(struct stale *stale, struct database *issuer, const char *id)
{
    struct service *service = stale->service;
    int64_t enrolled_at = -1;
    int64_t rev = 0;
    int error = issuer_store_entry_at(issuer, service->zone, "account", id, &enrolled_at);

    if (error != 0 || enrolled_at >= 0) {
        return error;
    }
    error = journal_begin(service->journal, &rev);
    if (error == 0) {
        error = front_store_forget_device(service->front, service->zone, rev, id);
    }
    if (error == 0) {
        log_info("account %s: removed, as it never got a certificate in 30 days", id);
    }
    return error;
}

/* A piece of the walk; whether the round is over in *RET_OVER. */
static int look_at_piece(struct stale *stale, bool *ret_over)
{
    struct service *service = stale->service;
    struct database *issuer = service_issuer(service);
    char after[REQUEST_ID_CAPACITY];
    int error = 0;

    *ret_over = issuer == NULL;
    if (issuer == NULL) {
        return 0;
    }
    memcpy(after, stale->after, sizeof(after));
    stale->seen_count = 0;
    stale->old_count = 0;
    error = front_store_accounts_after(service->front, service->zone, after, PIECE_COUNT,
                                       take_account, stale);
    for (size_t i = 0; error == 0 && i < stale->old_count; i++) {
        error = look_at(stale, issuer, stale->old[i]);
    }
    *ret_over = error != 0 || stale->seen_count < PIECE_COUNT;
    return error;
}

static void look(void *arg)
{
    struct stale *stale = arg;
    bool over = false;
    int error = look_at_piece(stale, &over);

    if (error != 0) {
        log_error("accounts without a certificate can't be looked for: %s",
                  error_text(error));
    }
    if (over) {
        stale->after[0] = '\0';
    }
    loop_timer_set(stale->timer, over ? ROUND_MS : PIECE_MS);
}

int stale_new(struct service *service, struct stale **ret_stale)
{
    struct stale *stale = calloc(1, sizeof(*stale));
    int error = 0;

    if (stale == NULL) {
        return ERROR_MEMORY;
    }
    stale->service = service;
    error = loop_timer_new(service->loop, look, stale, &stale->timer);
    if (error != 0) {
        free(stale);
        return error;
    }
    loop_timer_set(stale->timer, FIRST_MS);
    *ret_stale = stale;
    return 0;
}

void stale_free(struct stale *stale)
{
    if (stale == NULL) {
        return;
    }
    loop_timer_free(stale->timer);
    free(stale);
}
