/* Drives acme/ against a real CA over base/net, for tests/system/test_acme.py: a client,
 * some orders at once, at the end revocation if asked for. It speaks in lines: what happens
 * goes to stdout, and after "publish NAME VALUE ..." or "unpublish ..." it waits for one
 * line on stdin.
 *
 * --stop-after N ends it like a crash (_exit) before the Nth want is followed; the saved
 * states under --state let the next run go on. */
#include "acme/acme.h"
#include "base/core/clock.h"
#include "base/core/file.h"
#include "base/core/text.h"
#include "base/net/http_client.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { JOBS_MAX = 500, STOPPED = 9 };

struct job {
    size_t index;
    struct acme_order *order;
    struct acme_call *revocation;
    struct buffer csr;
    struct loop_timer *timer;
    bool is_waiting; /* in the FIFO of those that wait for the client */
    bool is_over;
};

static struct {
    struct loop *loop;
    struct resolver *resolver;
    struct http_client *http;
    struct acme_client *client;
    struct loop_timer *client_timer;
    struct key *key;
    struct job jobs[JOBS_MAX];
    size_t job_count, over_count, failed_count;
    struct job *fifo[JOBS_MAX + 1];
    size_t fifo_first, fifo_size;
    const char *state, *name, *profile, *replaces;
    int stop_after;
    bool is_revoking;
    unsigned alternates;
} run;

static void drive_client(void);
static void drive_job(struct job *job);

__attribute__((noreturn, format(printf, 1, 2))) static void die(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    (void)vfprintf(stderr, format, arguments);
    va_end(arguments);
    (void)fputc('\n', stderr);
    exit(2);
}

static struct acme_now now(void)
{
    return (struct acme_now){clock_wall_at(), clock_mono_ms()};
}

static void count_want(void)
{
    if (run.stop_after > 0 && --run.stop_after == 0) {
        (void)fflush(stdout);
        _exit(STOPPED);
    }
}

static const char *header(const void *arg, const char *name, size_t index)
{
    return http_response_header(arg, name, index);
}

static struct acme_response convert(const struct http_response *response)
{
    return (struct acme_response){
        .error = response->error,
        .error_text = response->error_text,
        .status = response->status,
        .body = response->body,
        .header = header,
        .header_arg = response,
    };
}

static void send_request(const struct acme_request *request, http_client_fn *fn, void *arg)
{
    struct http_transfer *transfer;
    struct http_request http = {
        .method = request->method,
        .url = request->url,
        .content_type = request->content_type,
        .accept = request->accept,
        .body = request->body,
        .max_response_bytes = request->max_response_bytes,
    };

    if (http_client_send(run.http, &http, fn, arg, &transfer) != 0)
        die("http_client_send %s", request->url);
}

/* Those at the front of the queue are asked again, as many as can go on. */
static void wake(void)
{
    size_t count = acme_client_ready_count(run.client);
    size_t size = run.fifo_size;

    while (count-- > 0 && size-- > 0) {
        struct job *job = run.fifo[run.fifo_first];

        run.fifo_first = (run.fifo_first + 1) % (JOBS_MAX + 1);
        run.fifo_size--;
        job->is_waiting = false;
        drive_job(job);
    }
}

static void on_client_response(const struct http_response *response, void *arg)
{
    struct acme_response acme = convert(response);

    (void)arg;
    acme_client_response(run.client, &acme, now());
    drive_client();
    wake();
}

static void path_of(const char *stem, size_t index, const char *ending, char path[static 512])
{
    if (!text_format(path, 512, "%s/%s%zu.%s", run.state, stem, index, ending))
        die("path too long");
}

static void write_state(const char *stem, size_t index, const char *ending,
                        const void *data, size_t size)
{
    char path[512];

    if (run.state == NULL)
        return;
    path_of(stem, index, ending, path);
    if (file_write_atomic(path, data, size, 0600) != 0)
        die("can't write %s", path);
}

