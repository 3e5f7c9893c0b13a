/* Both kinds of output are made from one JSON object, so that neither can say what the other does
 * not: for people its members are printed, a line each. */
#include "relay/admin/admin_show.h"

#include "base/core/clock.h"
#include "base/core/limits.h"
#include "relay/admin/admin_device.h"
#include "relay/admin/admin_output.h"
#include "relay/store/admin_store.h"
#include "relay/store/front_store.h"
#include "relay/store/issuer_store.h"

#include <stdio.h>
#include <string.h>

enum { HISTORY = 20, FOUND_MAX = 100, SEARCH_MIN = 2 };

/* ---- what is known ---- */

struct show {
    struct admin_stores stores;
    json_t *object;
    json_t *array; /* being filled */
    bool has_current;
};

static int take_contact(const struct front_store_account *account, void *arg)
{
    json_t *contact = NULL;

    if (json_parse(account->contact, strlen(account->contact), LIMIT_JSON_BYTES,
                   &contact) != 0) {
        return 0;
    }
    return json_set_take(arg, "contact", contact);
}

static int take_addresses(const struct front_store_addresses *addresses, void *arg)
{
    int error =
        admin_output_words(arg, "addresses", addresses->gone ? "" : addresses->addresses);

    return error != 0 || addresses->gone
               ? error
               : admin_output_time(arg, "publishedAt", addresses->published_at);
}

static int take_block(const struct admin_store_block *block, void *arg)
{
    int error = json_set_text(arg, "blockReason", block->reason);

    return error != 0 ? error : admin_output_time(arg, "blockedAt", block->blocked_at);
}

static int append(struct show *show, json_t *item, int error)
{
    if (error == 0 && json_array_append(show->array, item) != 0) {
        error = ERROR_MEMORY;
    }
    json_decref(item);
    return error;
}

static const char *certificate_state(struct show *show,
                                     const struct issuer_store_certificate *certificate)
{
    if (certificate->revoked_at != 0) {
        return "revoked";
    }
    if (certificate->not_after_at <= show->stores.now_at) {
        return "ended";
    }
    if (certificate->replaced || show->has_current) {
        return "replaced";
    }
    show->has_current = true;
    return "current";
}

static int take_certificate(const struct issuer_store_certificate *certificate, void *arg)
{
    struct show *show = arg;
    json_t *item = json_object();
    int error = item == NULL
                    ? ERROR_MEMORY
                    : json_set_text(item, "state", certificate_state(show, certificate));

    if (error == 0) {
        error = json_set_text(item, "serial", certificate->serial);
    }
    if (error == 0) {
        error = json_set_text(item, "certId", certificate->cert_id);
    }
    if (error == 0) {
        error = admin_output_words(item, "names", certificate->names);
    }
    if (error == 0) {
        error = json_set_text(item, "ca", certificate->ca);
    }
    if (error == 0) {
        error = json_set_text(item, "keyHash", certificate->spki_hash);
    }
    if (error == 0) {
        error = admin_output_time(item, "notBefore", certificate->not_before_at);
    }
    if (error == 0) {
        error = admin_output_time(item, "notAfter", certificate->not_after_at);
    }
    if (error == 0) {
        error = admin_output_time(item, "revokedAt", certificate->revoked_at);
    }
    if (error == 0 && certificate->revoked_at != 0) {
        error = json_set_i64(item, "revocationReason", certificate->revoke_reason);
    }
    return append(show, item, error);
}

static int set_problem(json_t *item, const char *text)
{
    json_t *problem = NULL;
    const char *detail = NULL;
    int error = 0;

    if (text[0] == '\0' ||
        json_parse(text, strlen(text), LIMIT_JSON_BYTES, &problem) != 0) {
        return 0;
    }
    detail = json_get_text(problem, "detail");
    error = json_set_text(item, "problem", detail != NULL ? detail : "");
    json_decref(problem);
    return error;
}

static int take_order(const struct issuer_store_order *order, void *arg)
{
    struct show *show = arg;
    json_t *item = json_object();
    int error = item == NULL
                    ? ERROR_MEMORY
                    : json_set_text(item, "state", issuer_store_state_text(order->state));

    if (error == 0) {
        error = json_set_text(item, "number", order->number);
    }
    if (error == 0) {
        error = admin_output_time(item, "createdAt", order->created_at);
    }
    if (error == 0) {
        error = admin_output_words(item, "names", order->names);
    }
    if (error == 0) {
        error = set_problem(item, order->problem);
    }
    if (error == 0) {
        error = admin_output_time(item, "retryAt", order->retry_at);
    }
    return append(show, item, error);
}

