/* People who clicked through a browser's warning did so for one certificate: it is kept
 * as long as it fits, and made anew only when it lacks a name or its end comes near. It
 * names no address: the identity certificate's constraints exclude them all, since a
 * person who imports it must not give this device power over 192.168.1.1 in every network;
 * an address in the leaf would then break the whole chain, also for the names. By address
 * browsers warn in any case, and an app compares the pin and looks at no name. A clock
 * that stands at 1970 must not make a certificate that ended years ago, so its life counts
 * from a floor: the release of this program. */
#include "device/fallback.h"

#include "base/core/text.h"
#include "base/crypto/digest.h"
#include "device/clock_floor.h"

#include <string.h>
#include <unistd.h>

enum { DAY_S = 86400, LIFE_S = 397 * DAY_S, SPARE_S = 30 * DAY_S, NAMES_MAX = 5, SHORT_ID = 8 };

struct subject_texts {
    char wildcard[256];
    char apex[256];
    char mdns[FALLBACK_MDNS_CAPACITY];
    const char *names[NAMES_MAX];
    size_t name_count;
};

static int fill_texts(const struct fallback_subject *subject, struct subject_texts *texts)
{
    texts->names[texts->name_count++] = subject->local_name;
    fallback_mdns_name(subject->identity->id, texts->mdns);
    if (!text_equal_nocase(texts->mdns, subject->local_name)) {
        texts->names[texts->name_count++] = texts->mdns;
    }
    if (subject->mdns_name != NULL && subject->mdns_name[0] != '\0' &&
        strcmp(subject->mdns_name, texts->mdns) != 0) {
        texts->names[texts->name_count++] = subject->mdns_name;
    }
    if (subject->zone[0] != '\0') {
        if (!text_format(texts->wildcard, sizeof(texts->wildcard), "*.%s.%s",
                         subject->identity->id, subject->zone) ||
            !text_format(texts->apex, sizeof(texts->apex), "%s.%s", subject->identity->id,
                         subject->zone)) {
            return ERROR_LIMIT;
        }
        texts->names[texts->name_count++] = texts->wildcard;
        texts->names[texts->name_count++] = texts->apex;
    }
    return 0;
}

/* All that the certificate names, as one text to compare. */
static int describe(const struct subject_texts *texts, char *ret_text, size_t capacity)
{
    struct buffer text = buffer_init(capacity);
    for (size_t i = 0; i < texts->name_count; i++) {
        buffer_printf(&text, "%s ", texts->names[i]);
    }
    int error = text.error;
    if (error == 0 && !text_copy(ret_text, capacity, buffer_text(&text))) {
        error = ERROR_LIMIT;
    }
    buffer_free(&text);
    return error;
}

static int fingerprint(const struct cert *cert, char ret_text[static 65])
{
    uint8_t hash[DIGEST_SHA256_SIZE];
    int error = cert_fingerprint(cert, hash);
    if (error == 0) {
        text_hex(hash, sizeof(hash), ret_text);
    }
    return error;
}

static bool has_word(const char *list, const char *word)
{
    size_t size = strlen(word);
    for (const char *at = strstr(list, word); at != NULL; at = strstr(at + 1, word)) {
        if ((at == list || at[-1] == ' ') && at[size] == ' ') {
            return true;
        }
    }
    return false;
}

/* A name that is gone does no harm: it must not change the certificate that people have
 * looked at. */
static bool covers(const char *list, const struct subject_texts *texts)
{
    for (size_t i = 0; i < texts->name_count; i++) {
        if (!has_word(list, texts->names[i])) {
            return false;
        }
    }
    return true;
}

bool fallback_is_in_date(int64_t not_before_at, int64_t not_after_at, int64_t now_at)
{
    int64_t used_at = now_at > CLOCK_FLOOR_AT ? now_at : CLOCK_FLOOR_AT;
    return not_before_at <= used_at && not_after_at - used_at > SPARE_S;
}

bool fallback_is_good(const struct bundle *bundle, const struct fallback_subject *subject,
                      int64_t now_at, const struct agent_state *state)
{
    struct subject_texts texts = {.name_count = 0};
    char hash[65];
    return fill_texts(subject, &texts) == 0 && fingerprint(bundle->cert, hash) == 0 &&
           strcmp(hash, state->fallback_fingerprint) == 0 &&
           covers(state->fallback_names, &texts) &&
           fallback_is_in_date(cert_not_before_at(bundle->cert),
                               cert_not_after_at(bundle->cert), now_at);
}

