/* The directory, fetched as every task does. When that fails, the relay's address is looked
 * at once more by hand, without trust: the certificate that is served there tells a login
 * page or an inspecting firewall from a relay that is only out of date. */
#include "device/worker_diagnosis_parts.h"

#include "base/core/clock.h"

#include <stdlib.h>
#include <string.h>

enum { DIRECTORY_BYTES = 64 << 10, HTTPS_PORT = 443, LOOK_MS = 5 * 1000 };

void worker_diagnosis_relay_date(struct diagnose *diagnose, const char *value,
                                 const char *source)
{
    struct findings *findings = &diagnose->findings;
    int64_t date_at = 0;
    /* The first to tell is as good as any; Date is given in whole seconds. */
    if (findings->date_at == 0 && value != NULL &&
        text_http_date_parse(value, &date_at) == 0) {
        /* As of when the diagnosis began. */
        findings->date_at = date_at - (clock_wall_at() - findings->now_at);
        text_copy(findings->date_source, sizeof(findings->date_source), source);
    }
}

/* Splits "https://host[:port]/..." of the configuration, which was checked when it was read. */
static bool split_url(const char *url, char *ret_host, size_t capacity,
                      uint16_t *ret_port)
{
    const char *host = strstr(url, "://");
    uint64_t port = HTTPS_PORT;
    if (host == NULL) {
        return false;
    }
    host += 3;
    bool is_ipv6 = host[0] == '[';
    host += is_ipv6 ? 1 : 0;
    size_t size = strcspn(host, is_ipv6 ? "]" : ":/");
    const char *rest = host + size + (is_ipv6 && host[size] == ']' ? 1 : 0);
    if (rest[0] == ':') {
        char digits[8];
        if (!text_format(digits, sizeof(digits), "%.*s", (int)strcspn(rest + 1, "/"),
                         rest + 1) ||
            text_u64(digits, UINT16_MAX, &port) != 0) {
            return false;
        }
    }
    *ret_port = (uint16_t)port;
    return text_format(ret_host, capacity, "%.*s", (int)size, host);
}

static const char *known(const struct diagnose *diagnose, const char *key)
{
    const char *text = json_get_text(diagnose->facts, key);
    return text != NULL ? text : "";
}

/* Judges as the agent does before it works with a relay. */
static void judge_relay(struct diagnose *diagnose, const json_t *relay)
{
    struct judge_relay *found = &diagnose->findings.relay;
    const char *pin = known(diagnose, "relay_pin");
    const struct relay_known before = {
        .pin = pin,
        .remembered = pin[0] != '\0' ? "" : known(diagnose, "relay_remembered"),
        .zone = known(diagnose, "relay_zone"),
    };
    struct relay_facts facts = {.key = NULL};
    text_copy(facts.zone, sizeof(facts.zone), json_get_text(relay, "zone"));
    if (key_from_jwk(json_get_object(relay, "relayKey"), &facts.key) == 0 &&
        statement_pin(facts.key, facts.pin) < 0) {
        facts.pin[0] = '\0';
    }
    found->has_pin = pin[0] != '\0';
    found->verdict =
        relay_facts_judge(&facts, &before, found->doubt, sizeof(found->doubt));
    relay_facts_free(&facts);
}

static void read_directory(struct diagnose *diagnose, struct bytes body)
{
    struct judge_relay *found = &diagnose->findings.relay;
    if (json_parse(body.data, body.size, DIRECTORY_BYTES, &diagnose->directory) < 0) {
        diagnose->directory = NULL;
        return;
    }
    const json_t *meta = json_get_object(diagnose->directory, "meta");
    const json_t *relay = json_get_object(meta, "latchkey");
    const char *zone = json_get_text(relay, "zone");
    found->is_acme = json_get_text(diagnose->directory, "newOrder") != NULL;
    found->is_latchkey = zone != NULL;
    if (zone != NULL) {
        judge_relay(diagnose, relay);
    }
    if (zone != NULL && diagnose->findings.zone[0] == '\0') {
        text_copy(diagnose->findings.zone, sizeof(diagnose->findings.zone), zone);
    }
}

