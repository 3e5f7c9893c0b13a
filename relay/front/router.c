/* The tables are the whole surface of front. A path is compared as sent: no
 * percent-decoding, no dot segments, no query but that of a form; what is spelled otherwise
 * does not exist. Host only chooses among the configured bases; no URL is ever made of it. */
#include "relay/front/router.h"

#include "base/core/text.h"
#include "relay/front/account.h"
#include "relay/front/addresses.h"
#include "relay/front/authorization.h"
#include "relay/front/certificate.h"
#include "relay/front/directory.h"
#include "relay/front/finalize.h"
#include "relay/front/meter.h"
#include "relay/front/order.h"
#include "relay/front/page.h"
#include "relay/front/page_home.h"
#include "relay/front/page_name.h"
#include "relay/front/page_robots.h"
#include "relay/front/page_terms.h"
#include "relay/front/probe.h"
#include "relay/front/renewal.h"
#include "relay/front/response.h"
#include "relay/front/revocation.h"
#include "relay/front/timekeeper.h"

#include <string.h>

typedef void route_fn(struct request *request);

struct route {
    const char *pattern;
    route_fn *get;  /* plain GET and HEAD; NULL: 405 */
    route_fn *post; /* NULL: 405 */
    enum request_signer signer;
    enum request_payload payload;
    bool own; /* the first argument must be the signer's id */
};

static const struct route routes[] = {
    {"/acme/directory", directory_respond, directory_respond, REQUEST_BY_EITHER,
     REQUEST_EMPTY, false},
    {"/acme/new-nonce", directory_respond_nonce, directory_respond_nonce,
     REQUEST_BY_EITHER, REQUEST_EMPTY, false},
    {"/acme/new-account", NULL, account_create, REQUEST_BY_NEW_KEY, REQUEST_OBJECT,
     false},
    {"/acme/new-order", NULL, order_create, REQUEST_BY_ACCOUNT, REQUEST_OBJECT, false},
    {"/acme/revoke-cert", NULL, revocation_create, REQUEST_BY_EITHER, REQUEST_OBJECT,
     false},
    {"/acme/renewal-info/*", renewal_respond, NULL, REQUEST_BY_EITHER, REQUEST_EMPTY,
     false},
    {"/acme/acct/*", NULL, account_respond, REQUEST_BY_ACCOUNT, REQUEST_EMPTY_OR_OBJECT,
     true},
    {"/acme/orders/*", NULL, account_respond_orders, REQUEST_BY_ACCOUNT, REQUEST_EMPTY,
     true},
    {"/acme/order/*/*", NULL, order_respond, REQUEST_BY_ACCOUNT, REQUEST_EMPTY, true},
    {"/acme/authz/*/*/*", NULL, authorization_respond, REQUEST_BY_ACCOUNT,
     REQUEST_EMPTY_OR_OBJECT, true},
    {"/acme/authz/*/*/*/dns-01", NULL, authorization_respond_challenge,
     REQUEST_BY_ACCOUNT, REQUEST_EMPTY_OR_OBJECT, true},
    {"/acme/finalize/*/*", NULL, finalize_order, REQUEST_BY_ACCOUNT, REQUEST_OBJECT,
     true},
    {"/acme/cert/*/*", NULL, certificate_respond, REQUEST_BY_ACCOUNT, REQUEST_EMPTY,
     true},
    {"/acme/cert/*/*/*", NULL, certificate_respond_alternate, REQUEST_BY_ACCOUNT,
     REQUEST_EMPTY, true},
    {"/acme/addresses", NULL, addresses_publish, REQUEST_BY_ACCOUNT, REQUEST_OBJECT,
     false},
    {"/acme/probe", NULL, probe_respond, REQUEST_BY_ACCOUNT, REQUEST_OBJECT, false},
    {"/acme/time", NULL, timekeeper_respond, REQUEST_BY_EITHER, REQUEST_OBJECT, false},
};

/* For people: by plain GET. */
static const struct {
    const char *pattern;
    route_fn *get;
    bool has_form; /* a query is its fields */
} pages[] = {
    {"/", page_home_respond, false},
    {"/terms", page_terms_respond, false},
    {"/terms/*", page_terms_respond_version, false},
    {"/name", page_name_respond, true},
    {"/name/*", page_name_respond, true},
    {"/style.css", page_respond_style, false},
    {"/icon.svg", page_respond_icon, false},
    {"/favicon.ico", page_robots_respond_favicon, false},
    {"/robots.txt", page_robots_respond, false},
    {"/.well-known/security.txt", page_robots_respond_security, false},
};

static const char part_characters[] =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";

