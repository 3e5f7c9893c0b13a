/* A hostile relay, and a transport that passes on whatever comes: the input is a list of responses
 * for a handle of liblatchkey. Whatever they are, it takes no certificate that is not its own,
 * never blocks, and goes on asking the relay it was told of.
 *
 * Input: for each response one octet of kind; below 32 it is the mock relay's right answer, so that
 * deeper states are reached; else lines "name:value", an empty line, and a body up to "%". */
#include "device/lib/latchkey.h"
#include "tests/fuzz/require.h"
#include "tests/unit/acme/mock_ca.h"

#include "base/core/text.h"

#include <openssl/err.h>
#include <string.h>

enum { ROUNDS_MAX = 40, HEADERS_MAX = 8, ITEMS = 8, NAME = 32 };

struct world {
    struct mock_ca ca;
    const uint8_t *at, *end;
    struct {
        char name[NAME];
        struct buffer data;
    } items[ITEMS];
    bool is_hostile; /* at least one answer was not the mock's */
};

static const char directory_extra[] =
    ",\"renewalInfo\":\"" MOCK_CA
    "/ari\",\"meta\":{\"latchkey\":{\"zone\":\"lan.example.com\","
    "\"receipts\":true,\"addressesUrl\":\"" MOCK_CA "/extension\"}}";

static int load(void *arg, const char *name, void *buffer, size_t capacity,
                size_t *ret_size)
{
    struct world *world = arg;
    for (size_t i = 0; i < ITEMS; i++) {
        if (strcmp(world->items[i].name, name) == 0) {
            REQUIRE(world->items[i].data.size <= capacity);
            memcpy(buffer, world->items[i].data.data, world->items[i].data.size);
            *ret_size = world->items[i].data.size;
            return LATCHKEY_OK;
        }
    }
    return LATCHKEY_ERROR_NOT_FOUND;
}

static int save(void *arg, const char *name, const void *data, size_t data_size)
{
    struct world *world = arg;
    for (size_t i = 0; i < ITEMS; i++) {
        if (world->items[i].name[0] == '\0' || strcmp(world->items[i].name, name) == 0) {
            buffer_free(&world->items[i].data);
            world->items[i].data = buffer_init(LATCHKEY_ITEM_MAX);
            REQUIRE(text_copy(world->items[i].name, NAME, name));
            /* A removed item stays as an empty one, which is no item of ours either. */
            return data == NULL ||
                           buffer_append(&world->items[i].data, data, data_size) == 0
                       ? LATCHKEY_OK
                       : LATCHKEY_ERROR_IO;
        }
    }
    return LATCHKEY_ERROR_IO;
}

/* Cuts the next line out of a copy of the input; NULL at an empty one. */
static char *next_line(char **at)
{
    char *line = *at;
    size_t size = strcspn(line, "\n");
    *at = line + size + (line[size] == '\n' ? 1 : 0);
    line[size] = '\0';
    return size > 0 ? line : NULL;
}

static void answer_hostile(struct world *world, struct latchkey *handle, uint64_t id,
                           uint8_t kind)
{
    static const int statuses[] = {200, 201, 400, 401, 403, 429,
                                   500, 503, 204, 404, 0,   99};
    static char copy[64 << 10];
    struct latchkey_response response = LATCHKEY_RESPONSE_INIT;
    struct latchkey_header headers[HEADERS_MAX];
    size_t size = (size_t)(world->end - world->at);
    const uint8_t *stop = size > 0 ? memchr(world->at, '%', size) : NULL;
    size = stop != NULL ? (size_t)(stop - world->at) : size;
    size = size < sizeof(copy) ? size : sizeof(copy) - 1;
    memcpy(copy, world->at, size);
    copy[size] = '\0';
    world->at += size + (stop != NULL ? 1 : 0);
    char *at = copy;
    for (char *line = next_line(&at); line != NULL; line = next_line(&at)) {
        char *colon = strchr(line, ':');
        if (colon != NULL && response.header_count < HEADERS_MAX) {
            *colon = '\0';
            headers[response.header_count].name = line;
            headers[response.header_count++].value = colon + 1;
        }
    }
    response.status = statuses[kind % (sizeof(statuses) / sizeof(statuses[0]))];
    response.error = response.status == 0 ? -(kind % 16) : 0;
    response.headers = headers;
    response.body = at;
    response.body_size = size - (size_t)(at - copy);
    world->is_hostile = true;
    (void)latchkey_respond(handle, id, &response);
}