static void on_directory(const struct http_response *response, void *arg)
{
    struct diagnose *diagnose = arg;
    struct judge_relay *relay = &diagnose->findings.relay;
    diagnose->directory_transfer = NULL;
    relay->error = response->error;
    relay->status = response->status;
    relay->is_proxy = response->is_proxy;
    text_printable(relay->reason, sizeof(relay->reason), response->error_text,
                   strlen(response->error_text));
    if (response->error == 0) {
        relay->is_name_known = true;
        relay->is_connected = true;
        worker_diagnosis_relay_date(diagnose, http_response_header(response, "Date", 0),
                                    "the relay");
        if (response->status == 200) {
            read_directory(diagnose, response->body);
        }
    }
    worker_diagnosis_ended(diagnose);
}

void worker_diagnosis_relay_begin(struct diagnose *diagnose)
{
    struct judge_relay *relay = &diagnose->findings.relay;
    struct http_request request = {
        .method = "GET",
        .url = json_get_text(diagnose->body, "directory"),
        .max_response_bytes = DIRECTORY_BYTES,
    };
    if (!split_url(request.url, diagnose->host, sizeof(diagnose->host),
                   &diagnose->port)) {
        return;
    }
    text_format(relay->name, sizeof(relay->name), "%.120s, port %u", diagnose->host,
                (unsigned)diagnose->port);
    if (http_client_send(diagnose->http, &request, on_directory, diagnose,
                         &diagnose->directory_transfer) == 0) {
        relay->is_asked = true;
        diagnose->pending++;
    }
}

/* --- what is there instead --- */

static void on_relay_leaf(int error, const char *reason, struct bytes leaf, void *arg)
{
    struct diagnose *diagnose = arg;
    struct judge_relay *relay = &diagnose->findings.relay;
    struct cert *cert = NULL;
    (void)reason;
    diagnose->relay_probe = NULL;
    relay->is_connected = error == 0 || error == ERROR_CRYPTO;
    if (error == 0 && cert_from_der(leaf.data, leaf.size, &cert) == 0) {
        cert_issuer_text(cert, relay->issuer, sizeof(relay->issuer));
        relay->not_before_at = cert_not_before_at(cert);
        relay->not_after_at = cert_not_after_at(cert);
    }
    cert_free(cert);
    worker_diagnosis_ended(diagnose);
}

static void on_relay_address(const struct resolve_answer *answer, void *arg)
{
    struct diagnose *diagnose = arg;
    struct judge_relay *relay = &diagnose->findings.relay;
    diagnose->relay_query = NULL;
    relay->is_name_known = answer->error == 0;
    if (answer->error == 0) {
        struct tls_probe_target target = {
            .address = answer->addresses[0],
            .name = diagnose->host,
            .timeout_ms = LOOK_MS,
        };
        address_set_port(&target.address, diagnose->port);
        if (tls_probe_start(diagnose->loop, &target, on_relay_leaf, diagnose,
                            &diagnose->relay_probe) == 0) {
            return;
        }
    }
    worker_diagnosis_ended(diagnose);
}

void worker_diagnosis_relay_look(struct diagnose *diagnose)
{
    const struct judge_relay *relay = &diagnose->findings.relay;
    if (!relay->is_asked || relay->error == 0 ||
        json_get_text(diagnose->body, "proxy") != NULL ||
        !worker_diagnosis_dns_is_alive(diagnose)) {
        return;
    }
    if (resolve_addresses(diagnose->resolver, diagnose->host, on_relay_address, diagnose,
                          &diagnose->relay_query) == 0) {
        diagnose->pending++;
    }
}

void worker_diagnosis_relay_close(struct diagnose *diagnose)
{
    if (diagnose->directory_transfer != NULL) {
        http_client_cancel(diagnose->directory_transfer);
    }
    resolve_cancel(diagnose->relay_query);
    tls_probe_free(diagnose->relay_probe);
    json_decref(diagnose->directory);
}
