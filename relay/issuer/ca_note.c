/* How the CA is, in words, for the operator's commands: written when it changes. */
#include "base/core/clock.h"
#include "base/core/json.h"
#include "base/core/text.h"
#include "relay/issuer/ca_parts.h"
#include "relay/store/ca_store.h"

#include <string.h>

static struct ca_store_state judge(const struct ca *ca)
{
    const struct acme_error *failure = &ca->failure;

    if (ca->shut != NULL || failure->type != ACME_ERROR_NONE) {
        return (struct ca_store_state){
            .state = ca->shut != NULL                        ? ca->shut
                     : failure->scope == ACME_SCOPE_OPERATOR ? "refused"
                                                             : "failing",
            .reason = failure->text,
            .until_at = failure->retry_at,
        };
    }
    if (ca->hold != CA_FREE) {
        return (struct ca_store_state){.state = "changing",
                                       .reason = "the account gets a new key"};
    }
    if (ca->settling_until_at != 0) {
        return (struct ca_store_state){
            .state = "paused",
            .reason = "the CAA record of a new account must be everywhere first",
            .until_at = ca->settling_until_at};
    }
    if (ca_paused_until(ca) != 0) {
        return (struct ca_store_state){.state = "paused",
                                       .reason = ca->pause_reason,
                                       .until_at = ca_paused_until(ca)};
    }
    if (ca_limited_until(ca) != 0) {
        return (struct ca_store_state){.state = "limited",
                                       .reason = ca->pause_reason,
                                       .until_at = ca_limited_until(ca)};
    }
    return (struct ca_store_state){.state = ca->announced ? "ready" : "starting",
                                   .reason = ""};
}

static bool is_noted(struct ca *ca, const struct ca_store_state *state,
                     const char *thumbprint)
{
    return ca->noted.state != NULL && strcmp(ca->noted.state, state->state) == 0 &&
           ca->noted.until_at == state->until_at &&
           strcmp(ca->noted.reason, state->reason) == 0 &&
           strcmp(ca->noted.thumbprint, thumbprint) == 0;
}

void ca_note_state(struct ca *ca)
{
    struct ca_store_state state = judge(ca);
    char thumbprint[KEY_PIN_SIZE + 1] = "";
    const json_t *meta = json_get_object(acme_client_directory(ca->client), "meta");
    const char *terms = json_get_text(meta, "termsOfService");
    int64_t rev = 0;
    int error = ca->shut != NULL ? 0 : key_thumbprint(ca->key, thumbprint);

    if (error == 0 && is_noted(ca, &state, thumbprint)) {
        return;
    }
    state.thumbprint = thumbprint;
    state.terms = terms != NULL ? terms : "";
    state.rollover_at = ca->rollover_at;
    state.changed_at = clock_wall_at();
    if (error == 0) {
        error = commit_begin(ca->commit, &rev);
    }
    if (error == 0) {
        error = ca_store_put_state(commit_database(ca->commit), ca->config->zone, rev,
                                   ca->config->ca_directory, &state);
    }
    if (error != 0) {
        (void)commit_fail(ca->commit, error, "the CA's state");
        return;
    }
    ca->noted.state = state.state;
    ca->noted.until_at = state.until_at;
    (void)text_copy(ca->noted.reason, sizeof(ca->noted.reason), state.reason);
    (void)text_copy(ca->noted.thumbprint, sizeof(ca->noted.thumbprint), thumbprint);
}
