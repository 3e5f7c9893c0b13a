/* Many ACME devices in one process, for benches and storms: each has its own identity key, its
 * own TLS key and its own connection, orders *.<id>.<zone>, and ends with one certificate or
 * a failure. Prints one JSON object at the end; exits 0 only when every device got its own.
 *
 * A device is patient as a good one is: what is resumable it resumes, when it is told to wait it
 * waits, until --timeout. */
#include "acme/acme.h"
#include "base/core/clock.h"
#include "base/core/file.h"
#include "base/core/json.h"
#include "base/core/log.h"
#include "base/core/text.h"
#include "base/crypto/random.h"
#include "base/lanname.h"
#include "base/net/http_client.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum { RETRY_NET_MS = 300, ERRORS_SHOWN = 5, NAME_CAPACITY = 300 };

struct options {
    const char *directory;
    const char *ca_file;
    const char *zone;
    const char *out;
    uint64_t devices;
    uint64_t in_flight;
    uint64_t timeout_s;
};

struct device {
    struct load *load;
    struct key *identity;
    struct key *key;
    struct http_client *http;
    struct acme_client *client;
    struct acme_order *order;
    struct http_transfer *client_transfer;
    struct http_transfer *order_transfer;
    struct loop_timer *timer;
    char id[KEY_ID_SIZE + 1];
    int64_t started_mono_ms;
    bool ended;
};

struct load {
    struct options options;
    struct loop *loop;
    struct resolver *resolver;
    struct loop_timer *deadline;
    struct device *devices;
    uint64_t started;
    uint64_t issued;
    uint64_t failed;
    uint64_t retries;
    int64_t *took_ms; /* of those issued */
    int64_t began_mono_ms;
};

static void drive(struct device *device);

static struct acme_now now(void)
{
    return (struct acme_now){clock_wall_at(), clock_mono_ms()};
}

static void start_next(struct load *load);

static void close_device(struct device *device)
{
    acme_order_free(device->order);
    acme_client_free(device->client);
    http_client_free(device->http);
    loop_timer_free(device->timer);
    key_free(device->identity);
    key_free(device->key);
    device->order = NULL;
    device->client = NULL;
    device->http = NULL;
    device->timer = NULL;
    device->identity = NULL;
    device->key = NULL;
}

/* From a timer, so that no callback of the device's own handles is on the stack. */
static void on_ended(void *arg)
{
    struct device *device = arg;
    struct load *load = device->load;

    close_device(device);
    if (load->issued + load->failed == load->options.devices) {
        loop_stop(load->loop);
        return;
    }
    start_next(load);
}

static void end(struct device *device, const char *failure)
{
    struct load *load = device->load;

    if (device->ended) {
        return;
    }
    device->ended = true;
    if (failure == NULL) {
        load->took_ms[load->issued++] = clock_mono_ms() - device->started_mono_ms;
    } else if (++load->failed <= ERRORS_SHOWN) {
        fprintf(stderr, "%s: %s\n", device->id, failure);
    }
    loop_timer_free(device->timer);
    device->timer = NULL;
    if (loop_timer_new(load->loop, on_ended, device, &device->timer) != 0) {
        abort();
    }
    loop_timer_set(device->timer, 0);
}

static int store(const struct device *device)
{
    struct bytes chain = acme_order_chain(device->order);
    struct buffer path = buffer_init(4096);
    int error = 0;

    if (device->load->options.out == NULL) {
        return 0;
    }
    error = buffer_printf(&path, "%s/%s.pem", device->load->options.out, device->id);
    if (error == 0) {
        error = file_write_atomic(buffer_text(&path), chain.data, chain.size, 0644);
    }
    buffer_free(&path);
    return error;
}

/* ---- transport ---- */

static const char *find_header(const void *response, const char *name, size_t index)
{
    return http_response_header(response, name, index);
}

static struct acme_response convert(const struct http_response *response)
{
    return (struct acme_response){
        .error = response->error,
        .error_text = response->error_text,
        .status = response->status,
        .body = response->body,
        .header = find_header,
        .header_arg = response,
    };
}

