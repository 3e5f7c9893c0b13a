/* The chain of an order.
 *
 * It counts only when it answers the request: the CSR's key, exactly its names, dates
 * that hold. A proxy, or a CA with a fault, could have sent anything. Alternates are
 * links of the response; they link back to each other, so only the first response's
 * count, and only a few. */
#include "acme/order_chain.h"

#include "acme/link.h"
#include "acme/origin.h"
#include "base/core/text.h"

#include <stdlib.h>
#include <string.h>

enum { SKEW_S = 3600, LINK_HEADERS_MAX = 16 };

int order_chain_check(const struct acme_order *order,
                      const struct acme_response *response, struct acme_now now,
                      struct cert **ret_cert, char *reason, size_t reason_capacity)
{
    struct cert *cert = NULL;
    const char *names[LIMIT_ORDER_NAMES];
    int error = cert_from_pem(response->body.data, response->body.size, &cert);

    if (error != 0) {
        (void)text_copy(reason, reason_capacity, "the chain is no well-formed PEM");
        return error;
    }
    for (size_t i = 0; i < order->csr.name_count; i++)
        names[i] = order->csr.names[i];
    error = cert_check_issued(cert, order->csr.key, names, order->csr.name_count, now.at,
                              SKEW_S, reason, reason_capacity);
    if (error != 0) {
        cert_free(cert);
        return error;
    }
    *ret_cert = cert;
    return 0;
}

static void keep_alternate_url(struct acme_order *order, const char *url)
{
    if (order->alternate_url_count == order->alternates_max ||
        !origin_is_same(url, client_session_directory_url(order->client)) ||
        strcmp(url, order->certificate_url) == 0)
        return;
    for (size_t i = 0; i < order->alternate_url_count; i++) {
        if (strcmp(order->alternate_urls[i], url) == 0)
            return;
    }
    /* Without memory there is one alternate less. */
    order->alternate_urls[order->alternate_url_count] = strdup(url);
    if (order->alternate_urls[order->alternate_url_count] != NULL)
        order->alternate_url_count++;
}

void order_chain_keep_alternates(struct acme_order *order,
                                 const struct acme_response *response)
{
    char url[LIMIT_URL_BYTES + 1];

    for (size_t i = 0; i < LINK_HEADERS_MAX; i++) {
        const char *value = exchange_header(response, "link", i);

        if (value == NULL)
            return;
        for (size_t j = 0;
             j < LINK_HEADERS_MAX && link_target(value, "alternate", j, url, sizeof(url));
             j++)
            keep_alternate_url(order, url);
    }
}
