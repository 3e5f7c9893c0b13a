/* What a device sends to front: a whole JWS, or (first octet below) one payload or path
 * given to the part that reads it. */
#include "acme/acme.h"
#include "base/core/json.h"
#include "base/core/text.h"
#include "base/lanname.h"
#include "relay/front/account.h"
#include "relay/front/addresses.h"
#include "relay/front/finalize.h"
#include "relay/front/nonce.h"
#include "relay/front/order.h"
#include "relay/front/probe.h"
#include "relay/front/revocation.h"
#include "relay/front/router.h"
#include "tests/fuzz/require.h"

#include <stdlib.h>
#include <string.h>

static const char id[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
static const char zone[] = "lan.test";

/* A wish that passes names nothing but this id's names, each once. */
static void try_order(const json_t *payload)
{
    struct order_wish wish = {.names = ""};
    struct acme_problem problem;
    char *names = NULL;
    char *rest = NULL;
    const char *before = "";

    if (!order_read_wish(payload, id, zone, &wish, &problem)) {
        REQUIRE(problem.type != ACME_PROBLEM_NONE && problem.status >= 400);
        return;
    }
    names = strdup(wish.names);
    rest = names;
    for (const char *name = strsep(&rest, " "); name != NULL; name = strsep(&rest, " ")) {
        char found[LANNAME_ID_SIZE + 1];
        bool wildcard = false;

        REQUIRE(lanname_parse_identifier(name, zone, found, &wildcard));
        REQUIRE(strcmp(found, id) == 0 && strcmp(before, name) < 0);
        before = name;
    }
    free(names);
}

static void try_addresses(const json_t *payload)
{
    struct lanname_policy policy = {0};
    struct addresses_wish wish = {.text = ""};
    struct acme_problem problem;
    char *rest = NULL;
    char *text = NULL;
    int count = 0;

    if (!addresses_read(payload, &policy, &wish, &problem)) {
        return;
    }
    text = strdup(wish.text);
    rest = text;
    for (const char *word = strsep(&rest, " "); word != NULL && wish.text[0] != '\0';
         word = strsep(&rest, " ")) {
        struct lanname_address address;

        REQUIRE(lanname_address_parse(word, &address));
        REQUIRE(lanname_allowed(&address, &policy));
        count++;
    }
    REQUIRE(count <= LIMIT_PUBLISHED_ADDRESSES && wish.counter >= 0);
    free(text);
}

static void try_payload(const uint8_t *data, size_t size)
{
    struct acme_problem problem;
    struct cert *cert = NULL;
    json_t *payload = NULL;
    char *contact = NULL;
    char key_id_text[KEY_ID_SIZE + 1];

    if (json_parse(data, size, LIMIT_JWS_BYTES, &payload) != 0) {
        return;
    }
    if (json_is_object(payload)) {
        try_order(payload);
        try_addresses(payload);
        if (account_read_contact(payload, &contact, &problem)) {
            REQUIRE(contact != NULL && contact[0] == '[');
        }
        (void)!finalize_read_csr(payload, "a.test", key_id_text, &problem);
        if (revocation_read(payload, &cert, &problem)) {
            REQUIRE(cert != NULL);
        }
    }
    free(contact);
    cert_free(cert);
    json_decref(payload);
}

static void try_text(const uint8_t *data, size_t size)
{
    static const char *const patterns[] = {"/acme/directory", "/acme/order/*/*",
                                           "/acme/authz/*/*/*/dns-01"};
    static const uint8_t key[NONCE_KEY_SIZE];
    char arguments[REQUEST_ARGUMENTS][REQUEST_ARGUMENT_CAPACITY];
    char *text = strndup((const char *)data, size);
    static struct nonce_maker *maker;

    if (maker == NULL) {
        REQUIRE(nonce_maker_new(key, NONCE_WINDOW, &maker) == 0);
    }
    for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++) {
        (void)router_match(patterns[i], text, arguments);
    }
    /* No text is a nonce of a maker that has made none. */
    REQUIRE(nonce_check(maker, text, 0) != 0);
    (void)probe_read_seen(text);
    free(text);
}

static void try_jws(const uint8_t *data, size_t size)
{
    struct acme_problem problem;
    struct jws *jws = NULL;

    if (jws_parse(data, size, &jws, &problem) != 0) {
        REQUIRE(problem.type != ACME_PROBLEM_NONE);
        return;
    }
    REQUIRE((jws_kid(jws) == NULL) != (jws_key(jws) == NULL));
    REQUIRE(jws_url(jws) != NULL && jws_nonce(jws) != NULL);
    if (jws_key(jws) != NULL) {
        (void)!jws_verify(jws, jws_key(jws), &problem);
    }
    jws_free(jws);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 0 && data[0] == 'p') {
        try_payload(data + 1, size - 1);
    } else if (size > 0 && data[0] == 't') {
        try_text(data + 1, size - 1);
    } else {
        try_jws(data, size);
    }
    return 0;
}