static void on_client_response(const struct http_response *response, void *arg)
{
    struct device *device = arg;
    struct acme_response converted = convert(response);

    device->client_transfer = NULL;
    acme_client_response(device->client, &converted, now());
    drive(device);
}

static void on_order_response(const struct http_response *response, void *arg)
{
    struct device *device = arg;
    struct acme_response converted = convert(response);

    device->order_transfer = NULL;
    acme_order_response(device->order, &converted, now());
    drive(device);
}

static void send_request(struct device *device, const struct acme_request *request,
                         http_client_fn *fn, struct http_transfer **transfer)
{
    struct http_request http = {
        .method = request->method,
        .url = request->url,
        .content_type = request->content_type,
        .accept = request->accept,
        .body = request->body,
        .max_response_bytes = request->max_response_bytes,
    };

    if (http_client_send(device->http, &http, fn, device, transfer) != 0) {
        end(device, "a request can't be sent");
    }
}

/* ---- the two machines ---- */

/* How long to wait after a failure; -1: it is final. */
static int64_t wait_ms(const struct acme_error *error)
{
    if (error->type == ACME_ERROR_NET || error->type == ACME_ERROR_SERVER) {
        return RETRY_NET_MS + (int64_t)random_below(RETRY_NET_MS);
    }
    if (error->retry_at == 0) {
        return -1;
    }
    return (error->retry_at - clock_wall_at()) * 1000 + (int64_t)random_below(1000);
}

static void retry_or_end(struct device *device, const struct acme_error *error)
{
    int64_t delay_ms = wait_ms(error);

    if (delay_ms < 0 || clock_mono_ms() + delay_ms - device->load->began_mono_ms >
                            (int64_t)device->load->options.timeout_s * 1000) {
        end(device, error->text);
        return;
    }
    device->load->retries++;
    loop_timer_set(device->timer, delay_ms < 1 ? 1 : delay_ms);
}

/* True: the order may have a turn. */
static bool drive_client(struct device *device)
{
    struct acme_step step = {0};

    acme_client_next(device->client, now(), &step);
    switch (step.want) {
    case ACME_WANT_REQUEST:
        send_request(device, step.request, on_client_response, &device->client_transfer);
        return false;
    case ACME_WANT_SAVE:
        acme_client_saved(device->client);
        return drive_client(device);
    case ACME_WANT_WAIT:
        loop_timer_set(device->timer, step.wait_ms);
        return false;
    case ACME_WANT_FAILED: {
        struct acme_error error = *step.error;

        acme_client_retry(device->client);
        retry_or_end(device, &error);
        return false;
    }
    case ACME_WANT_IDLE:
        return true;
    case ACME_WANT_RESPONSE:
    case ACME_WANT_SHARED:
    case ACME_WANT_PUBLISH:
    case ACME_WANT_UNPUBLISH:
    case ACME_WANT_DONE:
        return false;
    }
    return false;
}

static int make_order(struct device *device)
{
    char name[NAME_CAPACITY];
    const char *names[] = {name};
    struct buffer der = buffer_init(LIMIT_CSR_BYTES);
    struct acme_order_options options = {.deadline_s =
                                             (unsigned)device->load->options.timeout_s};
    int error =
        text_format(name, sizeof(name), "*.%s.%s", device->id, device->load->options.zone)
            ? 0
            : ERROR_LIMIT;

    if (error == 0) {
        error = csr_make(device->key, names, 1, &der);
    }
    if (error == 0) {
        options.csr = buffer_bytes(&der);
        error = acme_order_new(device->client, &options, now(), &device->order);
    }
    buffer_free(&der);
    return error;
}

static void take_order_failure(struct device *device, const struct acme_error *failure)
{
    struct acme_error error = *failure;

    if (error.resumable) {
        acme_order_retry(device->order);
    } else {
        acme_order_free(device->order);
        device->order = NULL;
    }
    retry_or_end(device, &error);
}

