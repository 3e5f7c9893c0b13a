/* Each wish and its answer are one transaction, the journal's: a wish is carried out once, and one
 * that was not yet written when front was killed comes again at the next start. The wishes that are
 * the issuer's alone are answered too, because the last answer is where front goes on. */
#include "relay/front/front_wishes.h"

#include "base/core/clock.h"
#include "base/core/log.h"
#include "relay/front/journal.h"
#include "relay/store/admin_store.h"
#include "relay/store/front_store.h"
#include "relay/store/wish_answer.h"

#include <stdlib.h>
#include <string.h>

enum { FOLLOW_MS = 500, BATCH_COUNT = 100, ADMIN_NONE = -1 };

struct front_wishes {
    struct service *service;
    struct loop_timer *timer;
    int64_t last;      /* the number of the last wish answered */
    int64_t admin_rev; /* of admin.db, as last looked at */
};

static int forget(struct service *service, int64_t rev,
                  const struct admin_store_wish *wish, struct wish_answer *answer)
{
    int error = front_store_forget_device(service->front, service->zone, rev, wish->id);

    if (error == ERROR_NOT_FOUND) {
        answer->content = "it had no account";
        error = 0;
    } else if (error == 0) {
        log_info("account %s: forgotten, as the operator wishes", wish->id);
    }
    return error;
}

static int reactivate(struct service *service, int64_t rev,
                      const struct admin_store_wish *wish, struct wish_answer *answer)
{
    int error = front_store_reactivate(service->front, service->zone, rev, wish->id);

    if (error == ERROR_NOT_FOUND) {
        answer->state = WISH_ANSWER_FAILED;
        answer->content = "it has no deactivated account";
        error = 0;
    } else if (error == 0) {
        log_info("account %s: valid again, as the operator wishes", wish->id);
    }
    return error;
}

static int take_wish(const struct admin_store_wish *wish, void *arg)
{
    struct front_wishes *wishes = arg;
    struct service *service = wishes->service;
    struct wish_answer answer = {.number = wish->number,
                                 .state = WISH_ANSWER_DONE,
                                 .content = "",
                                 .at = clock_wall_at()};
    int64_t rev = 0;
    int error = journal_begin(service->journal, &rev);

    if (error == 0 && strcmp(wish->kind, "forget") == 0) {
        error = forget(service, rev, wish, &answer);
    } else if (error == 0 && strcmp(wish->kind, "reactivate") == 0) {
        error = reactivate(service, rev, wish, &answer);
    }
    if (error == 0) {
        error = wish_answer_put(service->front, service->zone, rev, &answer);
    }
    if (error == 0) {
        wishes->last = wish->number;
    }
    return error;
}

/* What the journal could not commit after all must come again: the store says what was. */
static int read_last(struct front_wishes *wishes)
{
    struct service *service = wishes->service;

    return wish_answer_last(service->front, service->zone, &wishes->last);
}

static int take_news(struct front_wishes *wishes, struct database *admin)
{
    struct service *service = wishes->service;
    int64_t before = 0;
    int64_t rev = 0;
    int error = database_revision(admin, &rev);

    if (error != 0 || rev == wishes->admin_rev) {
        return error;
    }
    error = read_last(wishes);
    before = wishes->last;
    if (error == 0) {
        error = admin_store_wishes_after(admin, service->zone, wishes->last, BATCH_COUNT,
                                         take_wish, wishes);
    }
    if (error == 0 && wishes->last == before) {
        wishes->admin_rev = rev; /* nothing came: all is written, and durable by now */
    }
    return error;
}

static void follow(void *arg)
{
    struct front_wishes *wishes = arg;
    struct database *admin = service_admin(wishes->service);
    int error = admin != NULL ? take_news(wishes, admin) : 0;

    if (error != 0) {
        log_warning("the operator's wishes can't be carried out: %s; trying again",
                    error_text(error));
    }
    loop_timer_set(wishes->timer, FOLLOW_MS);
}

int front_wishes_new(struct service *service, struct front_wishes **ret_wishes)
{
    struct front_wishes *wishes = calloc(1, sizeof(*wishes));
    int error = 0;

    if (wishes == NULL) {
        return ERROR_MEMORY;
    }
    wishes->service = service;
    wishes->admin_rev = ADMIN_NONE;
    error = loop_timer_new(service->loop, follow, wishes, &wishes->timer);
    if (error != 0) {
        free(wishes);
        return error;
    }
    loop_timer_set(wishes->timer, 0);
    *ret_wishes = wishes;
    return 0;
}

void front_wishes_free(struct front_wishes *wishes)
{
    if (wishes == NULL) {
        return;
    }
    loop_timer_free(wishes->timer);
    free(wishes);
}
