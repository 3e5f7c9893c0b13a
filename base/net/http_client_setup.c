/* How a transfer is set up, and what libcurl's verdicts mean: what knows libcurl's options and
 * codes, but no state. */
#include "base/net/http_client_parts.h"

#include "base/core/clock.h"
#include "base/core/limits.h"
#include "base/core/text.h"

#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>
#include <string.h>

static int error_of(CURLcode code)
{
    static const struct {
        CURLcode code;
        int error;
    } table[] = {
        {CURLE_OPERATION_TIMEDOUT, ERROR_TIMEOUT},
        {CURLE_COULDNT_RESOLVE_HOST, ERROR_NOT_FOUND},
        {CURLE_OUT_OF_MEMORY, ERROR_MEMORY},
        {CURLE_PEER_FAILED_VERIFICATION, ERROR_SIGNATURE},
        {CURLE_SSL_ISSUER_ERROR, ERROR_SIGNATURE},
        {CURLE_SSL_CACERT_BADFILE, ERROR_SIGNATURE},
        {CURLE_FILESIZE_EXCEEDED, ERROR_LIMIT},
        {CURLE_UNSUPPORTED_PROTOCOL, ERROR_UNSUPPORTED},
        {CURLE_URL_MALFORMAT, ERROR_SYNTAX},
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        if (table[i].code == code) {
            return table[i].error;
        }
    }
    return code == CURLE_OK ? ERROR_NONE : ERROR_IO;
}

/* What the proxy said to CONNECT, if it did not let us through. */
static void blame_proxy(struct http_transfer *transfer, CURLcode code)
{
    long connect = 0;
    long fresh_count = 0;
    if (transfer->client->proxy == NULL || code == CURLE_OK) {
        return;
    }
    curl_easy_getinfo(transfer->easy, CURLINFO_NUM_CONNECTS, &fresh_count);
    curl_easy_getinfo(transfer->easy, CURLINFO_HTTP_CONNECTCODE, &connect);
    if (connect != 0 && connect / 100 != 2) {
        transfer->is_proxy = true;
        text_format(transfer->detail, sizeof(transfer->detail),
                    "the proxy '%.200s' refused the way there: HTTP status %ld",
                    transfer->client->proxy, connect);
    } else if (connect == 0 && (fresh_count > 0 || code == CURLE_COULDNT_CONNECT)) {
        transfer->is_proxy = true;
        text_format(transfer->detail, sizeof(transfer->detail),
                    "the proxy '%.150s' does not work: %.80s", transfer->client->proxy,
                    curl_easy_strerror(code));
    }
}

static void note_dates(struct http_transfer *transfer, CURLcode code)
{
    long verdict = X509_V_OK;
    if (code == CURLE_PEER_FAILED_VERIFICATION &&
        curl_easy_getinfo(transfer->easy, CURLINFO_SSL_VERIFYRESULT, &verdict) ==
            CURLE_OK) {
        transfer->is_date = verdict == X509_V_ERR_CERT_NOT_YET_VALID ||
                            verdict == X509_V_ERR_CERT_HAS_EXPIRED;
    }
}

int http_client_judge(struct http_transfer *transfer, CURLcode code)
{
    blame_proxy(transfer, code);
    note_dates(transfer, code);
    return error_of(code);
}

static bool set_text(CURL *easy, CURLoption option, const char *text)
{
    return curl_easy_setopt(easy, option, text) == CURLE_OK;
}

static bool set_number(CURL *easy, CURLoption option, long number)
{
    return curl_easy_setopt(easy, option, number) == CURLE_OK;
}

/* Called by libcurl for each TLS connection: the time that certificates are judged by. */
static CURLcode on_tls(CURL *easy, void *context, void *arg)
{
    const struct http_client *client = arg;
    X509_VERIFY_PARAM *param = SSL_CTX_get0_param(context);
    (void)easy;
    if (client->ignore_dates) {
        X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_NO_CHECK_TIME);
    } else if (clock_is_corrected()) {
        X509_VERIFY_PARAM_set_time(param, (time_t)clock_wall_at());
    }
    return CURLE_OK;
}