/* True: go on at once. */
static bool drive_order(struct device *device)
{
    struct acme_step step = {0};

    if (device->order == NULL && make_order(device) != 0) {
        end(device, "the order can't be made");
        return false;
    }
    acme_order_next(device->order, now(), &step);
    switch (step.want) {
    case ACME_WANT_REQUEST:
        send_request(device, step.request, on_order_response, &device->order_transfer);
        return false;
    case ACME_WANT_SHARED:
        return drive_client(device);
    case ACME_WANT_WAIT:
        loop_timer_set(device->timer, step.wait_ms);
        return false;
    case ACME_WANT_SAVE:
        acme_order_saved(device->order);
        return true;
    case ACME_WANT_PUBLISH:
        end(device, "the relay asks for a TXT record");
        return false;
    case ACME_WANT_UNPUBLISH:
        acme_order_unpublished(device->order);
        return true;
    case ACME_WANT_DONE:
        end(device, store(device) == 0 ? NULL : "the chain can't be written");
        return false;
    case ACME_WANT_FAILED:
        take_order_failure(device, step.error);
        return false;
    case ACME_WANT_RESPONSE:
    case ACME_WANT_IDLE:
        return false;
    }
    return false;
}

static void drive(struct device *device)
{
    if (device->ended || !drive_client(device)) {
        return;
    }
    while (!device->ended && drive_order(device)) {
    }
}

static void on_timer(void *arg)
{
    drive(arg);
}

/* ---- start ---- */

static int open_device(struct load *load, struct device *device)
{
    struct http_client_options http = {
        .resolver = load->resolver,
        .ca_file = load->options.ca_file,
        .user_agent = "issue_load/" LATCHKEY_VERSION,
        .max_connections = 1,
        .connect_ms = 30000,
        .total_ms = 60000,
    };
    struct acme_client_options client = {.directory_url = load->options.directory,
                                         .may_create_account = true};
    int error = key_generate(KEY_P256, &device->identity);

    device->load = load;
    device->started_mono_ms = clock_mono_ms();
    if (error == 0) {
        error = key_generate(KEY_P256, &device->key);
    }
    if (error == 0) {
        error = key_id(device->identity, device->id);
    }
    if (error == 0) {
        error = http_client_new(load->loop, &http, &device->http);
    }
    if (error == 0) {
        client.signer.key = device->identity;
        error = acme_client_new(&client, &device->client);
    }
    if (error == 0) {
        error = loop_timer_new(load->loop, on_timer, device, &device->timer);
    }
    return error;
}

static void start_next(struct load *load)
{
    while (load->started < load->options.devices &&
           load->started - load->issued - load->failed < load->options.in_flight) {
        struct device *device = &load->devices[load->started++];

        if (open_device(load, device) != 0) {
            fprintf(stderr, "issue_load: a device can't be made\n");
            exit(EXIT_FAILURE);
        }
        loop_timer_set(device->timer, 0);
    }
}

static void on_deadline(void *arg)
{
    struct load *load = arg;

    fprintf(stderr, "issue_load: not all devices ended in time\n");
    loop_stop(load->loop);
}

