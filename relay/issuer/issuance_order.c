/* An issuance's order at the CA: made anew or from what was saved, and saved again. */
#include "relay/issuer/issuance_order.h"

#include "base/core/clock.h"
#include "base/core/log.h"
#include "base/core/text.h"
#include "relay/issuer/issuance_list.h"

#include <string.h>

enum {
    REPLACES_LOOK = 4,
    POLL_MS = 40, /* alone; with others one more each: their requests take time, too */
};

struct replaces_search {
    struct issuer *issuer;
    const struct issuance *issuance;
    int64_t now_at;
    char *ret_cert_id;
};

static int take_created_at(const struct issuer_store_order *order, void *arg)
{
    *(int64_t *)arg = order->created_at;
    return 0;
}

/* The newest certificate that the CA would accept as replaced: its own, of this account,
 * for these names, not ended, not yet replaced (design: the certificate 10). */
static int take_replaced(const struct issuer_store_certificate *certificate, void *arg)
{
    struct replaces_search *search = arg;
    const struct relay_config *config = search->issuer->config;
    int64_t ordered_at = 0;
    int error = 0;

    if (search->ret_cert_id[0] != '\0' || certificate->replaced ||
        certificate->revoked_at > 0 || certificate->not_after_at <= search->now_at ||
        strcmp(certificate->ca, config->ca_directory) != 0 ||
        strcmp(certificate->names, search->issuance->names) != 0) {
        return 0;
    }
    error = issuer_store_order(search->issuer->database, config->zone,
                               certificate->number, take_created_at, &ordered_at);
    if (error != 0 || ordered_at < ca_account_created_at(search->issuer->ca)) {
        return error == ERROR_NOT_FOUND ? 0 : error;
    }
    return text_copy(search->ret_cert_id, CERT_ID_MAX, certificate->cert_id)
               ? 0
               : ERROR_LIMIT;
}

static int choose_replaces(struct issuance *issuance)
{
    struct issuer *issuer = issuance->set->issuer;
    struct replaces_search search = {issuer, issuance, clock_wall_at(),
                                     issuance->replaces};

    issuance->replaces[0] = '\0';
    if (!acme_client_has_renewal_info(ca_client(issuer->ca))) {
        return 0;
    }
    return issuer_store_certificates_of(issuer->database, issuer->config->zone,
                                        issuance->id, REPLACES_LOOK, take_replaced,
                                        &search);
}

/* A new order at the CA, or the one saved. */
/* Cuts TEXT at its blanks, in place. */
static size_t split_names(char *text, const char *names[static LIMIT_ORDER_NAMES])
{
    size_t count = 0;

    for (char *at = text; at != NULL && count < LIMIT_ORDER_NAMES;) {
        char *blank = strchr(at, ' ');

        if (blank != NULL) {
            *blank++ = '\0';
        }
        names[count++] = at;
        at = blank;
    }
    return count;
}

int issuance_order_make(struct issuance *issuance)
{
    struct issuer *issuer = issuance->set->issuer;
    const char *profile =
        issuance->profile[0] != '\0' ? issuance->profile : issuer->config->ca_profile;
    struct acme_now now = {clock_wall_at(), clock_mono_ms()};
    char text[VERIFY_NAMES_MAX];
    const char *names[LIMIT_ORDER_NAMES];
    struct acme_order_options options = {
        .csr_key = issuance->csr.key,
        .csr_names = names,
        .csr = buffer_bytes(&issuance->csr.der),
        .profile = profile[0] != '\0' ? profile : NULL,
        .alternates = ACME_ALTERNATES_MAX,
        .poll_ms = POLL_MS + (unsigned)issuance->set->running_count,
    };
    int error = choose_replaces(issuance);

    if (error != 0) {
        return error;
    }
    if (!text_copy(text, sizeof(text), issuance->names)) {
        return ERROR_LIMIT;
    }
    options.csr_name_count = split_names(text, names);
    options.replaces = issuance->replaces[0] != '\0' ? issuance->replaces : NULL;
    if (issuance->saved.size > 0) {
        error = acme_order_load(ca_client(issuer->ca), &options, issuance->saved.data,
                                issuance->saved.size, now, &issuance->order);
        buffer_reset(&issuance->saved);
        if (error == 0) {
            log_info("order %s goes on at the CA: %s", issuance->number,
                     acme_order_url(issuance->order));
            return 0;
        }
        log_warning("order %s: its saved state can't be used (%s); starting again",
                    issuance->number, error_text(error));
    }
    return acme_order_new(ca_client(issuer->ca), &options, now, &issuance->order);
}

void issuance_order_drop(struct issuance *issuance)
{
    ca_cancel(&issuance->exchange);
    ca_forget(issuance->set->issuer->ca, &issuance->shared);
    propagation_free(issuance->propagation);
    issuance->propagation = NULL;
    if (issuance->order != NULL) {
        acme_order_free(issuance->order);
        issuance->order = NULL;
    }
}

/* Writes the machine's state; the next step waits until it is durable. */
int issuance_order_save(struct issuance *issuance, bool done)
{
    struct issuer *issuer = issuance->set->issuer;
    struct issuer_store_issuance row;
    int64_t rev = 0;
    int error = 0;

    buffer_reset(&issuance->saved);
    if (issuance->order != NULL && !done) {
        error = acme_order_save(issuance->order, &issuance->saved);
    }
    row = issuance_list_row(issuance);
    row.done = done;
    if (error == 0) {
        error = commit_begin(issuer->commit, &rev);
    }
    if (error == 0) {
        error =
            issuer_store_save_issuance(issuer->database, issuer->config->zone, rev, &row);
    }
    buffer_reset(&issuance->saved);
    if (error != 0) {
        return commit_fail(issuer->commit, error,
                           error == ERROR_CONFLICT
                               ? "another issuer has taken this issuance"
                               : "issuance");
    }
    return 0;
}
