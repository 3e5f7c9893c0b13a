/* One watermark a file: every table of it is read for rows above the revision that was
 * seen last. The file's revision is read before its rows, so a commit between the two is
 * handed on twice rather than never; the sink's calls are idempotent. */
#include "relay/nameserver/follower.h"

#include "base/core/log.h"
#include "base/core/text.h"
#include "base/lanname.h"
#include "relay/store/admin_store.h"
#include "relay/store/database.h"
#include "relay/store/front_store.h"
#include "relay/store/issuer_store.h"
#include "relay/store/schema.h"

#include <stdlib.h>
#include <string.h>

enum { RETRY_MS = 200, PAGE = 10000 };

struct source {
    struct database *database; /* NULL while it can't be opened */
    int64_t retry_mono_ms;
    int64_t seen_rev;
    bool read_once;
    bool complained; /* a fault is logged once, until it is over */
};

struct follower {
    const char *folder;
    const char *zone;
    struct follower_sink sink;
    struct source sources[FOLLOWER_SOURCE_COUNT];
    /* The state of one poll, for the row callbacks. */
    size_t row_count;
    int64_t page_rev;
    int64_t after_rev;
    size_t refused_count;
    int refusal; /* the last one */
};

static const struct {
    const char *name;
    const char *const *migrations;
} files[FOLLOWER_SOURCE_COUNT] = {
    [FOLLOWER_FRONT] = {"front.db", schema_front},
    [FOLLOWER_ISSUER] = {"issuer.db", schema_issuer},
    [FOLLOWER_ADMIN] = {"admin.db", schema_admin},
};

int follower_new(const char *folder, const char *zone, const struct follower_seen *seen,
                 const struct follower_sink *sink, struct follower **ret_follower)
{
    struct follower *follower = calloc(1, sizeof(*follower));
    if (follower == NULL) {
        return ERROR_MEMORY;
    }
    follower->folder = folder;
    follower->zone = zone;
    follower->sink = *sink;
    for (size_t i = 0; i < FOLLOWER_SOURCE_COUNT; i++) {
        follower->sources[i].seen_rev = seen->revs[i];
    }
    *ret_follower = follower;
    return 0;
}

void follower_free(struct follower *follower)
{
    if (follower == NULL) {
        return;
    }
    for (size_t i = 0; i < FOLLOWER_SOURCE_COUNT; i++) {
        database_close(follower->sources[i].database);
    }
    free(follower);
}

/* A row that the sink can't take must not keep the rows behind it from being seen. */
static int take(struct follower *follower, int result)
{
    follower->row_count++;
    if (result != 0) {
        follower->refused_count++;
        follower->refusal = result;
    }
    return 0;
}

static int take_addresses(const struct front_store_addresses *addresses, void *arg)
{
    struct follower *follower = arg;
    follower->page_rev = addresses->rev;
    return take(follower,
                follower->sink.addresses(follower->sink.arg, addresses->id,
                                         addresses->gone ? "" : addresses->addresses));
}

static int read_front(struct follower *follower, struct database *database,
                      int64_t after_rev)
{
    size_t before = 0;
    follower->page_rev = after_rev;
    do {
        before = follower->row_count;
        int result = front_store_addresses_since(
            database, follower->zone, follower->page_rev, PAGE, take_addresses, follower);
        if (result != 0) {
            return result;
        }
    } while (follower->row_count > before);
    return 0;
}

static int take_challenge(const struct issuer_store_challenge *challenge, void *arg)
{
    struct follower *follower = arg;
    return take(follower, follower->sink.challenge(
                              follower->sink.arg, challenge->name, challenge->value,
                              challenge->expires_at, challenge->gone));
}

static int take_account(const struct issuer_store_ca_account *account, void *arg)
{
    struct follower *follower = arg;
    if (account->rev <= follower->after_rev) {
        return 0;
    }
    return take(follower,
                follower->sink.caa(follower->sink.arg, account->ca,
                                   account->url[0] != '\0' ? account->caa : ""));
}

/* A changed certificate row says which id to look at; what counts is that id's current
 * one. */
struct changed_ids {
    struct follower *follower;
    struct database *database;
};

struct current {
    char name[256];
    int64_t until_at;
};

static int see_current(const struct issuer_store_certificate *certificate, void *arg)
{
    struct current *current = arg;
    size_t size = strlen(current->name);
    /* names: sorted, one blank between */
    for (const char *at = certificate->names; at != NULL; at = strchr(at, ' ')) {
        at += *at == ' ' ? 1 : 0;
        if (strncmp(at, current->name, size) == 0 &&
            (at[size] == ' ' || at[size] == '\0')) {
            current->until_at = certificate->not_after_at;
        }
    }
    return 0;
}

static int take_certificate(const struct issuer_store_certificate *certificate, void *arg)
{
    struct changed_ids *changed = arg;
    struct follower *follower = changed->follower;
    struct current current = {0};
    if (strcmp(certificate->lane, "device") != 0 ||
        !lanname_device_name(certificate->id, follower->zone, current.name,
                             sizeof(current.name))) {
        return 0;
    }
    int result = issuer_store_current_certificate(changed->database, follower->zone,
                                                  certificate->id, see_current, &current);
    if (result != 0 && result != ERROR_NOT_FOUND) {
        return result;
    }
    return take(follower, follower->sink.certificate(follower->sink.arg, certificate->id,
                                                     current.until_at));
}