static void drive_client(void)
{
    struct acme_step step;

    for (;;) {
        acme_client_next(run.client, now(), &step);
        switch (step.want) {
        case ACME_WANT_REQUEST:
            count_want();
            send_request(step.request, on_client_response, NULL);
            break;
        case ACME_WANT_SAVE:
            count_want();
            printf("account %s\n", acme_client_account_url(run.client));
            write_state("account", 0, "url", acme_client_account_url(run.client),
                        strlen(acme_client_account_url(run.client)));
            acme_client_saved(run.client);
            break;
        case ACME_WANT_WAIT:
            loop_timer_set(run.client_timer, step.wait_ms);
            return;
        case ACME_WANT_FAILED:
            printf("client-failed %s %s %s\n", acme_error_type_text(step.error->type),
                   acme_error_scope_text(step.error->scope), step.error->text);
            return;
        case ACME_WANT_RESPONSE:
        case ACME_WANT_IDLE:
            return;
        case ACME_WANT_SHARED:
        case ACME_WANT_PUBLISH:
        case ACME_WANT_UNPUBLISH:
        case ACME_WANT_DONE:
            die("the client wants %d", (int)step.want);
        }
    }
}

static void on_client_timer(void *arg)
{
    (void)arg;
    drive_client();
    wake();
}

static void tell_records(const char *verb, const struct acme_step *step)
{
    char line[64];

    printf("%s", verb);
    for (size_t i = 0; i < step->record_count; i++)
        printf(" %s %s", step->records[i].name, step->records[i].value);
    printf("\n");
    (void)fflush(stdout);
    if (fgets(line, sizeof(line), stdin) == NULL)
        die("nobody answers on stdin");
}

static void save_job(struct job *job)
{
    struct buffer json = buffer_init(ACME_ORDER_SAVE_MAX);

    if (acme_order_save(job->order, &json) != 0)
        die("acme_order_save");
    printf("save %zu %s\n", job->index, acme_order_url(job->order));
    write_state("order", job->index, "json", json.data, json.size);
    buffer_free(&json);
    acme_order_saved(job->order);
}

static void end_job(struct job *job)
{
    job->is_over = true;
    if (++run.over_count == run.job_count)
        loop_stop(run.loop);
}

static void job_done(struct job *job)
{
    struct bytes chain = acme_order_chain(job->order);
    char serial[CERT_SERIAL_MAX];

    if (job->revocation != NULL) {
        printf("revoked %zu\n", job->index);
        end_job(job);
        return;
    }
    cert_serial(acme_order_cert(job->order), serial);
    printf("done %zu %s %s alternates=%zu profile=%s\n", job->index,
           acme_order_url(job->order), serial, acme_order_alternate_count(job->order),
           acme_order_profile(job->order) != NULL ? acme_order_profile(job->order) : "-");
    write_state("chain", job->index, "pem", chain.data, chain.size);
    if (!run.is_revoking) {
        end_job(job);
        return;
    }
    if (acme_call_new_revoke(run.client, cert_leaf_der(acme_order_cert(job->order)), 1,
                             &job->revocation) != 0)
        die("acme_call_new_revoke");
    drive_job(job);
}

static void job_failed(struct job *job, const struct acme_error *error)
{
    printf("failed %zu %s %s resumable=%d retry=%lld %s\n", job->index,
           acme_error_type_text(error->type), acme_error_scope_text(error->scope),
           error->resumable, error->retry_at == 0 ? 0LL
                                                  : (long long)(error->retry_at - now().at),
           error->text);
    run.failed_count++;
    end_job(job);
}

static void on_job_response(const struct http_response *response, void *arg)
{
    struct job *job = arg;
    struct acme_response acme = convert(response);

    if (job->revocation != NULL)
        acme_call_response(job->revocation, &acme, now());
    else
        acme_order_response(job->order, &acme, now());
    drive_job(job);
    wake();
}

static void drive_job(struct job *job)
{
    struct acme_step step;

    while (!job->is_over && !job->is_waiting) {
        if (job->revocation != NULL)
            acme_call_next(job->revocation, now(), &step);
        else
            acme_order_next(job->order, now(), &step);
        if (step.want != ACME_WANT_RESPONSE && step.want != ACME_WANT_SHARED &&
            step.want != ACME_WANT_WAIT)
            count_want();
        switch (step.want) {
        case ACME_WANT_REQUEST:
            send_request(step.request, on_job_response, job);
            break;
        case ACME_WANT_RESPONSE:
            return;
        case ACME_WANT_SHARED:
            job->is_waiting = true;
            run.fifo[(run.fifo_first + run.fifo_size++) % (JOBS_MAX + 1)] = job;
            drive_client();
            return;
        case ACME_WANT_WAIT:
            loop_timer_set(job->timer, step.wait_ms);
            return;
        case ACME_WANT_SAVE:
            save_job(job);
            break;
        case ACME_WANT_PUBLISH:
            tell_records("publish", &step);
            acme_order_published(job->order);
            break;
        case ACME_WANT_UNPUBLISH:
            tell_records("unpublish", &step);
            acme_order_unpublished(job->order);
            break;
        case ACME_WANT_DONE:
            job_done(job);
            return;
        case ACME_WANT_FAILED:
            job_failed(job, step.error);
            return;
        case ACME_WANT_IDLE:
            die("an order wants IDLE");
        }
    }
}

