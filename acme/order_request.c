/* The requests of an order, one for each state that has one. */
#include "acme/order_request.h"

#include "base/core/json.h"
#include "base/core/text.h"

#include <stdlib.h>

static int make_identifiers(const struct acme_order *order, json_t **ret_list)
{
    json_t *list = json_array();
    int error = list != NULL ? 0 : ERROR_MEMORY;

    for (size_t i = 0; error == 0 && i < order->csr.name_count; i++) {
        json_t *identifier = json_object();

        error =
            identifier != NULL ? json_set_text(identifier, "type", "dns") : ERROR_MEMORY;
        if (error == 0)
            error = json_set_text(identifier, "value", order->csr.names[i]);
        if (error == 0 && json_array_append(list, identifier) != 0)
            error = ERROR_MEMORY;
        json_decref(identifier);
    }
    if (error != 0) {
        json_decref(list);
        return error;
    }
    *ret_list = list;
    return 0;
}

static int start_new(struct acme_order *order)
{
    const struct directory *directory = client_session_directory(order->client);
    json_t *payload = json_object(), *list = NULL;
    int error = payload != NULL ? make_identifiers(order, &list) : ERROR_MEMORY;

    if (order->profile != NULL && !directory_has_profile(directory, order->profile)) {
        free(order->profile);
        order->profile = NULL;
    }
    if (error == 0)
        error = json_set_take(payload, "identifiers", list);
    if (error == 0)
        error = json_set_text(payload, "profile", order->profile);
    if (error == 0)
        error = json_set_text(payload, "replaces", order->replaces);
    if (error == 0)
        error =
            exchange_start(&order->exchange, EXCHANGE_POST_KID, "newOrder",
                           directory->new_order, payload, NULL, LIMIT_JSON_BYTES, true);
    json_decref(payload);
    return error;
}

static int start_finalize(struct acme_order *order)
{
    char text[TEXT_BASE64URL_SIZE(LIMIT_CSR_BYTES) + 1];
    json_t *payload = json_object();
    int error = payload != NULL ? 0 : ERROR_MEMORY;

    if (error == 0) {
        text_base64url(order->csr_der.data, order->csr_der.size, text);
        error = json_set_text(payload, "csr", text);
    }
    if (error == 0)
        error =
            exchange_start(&order->exchange, EXCHANGE_POST_KID, "finalize",
                           order->finalize_url, payload, NULL, LIMIT_JSON_BYTES, false);
    json_decref(payload);
    order->finalize_tries++;
    return error;
}

static int start_trigger(struct acme_order *order)
{
    json_t *payload = json_object();
    int error = payload != NULL ? 0 : ERROR_MEMORY;

    if (error == 0)
        error = exchange_start(&order->exchange, EXCHANGE_POST_KID, "challenge",
                               order->authz[order->authz_at].challenge_url, payload, NULL,
                               LIMIT_JSON_BYTES, false);
    json_decref(payload);
    return error;
}

static int start_get(struct acme_order *order, const char *what, const char *url)
{
    return exchange_start(&order->exchange, EXCHANGE_POST_KID, what, url, NULL, NULL,
                          LIMIT_JSON_BYTES, true);
}

static int start_chain(struct acme_order *order, const char *what, const char *url)
{
    return exchange_start(&order->exchange, EXCHANGE_POST_KID, what, url, NULL,
                          "application/pem-certificate-chain", LIMIT_CHAIN_BYTES, true);
}

int order_request_start(struct acme_order *order)
{
    int error = 0;

    switch (order->state) {
    case ORDER_NEW:
        error = start_new(order);
        break;
    case ORDER_LOOK:
        error = start_get(order, "order", order->url);
        break;
    case ORDER_AUTHZ:
    case ORDER_AUTOPSY:
        error = start_get(order, "authorization", order->authz[order->authz_at].url);
        break;
    case ORDER_TRIGGER:
        error = start_trigger(order);
        break;
    case ORDER_FINALIZE:
        error = start_finalize(order);
        break;
    case ORDER_CERT:
        error = start_chain(order, "certificate", order->certificate_url);
        break;
    case ORDER_ALTERNATE:
        error = start_chain(order, "alternate certificate",
                            order->alternate_urls[order->alternate_at]);
        break;
    case ORDER_SAVE:
    case ORDER_PUBLISH:
    case ORDER_UNPUBLISH:
    case ORDER_DONE:
    case ORDER_FAILED:
        return ERROR_STATE;
    }
    order->is_started = error == 0;
    return error;
}
