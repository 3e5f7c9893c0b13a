/* SipHash-c-d: c rounds for each eight octets, d at the end. The compiler makes a loop-free
 * one of each, as the counts are constants. */
#include "base/core/siphash.h"

#include <string.h>
#include <sys/random.h>

struct rounds {
    unsigned for_word;
    unsigned at_end;
};

static uint64_t rotate(uint64_t value, unsigned bits)
{
    return value << bits | value >> (64 - bits);
}

static void sip_rounds(uint64_t v[static 4], unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        v[0] += v[1];
        v[1] = rotate(v[1], 13) ^ v[0];
        v[0] = rotate(v[0], 32);
        v[2] += v[3];
        v[3] = rotate(v[3], 16) ^ v[2];
        v[0] += v[3];
        v[3] = rotate(v[3], 21) ^ v[0];
        v[2] += v[1];
        v[1] = rotate(v[1], 17) ^ v[2];
        v[2] = rotate(v[2], 32);
    }
}

static inline uint64_t hash(const uint64_t key[static 2], struct bytes data,
                            struct rounds rounds)
{
    uint64_t v[4] = {key[0] ^ 0x736f6d6570736575, key[1] ^ 0x646f72616e646f6d,
                     key[0] ^ 0x6c7967656e657261, key[1] ^ 0x7465646279746573};
    uint64_t last = (uint64_t)data.size << 56;
    size_t whole = data.size & ~(size_t)7;
    for (size_t i = 0; i < whole; i += 8) {
        uint64_t word = 0;
        for (unsigned j = 0; j < 8; j++) {
            word |= (uint64_t)data.data[i + j] << (8 * j);
        }
        v[3] ^= word;
        sip_rounds(v, rounds.for_word);
        v[0] ^= word;
    }
    for (size_t i = whole; i < data.size; i++) {
        last |= (uint64_t)data.data[i] << (8 * (i - whole));
    }
    v[3] ^= last;
    sip_rounds(v, rounds.for_word);
    v[0] ^= last;
    v[2] ^= 0xff;
    sip_rounds(v, rounds.at_end);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

uint64_t siphash_13(const uint64_t key[static 2], const void *data, size_t size)
{
    return hash(key, (struct bytes){data, size}, (struct rounds){1, 3});
}

uint64_t siphash_24(const uint64_t key[static 2], const void *data, size_t size)
{
    return hash(key, (struct bytes){data, size}, (struct rounds){2, 4});
}

int siphash_key(uint64_t ret_key[static 2])
{
    uint64_t key[2] = {0};
    ssize_t got = getrandom(key, sizeof(key), 0);
    if (got != (ssize_t)sizeof(key)) {
        return ERROR_IO;
    }
    memcpy(ret_key, key, sizeof(key));
    return ERROR_NONE;
}
