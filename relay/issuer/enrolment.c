/* Each enrolment has a "fresh" entry in the ledger until it is looked at, once, after 30 days:
 * so the sweep reads what is due and nothing else. A certificate's row is kept for 30 days
 * after its end, so that whoever had one within the 30 days is still seen to have had it. Who
 * waits in the queue or has an order under way is looked at again 30 days later. */
#include "relay/issuer/enrolment.h"

#include "base/core/log.h"
#include "base/core/text.h"
#include "relay/store/issuer_store.h"

#include <string.h>

enum { WAIT_S = 30 * 86400, BATCH_COUNT = 200 };

struct batch {
    char ids[BATCH_COUNT][KEY_ID_SIZE + 1];
    size_t count;
};

static int take_entry(const struct issuer_store_entry *entry, void *arg)
{
    struct batch *batch = arg;

    return text_copy(batch->ids[batch->count++], KEY_ID_SIZE + 1, entry->what)
               ? 0
               : ERROR_SYNTAX;
}

static int take_found(const struct issuer_store_certificate *certificate, void *arg)
{
    (void)certificate;
    *(bool *)arg = true;
    return 0;
}

static int look_again(struct issuer *issuer, int64_t rev, const char *id, int64_t now_at)
{
    struct issuer_store_entry entry = {
        .kind = "fresh", .what = id, .id = id, .at = now_at};

    return issuer_store_put_entry(issuer->database, issuer->config->zone, rev, &entry);
}

static int look_at(struct issuer *issuer, int64_t rev, const char *id, int64_t now_at)
{
    const char *zone = issuer->config->zone;
    bool certified = false;
    bool waiting = false;
    int error = issuer_store_certificates_of(issuer->database, zone, id, 1, take_found,
                                             &certified);

    if (error == 0 && !certified) {
        error = issuer_store_is_waiting(issuer->database, zone, id, &waiting);
    }
    if (error == 0 && waiting) {
        return look_again(issuer, rev, id, now_at);
    }
    if (error == 0 && !certified) {
        log_info("device %s: never got a certificate in 30 days; its enrolment is "
                 "forgotten",
                 id);
        error = issuer_store_forget_enrolment(issuer->database, zone, id);
    }
    return error != 0 ? error
                      : issuer_store_remove_entry(issuer->database, zone, "fresh", id);
}

int enrolment_sweep(struct issuer *issuer, int64_t rev, int64_t now_at)
{
    struct batch batch = {.count = 0};
    int error =
        issuer_store_old_entries(issuer->database, issuer->config->zone, "fresh",
                                 now_at - WAIT_S, BATCH_COUNT, take_entry, &batch);

    for (size_t i = 0; error == 0 && i < batch.count; i++) {
        error = look_at(issuer, rev, batch.ids[i], now_at);
    }
    return error;
}