static int read_issuer(struct follower *follower, struct database *database,
                       int64_t after_rev)
{
    struct changed_ids changed = {follower, database};
    follower->after_rev = after_rev;
    int result = issuer_store_challenges_since(database, follower->zone, after_rev,
                                               take_challenge, follower);
    if (result == 0) {
        result = issuer_store_certificates_since(database, follower->zone, after_rev,
                                                 take_certificate, &changed);
    }
    if (result == 0) {
        result =
            issuer_store_ca_accounts(database, follower->zone, take_account, follower);
    }
    return result;
}

static int take_block(const struct admin_store_block *block, void *arg)
{
    struct follower *follower = arg;
    return take(follower,
                follower->sink.block(follower->sink.arg, block->id, !block->gone));
}

static int read_source(struct follower *follower, enum follower_source which,
                       struct database *database, int64_t after_rev)
{
    switch (which) {
    case FOLLOWER_FRONT:
        return read_front(follower, database, after_rev);
    case FOLLOWER_ISSUER:
        return read_issuer(follower, database, after_rev);
    case FOLLOWER_ADMIN:
        return admin_store_blocks_since(database, follower->zone, after_rev, take_block,
                                        follower);
    case FOLLOWER_SOURCE_COUNT:
        break;
    }
    return ERROR_INTERNAL;
}

static int read_news(struct follower *follower, enum follower_source which)
{
    struct source *source = &follower->sources[which];
    int64_t rev = 0;
    if (source->read_once && !database_changed(source->database)) {
        return 0;
    }
    int result = database_revision(source->database, &rev);
    if (result != 0) {
        return result;
    }
    if (rev < source->seen_rev) {
        log_warning(
            "'%s' is another one than before (revision %lld, seen %lld): reading it anew",
            files[which].name, (long long)rev, (long long)source->seen_rev);
        follower->sink.forget(follower->sink.arg, which);
        source->seen_rev = 0;
        source->read_once = false;
    }
    if (rev > source->seen_rev || !source->read_once) {
        result = read_source(follower, which, source->database, source->seen_rev);
    }
    if (result == 0) {
        source->seen_rev = rev;
        source->read_once = true;
    }
    return result;
}

static void poll_source(struct follower *follower, enum follower_source which,
                        int64_t now_mono_ms)
{
    struct source *source = &follower->sources[which];
    int result = 0;
    if (source->database == NULL) {
        if (now_mono_ms < source->retry_mono_ms) {
            return;
        }
        result = database_open(follower->folder, files[which].name, DATABASE_READER,
                               files[which].migrations, &source->database);
    }
    if (result == 0) {
        result = read_news(follower, which);
    }
    if (result == 0) {
        source->complained = false;
        return;
    }
    /* A file that no role has written yet is how every relay starts: not worth a word. */
    if (!source->complained && result != ERROR_NOT_FOUND) {
        log_warning("can't read '%s/%s' (%s): answering from what was seen, trying again "
                    "each second",
                    follower->folder, files[which].name, error_text(result));
        source->complained = true;
    }
    database_close(source->database);
    source->database = NULL;
    source->retry_mono_ms = now_mono_ms + RETRY_MS;
}

void follower_poll(struct follower *follower, int64_t now_mono_ms, bool *ret_changed)
{
    follower->row_count = 0;
    follower->refused_count = 0;
    for (int i = 0; i < FOLLOWER_SOURCE_COUNT; i++) {
        poll_source(follower, (enum follower_source)i, now_mono_ms);
    }
    if (follower->refused_count > 0) {
        log_warning("%zu rows of the store could not be taken over (%s)",
                    follower->refused_count, error_text(follower->refusal));
    }
    if (ret_changed != NULL) {
        *ret_changed = follower->row_count > 0;
    }
}

void follower_reread(struct follower *follower, enum follower_source source)
{
    follower->sources[source].seen_rev = 0;
    follower->sources[source].read_once = false;
}

struct follower_seen follower_seen(const struct follower *follower)
{
    struct follower_seen seen = {{0}};
    for (size_t i = 0; i < FOLLOWER_SOURCE_COUNT; i++) {
        seen.revs[i] = follower->sources[i].seen_rev;
    }
    return seen;
}

bool follower_is_current(const struct follower *follower)
{
    for (size_t i = 0; i < FOLLOWER_SOURCE_COUNT; i++) {
        if (!follower->sources[i].read_once) {
            return false;
        }
    }
    return true;
}

const char *follower_unreadable(const struct follower *follower)
{
    for (size_t i = 0; i < FOLLOWER_SOURCE_COUNT; i++) {
        const struct source *source = &follower->sources[i];
        if (source->database == NULL && (i != FOLLOWER_ADMIN || source->complained)) {
            return files[i].name;
        }
    }
    return NULL;
}
