/* A hostile CA: the input is a list of responses, which a client and its order get one after
 * the other. Whatever comes, the machines want something sensible, come to an end or go on
 * within bounds, send only to the CA's origin, and show no record at a foreign name.
 *
 * Input: for each response one octet of kind, then four lines of headers (Location,
 * Retry-After, Replay-Nonce, Link) and a body up to "%". The kinds below 32 are the mock
 * CA's right answer, so that deeper states are reached. */
#include "acme/acme.h"
#include "base/core/text.h"
#include "tests/unit/acme/order_fixture.h"

#include "tests/fuzz/require.h"

#include <openssl/err.h>
#include <string.h>
#include <strings.h>

enum { WANTS_MAX = 300, HEADER_MAX = 700 };

struct script {
    const uint8_t *at, *end;
    char location[HEADER_MAX], retry_after[HEADER_MAX], nonce[HEADER_MAX],
        link[HEADER_MAX];
};

static const char *get_header(const void *arg, const char *name, size_t index)
{
    const struct script *script = arg;
    const char *value = strcmp(name, "location") == 0       ? script->location
                        : strcmp(name, "retry-after") == 0  ? script->retry_after
                        : strcmp(name, "replay-nonce") == 0 ? script->nonce
                        : strcmp(name, "link") == 0         ? script->link
                                                            : "";

    return index < 2 && value[0] != '\0' ? value : NULL;
}

/* One line of the script, without its end, as text. */
static void read_line(struct script *script, char line[static HEADER_MAX])
{
    size_t size = 0;

    while (script->at < script->end && *script->at != '\n') {
        if (size < HEADER_MAX - 1 && *script->at != '\0')
            line[size++] = (char)*script->at;
        script->at++;
    }
    if (script->at < script->end)
        script->at++;
    line[size] = '\0';
}

static struct bytes read_body(struct script *script)
{
    struct bytes body = {script->at, 0};

    while (script->at < script->end && *script->at != '%') {
        script->at++;
        body.size++;
    }
    if (script->at < script->end)
        script->at++;
    return body;
}

static void next_response(struct script *script, struct order_fixture *f,
                          const struct acme_request *request,
                          struct acme_response *ret_response)
{
    static const int statuses[] = {200, 201, 400, 403, 404, 409, 429, 500, 503, 302, 0};
    uint8_t kind = script->at < script->end ? *script->at++ : 0;

    if (kind < 32 && text_starts_with(request->url, MOCK_CA "/")) {
        mock_ca_answer(&f->ca, request, ret_response);
        return;
    }
    memset(ret_response, 0, sizeof(*ret_response));
    ret_response->status = statuses[kind % (sizeof(statuses) / sizeof(statuses[0]))];
    if (ret_response->status == 0)
        ret_response->error = ERROR_IO;
    read_line(script, script->location);
    read_line(script, script->retry_after);
    read_line(script, script->nonce);
    read_line(script, script->link);
    ret_response->body = read_body(script);
    ret_response->header = get_header;
    ret_response->header_arg = script;
}

static void check_request(const struct acme_request *request)
{
    REQUIRE(text_starts_with(request->url, MOCK_CA "/") ||
            text_starts_with(request->url, MOCK_CA "?") ||
            strcmp(request->url, MOCK_CA) == 0 ||
            text_starts_with(request->url, "https://ca.test:443") ||
            text_starts_with(request->url, "https://CA.") ||
            strncasecmp(request->url, MOCK_CA, strlen(MOCK_CA)) == 0);
    REQUIRE(request->body.size <= 2 * LIMIT_JWS_BYTES);
}

static void check_records(const struct acme_step *step)
{
    REQUIRE(step->record_count >= 1 && step->record_count <= LIMIT_CHALLENGE_VALUES);
    for (size_t i = 0; i < step->record_count; i++) {
        REQUIRE(strcmp(step->records[i].name, "_acme-challenge.dev.test") == 0);
        REQUIRE(strlen(step->records[i].value) == 43);
    }
}

static void check_error(const struct acme_error *error)
{
    REQUIRE(error->type != ACME_ERROR_NONE && error->text[0] != '\0');
    for (const char *c = error->text; *c != '\0'; c++)
        REQUIRE(*c >= ' ' && *c <= '~');
    for (const char *c = error->problem.detail; *c != '\0'; c++)
        REQUIRE(*c >= ' ' && *c <= '~');
}

/* Until the client has nothing more to do. */
static void run_client(struct script *script, struct order_fixture *f)
{
    struct acme_step step;
    struct acme_response response;

    for (int i = 0; i < WANTS_MAX; i++) {
        acme_client_next(f->client, f->ca.now, &step);
        if (step.want == ACME_WANT_REQUEST) {
            check_request(step.request);
            next_response(script, f, step.request, &response);
            acme_client_response(f->client, &response, f->ca.now);
        } else if (step.want == ACME_WANT_SAVE) {
            REQUIRE(acme_client_account_url(f->client) != NULL);
            acme_client_saved(f->client);
        } else if (step.want == ACME_WANT_WAIT) {
            REQUIRE(step.wait_ms > 0);
            f->ca.now.mono_ms += step.wait_ms;
        } else {
            if (step.want == ACME_WANT_FAILED)
                check_error(step.error);
            return;
        }
    }
}

static bool follow(struct script *script, struct order_fixture *f, struct acme_step *step)
{
    struct acme_response response;
    struct buffer json = buffer_init(ACME_ORDER_SAVE_MAX);

    switch (step->want) {
    case ACME_WANT_REQUEST:
        check_request(step->request);
        next_response(script, f, step->request, &response);
        acme_order_response(f->order, &response, f->ca.now);
        return true;
    case ACME_WANT_SHARED:
        run_client(script, f);
        return true;
    case ACME_WANT_WAIT:
        REQUIRE(step->wait_ms > 0 && step->wait_ms <= 86400 * 1000 + 30000);
        f->ca.now.mono_ms += step->wait_ms;
        return true;
    case ACME_WANT_SAVE:
        REQUIRE(acme_order_save(f->order, &json) == 0);
        buffer_free(&json);
        acme_order_saved(f->order);
        return true;
    case ACME_WANT_PUBLISH:
        check_records(step);
        f->ca.published++;
        acme_order_published(f->order);
        return true;
    case ACME_WANT_UNPUBLISH:
        check_records(step);
        acme_order_unpublished(f->order);
        return true;
    case ACME_WANT_DONE:
        REQUIRE(acme_order_cert(f->order) != NULL);
        return false;
    case ACME_WANT_FAILED:
        check_error(step->error);
        return false;
    case ACME_WANT_RESPONSE:
    case ACME_WANT_IDLE:
        break;
    }
    REQUIRE(!"not a want of an order");
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct script script = {.at = data, .end = data + size};
    static struct order_fixture f;
    static bool is_open;
    struct acme_step step;

    /* Keys are dear: one fixture serves all inputs, with a client that knows nothing. */
    if (!is_open)
        order_fixture_open(&f, NULL, NULL);
    is_open = true;
    mock_ca_forget(&f.ca);
    f.options.alternates = 2;
    order_fixture_crash(&f);
    for (int i = 0; i < WANTS_MAX; i++) {
        acme_order_next(f.order, f.ca.now, &step);
        if (!follow(&script, &f, &step))
            break;
    }
    REQUIRE(ERR_peek_error() == 0);
    return 0;
}