static int take_wish(const struct admin_store_wish *wish, void *arg)
{
    struct show *show = arg;
    json_t *item = json_object();
    int error = item == NULL ? ERROR_MEMORY : json_set_text(item, "wish", wish->kind);

    if (error == 0 && wish->detail[0] != '\0') {
        error = json_set_text(item, "detail", wish->detail);
    }
    if (error == 0) {
        error = admin_output_time(item, "at", wish->at);
    }
    return append(show, item, error);
}

/* An empty array for the callbacks, member KEY of the object. */
static int begin_array(struct show *show, const char *key)
{
    show->array = json_array();
    return json_set_take(show->object, key, show->array);
}

static int nothing_is_fine(int error)
{
    return error == ERROR_NOT_FOUND ? 0 : error;
}

static int know_issuer(struct show *show, const char *id)
{
    struct admin_stores *stores = &show->stores;
    int error = begin_array(show, "certificates");

    if (error == 0) {
        error = issuer_store_certificates_of(stores->issuer, stores->zone, id, HISTORY,
                                             take_certificate, show);
    }
    if (error == 0) {
        error = begin_array(show, "orders");
    }
    if (error == 0) {
        error = issuer_store_orders_of(stores->issuer, stores->zone, id, HISTORY,
                                       take_order, show);
    }
    return error;
}

static int know_admin(struct show *show, const char *id)
{
    struct admin_stores *stores = &show->stores;
    int error = nothing_is_fine(
        admin_store_get_block(stores->admin, stores->zone, id, take_block, show->object));

    if (error == 0) {
        error = begin_array(show, "wishes");
    }
    return error != 0
               ? error
               : admin_store_wishes_of(stores->admin, stores->zone, id, take_wish, show);
}

/* All that the store knows of DEVICE, into show->object. */
static int know(struct show *show, const struct admin_device *device)
{
    struct admin_stores *stores = &show->stores;
    int error = 0;

    show->object = admin_device_json(stores, device);
    if (show->object == NULL) {
        return ERROR_MEMORY;
    }
    if (stores->front != NULL) {
        error = nothing_is_fine(front_store_get_account(
            stores->front, stores->zone, device->id, take_contact, show->object));
        if (error == 0) {
            error = nothing_is_fine(front_store_get_addresses(
                stores->front, stores->zone, device->id, take_addresses, show->object));
        }
    }
    if (error == 0 && stores->admin != NULL) {
        error = know_admin(show, device->id);
    }
    if (error == 0 && stores->issuer != NULL) {
        error = know_issuer(show, device->id);
    }
    return error;
}

/* ---- for people ---- */

static void print_words(const char *label, const json_t *words)
{
    printf("%-9s", label);
    for (size_t i = 0; i < json_array_size(words); i++) {
        const char *word = json_string_value(json_array_get(words, i));

        printf(" %s", word != NULL ? word : "?");
    }
    printf("%s", json_array_size(words) == 0 ? " none" : "");
}

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_get_text(object, key);

    return text != NULL ? text : "";
}

static void print_certificate(const struct show *show, const json_t *item)
{
    char span[ADMIN_OUTPUT_SPAN_CAPACITY];
    const char *state = text_of(item, "state");
    int64_t not_after_at = 0;

    printf("cert      %-8s  until %s", state, text_of(item, "notAfter"));
    if (text_time_parse(text_of(item, "notAfter"), &not_after_at) == 0 &&
        not_after_at > show->stores.now_at && strcmp(state, "revoked") != 0) {
        admin_output_span(not_after_at - show->stores.now_at, span);
        printf(" (%s left)", span);
    }
    if (strcmp(state, "revoked") == 0) {
        printf("  revoked %s, reason %lld", text_of(item, "revokedAt"),
               (long long)json_get_i64(item, "revocationReason", 0));
    }
    printf("\n            serial %s\n            certID %s\n", text_of(item, "serial"),
           text_of(item, "certId"));
}

static void print_order(const json_t *item)
{
    char problem[LIMIT_DETAIL_BYTES];
    const char *text = text_of(item, "problem");

    text_printable(problem, sizeof(problem), text, strlen(text));
    printf("order     %-10s  %s  %s\n", text_of(item, "state"),
           text_of(item, "createdAt"), text_of(item, "number"));
    if (problem[0] != '\0') {
        printf("            %s\n", problem);
    }
    if (text_of(item, "retryAt")[0] != '\0') {
        printf("            may ask again at %s\n", text_of(item, "retryAt"));
    }
}