static int make(const struct fallback_subject *subject, const struct subject_texts *texts,
                int64_t now_at, struct bundle *ret_bundle)
{
    const struct identity *identity = subject->identity;
    /* All but the wildcard, which the apex covers. */
    const char *permitted[NAMES_MAX] = {NULL};
    size_t permitted_count = 0;
    for (size_t i = 0; i < texts->name_count; i++) {
        if (texts->names[i] != texts->wildcard) {
            permitted[permitted_count++] = texts->names[i];
        }
    }
    int64_t base_at = now_at > CLOCK_FLOOR_AT ? now_at : CLOCK_FLOOR_AT;
    int64_t from_at = (now_at < base_at ? now_at : base_at) - DAY_S;
    struct cert *issuer = NULL;
    struct bundle bundle = {.key = NULL};
    int error = key_generate(KEY_P256, &bundle.key);
    if (error < 0) {
        goto out;
    }
    error = cert_make_identity(identity->key, identity->id, permitted, permitted_count,
                               &issuer);
    if (error < 0) {
        goto out;
    }
    error = cert_make_leaf(issuer, identity->key, bundle.key, texts->names,
                           texts->name_count, NULL, 0, from_at > 0 ? from_at : 0,
                           base_at + LIFE_S, &bundle.cert);
    if (error == 0) {
        *ret_bundle = bundle;
        bundle = (struct bundle){.key = NULL};
    }
out:
    bundle_free(&bundle);
    cert_free(issuer);
    return error;
}

int fallback_make(const struct fallback_subject *subject, int64_t now_at,
                  struct agent_state *state, struct bundle *ret_bundle)
{
    struct subject_texts texts = {.name_count = 0};
    char description[sizeof(state->fallback_names)];
    char hash[65];
    struct bundle bundle = {.key = NULL};
    int error = fill_texts(subject, &texts);
    if (error == 0) {
        error = describe(&texts, description, sizeof(description));
    }
    if (error == 0) {
        error = make(subject, &texts, now_at, &bundle);
    }
    if (error == 0) {
        error = fingerprint(bundle.cert, hash);
    }
    if (error < 0) {
        bundle_free(&bundle);
        return error;
    }
    text_copy(state->fallback_fingerprint, sizeof(state->fallback_fingerprint), hash);
    text_copy(state->fallback_names, sizeof(state->fallback_names), description);
    *ret_bundle = bundle;
    return 0;
}

int fallback_open(const char *path, const struct fallback_subject *subject,
                  int64_t now_at, struct agent_state *state, struct bundle *ret_bundle,
                  bool *ret_made, bool *ret_written)
{
    struct bundle bundle = {.key = NULL};
    if (bundle_load(path, &bundle) == 0) {
        if (fallback_is_good(&bundle, subject, now_at, state)) {
            *ret_bundle = bundle;
            *ret_made = false;
            *ret_written = true;
            return 0;
        }
        bundle_free(&bundle);
    }
    int error = fallback_make(subject, now_at, state, &bundle);
    if (error < 0) {
        return error;
    }
    *ret_written = bundle_save(path, &bundle) == 0;
    *ret_bundle = bundle;
    *ret_made = true;
    return 0;
}

void fallback_mdns_name(const char *id, char ret_name[static FALLBACK_MDNS_CAPACITY])
{
    text_format(ret_name, FALLBACK_MDNS_CAPACITY, "latchkey-%.*s.local", SHORT_ID, id);
}

void fallback_local_name(char *ret_name, size_t capacity)
{
    char host[256] = "";
    if (gethostname(host, sizeof(host) - 1) != 0) {
        host[0] = '\0';
    }
    host[strcspn(host, ".")] = '\0';
    text_lower(host);
    if (!lanname_is_host_label((const uint8_t *)host, strlen(host)) ||
        !text_format(ret_name, capacity, "%s.local", host)) {
        text_copy(ret_name, capacity, "latchkey.local");
    }
}