static void on_job_timer(void *arg)
{
    drive_job(arg);
}

static void make_csr(struct job *job)
{
    char name[300], path[512];
    const char *names[2];
    struct key *key = NULL;
    char *comma;

    job->csr = buffer_init(LIMIT_CSR_BYTES);
    if (run.state != NULL) {
        path_of("order", job->index, "csr", path);
        if (file_read(path, &job->csr) == 0)
            return;
    }
    /* "a,b" is one order for two names; "#" stands for the order's number. */
    if (!text_format(name, sizeof(name), "%s", run.name))
        die("name too long");
    for (char *at = name; *at != '\0'; at++) {
        if (*at == '#')
            *at = (char)('0' + job->index % 10);
    }
    comma = strchr(name, ',');
    names[0] = name;
    if (comma != NULL) {
        *comma = '\0';
        names[1] = comma + 1;
    }
    if (key_generate(KEY_P256, &key) != 0 ||
        csr_make(key, names, comma != NULL ? 2 : 1, &job->csr) != 0)
        die("can't make a CSR for %s", name);
    key_free(key);
    write_state("order", job->index, "csr", job->csr.data, job->csr.size);
}

static void make_job(struct job *job, size_t index)
{
    struct buffer json = buffer_init(ACME_ORDER_SAVE_MAX);
    struct acme_order_options options;
    char path[512];
    bool is_saved = false;
    int error;

    job->index = index;
    make_csr(job);
    options = (struct acme_order_options){
        .csr = buffer_bytes(&job->csr),
        .profile = run.profile,
        .replaces = run.replaces,
        .alternates = run.alternates,
        .poll_ms = 20,
        .deadline_s = 60,
    };
    if (run.state != NULL) {
        path_of("order", index, "json", path);
        is_saved = file_read(path, &json) == 0;
    }
    error = is_saved ? acme_order_load(run.client, &options, json.data, json.size, now(),
                                       &job->order)
                     : acme_order_new(run.client, &options, now(), &job->order);
    if (error != 0)
        die("no order: %s", error_text(error));
    if (loop_timer_new(run.loop, on_job_timer, job, &job->timer) != 0)
        die("loop_timer_new");
    buffer_free(&json);
}

static void load_key(const char *path)
{
    struct buffer pem = buffer_init_secret(LIMIT_FILE_BYTES);

    if (file_read(path, &pem) == 0) {
        if (key_from_pem(pem.data, pem.size, &run.key) != 0)
            die("%s is no key", path);
    } else if (key_generate(KEY_P256, &run.key) != 0 || key_to_pem(run.key, &pem) != 0 ||
               file_write_new(path, pem.data, pem.size, 0600) != 0) {
        die("can't make %s", path);
    }
    buffer_free(&pem);
}

/* KID:HASH:BASE64URL with HASH 256, 384 or 512. */
static struct eab_credentials parse_eab(char *text, uint8_t *key, size_t capacity)
{
    struct eab_credentials eab = {.kid = text};
    char *hash = strchr(text, ':');
    char *mac = hash != NULL ? strchr(hash + 1, ':') : NULL;
    size_t size = 0;

    if (mac == NULL)
        die("--eab KID:HASH:KEY");
    *hash++ = '\0';
    *mac++ = '\0';
    if (text_base64url_decode(mac, strlen(mac), key, capacity, &size) != 0)
        die("--eab: the key is no base64url");
    eab.mac_key = (struct bytes){key, size};
    eab.hash = strcmp(hash, "256") == 0   ? DIGEST_SHA256
               : strcmp(hash, "384") == 0 ? DIGEST_SHA384
                                          : DIGEST_SHA512;
    return eab;
}

