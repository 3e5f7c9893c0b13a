/* A nonce is base64url(instance 8 || sequence 8 || time 8 || MAC 16). The instance is
 * random per process, so a nonce from before a restart is told from ours and refused (the
 * client gets badNonce with a fresh one, and tries again: RFC 8555 6.5). The sequence is
 * the index of the nonce's bit; making number n clears the bit that n - window had.
 * Nothing is kept for a nonce until it is used, so that newNonce costs a peer as much as
 * us. */
#include "relay/front/nonce.h"

#include "base/core/reader.h"
#include "base/core/text.h"
#include "base/core/writer.h"
#include "base/crypto/digest.h"
#include "base/crypto/random.h"

#include <stdlib.h>
#include <string.h>

enum { HEAD_SIZE = 24, MAC_SIZE = 16, NONCE_SIZE = HEAD_SIZE + MAC_SIZE };

struct nonce_maker {
    uint8_t key[NONCE_KEY_SIZE];
    uint64_t instance;
    uint64_t next; /* sequence of the next one */
    uint64_t window;
    uint8_t used[];
};

int nonce_maker_new(const uint8_t *key, uint64_t window, struct nonce_maker **ret_maker)
{
    struct nonce_maker *maker = calloc(1, sizeof(*maker) + window / 8 + 1);
    int error = 0;

    if (maker == NULL) {
        return ERROR_MEMORY;
    }
    memcpy(maker->key, key, NONCE_KEY_SIZE);
    maker->window = window;
    error = random_bytes(&maker->instance, sizeof(maker->instance));
    if (error != 0) {
        nonce_maker_free(maker);
        return error;
    }
    *ret_maker = maker;
    return 0;
}

void nonce_maker_free(struct nonce_maker *maker)
{
    if (maker != NULL) {
        digest_wipe(maker->key, sizeof(maker->key));
    }
    free(maker);
}

static int mac_of(const struct nonce_maker *maker, const uint8_t *head,
                  uint8_t ret_mac[static DIGEST_MAX_SIZE])
{
    size_t size = 0;

    return digest_hmac(DIGEST_SHA256, maker->key, sizeof(maker->key), head, HEAD_SIZE,
                       ret_mac, &size);
}

static bool bit_get(const struct nonce_maker *maker, uint64_t sequence)
{
    uint64_t bit = sequence % maker->window;

    return (maker->used[bit / 8] >> (bit % 8) & 1) != 0;
}

static void bit_set(struct nonce_maker *maker, uint64_t sequence, bool used)
{
    uint64_t bit = sequence % maker->window;
    uint8_t mask = (uint8_t)(1U << (bit % 8));

    if (used) {
        maker->used[bit / 8] |= mask;
    } else {
        maker->used[bit / 8] &= (uint8_t)~mask;
    }
}

int nonce_make(struct nonce_maker *maker, int64_t now_at,
               char ret_nonce[static NONCE_CAPACITY])
{
    uint8_t nonce[NONCE_SIZE] = {0};
    uint8_t mac[DIGEST_MAX_SIZE];
    struct writer writer = writer_init(nonce, sizeof(nonce));
    int error = 0;

    writer_u64(&writer, maker->instance);
    writer_u64(&writer, maker->next);
    writer_u64(&writer, (uint64_t)now_at);
    error = mac_of(maker, nonce, mac);
    if (error != 0) {
        return error;
    }
    writer_bytes(&writer, mac, MAC_SIZE);
    bit_set(maker, maker->next, false);
    maker->next++;
    text_base64url(nonce, sizeof(nonce), ret_nonce);
    return 0;
}

static int examine(const struct nonce_maker *maker, const char *text, int64_t now_at,
                   uint64_t *ret_sequence)
{
    uint8_t nonce[NONCE_SIZE] = {0};
    uint8_t mac[DIGEST_MAX_SIZE];
    struct reader reader = reader_init(nonce, sizeof(nonce));
    uint64_t instance = 0;
    uint64_t sequence = 0;
    int64_t made_at = 0;
    size_t size = 0;
    int error = 0;

    if (text_base64url_decode(text, strlen(text), nonce, sizeof(nonce), &size) != 0 ||
        size != sizeof(nonce)) {
        return ERROR_SIGNATURE;
    }
    error = mac_of(maker, nonce, mac);
    if (error != 0) {
        return error;
    }
    if (!digest_equal(mac, nonce + HEAD_SIZE, MAC_SIZE)) {
        return ERROR_SIGNATURE;
    }
    instance = reader_u64(&reader);
    sequence = reader_u64(&reader);
    made_at = (int64_t)reader_u64(&reader);
    if (instance != maker->instance || sequence >= maker->next) {
        return ERROR_NOT_FOUND;
    }
    if (maker->next - sequence > maker->window || now_at > made_at + NONCE_LIFE_S ||
        now_at < made_at - NONCE_LIFE_S) {
        return ERROR_TIMEOUT;
    }
    if (bit_get(maker, sequence)) {
        return ERROR_EXISTS;
    }
    *ret_sequence = sequence;
    return 0;
}

int nonce_check(const struct nonce_maker *maker, const char *nonce, int64_t now_at)
{
    uint64_t sequence = 0;

    return examine(maker, nonce, now_at, &sequence);
}

int nonce_use(struct nonce_maker *maker, const char *nonce, int64_t now_at)
{
    uint64_t sequence = 0;
    int error = examine(maker, nonce, now_at, &sequence);

    if (error == 0) {
        bit_set(maker, sequence, true);
    }
    return error;
}
