/* Saved orders, damaged: what loads can be saved again and says the same, and names only our own
 * records and our CA. */
#include "acme/acme.h"
#include "base/core/text.h"
#include "tests/unit/acme/order_fixture.h"

#include "tests/fuzz/require.h"

#include <string.h>

/* The hash of the CSR in the corpus is "CSR": each run has a fresh one. */
static struct buffer put_hash(const uint8_t *data, size_t size, const char *hash)
{
    struct buffer text = buffer_init(1 << 20);

    for (size_t i = 0; i < size; i++) {
        if (size - i >= 5 && memcmp(data + i, "\"CSR\"", 5) == 0) {
            (void)buffer_printf(&text, "\"%s\"", hash);
            i += 4;
        } else {
            (void)buffer_append(&text, data + i, 1);
        }
    }
    return text;
}

static struct order_fixture *fixture(char hash[static 64])
{
    static struct order_fixture f;
    static bool is_open;
    struct buffer json = buffer_init(ACME_ORDER_SAVE_MAX);
    const char *at;

    if (!is_open)
        order_fixture_open(&f, NULL, NULL);
    is_open = true;
    REQUIRE(acme_order_save(f.order, &json) == 0);
    at = strstr(buffer_text(&json), "\"csr\":\"");
    REQUIRE(at != NULL && strlen(at) > 7 + 43);
    memcpy(hash, at + 7, 43);
    hash[43] = '\0';
    buffer_free(&json);
    return &f;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char hash[64];
    struct order_fixture *f = fixture(hash);
    struct buffer text = put_hash(data, size, hash);
    struct buffer first = buffer_init(2 * ACME_ORDER_SAVE_MAX);
    struct buffer second = buffer_init(2 * ACME_ORDER_SAVE_MAX);
    struct acme_order *order = NULL, *again = NULL;
    struct acme_step step;
    int error =
        acme_order_load(f->client, &f->options, text.data, text.size, f->ca.now, &order);

    REQUIRE(error == 0 || error == ERROR_SYNTAX || error == ERROR_CONFLICT);
    if (error == 0) {
        REQUIRE(acme_order_url(order) == NULL ||
                acme_client_same_origin(f->client, acme_order_url(order)));
        REQUIRE(acme_order_save(order, &first) == 0);
        REQUIRE(acme_order_load(f->client, &f->options, first.data, first.size, f->ca.now,
                                &again) == 0);
        REQUIRE(acme_order_save(again, &second) == 0);
        REQUIRE(first.size == second.size &&
                memcmp(first.data, second.data, first.size) == 0);
        acme_order_next(order, f->ca.now, &step);
        REQUIRE(step.want == ACME_WANT_SHARED);
    }
    acme_order_free(again);
    acme_order_free(order);
    buffer_free(&second);
    buffer_free(&first);
    buffer_free(&text);
    return 0;
}