static void answer_right(struct world *world, struct latchkey *handle, uint64_t id,
                         const struct latchkey_request *request)
{
    struct acme_request wanted = {
        .method = request->method,
        .url = request->url,
        .content_type = request->content_type,
        .accept = request->accept,
        .body = {request->body, request->body_size},
        .max_response_bytes = request->max_response_size,
    };
    struct acme_response answer;
    struct latchkey_response response = LATCHKEY_RESPONSE_INIT;
    struct latchkey_header headers[MOCK_CA_HEADERS];
    mock_ca_answer(&world->ca, &wanted, &answer);
    for (size_t i = 0; i < world->ca.header_count; i++) {
        headers[i].name = world->ca.header_names[i];
        headers[i].value = world->ca.header_values[i];
    }
    response.status = answer.status;
    response.headers = headers;
    response.header_count = world->ca.header_count;
    response.body = answer.body.data;
    response.body_size = answer.body.size;
    REQUIRE(latchkey_respond(handle, id, &response) == LATCHKEY_OK);
}

static int start(void *arg, struct latchkey *handle, uint64_t id,
                 const struct latchkey_request *request)
{
    struct world *world = arg;
    REQUIRE(text_starts_with(request->url, MOCK_CA "/"));
    if (world->at == world->end) {
        return LATCHKEY_ERROR_NETWORK;
    }
    uint8_t kind = *world->at++;
    if (kind < 32) {
        answer_right(world, handle, id, request);
    } else {
        answer_hostile(world, handle, id, kind);
    }
    return LATCHKEY_OK;
}

static void cancel(void *arg, uint64_t id)
{
    (void)arg;
    REQUIRE(id != 0);
}

static int on_certificate(void *arg, struct latchkey *handle,
                          const struct latchkey_certificate *certificate)
{
    struct world *world = arg;
    struct cert *cert = NULL;
    char name[LATCHKEY_NAME_CAPACITY];
    if (certificate->is_trusted) {
        /* For our own name, whoever sent it. */
        REQUIRE(text_format(name, sizeof(name), "*.%s.%s", latchkey_id(handle),
                            latchkey_zone(handle)));
        REQUIRE(cert_from_pem(certificate->chain_pem, strlen(certificate->chain_pem),
                              &cert) == 0);
        REQUIRE(cert_name_count(cert) == 1 && strcmp(cert_name(cert, 0), name) == 0);
        cert_free(cert);
        REQUIRE(world->ca.order_count > 0);
    }
    return LATCHKEY_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const addresses[] = {"192.168.1.51"};
    static struct world world;
    static const struct world empty;
    struct latchkey_options options = LATCHKEY_OPTIONS_INIT;
    struct latchkey_transport transport = LATCHKEY_TRANSPORT_INIT;
    struct latchkey_storage storage = LATCHKEY_STORAGE_INIT;
    struct latchkey_events events = LATCHKEY_EVENTS_INIT;
    struct latchkey *handle = NULL;
    world = empty;
    mock_ca_open(&world.ca);
    /* The handle's clock is the real one. */
    world.ca.now.at = 1795242600;
    world.ca.is_reusing = true;
    world.ca.directory_extra = directory_extra;
    world.at = data;
    world.end = data + size;
    transport.arg = storage.arg = events.arg = &world;
    transport.start = start;
    transport.cancel = cancel;
    storage.load = load;
    storage.save = save;
    events.certificate = on_certificate;
    options.directory_url = MOCK_CA "/directory";
    options.transport = &transport;
    options.storage = &storage;
    options.events = &events;
    REQUIRE(latchkey_new(&options, &handle) == LATCHKEY_OK);
    REQUIRE(latchkey_set_addresses(handle, addresses, 1) == LATCHKEY_OK);
    for (int i = 0; i < ROUNDS_MAX && world.at < world.end; i++) {
        struct latchkey_status status = LATCHKEY_STATUS_INIT;
        const uint8_t *before = world.at;
        REQUIRE(latchkey_process(handle) == LATCHKEY_OK);
        REQUIRE(latchkey_timeout_ms(handle) >= 0);
        REQUIRE(latchkey_status(handle, &status) == LATCHKEY_OK);
        /* What waits is asked for; a second of waiting is no business of a fuzzer. */
        if (world.at == before) {
            latchkey_renew(handle);
        }
    }
    latchkey_free(handle);
    for (size_t i = 0; i < ITEMS; i++) {
        buffer_free(&world.items[i].data);
    }
    mock_ca_close(&world.ca);
    REQUIRE(ERR_peek_error() == 0);
    return 0;
}