/* A tunnel by CONNECT only: what is said to the relay is the relay's alone to read. */
static bool set_proxy(struct http_transfer *transfer)
{
    const struct http_client *client = transfer->client;
    CURL *easy = transfer->easy;
    if (client->proxy == NULL) {
        return set_text(easy, CURLOPT_PROXY, "");
    }
    return set_text(easy, CURLOPT_PROXY, client->proxy) &&
           set_text(easy, CURLOPT_NOPROXY, "") &&
           set_number(easy, CURLOPT_HTTPPROXYTUNNEL, 1) &&
           set_number(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1);
}

/* What is the same for each transfer: https, verified, straight to the host or by the one proxy
 * that was configured, no surprises from the environment, ~/.netrc, redirects, cookies or
 * compression. */
int http_client_set_policy(struct http_transfer *transfer)
{
    const struct http_client *client = transfer->client;
    CURL *easy = transfer->easy;
    bool is_good =
        set_text(easy, CURLOPT_PROTOCOLS_STR, "https") && set_proxy(transfer) &&
        set_text(easy, CURLOPT_USERAGENT, client->user_agent) &&
        set_number(easy, CURLOPT_FOLLOWLOCATION, 0) &&
        set_number(easy, CURLOPT_NOSIGNAL, 1) &&
        set_number(easy, CURLOPT_SSL_VERIFYPEER, 1) &&
        set_number(easy, CURLOPT_SSL_VERIFYHOST, 2) &&
        set_number(easy, CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2) &&
        set_number(easy, CURLOPT_HTTP_VERSION,
                   client->http1 ? CURL_HTTP_VERSION_1_1 : CURL_HTTP_VERSION_2TLS) &&
        set_number(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)client->connect_ms) &&
        curl_easy_setopt(easy, CURLOPT_MAXFILESIZE_LARGE,
                         (curl_off_t)transfer->max_body_bytes) == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->detail) == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer) == CURLE_OK;
    if (client->ignore_dates || clock_is_corrected()) {
        is_good = is_good &&
                  curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, on_tls) == CURLE_OK &&
                  curl_easy_setopt(easy, CURLOPT_SSL_CTX_DATA, client) == CURLE_OK;
    }
    /* Without a folder of certificates libcurl keeps the parsed bundle from one
     * connection to the next; parsing the system's costs some 20 ms. */
    is_good = is_good && set_text(easy, CURLOPT_CAPATH, NULL);
    if (client->ca_file != NULL) {
        is_good = is_good && set_text(easy, CURLOPT_CAINFO, client->ca_file);
    }
    return is_good ? ERROR_NONE : ERROR_MEMORY;
}

static int add_header(struct http_transfer *transfer, const char *name, const char *value)
{
    struct buffer line = buffer_init(1024);
    if (strpbrk(value, "\r\n") != NULL) {
        return ERROR_SYNTAX;
    }
    /* "Name:" with nothing after it keeps libcurl from adding its own. */
    int error = buffer_printf(&line, "%s:%s%s", name, value[0] != '\0' ? " " : "", value);
    if (error == ERROR_NONE) {
        struct curl_slist *list =
            curl_slist_append(transfer->headers, buffer_text(&line));
        error = list == NULL ? ERROR_MEMORY : ERROR_NONE;
        transfer->headers = list != NULL ? list : transfer->headers;
    }
    buffer_free(&line);
    return error;
}

static int set_method(struct http_transfer *transfer, const struct http_request *request)
{
    CURL *easy = transfer->easy;
    if (strcmp(request->method, "GET") == 0) {
        return set_number(easy, CURLOPT_HTTPGET, 1) ? ERROR_NONE : ERROR_MEMORY;
    }
    if (strcmp(request->method, "HEAD") == 0) {
        /* The length told is that of a body which does not come. */
        bool is_set =
            set_number(easy, CURLOPT_NOBODY, 1) &&
            curl_easy_setopt(easy, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)0) == CURLE_OK;
        return is_set ? ERROR_NONE : ERROR_MEMORY;
    }
    if (strcmp(request->method, "POST") != 0) {
        return ERROR_UNSUPPORTED;
    }
    const void *body = request->body.size > 0 ? (const void *)request->body.data : "";
    bool is_good = set_number(easy, CURLOPT_POST, 1) &&
                   curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
                                    (curl_off_t)request->body.size) == CURLE_OK &&
                   curl_easy_setopt(easy, CURLOPT_COPYPOSTFIELDS, body) == CURLE_OK;
    return is_good ? ERROR_NONE : ERROR_MEMORY;
}

