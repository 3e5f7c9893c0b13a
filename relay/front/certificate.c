/* A chain is public (it is in the CT logs), but its URL says whose it is, so only its
 * owner asks for it. */
#include "relay/front/certificate.h"

#include "base/core/json.h"
#include "base/core/text.h"
#include "relay/front/response.h"
#include "relay/store/issuer_store.h"
#include "relay/store/url.h"

#include <stdlib.h>
#include <string.h>

enum { ALTERNATES_BYTES_MAX = LIMIT_JSON_BYTES, ALTERNATES_MAX = 10 };

struct chains {
    struct request *request;
    unsigned wanted; /* 0: the first choice */
    unsigned count;  /* alternates */
    char *pem;
    char cert_id[CERT_ID_MAX];
};

static int take(const struct issuer_store_certificate *row, void *arg)
{
    struct chains *chains = arg;
    json_t *alternates = NULL;
    const char *pem = row->chain;

    if (strcmp(row->id, chains->request->id) != 0 || strcmp(row->lane, "device") != 0 ||
        !text_copy(chains->cert_id, sizeof(chains->cert_id), row->cert_id)) {
        return ERROR_NOT_FOUND;
    }
    if (json_parse(row->alternates, strlen(row->alternates), ALTERNATES_BYTES_MAX,
                   &alternates) == 0) {
        size_t count = json_array_size(alternates);

        chains->count = (unsigned)(count < ALTERNATES_MAX ? count : ALTERNATES_MAX);
    }
    if (chains->wanted > 0) {
        pem = chains->wanted <= chains->count
                  ? json_string_value(json_array_get(alternates, chains->wanted - 1))
                  : NULL;
    }
    chains->pem = pem != NULL ? strdup(pem) : NULL;
    json_decref(alternates);
    return pem == NULL ? ERROR_NOT_FOUND : chains->pem == NULL ? ERROR_MEMORY : 0;
}

static void respond(struct request *request, unsigned wanted)
{
    struct service *service = request->service;
    struct database *issuer = service_issuer(service);
    struct chains chains = {.request = request, .wanted = wanted};
    char url[LIMIT_URL_BYTES];
    char link[LIMIT_URL_BYTES + 32];
    int error = issuer == NULL
                    ? ERROR_NOT_FOUND
                    : issuer_store_certificate(issuer, service->zone,
                                               request->arguments[1], take, &chains);

    if (error == ERROR_NOT_FOUND) {
        response_status(request, 404, ACME_PROBLEM_MALFORMED,
                        "this account has no certificate '%.100s'",
                        request->arguments[1]);
    } else if (error != 0) {
        response_internal(request, error, "reading a certificate");
    } else {
        for (unsigned i = 0; i <= chains.count; i++) {
            if (i != wanted &&
                url_certificate(request->base->url, request->id, chains.cert_id, i,
                                url) &&
                text_format(link, sizeof(link), "<%s>;rel=\"alternate\"", url)) {
                response_header(request, "Link", link);
            }
        }
        response_bytes(request, 200, "application/pem-certificate-chain", chains.pem,
                       strlen(chains.pem));
    }
    free(chains.pem);
}

void certificate_respond(struct request *request)
{
    respond(request, 0);
}

void certificate_respond_alternate(struct request *request)
{
    uint64_t wanted = 0;

    if (text_u64(request->arguments[2], ALTERNATES_MAX, &wanted) != 0 || wanted == 0) {
        response_status(request, 404, ACME_PROBLEM_MALFORMED,
                        "there is no alternate '%.20s'", request->arguments[2]);
        return;
    }
    respond(request, (unsigned)wanted);
}