static void print_list(const struct show *show, const char *key)
{
    const json_t *array = json_get_array(show->object, key);

    for (size_t i = 0; i < json_array_size(array); i++) {
        const json_t *item = json_array_get(array, i);

        if (strcmp(key, "certificates") == 0) {
            print_certificate(show, item);
        } else if (strcmp(key, "orders") == 0) {
            print_order(item);
        } else {
            printf("wish      %s  %s %s\n", text_of(item, "at"), text_of(item, "wish"),
                   text_of(item, "detail"));
        }
    }
}

static void print_state(const struct show *show, const struct admin_device *device)
{
    const json_t *object = show->object;
    char reason[ADMIN_REASON_MAX + 1];
    const char *text = text_of(object, "blockReason");

    text_printable(reason, sizeof(reason), text, strlen(text));
    printf("id        %s\n", device->id);
    printf("status    %s\n", device->has_account
                                 ? device->deactivated ? "deactivated" : "valid"
                                 : "no account");
    printf("since     %s\n", device->has_account ? text_of(object, "createdAt") : "-");
    printf("token     %s\n", device->token[0] != '\0' ? device->token
                             : device->has_account    ? "none (open enrolment)"
                                                      : "-");
    print_words("contact", json_get_array(object, "contact"));
    putchar('\n');
    if (device->blocked) {
        printf("blocked   yes, since %s%s%s\n", text_of(object, "blockedAt"),
               reason[0] != '\0' ? ": " : "", reason);
    } else {
        printf("blocked   no\n");
    }
    if (device->cloned) {
        printf("cloned    yes: two devices have this key; factory-reset one, then run "
               "'latchkey-relay settle %s'\n",
               device->id);
    } else {
        printf("cloned    no\n");
    }
}

static void print_show(const struct show *show, const struct admin_device *device)
{
    char span[ADMIN_OUTPUT_SPAN_CAPACITY];

    print_state(show, device);
    print_words("addresses", json_get_array(show->object, "addresses"));
    printf("%s%s%s\n",
           text_of(show->object, "publishedAt")[0] != '\0' ? " (published " : "",
           text_of(show->object, "publishedAt"),
           text_of(show->object, "publishedAt")[0] != '\0' ? ")" : "");
    if (device->waiting_since_at != 0) {
        admin_output_span(show->stores.now_at - device->waiting_since_at, span);
        printf("waits     since %s for %s; its turn: %s\n", span, device->waits_for,
               text_of(show->object, "turnAt"));
    }
    print_list(show, "wishes");
    print_list(show, "certificates");
    print_list(show, "orders");
}

/* ---- the commands ---- */

static int show_device(struct show *show, const char *id, bool json)
{
    struct admin_device device;
    int error = admin_device_load(&show->stores, id, &device);

    if (error == 0) {
        error = know(show, &device);
    }
    if (error != 0) {
        return admin_stores_fail("can't read the store", error, NULL);
    }
    if (!device.has_account && !device.blocked &&
        json_array_size(json_get_array(show->object, "certificates")) == 0 &&
        json_array_size(json_get_array(show->object, "wishes")) == 0) {
        fprintf(
            stderr,
            "latchkey-relay: no device '%s' has enrolled here (latchkey-relay list)\n",
            id);
        return ADMIN_NOT_FOUND;
    }
    if (!json) {
        print_show(show, &device);
        return ADMIN_DONE;
    }
    error = admin_output_line(json_incref(show->object));
    return error == 0 ? ADMIN_DONE : admin_stores_fail("can't print", error, NULL);
}

/* The one argument of ARGV beside --json, or NULL. By hand, as a certID may begin with a hyphen. */
static const char *parse_argument(int argc, char **argv, bool *ret_json)
{
    const char *text = NULL;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0) {
            *ret_json = true;
        } else if (text != NULL || (argv[i][0] == '-' && strchr(argv[i], '.') == NULL)) {
            return NULL;
        } else {
            text = argv[i];
        }
    }
    return text;
}

int admin_show_run(const struct relay_config *config, int argc, char **argv)
{
    struct show show = {.object = NULL};
    char id[LANNAME_ID_SIZE + 1];
    bool json = false;
    const char *text = parse_argument(argc, argv, &json);
    int status = ADMIN_FAILED;

    if (text == NULL) {
        return admin_stores_usage(
            "show takes a device id, or its first characters, and --json");
    }
    if (admin_stores_open(config, &show.stores) == 0) {
        status = admin_stores_find(&show.stores, text, id);
        if (status == ADMIN_DONE) {
            status = show_device(&show, id, json);
        }
    }
    json_decref(show.object);
    admin_stores_close(&show.stores);
    return status;
}

/* ---- search ---- */

struct search {
    struct admin_stores stores;
    const char *text;
    bool json;
    char ids[FOUND_MAX][LANNAME_ID_SIZE + 1];
    const char *why[FOUND_MAX]; /* what fits */
    size_t count;
    const char *looking_at;
};