/* What main needs beside `run`. */
static struct {
    struct http_client_options http;
    struct acme_client_options client;
    struct eab_credentials eab;
    uint8_t eab_key[EAB_MAC_KEY_MAX];
} set;

static void take_option(int option)
{
    uint64_t number = 0;

    if (strchr("Nxa", option) != NULL && text_u64(optarg, JOBS_MAX, &number) != 0)
        die("not a number: %s", optarg);
    switch (option) {
    case 'd':
        set.client.directory_url = optarg;
        break;
    case 'c':
        set.http.ca_file = optarg;
        break;
    case 'k':
        load_key(optarg);
        break;
    case 'n':
        run.name = optarg;
        break;
    case 'N':
        run.job_count = number;
        break;
    case 's':
        run.state = optarg;
        break;
    case 'x':
        run.stop_after = (int)number;
        break;
    case 'a':
        run.alternates = (unsigned)number;
        break;
    case 'p':
        run.profile = optarg;
        break;
    case 'r':
        run.replaces = optarg;
        break;
    case 'E':
        set.client.may_create_account = false;
        break;
    case 'R':
        run.is_revoking = true;
        break;
    case 'e':
        set.eab = parse_eab(optarg, set.eab_key, sizeof(set.eab_key));
        set.client.eab = &set.eab;
        break;
    default:
        die("unknown option");
    }
}

static void take_options(int argc, char **argv)
{
    static const struct option options[] = {
        {"directory", required_argument, NULL, 'd'},
        {"ca", required_argument, NULL, 'c'},
        {"key", required_argument, NULL, 'k'},
        {"name", required_argument, NULL, 'n'},
        {"count", required_argument, NULL, 'N'},
        {"state", required_argument, NULL, 's'},
        {"eab", required_argument, NULL, 'e'},
        {"stop-after", required_argument, NULL, 'x'},
        {"alternates", required_argument, NULL, 'a'},
        {"profile", required_argument, NULL, 'p'},
        {"replaces", required_argument, NULL, 'r'},
        {"existing", no_argument, NULL, 'E'},
        {"revoke", no_argument, NULL, 'R'},
        {NULL, 0, NULL, 0},
    };
    int option;

    set.http.user_agent = "latchkey-test";
    set.http.max_connections = 8;
    set.http.connect_ms = 5000;
    set.http.total_ms = 20000;
    set.client.may_create_account = true;
    run.job_count = 1;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
        take_option(option);
    if (set.client.directory_url == NULL || run.key == NULL || run.name == NULL)
        die("--directory, --key and --name are needed");
    set.client.signer.key = run.key;
}

static void free_all(void)
{
    for (size_t i = 0; i < run.job_count; i++) {
        acme_call_free(run.jobs[i].revocation);
        acme_order_free(run.jobs[i].order);
        buffer_free(&run.jobs[i].csr);
        loop_timer_free(run.jobs[i].timer);
    }
    loop_timer_free(run.client_timer);
    http_client_free(run.http);
    acme_client_free(run.client);
    resolver_free(run.resolver);
    loop_free(run.loop);
    key_free(run.key);
}

int main(int argc, char **argv)
{
    struct buffer account = buffer_init(LIMIT_URL_BYTES);
    char path[512];

    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    take_options(argc, argv);
    if (run.state != NULL) {
        path_of("account", 0, "url", path);
        if (file_read(path, &account) == 0)
            set.client.account_url = buffer_text(&account);
    }
    if (loop_new(&run.loop) != 0 || resolver_new(run.loop, NULL, 0, &run.resolver) != 0)
        die("no loop or resolver");
    set.http.resolver = run.resolver;
    if (http_client_new(run.loop, &set.http, &run.http) != 0 ||
        acme_client_new(&set.client, &run.client) != 0 ||
        loop_timer_new(run.loop, on_client_timer, NULL, &run.client_timer) != 0)
        die("no client");
    buffer_free(&account);
    for (size_t i = 0; i < run.job_count; i++)
        make_job(&run.jobs[i], i);
    for (size_t i = 0; i < run.job_count; i++)
        drive_job(&run.jobs[i]);
    if (run.over_count < run.job_count && loop_run(run.loop) != 0)
        die("the loop failed");
    free_all();
    return run.failed_count == 0 ? 0 : 1;
}
