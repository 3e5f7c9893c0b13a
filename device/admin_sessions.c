#include "device/admin_sessions.h"

#include "base/core/text.h"
#include "base/crypto/digest.h"
#include "base/crypto/random.h"

#include <netinet/in.h>
#include <string.h>

enum { TRY_WINDOW_MS = 60 * 1000, RANDOM_BYTES = 32 };

/* The whole address: neighbours on one LAN share an IPv6 prefix, and must not share a limit. */
static void peer_key(const struct address *peer,
                     uint8_t ret_key[static ADMIN_SESSIONS_PEER_SIZE])
{
    memset(ret_key, 0, ADMIN_SESSIONS_PEER_SIZE);
    if (peer->storage.ss_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, &peer->storage, sizeof(in));
        memcpy(ret_key + ADMIN_SESSIONS_PEER_SIZE - 4, &in.sin_addr, 4);
    } else if (peer->storage.ss_family == AF_INET6) {
        struct sockaddr_in6 in6;
        memcpy(&in6, &peer->storage, sizeof(in6));
        memcpy(ret_key, &in6.sin6_addr, ADMIN_SESSIONS_PEER_SIZE);
    }
}

static bool is_known(const struct admin_sessions *sessions, const uint8_t *key)
{
    static const uint8_t nobody[ADMIN_SESSIONS_PEER_SIZE];
    bool found = false;
    for (size_t i = 0; i < ADMIN_SESSIONS_KNOWN_MAX; i++) {
        found = found || memcmp(sessions->known[i], key, ADMIN_SESSIONS_PEER_SIZE) == 0;
    }
    return found && memcmp(key, nobody, sizeof(nobody)) != 0;
}

void admin_sessions_note_right(struct admin_sessions *sessions,
                               const struct address *peer)
{
    uint8_t key[ADMIN_SESSIONS_PEER_SIZE];
    peer_key(peer, key);
    if (!is_known(sessions, key)) {
        memcpy(sessions->known[sessions->next_known], key, sizeof(key));
        sessions->next_known = (sessions->next_known + 1) % ADMIN_SESSIONS_KNOWN_MAX;
    }
}

bool admin_sessions_may_try(const struct admin_sessions *sessions,
                            const struct address *peer, int64_t now_mono_ms)
{
    uint8_t key[ADMIN_SESSIONS_PEER_SIZE];
    unsigned all = 0;
    unsigned own = 0;
    peer_key(peer, key);
    for (size_t i = 0; i < ADMIN_SESSIONS_WRONG_MAX; i++) {
        const struct admin_try *one = &sessions->tries[i];
        if (one->is_wrong && now_mono_ms - one->mono_ms < TRY_WINDOW_MS) {
            all++;
            own += memcmp(one->peer, key, sizeof(key)) == 0 ? 1 : 0;
        }
    }
    return (all < ADMIN_SESSIONS_WRONG_MAX || is_known(sessions, key)) &&
           own < ADMIN_SESSIONS_PEER_WRONG_MAX;
}

void admin_sessions_note_wrong(struct admin_sessions *sessions,
                               const struct address *peer, int64_t now_mono_ms)
{
    struct admin_try *one = &sessions->tries[sessions->next_try];
    one->is_wrong = true;
    one->mono_ms = now_mono_ms;
    peer_key(peer, one->peer);
    sessions->next_try = (sessions->next_try + 1) % ADMIN_SESSIONS_WRONG_MAX;
}

static bool is_live(const struct admin_session *session, int64_t now_mono_ms)
{
    return session->is_open &&
           now_mono_ms - session->used_mono_ms < ADMIN_SESSIONS_IDLE_MS &&
           now_mono_ms - session->opened_mono_ms < ADMIN_SESSIONS_LIFE_MS;
}

static int random_token(char ret_token[static ADMIN_SESSIONS_TOKEN_SIZE + 1])
{
    uint8_t bytes[RANDOM_BYTES];
    int error = random_bytes(bytes, sizeof(bytes));
    if (error == 0) {
        text_base64url(bytes, sizeof(bytes), ret_token);
    }
    digest_wipe(bytes, sizeof(bytes));
    return error;
}

int admin_sessions_open(struct admin_sessions *sessions, int64_t now_mono_ms,
                        char ret_token[static ADMIN_SESSIONS_TOKEN_SIZE + 1])
{
    struct admin_session *free_one = &sessions->at[0];
    for (size_t i = 0; i < ADMIN_SESSIONS_MAX; i++) {
        struct admin_session *one = &sessions->at[i];
        if (!is_live(one, now_mono_ms)) {
            free_one = one;
            break;
        }
        free_one = one->used_mono_ms < free_one->used_mono_ms ? one : free_one;
    }
    struct admin_session session = {
        .is_open = true, .opened_mono_ms = now_mono_ms, .used_mono_ms = now_mono_ms};
    char token[ADMIN_SESSIONS_TOKEN_SIZE + 1];
    int error = random_token(token);
    if (error == 0) {
        error = random_token(session.csrf);
    }
    if (error == 0) {
        error = digest_sha256(token, ADMIN_SESSIONS_TOKEN_SIZE, session.token_hash);
    }
    if (error < 0) {
        return error;
    }
    *free_one = session;
    memcpy(ret_token, token, sizeof(token));
    digest_wipe(token, sizeof(token));
    return 0;
}

struct admin_session *admin_sessions_find(struct admin_sessions *sessions,
                                          const char *token, int64_t now_mono_ms)
{
    uint8_t hash[DIGEST_SHA256_SIZE];
    struct admin_session *found = NULL;
    if (strlen(token) != ADMIN_SESSIONS_TOKEN_SIZE ||
        digest_sha256(token, ADMIN_SESSIONS_TOKEN_SIZE, hash) < 0) {
        return NULL;
    }
    for (size_t i = 0; i < ADMIN_SESSIONS_MAX; i++) {
        struct admin_session *one = &sessions->at[i];
        if (is_live(one, now_mono_ms) &&
            digest_equal(one->token_hash, hash, sizeof(hash))) {
            found = one;
        }
    }
    if (found != NULL) {
        found->used_mono_ms = now_mono_ms;
    }
    return found;
}

bool admin_sessions_is_csrf(const struct admin_session *session, const char *csrf)
{
    return strlen(csrf) == ADMIN_SESSIONS_TOKEN_SIZE &&
           digest_equal(csrf, session->csrf, ADMIN_SESSIONS_TOKEN_SIZE);
}

void admin_sessions_close(struct admin_session *session)
{
    digest_wipe(session, sizeof(*session));
}