static int found(const char *id, void *arg)
{
    struct search *search = arg;

    for (size_t i = 0; i < search->count; i++) {
        if (strcmp(search->ids[i], id) == 0) {
            return 0;
        }
    }
    if (search->count == FOUND_MAX) {
        return 0;
    }
    /* The relay's own certificates have a host in the id's place. */
    if (text_copy(search->ids[search->count], LANNAME_ID_SIZE + 1, id)) {
        search->why[search->count++] = search->looking_at;
    }
    return 0;
}

static int found_life(const struct issuer_store_life *life, void *arg)
{
    return found(life->id, arg);
}

static int found_certificate(const struct issuer_store_certificate *certificate,
                             void *arg)
{
    return found(certificate->id, arg);
}

static int found_token(const struct admin_store_token *token, void *arg)
{
    struct search *search = arg;
    const struct admin_stores *stores = &search->stores;

    if (strcmp(token->kid, search->text) != 0 &&
        strstr(token->label, search->text) == NULL) {
        return 0;
    }
    return front_store_ids_of_token(stores->front, stores->zone, token->kid, "",
                                    FOUND_MAX, found, search);
}

static int search_front(struct search *search)
{
    const struct admin_stores *stores = &search->stores;
    int error = 0;

    search->looking_at = "id";
    error = front_store_ids(stores->front, stores->zone, search->text, "", FOUND_MAX,
                            found, search);
    search->looking_at = "address";
    if (error == 0) {
        error = front_store_ids_of_address(stores->front, stores->zone, search->text,
                                           FOUND_MAX, found, search);
    }
    search->looking_at = "contact";
    if (error == 0) {
        error = front_store_ids_of_contact(stores->front, stores->zone, search->text,
                                           FOUND_MAX, found, search);
    }
    search->looking_at = "token";
    if (error == 0 && stores->admin != NULL) {
        error = admin_store_tokens(stores->admin, stores->zone, found_token, search);
    }
    return error;
}

static int search_zone(struct search *search)
{
    const struct admin_stores *stores = &search->stores;
    int error = stores->front == NULL ? 0 : search_front(search);

    if (error != 0 || stores->issuer == NULL) {
        return error;
    }
    search->looking_at = "serial";
    error = issuer_store_lives_of_serial(stores->issuer, stores->zone, search->text,
                                         FOUND_MAX, found_life, search);
    search->looking_at = "certID";
    return error != 0
               ? error
               : nothing_is_fine(issuer_store_certificate(stores->issuer, stores->zone,
                                                          search->text, found_certificate,
                                                          search));
}

static int print_found(const struct search *search)
{
    int error = 0;

    for (size_t i = 0; error == 0 && i < search->count; i++) {
        struct admin_device device;
        char life[40];
        json_t *object = NULL;

        error = admin_device_load(&search->stores, search->ids[i], &device);
        if (error == 0 && search->json) {
            object = admin_device_json(&search->stores, &device);
            error = object == NULL ? ERROR_MEMORY
                                   : json_set_text(object, "found", search->why[i]);
            if (error == 0) {
                error = admin_output_line(json_incref(object));
            }
            json_decref(object);
        } else if (error == 0) {
            admin_device_life(&search->stores, &device, life);
            printf("%-32s  %-11s  %-18s  %s\n", device.id, admin_device_status(&device),
                   life, search->why[i]);
        }
    }
    return error;
}

int admin_show_search(const struct relay_config *config, bool all_zones, int argc,
                      char **argv)
{
    struct search search = {.json = false};
    size_t total = 0;
    int status = ADMIN_DONE;

    search.text = parse_argument(argc, argv, &search.json);
    if (search.text == NULL || strlen(search.text) < SEARCH_MIN) {
        return admin_stores_usage("search takes a text of two characters or more, and "
                                  "--json: of an id or a serial the "
                                  "first characters, a certID, an address, a token's kid "
                                  "or label, part of a contact");
    }
    do {
        int error = admin_stores_open(config, &search.stores);

        search.count = 0;
        if (error == 0) {
            error = search_zone(&search);
        }
        if (error == 0) {
            error = print_found(&search);
        }
        status = error == 0 ? ADMIN_DONE : admin_stores_fail("can't search", error, NULL);
        admin_stores_close(&search.stores);
        total += search.count;
        config = config->next;
    } while (status == ADMIN_DONE && all_zones && config != NULL);
    if (status == ADMIN_DONE && total == 0) {
        fprintf(stderr, "latchkey-relay: nothing fits '%s'\n", search.text);
        return ADMIN_NOT_FOUND;
    }
    return status;
}