bool router_match(const char *pattern, const char *path,
                  char ret_arguments[REQUEST_ARGUMENTS][REQUEST_ARGUMENT_CAPACITY])
{
    size_t argument = 0;

    while (*pattern != '\0') {
        if (*pattern == '*') {
            size_t size = strspn(path, part_characters);

            if (size == 0 || size >= REQUEST_ARGUMENT_CAPACITY ||
                argument == REQUEST_ARGUMENTS) {
                return false;
            }
            memcpy(ret_arguments[argument], path, size);
            ret_arguments[argument++][size] = '\0';
            path += size;
            pattern++;
        } else if (*pattern++ != *path++) {
            return false;
        }
    }
    return *path == '\0';
}

/* CORS (RFC 8555 6.1): pages may be ACME clients. */
static void respond_options(struct request *request)
{
    response_header(request, "Access-Control-Allow-Methods", "GET, HEAD, POST");
    response_header(request, "Access-Control-Allow-Headers", "Content-Type");
    response_header(request, "Access-Control-Max-Age", "86400");
    response_bytes(request, 204, NULL, "", 0);
}

static void respond_not_allowed(struct request *request, const struct route *route)
{
    response_header(request, "Allow",
                    route->post == NULL  ? "GET, HEAD, OPTIONS"
                    : route->get == NULL ? "POST, OPTIONS"
                                         : "GET, HEAD, POST, OPTIONS");
    response_status(request, 405, ACME_PROBLEM_MALFORMED,
                    route->get == NULL
                        ? "ask with POST (to read: POST-as-GET, RFC 8555 6.3)"
                        : "ask with GET");
}

static void post(struct request *request, const struct route *route, const char *path)
{
    if (!request_take(request, path, route->signer, route->payload)) {
        return;
    }
    if (route->own && strcmp(request->arguments[0], request->id) != 0) {
        response_error(request, ACME_PROBLEM_UNAUTHORIZED,
                       "this resource belongs to another account");
        return;
    }
    route->post(request);
}

/* People are led from a former base URL to the present one. */
static void respond_page(struct request *request, const char *path, route_fn *get)
{
    const char *query = http_exchange_query(request->exchange);
    char url[LIMIT_URL_BYTES];

    if (request->base == request->service->bases ||
        !text_format(url, sizeof(url), "%s%s%s%s", request->service->base, path,
                     query[0] != '\0' ? "?" : "", query)) {
        get(request);
        return;
    }
    response_header(request, "Location", url);
    response_bytes(request, 308, NULL, "", 0);
}

static void dispatch(struct request *request, const char *path)
{
    const char *method = http_exchange_method(request->exchange);
    bool get = strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
    bool query = http_exchange_query(request->exchange)[0] != '\0';

    request->post = strcmp(method, "POST") == 0;
    for (size_t i = 0; !query && i < sizeof(routes) / sizeof(routes[0]); i++) {
        const struct route *route = &routes[i];

        if (!router_match(route->pattern, path, request->arguments)) {
            continue;
        }
        if (strcmp(method, "OPTIONS") == 0) {
            respond_options(request);
        } else if (get && route->get != NULL) {
            route->get(request);
        } else if (request->post && route->post != NULL) {
            post(request, route, path);
        } else {
            respond_not_allowed(request, route);
        }
        return;
    }
    for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
        if ((query && !pages[i].has_form) ||
            !router_match(pages[i].pattern, path, request->arguments)) {
            continue;
        }
        if (get) {
            respond_page(request, path, pages[i].get);
        } else {
            response_header(request, "Allow", "GET, HEAD");
            response_status(request, 405, ACME_PROBLEM_MALFORMED,
                            "this is a page for people: ask with GET");
        }
        return;
    }
    response_status(request, 404, ACME_PROBLEM_MALFORMED,
                    "there is nothing here; the ACME directory is /acme/directory");
}

/* Before anything is read of it: what a flood asks for costs a line of text. */
static void respond_limited(struct request *request)
{
    unsigned wait_s = http_exchange_wait_s(request->exchange);

    response_retry_after(request, wait_s);
    response_error(request, ACME_PROBLEM_RATE_LIMITED,
                   "your network asks too often: again in %u s", wait_s);
}

void router_handle(struct http_exchange *exchange, void *arg)
{
    struct service **services = arg;
    const char *path = NULL;
    struct service_base *base =
        service_choose(*services, http_exchange_header(exchange, "Host"),
                       http_exchange_path(exchange), &path);
    struct request *request = request_new(base, exchange);

    if (request == NULL) {
        http_exchange_respond(exchange, 503, NULL, "", 0);
        return;
    }
    if (http_exchange_wait_s(exchange) > 0) {
        respond_limited(request);
        return;
    }
    request->resource = front_meter_resource(path);
    dispatch(request, path);
}