int http_client_set_request(struct http_transfer *transfer,
                            const struct http_request *request)
{
    int error = set_method(transfer, request);
    if (error == ERROR_NONE) {
        error = add_header(transfer, "Expect", "");
    }
    if (error == ERROR_NONE) {
        const char *type = request->content_type;
        error = add_header(transfer, "Content-Type", type != NULL ? type : "");
    }
    if (error == ERROR_NONE && request->accept != NULL) {
        error = add_header(transfer, "Accept", request->accept);
    }
    if (error == ERROR_NONE && (curl_easy_setopt(transfer->easy, CURLOPT_HTTPHEADER,
                                                 transfer->headers) != CURLE_OK ||
                                !set_text(transfer->easy, CURLOPT_URL, request->url))) {
        error = ERROR_MEMORY;
    }
    return error;
}

static int url_error(CURLUcode code)
{
    return code == CURLUE_OK              ? ERROR_NONE
           : code == CURLUE_OUT_OF_MEMORY ? ERROR_MEMORY
                                          : ERROR_SYNTAX;
}

/* Takes host and port out of URL, which must be of SCHEME; no user, no password. */
static int split_url(const char *text, const char *wanted_scheme, char **ret_host,
                     char **ret_port)
{
    char *scheme = NULL;
    CURLU *url = curl_url();
    if (url == NULL) {
        return ERROR_MEMORY;
    }
    int error =
        strlen(text) > LIMIT_URL_BYTES
            ? ERROR_LIMIT
            : url_error(curl_url_set(url, CURLUPART_URL, text,
                                     CURLU_NON_SUPPORT_SCHEME | CURLU_DISALLOW_USER));
    if (error == ERROR_NONE) {
        error = url_error(curl_url_get(url, CURLUPART_SCHEME, &scheme, 0));
    }
    if (error == ERROR_NONE && !text_equal_nocase(scheme, wanted_scheme)) {
        error = ERROR_UNSUPPORTED;
    }
    if (error == ERROR_NONE) {
        error = url_error(curl_url_get(url, CURLUPART_HOST, ret_host, 0));
    }
    if (error == ERROR_NONE) {
        error =
            url_error(curl_url_get(url, CURLUPART_PORT, ret_port, CURLU_DEFAULT_PORT));
    }
    curl_free(scheme);
    curl_url_cleanup(url);
    return error;
}

/* Whom to connect to for TEXT: its own host, or the proxy. */
int http_client_parse_url(struct http_transfer *transfer, const char *text)
{
    const char *proxy = transfer->client->proxy;
    int error = split_url(text, "https", &transfer->host_name, &transfer->port);
    if (error != ERROR_NONE || proxy == NULL) {
        return error;
    }
    curl_free(transfer->host_name);
    curl_free(transfer->port);
    transfer->host_name = NULL;
    transfer->port = NULL;
    return split_url(proxy, "http", &transfer->host_name, &transfer->port);
}

/* With its port: libcurl would take 1080 for one that has none. */
int http_client_copy_proxy(struct http_client *client, const char *proxy)
{
    char *host = NULL;
    char *port = NULL;
    struct buffer text = buffer_init(LIMIT_URL_BYTES);
    int error = split_url(proxy, "http", &host, &port);
    if (error == ERROR_NONE) {
        error = buffer_printf(&text, "http://%s:%s", host, port);
    }
    if (error == ERROR_NONE) {
        client->proxy = buffer_take(&text);
    }
    buffer_free(&text);
    curl_free(host);
    curl_free(port);
    return error;
}
