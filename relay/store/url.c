#include "relay/store/url.h"

#include "base/core/text.h"

bool url_directory(const char *base, char ret_url[static LIMIT_URL_BYTES])
{
    return text_format(ret_url, LIMIT_URL_BYTES, "%s/acme/directory", base);
}

bool url_new_nonce(const char *base, char ret_url[static LIMIT_URL_BYTES])
{
    return text_format(ret_url, LIMIT_URL_BYTES, "%s/acme/new-nonce", base);
}

bool url_new_account(const char *base, char ret_url[static LIMIT_URL_BYTES])
{
    return text_format(ret_url, LIMIT_URL_BYTES, "%s/acme/new-account", base);
}

bool url_new_order(const char *base, char ret_url[static LIMIT_URL_BYTES])
{
    return text_format(ret_url, LIMIT_URL_BYTES, "%s/acme/new-order", base);
}

bool url_revoke(const char *base, char ret_url[static LIMIT_URL_BYTES])
{
    return text_format(ret_url, LIMIT_URL_BYTES, "%s/acme/revoke-cert", base);
}

bool url_renewal_info(const char *base, char ret_url[static LIMIT_URL_BYTES])
{
    return text_format(ret_url, LIMIT_URL_BYTES, "%s/acme/renewal-info", base);
}

bool url_account(const char *base, const char *id, char ret_url[static LIMIT_URL_BYTES])
{
    return text_format(ret_url, LIMIT_URL_BYTES, "%s/acme/acct/%s", base, id);
}

bool url_orders(const char *base, const char *id, char ret_url[static LIMIT_URL_BYTES])
{
    return text_format(ret_url, LIMIT_URL_BYTES, "%s/acme/orders/%s", base, id);
}

bool url_order(const char *base, const char *id, const char *number,
               char ret_url[static LIMIT_URL_BYTES])
{
    return text_format(ret_url, LIMIT_URL_BYTES, "%s/acme/order/%s/%s", base, id, number);
}

bool url_authorization(const char *base, const char *id, const char *number,
                       unsigned index, char ret_url[static LIMIT_URL_BYTES])
{
    return text_format(ret_url, LIMIT_URL_BYTES, "%s/acme/authz/%s/%s/%u", base, id,
                       number, index);
}

bool url_finalize(const char *base, const char *id, const char *number,
                  char ret_url[static LIMIT_URL_BYTES])
{
    return text_format(ret_url, LIMIT_URL_BYTES, "%s/acme/finalize/%s/%s", base, id,
                       number);
}

bool url_certificate(const char *base, const char *id, const char *cert_id,
                     unsigned alternate, char ret_url[static LIMIT_URL_BYTES])
{
    if (alternate == 0) {
        return text_format(ret_url, LIMIT_URL_BYTES, "%s/acme/cert/%s/%s", base, id,
                           cert_id);
    }
    return text_format(ret_url, LIMIT_URL_BYTES, "%s/acme/cert/%s/%s/%u", base, id,
                       cert_id, alternate);
}

bool url_addresses(const char *base, char ret_url[static LIMIT_URL_BYTES])
{
    return text_format(ret_url, LIMIT_URL_BYTES, "%s/acme/addresses", base);
}

bool url_probe(const char *base, char ret_url[static LIMIT_URL_BYTES])
{
    return text_format(ret_url, LIMIT_URL_BYTES, "%s/acme/probe", base);
}

bool url_time(const char *base, char ret_url[static LIMIT_URL_BYTES])
{
    return text_format(ret_url, LIMIT_URL_BYTES, "%s/acme/time", base);
}

bool url_home(const char *base, char ret_url[static LIMIT_URL_BYTES])
{
    return text_format(ret_url, LIMIT_URL_BYTES, "%s/", base);
}

bool url_terms(const char *base, const char *version,
               char ret_url[static LIMIT_URL_BYTES])
{
    return text_format(ret_url, LIMIT_URL_BYTES, "%s/terms/%s", base, version);
}