static int compare_ms(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a;
    int64_t y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

static int64_t percentile(const struct load *load, unsigned percent)
{
    return load->issued == 0 ? 0 : load->took_ms[(load->issued - 1) * percent / 100];
}

static int print_summary(struct load *load)
{
    json_t *object = json_object();
    struct buffer text = buffer_init(4096);
    struct rusage usage = {0};
    int64_t ms = clock_mono_ms() - load->began_mono_ms;
    int error = 0;

    (void)getrusage(RUSAGE_SELF, &usage);
    qsort(load->took_ms, load->issued, sizeof(*load->took_ms), compare_ms);
    error |= json_set_i64(object, "devices", (int64_t)load->options.devices);
    error |= json_set_i64(object, "issued", (int64_t)load->issued);
    error |=
        json_set_i64(object, "failed", (int64_t)(load->options.devices - load->issued));
    error |= json_set_i64(object, "retries", (int64_t)load->retries);
    error |= json_set_i64(object, "milliseconds", ms);
    error |= json_set_i64(object, "milliseconds_p50", percentile(load, 50));
    error |= json_set_i64(object, "milliseconds_p95", percentile(load, 95));
    error |= json_set_i64(object, "milliseconds_max", percentile(load, 100));
    error |= json_set_i64(object, "own_cpu_milliseconds",
                          (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000 +
                              (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1000);
    error |=
        json_set_take(object, "per_second",
                      json_real(ms > 0 ? (double)load->issued * 1000 / (double)ms : 0));
    if (error == 0) {
        error = json_dump(object, &text);
    }
    if (error == 0) {
        puts(buffer_text(&text));
    }
    buffer_free(&text);
    json_decref(object);
    return error;
}

static int run(struct load *load)
{
    int error = loop_new(&load->loop);

    if (error == 0) {
        error = resolver_new(load->loop, NULL, 0, &load->resolver);
    }
    if (error == 0) {
        error = loop_timer_new(load->loop, on_deadline, load, &load->deadline);
    }
    if (error != 0) {
        return error;
    }
    loop_timer_set(load->deadline, (int64_t)load->options.timeout_s * 1000);
    load->began_mono_ms = clock_mono_ms();
    start_next(load);
    error = loop_run(load->loop);
    if (error == 0) {
        error = print_summary(load);
    }
    for (uint64_t i = 0; i < load->started; i++) {
        if (load->devices[i].timer != NULL) {
            close_device(&load->devices[i]);
        }
    }
    loop_timer_free(load->deadline);
    resolver_free(load->resolver);
    loop_free(load->loop);
    return error == 0 && load->issued == load->options.devices ? 0 : ERROR_STATE;
}

static const char usage[] =
    "Usage: issue_load --directory URL --zone ZONE [--ca-file FILE] [--devices N]\n"
    "                  [--in-flight N] [--timeout SECONDS] [--out FOLDER]\n"
    "N devices get one certificate each from a latchkey relay; prints a summary as "
    "JSON.\n"
    "--out keeps each chain as FOLDER/ID.pem.\n";

static bool parse(int argc, char **argv, struct options *options)
{
    static const struct option known[] = {{"directory", required_argument, NULL, 'd'},
                                          {"zone", required_argument, NULL, 'z'},
                                          {"ca-file", required_argument, NULL, 'c'},
                                          {"devices", required_argument, NULL, 'n'},
                                          {"in-flight", required_argument, NULL, 'f'},
                                          {"timeout", required_argument, NULL, 't'},
                                          {"out", required_argument, NULL, 'o'},
                                          {NULL, 0, NULL, 0}};
    bool good = true;

    for (int c = getopt_long(argc, argv, "", known, NULL); c != -1;
         c = getopt_long(argc, argv, "", known, NULL)) {
        switch (c) {
        case 'd':
            options->directory = optarg;
            break;
        case 'z':
            options->zone = optarg;
            break;
        case 'c':
            options->ca_file = optarg;
            break;
        case 'n':
            good = good && text_u64(optarg, 1000000, &options->devices) == 0;
            break;
        case 'f':
            good = good && text_u64(optarg, 100000, &options->in_flight) == 0;
            break;
        case 't':
            good = good && text_u64(optarg, 86400, &options->timeout_s) == 0;
            break;
        case 'o':
            options->out = optarg;
            break;
        default:
            good = false;
            break;
        }
    }
    return good && optind == argc && options->directory != NULL &&
           options->zone != NULL && options->devices > 0 && options->in_flight > 0;
}

int main(int argc, char **argv)
{
    struct load load = {.options = {.devices = 1, .in_flight = 500, .timeout_s = 120}};
    int error = 0;

    log_open("issue_load", LOG_LEVEL_WARNING);
    if (!parse(argc, argv, &load.options)) {
        fputs(usage, stderr);
        return 2;
    }
    load.devices = calloc(load.options.devices, sizeof(*load.devices));
    load.took_ms = calloc(load.options.devices, sizeof(*load.took_ms));
    if (load.devices == NULL || load.took_ms == NULL) {
        return EXIT_FAILURE;
    }
    error = run(&load);
    free(load.devices);
    free(load.took_ms);
    return error == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
