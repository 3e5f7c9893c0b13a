/* The HTTP client's insides, shared by http_client*.c only. */
#ifndef BASE_NET_HTTP_CLIENT_PARTS_H
#define BASE_NET_HTTP_CLIENT_PARTS_H

#include "base/net/host_cache.h"
#include "base/net/http_client.h"
#include "base/net/http_fields.h"

#include <curl/curl.h>

struct socket_watch;

struct http_client {
    struct loop *loop;
    struct resolver *resolver;
    char *ca_file;
    char *user_agent;
    unsigned connect_ms;
    unsigned total_ms;
    bool http1;
    bool ignore_dates;
    char *proxy; /* NULL: none */
    bool has_library;
    CURLM *multi;
    struct loop_timer *timer; /* libcurl's */
    struct socket_watch *sockets;
    struct host_cache *hosts;
    struct http_transfer *transfers;
    struct http_transfer *waiting; /* first come, first served */
    struct http_transfer **waiting_end;
    unsigned running_count;
    unsigned max_running;
};

enum state { STATE_RESOLVING, STATE_WAITING, STATE_RUNNING, STATE_ENDED };

struct http_transfer {
    struct http_client *client;
    struct http_transfer *next;
    struct http_transfer *previous;
    struct http_transfer *waiting_next;
    enum state state;
    CURL *easy;
    bool is_added; /* to the multi handle */
    struct curl_slist *headers;
    struct curl_slist *addresses;
    char *host_name; /* whom we connect to: the URL's host, or the proxy */
    char *port;
    bool is_date;
    bool is_proxy;
    struct loop_timer *deadline;
    http_client_fn *fn;
    void *arg;
    bool is_delivering;
    size_t max_body_bytes;
    struct buffer body;
    struct http_fields fields;
    int error; /* once ENDED, or set by a callback that stopped libcurl */
    char detail[CURL_ERROR_SIZE];
};

/* Sets what is the same for each transfer, but for where the response goes. */
int http_client_set_policy(struct http_transfer *transfer) MUST_CHECK;
/* Sets method, headers, body and URL. ERROR_SYNTAX, ERROR_UNSUPPORTED. */
int http_client_set_request(struct http_transfer *transfer,
                            const struct http_request *request) MUST_CHECK;
/* Finds out whom to connect to for the URL: its own host, or the proxy. */
int http_client_parse_url(struct http_transfer *transfer, const char *text) MUST_CHECK;
/* Takes "http://host[:port]". */
int http_client_copy_proxy(struct http_client *client, const char *proxy) MUST_CHECK;
/* What CODE is to our callers; notes in TRANSFER what it says of proxy and dates. */
int http_client_judge(struct http_transfer *transfer, CURLcode code);

#endif
