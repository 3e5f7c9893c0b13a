/* Everything an operator can write is text, and ldns turns it into wire form and judges
 * it. The compiled records are kept in one block per name; an answer is then one copy.
 * Records are sorted into RRsets as they come. */
#include "dns/template.h"

#include "base/core/text.h"
#include "base/lanname.h"
#include "dns/table.h"

#include <ldns/ldns.h>
#include <stdlib.h>
#include <string.h>

enum {
    NODES_MAX = 256,
    RRSET_BYTES_MAX = 4096,
    GLUE_BYTES_MAX = 2048,
    SOA_REFRESH_S = 14400,
    SOA_RETRY_S = 3600,
    SOA_EXPIRE_S = 1209600,
};

/* A node that is still growing; NODE points into the buffers. */
struct entry {
    uint8_t name[DNS_NAME_MAX];
    struct dns_node node;
    struct buffer wires[DNS_RRSETS_MAX];
};

struct dns_template {
    char zone_text[256];
    uint8_t zone[DNS_NAME_MAX];
    size_t zone_size;
    unsigned zone_labels;
    struct entry *entries[NODES_MAX];
    size_t count;
    struct buffer soa;
    struct buffer soa_short;
    uint16_t soa_pointers[DNS_SOA_POINTERS_MAX];
    unsigned soa_pointer_count;
    struct buffer glue;
    unsigned glue_count;
};

/* Text to a lower-case wire name. */
static int wire_name(const char *text, uint8_t ret_name[static DNS_NAME_MAX],
                     size_t *ret_size)
{
    ldns_rdf *rdf = NULL;
    if (ldns_str2rdf_dname(&rdf, text) != LDNS_STATUS_OK) {
        return ERROR_SYNTAX;
    }
    ldns_dname2canonical(rdf);
    size_t size = ldns_rdf_size(rdf);
    int result = size > 1 && size <= DNS_NAME_MAX ? 0 : ERROR_RANGE;
    if (result == 0) {
        memcpy(ret_name, ldns_rdf_data(rdf), size);
        *ret_size = size;
    }
    ldns_rdf_deep_free(rdf);
    return result;
}

static struct entry *find_entry(const struct dns_template *template, const uint8_t *name,
                                size_t size)
{
    for (size_t i = 0; i < template->count; i++) {
        struct entry *entry = template->entries[i];
        if (entry->node.name_size == size && memcmp(entry->name, name, size) == 0) {
            return entry;
        }
    }
    return NULL;
}

static int add_entry(struct dns_template *template, const uint8_t *name, size_t size,
                     struct entry **ret_entry)
{
    struct entry *entry = find_entry(template, name, size);
    if (entry == NULL) {
        if (template->count == NODES_MAX) {
            return ERROR_LIMIT;
        }
        entry = calloc(1, sizeof(*entry));
        if (entry == NULL) {
            return ERROR_MEMORY;
        }
        memcpy(entry->name, name, size);
        entry->node.name = entry->name;
        entry->node.name_size = size;
        for (size_t i = 0; i < DNS_RRSETS_MAX; i++) {
            entry->wires[i] = buffer_init(RRSET_BYTES_MAX);
        }
        template->entries[template->count++] = entry;
    }
    *ret_entry = entry;
    return 0;
}

static bool is_below_zone(const struct dns_template *template, const uint8_t *name,
                          size_t size)
{
    for (size_t at = 0; at < size && size - at >= template->zone_size;
         at += name[at] + 1u) {
        if (size - at == template->zone_size &&
            memcmp(name + at, template->zone, size - at) == 0) {
            return true;
        }
    }
    return false;
}

/* The node of NAME and, between it and the zone, the empty non-terminals (RFC
 * 4592 2.2.2). */
static int add_node(struct dns_template *template, const uint8_t *name, size_t size,
                    struct entry **ret_entry)
{
    struct entry *entry = NULL;
    int result = ERROR_RANGE;
    if (!is_below_zone(template, name, size)) {
        return ERROR_RANGE;
    }
    for (size_t at = 0; size - at >= template->zone_size; at += name[at] + 1u) {
        result = add_entry(template, name + at, size - at, &entry);
        if (result != 0) {
            return result;
        }
        if (at == 0) {
            *ret_entry = entry;
        }
    }
    return result;
}

/* Where the zone's name starts in NAME; its end when it is not of the zone. */
static size_t find_zone(const struct dns_template *template, const ldns_rdf *name)
{
    ldns_rdf *lower = ldns_rdf_clone(name);
    size_t at = 0;
    if (lower == NULL) {
        return ldns_rdf_size(name);
    }
    ldns_dname2canonical(lower);
    const uint8_t *octets = ldns_rdf_data(lower);
    size_t size = ldns_rdf_size(lower);
    while (at < size && (size - at != template->zone_size ||
                         memcmp(octets + at, template->zone, size - at) != 0)) {
        at += octets[at] + 1u;
    }
    ldns_rdf_deep_free(lower);
    return at < size ? at : size;
}

/* A name of the zone ends in a pointer to the question, which is the zone's name where
 * this is used: half of an answer's octets would be that name. */
static void append_name(struct buffer *data, const struct dns_template *template,
                        const ldns_rdf *name)
{
    static const uint8_t pointer[2] = {0xc0, DNS_HEADER_SIZE};
    size_t at = find_zone(template, name);
    buffer_append(data, ldns_rdf_data(name), at);
    if (at < ldns_rdf_size(name)) {
        buffer_append(data, pointer, sizeof(pointer));
    }
}

/* Whether names in the RDATA of TYPE may be compressed (RFC 3597 4). */
static bool is_compressible(uint16_t type)
{
    return type == LDNS_RR_TYPE_NS || type == LDNS_RR_TYPE_SOA || type == LDNS_RR_TYPE_MX;
}

/* Appends the record from TYPE on: type, class, TTL, RDLENGTH, RDATA. ZONE: the template,
 * when the question is the zone's name; else NULL. */
static int append_tail(struct buffer *wire, const ldns_rr *rr, uint32_t ttl_s,
                       const struct dns_template *zone)
{
    uint8_t head[10];
    struct buffer data = buffer_init(RRSET_BYTES_MAX);
    for (size_t i = 0; i < ldns_rr_rd_count(rr); i++) {
        const ldns_rdf *rdf = ldns_rr_rdf(rr, i);
        if (zone != NULL && ldns_rdf_get_type(rdf) == LDNS_RDF_TYPE_DNAME &&
            is_compressible((uint16_t)ldns_rr_get_type(rr))) {
            append_name(&data, zone, rdf);
        } else {
            buffer_append(&data, ldns_rdf_data(rdf), ldns_rdf_size(rdf));
        }
    }
    uint16_t type = (uint16_t)ldns_rr_get_type(rr);
    head[0] = (uint8_t)(type >> 8);
    head[1] = (uint8_t)type;
    head[2] = 0;
    head[3] = DNS_CLASS_IN;
    for (unsigned i = 0; i < 4; i++) {
        head[4 + i] = (uint8_t)(ttl_s >> (24 - 8 * i));
    }
    head[8] = (uint8_t)(data.size >> 8);
    head[9] = (uint8_t)data.size;
    buffer_append(wire, head, sizeof(head));
    int result = data.error != 0 ? data.error : buffer_append(wire, data.data, data.size);
    buffer_free(&data);
    return result;
}

/* Appends RR to its RRset, which holds a record once (RFC 2181 5): ERROR_BUSY when it is
 * there. A name server that is listed as a host too would be there twice. */
static int append_record(struct buffer *wire, const ldns_rr *rr,
                         const struct dns_template *zone)
{
    static const uint8_t owner[2] = {0xc0, DNS_HEADER_SIZE};
    struct buffer record = buffer_init(RRSET_BYTES_MAX);
    buffer_append(&record, owner, sizeof(owner));
    int result = append_tail(&record, rr, ldns_rr_ttl(rr), zone);
    for (size_t at = 0; result == 0 && at < wire->size;) {
        size_t size = 12u + ((size_t)wire->data[at + 10] << 8 | wire->data[at + 11]);
        /* The TTL, in front of RDLENGTH, does not make it another record. */
        if (size == record.size &&
            memcmp(wire->data + at + 10, record.data + 10, size - 10) == 0) {
            result = ERROR_BUSY;
        }
        at += size;
    }
    if (result == 0) {
        result = buffer_append(wire, record.data, record.size);
    }
    buffer_free(&record);
    return result;
}

static int add_rr(struct dns_template *template, const ldns_rr *rr,
                  struct entry **ret_entry)
{
    struct entry *entry = NULL;
    ldns_rdf *name = ldns_rdf_clone(ldns_rr_owner(rr));
    uint16_t type = (uint16_t)ldns_rr_get_type(rr);
    size_t at = 0;
    if (name == NULL) {
        return ERROR_MEMORY;
    }
    ldns_dname2canonical(name);
    int result = add_node(template, ldns_rdf_data(name), ldns_rdf_size(name), &entry);
    ldns_rdf_deep_free(name);
    if (result != 0) {
        return result;
    }
    while (at < entry->node.rrset_count && entry->node.rrsets[at].type != type) {
        at++;
    }
    if (at == DNS_RRSETS_MAX) {
        return ERROR_LIMIT;
    }
    *ret_entry = entry;
    bool is_apex = entry->node.name_size == template->zone_size;
    result = append_record(&entry->wires[at], rr, is_apex ? template : NULL);
    if (result == ERROR_BUSY) {
        return 0;
    }
    if (result != 0) {
        return result;
    }
    entry->node.rrset_count += at == entry->node.rrset_count ? 1 : 0;
    struct dns_rrset *rrset = &entry->node.rrsets[at];
    *rrset = (struct dns_rrset){type, (uint16_t)(rrset->count + 1), entry->wires[at].data,
                                entry->wires[at].size};
    return 0;
}

/* One record in presentation format. */
static int add_text(struct dns_template *template, struct buffer *report,
                    const char *text, struct entry **ret_entry)
{
    ldns_rr *rr = NULL;
    ldns_status status = ldns_rr_new_frm_str(&rr, text, DNS_TTL_HOST_S, NULL, NULL);
    if (status != LDNS_STATUS_OK) {
        buffer_printf(report, "'%s': %s\n", text, ldns_get_errorstr_by_id(status));
        return ERROR_SYNTAX;
    }
    int result = add_rr(template, rr, ret_entry);
    if (result != 0) {
        buffer_printf(report, "'%s': %s\n", text, error_text(result));
    }
    ldns_rr_free(rr);
    return result;
}

static int add_address(struct dns_template *template, struct buffer *report,
                       const char *owner, const char *address, struct entry **ret_entry)
{
    char text[512];
    bool is_ipv6 = strchr(address, ':') != NULL;
    if (!text_format(text, sizeof(text), "%s %d IN %s %s", owner, DNS_TTL_HOST_S,
                     is_ipv6 ? "AAAA" : "A", address)) {
        return ERROR_LIMIT;
    }
    return add_text(template, report, text, ret_entry);
}

/* ADDITIONAL of NS at the apex. */
static int add_glue(struct dns_template *template, const char *owner, const char *address)
{
    ldns_rr *rr = NULL;
    char text[512];
    bool is_ipv6 = strchr(address, ':') != NULL;
    if (!text_format(text, sizeof(text), "%s %d IN %s %s", owner, DNS_TTL_HOST_S,
                     is_ipv6 ? "AAAA" : "A", address) ||
        ldns_rr_new_frm_str(&rr, text, DNS_TTL_HOST_S, NULL, NULL) != LDNS_STATUS_OK) {
        return ERROR_SYNTAX;
    }
    ldns_dname2canonical(ldns_rr_owner(rr));
    append_name(&template->glue, template, ldns_rr_owner(rr));
    int result = append_tail(&template->glue, rr, DNS_TTL_HOST_S, NULL);
    template->glue_count++;
    ldns_rr_free(rr);
    return result;
}

static int add_name_server(struct dns_template *template, struct buffer *report,
                           const struct dns_template_host *server)
{
    char text[600];
    char owner[300];
    struct entry *entry = NULL;
    if (!text_format(owner, sizeof(owner), "%s.", server->name) ||
        !text_format(text, sizeof(text), "%s. %d IN NS %s", template->zone_text,
                     DNS_TTL_NS_S, owner)) {
        return ERROR_LIMIT;
    }
    int result = add_text(template, report, text, &entry);
    for (size_t i = 0; result == 0 && i < server->address_count; i++) {
        result = add_address(template, report, owner, server->addresses[i], &entry);
        if (result == 0) {
            entry->node.is_host = true;
            result = add_glue(template, owner, server->addresses[i]);
        }
    }
    return result;
}

/* Whether a name relative to the zone is, or is below, a device's. */
static bool is_device_name(const char *name)
{
    const char *last = strrchr(name, '.');
    last = last != NULL ? last + 1 : name;
    return lanname_is_id((const uint8_t *)last, strlen(last));
}

/* A host may not look like an id: the name would belong to whoever holds that key. */
static int add_host(struct dns_template *template, struct buffer *report,
                    const struct dns_template_host *host)
{
    char owner[600];
    struct entry *entry = NULL;
    int result = 0;
    if (is_device_name(host->name)) {
        buffer_printf(report, "host '%s': must not look like a device id\n", host->name);
        return ERROR_RANGE;
    }
    if (!text_format(owner, sizeof(owner), "%s.%s.", host->name, template->zone_text)) {
        return ERROR_LIMIT;
    }
    for (size_t i = 0; result == 0 && i < host->address_count; i++) {
        result = add_address(template, report, owner, host->addresses[i], &entry);
        if (result == 0) {
            entry->node.is_host = true;
        }
    }
    return result;
}

/* The SOA of a negative answer stands behind longer questions too: where its pointers to
 * the zone are. */
static void find_soa_pointers(struct dns_template *template, const ldns_rr *rr)
{
    size_t at = 10;                                     /* type, class, TTL, RDLENGTH */
    for (size_t i = 0; i < DNS_SOA_POINTERS_MAX; i++) { /* MNAME, RNAME */
        const ldns_rdf *name = ldns_rr_rdf(rr, i);
        size_t labels = find_zone(template, name);
        at += labels;
        if (labels < ldns_rdf_size(name)) {
            template->soa_pointers[template->soa_pointer_count++] = (uint16_t)at;
            at += 2;
        }
    }
}

/* RNAME of a mail address: dots before the @ are escaped (RFC 1035 8). */
static int add_soa(struct dns_template *template, struct buffer *report,
                   const struct dns_template_options *options)
{
    struct buffer text = buffer_init(1024);
    ldns_rr *rr = NULL;
    struct entry *entry = NULL;
    const char *at = strchr(options->contact, '@');
    size_t local = at != NULL ? (size_t)(at - options->contact) : 0;
    buffer_printf(&text, "%s. %d IN SOA %s. ", template->zone_text, DNS_TTL_SOA_S,
                  options->name_servers[0].name);
    for (size_t i = 0; i < local; i++) {
        buffer_printf(&text, options->contact[i] == '.' ? "\\%c" : "%c",
                      options->contact[i]);
    }
    int result = buffer_printf(&text, ".%s. %u %d %d %d %d", at != NULL ? at + 1 : "",
                               options->serial, SOA_REFRESH_S, SOA_RETRY_S, SOA_EXPIRE_S,
                               DNS_TTL_NEGATIVE_S);
    if (result == 0 &&
        (local == 0 || ldns_rr_new_frm_str(&rr, buffer_text(&text), DNS_TTL_SOA_S, NULL,
                                           NULL) != LDNS_STATUS_OK)) {
        buffer_printf(report, "contact = '%s': must be a mail address\n",
                      options->contact);
        result = ERROR_SYNTAX;
    }
    if (result == 0) {
        result = add_rr(template, rr, &entry);
    }
    if (result == 0) {
        result = append_tail(&template->soa, rr, DNS_TTL_NEGATIVE_S, template);
    }
    if (result == 0) {
        result =
            append_tail(&template->soa_short, rr, DNS_TTL_NEGATIVE_SHORT_S, template);
    }
    if (result == 0) {
        find_soa_pointers(template, rr);
    }
    ldns_rr_free(rr);
    buffer_free(&text);
    return result;
}

/* What the operator may not say: the types that are ours, and names of devices. */
static const char *refuse_record(const struct dns_template *template, const ldns_rr *rr)
{
    const ldns_rdf *owner = ldns_rr_owner(rr);
    const uint8_t *name = ldns_rdf_data(owner);
    size_t size = ldns_rdf_size(owner);
    ldns_rr_type type = ldns_rr_get_type(rr);
    if (type == LDNS_RR_TYPE_SOA || type == LDNS_RR_TYPE_NS || type == LDNS_RR_TYPE_CAA ||
        type == LDNS_RR_TYPE_CNAME || type == LDNS_RR_TYPE_DNAME) {
        return "SOA, NS, CAA, CNAME and DNAME can't be given here";
    }
    if (ldns_rr_get_class(rr) != LDNS_RR_CLASS_IN) {
        return "the class must be IN";
    }
    if (name[0] == 1 && name[1] == '*') {
        return "wildcards are not expanded: give each name";
    }
    for (size_t at = 0; at < size && size - at > template->zone_size;
         at += name[at] + 1u) {
        if (size - at == template->zone_size + name[at] + 1u &&
            lanname_is_id(name + at + 1, name[at])) {
            return "a name at or below a device id belongs to the device";
        }
    }
    return NULL;
}

static int add_records(struct dns_template *template, struct buffer *report,
                       const struct dns_template_options *options)
{
    ldns_rdf *origin = ldns_dname_new_frm_str(template->zone_text);
    ldns_rdf *previous = NULL;
    uint32_t ttl_s = DNS_TTL_HOST_S;
    int line = 0;
    int result = 0;
    FILE *file =
        fmemopen((void *)(uintptr_t)options->records, strlen(options->records), "r");
    if (origin == NULL || file == NULL) {
        result = ERROR_MEMORY;
    }
    while (result == 0 && !feof(file)) {
        ldns_rr *rr = NULL;
        struct entry *entry = NULL;
        ldns_status status =
            ldns_rr_new_frm_fp_l(&rr, file, &ttl_s, &origin, &previous, &line);
        const char *fault = NULL;
        if (status == LDNS_STATUS_SYNTAX_EMPTY || status == LDNS_STATUS_SYNTAX_TTL ||
            status == LDNS_STATUS_SYNTAX_ORIGIN) {
            continue;
        }
        if (status != LDNS_STATUS_OK) {
            fault = ldns_get_errorstr_by_id(status);
        } else {
            fault = refuse_record(template, rr);
            if (fault == NULL && add_rr(template, rr, &entry) != 0) {
                fault = "the name is not in the zone, or there are too many records";
            }
        }
        if (fault != NULL) {
            buffer_printf(report, "%s:%d: %s\n", options->records_name, line, fault);
            result = ERROR_SYNTAX;
        }
        ldns_rr_free(rr);
    }
    if (file != NULL) {
        fclose(file);
    }
    ldns_rdf_deep_free(origin);
    ldns_rdf_deep_free(previous);
    return result;
}

static bool has_rrset(const struct dns_template *template, const char *owner, uint16_t type)
{
    uint8_t name[DNS_NAME_MAX];
    size_t size = 0;
    const struct entry *entry =
        wire_name(owner, name, &size) == 0 ? find_entry(template, name, size) : NULL;
    for (size_t i = 0; entry != NULL && i < entry->node.rrset_count; i++) {
        if (entry->node.rrsets[i].type == type) {
            return true;
        }
    }
    return false;
}

/* What a zone that sends no mail should say, where the operator said nothing: no mail comes in
 * (RFC 7505), none goes out (RFC 7208), and who takes some should refuse it, of the devices'
 * names too (RFC 7489). */
static int add_mail_defaults(struct dns_template *template, struct buffer *report)
{
    static const struct {
        const char *label;
        uint16_t type;
        const char *record;
    } defaults[] = {
        {"", LDNS_RR_TYPE_MX, "MX 0 ."},
        {"", LDNS_RR_TYPE_TXT, "TXT \"v=spf1 -all\""},
        {"_dmarc.", LDNS_RR_TYPE_TXT, "TXT \"v=DMARC1; p=reject; sp=reject; adkim=s; aspf=s\""},
    };
    char owner[300];
    char text[512];
    struct entry *entry = NULL;
    int result = 0;
    for (size_t i = 0; result == 0 && i < sizeof(defaults) / sizeof(defaults[0]); i++) {
        if (!text_format(owner, sizeof(owner), "%s%s.", defaults[i].label, template->zone_text) ||
            !text_format(text, sizeof(text), "%s 3600 IN %s", owner, defaults[i].record)) {
            return ERROR_LIMIT;
        }
        if (!has_rrset(template, owner, defaults[i].type)) {
            result = add_text(template, report, text, &entry);
        }
    }
    return result;
}

static int compile(struct dns_template *template,
                   const struct dns_template_options *options, struct buffer *report)
{
    struct entry *entry = NULL;
    char owner[300];
    if (options->name_server_count == 0) {
        buffer_printf(report, "name_servers: at least one is needed\n");
        return ERROR_RANGE;
    }
    if (options->zone[0] == '\0' ||
        !text_copy(template->zone_text, sizeof(template->zone_text), options->zone) ||
        !text_format(owner, sizeof(owner), "%s.", options->zone) ||
        wire_name(options->zone, template->zone, &template->zone_size) != 0) {
        buffer_printf(report, "zone = '%s': must be a domain name\n", options->zone);
        return ERROR_SYNTAX;
    }
    for (size_t at = 0; template->zone[at] != 0; at += template->zone[at] + 1u) {
        template->zone_labels++;
    }
    int result = add_soa(template, report, options);
    for (size_t i = 0; result == 0 && i < options->name_server_count; i++) {
        result = add_name_server(template, report, &options->name_servers[i]);
    }
    for (size_t i = 0; result == 0 && i < options->host_count; i++) {
        result = add_host(template, report, &options->hosts[i]);
    }
    for (size_t i = 0; result == 0 && i < options->apex_address_count; i++) {
        result = add_address(template, report, owner, options->apex_addresses[i], &entry);
    }
    if (result == 0 && options->records != NULL && options->records[0] != '\0') {
        result = add_records(template, report, options);
    }
    return result == 0 ? add_mail_defaults(template, report) : result;
}

int dns_template_new(const struct dns_template_options *options, struct buffer *report,
                     struct dns_template **ret_template)
{
    struct dns_template *template = calloc(1, sizeof(*template));
    if (template == NULL) {
        return ERROR_MEMORY;
    }
    template->soa = buffer_init(RRSET_BYTES_MAX);
    template->soa_short = buffer_init(RRSET_BYTES_MAX);
    template->glue = buffer_init(GLUE_BYTES_MAX);
    int result = compile(template, options, report);
    if (result != 0) {
        dns_template_free(template);
        return result;
    }
    *ret_template = template;
    return 0;
}

void dns_template_free(struct dns_template *template)
{
    if (template == NULL) {
        return;
    }
    for (size_t i = 0; i < template->count; i++) {
        for (size_t k = 0; k < DNS_RRSETS_MAX; k++) {
            buffer_free(&template->entries[i]->wires[k]);
        }
        free(template->entries[i]);
    }
    buffer_free(&template->soa);
    buffer_free(&template->soa_short);
    buffer_free(&template->glue);
    free(template);
}

struct bytes dns_template_zone(const struct dns_template *template)
{
    return (struct bytes){template->zone, template->zone_size};
}

unsigned dns_template_zone_labels(const struct dns_template *template)
{
    return template->zone_labels;
}

const struct dns_node *dns_template_apex(const struct dns_template *template)
{
    return &template->entries[0]->node; /* the SOA made it first */
}

const struct dns_node *dns_template_find(const struct dns_template *template,
                                         const uint8_t *name, size_t name_size)
{
    const struct entry *entry = find_entry(template, name, name_size);
    return entry != NULL ? &entry->node : NULL;
}

struct dns_soa dns_template_soa(const struct dns_template *template, bool short_ttl)
{
    return (struct dns_soa){
        .wire = buffer_bytes(short_ttl ? &template->soa_short : &template->soa),
        .pointers = template->soa_pointers,
        .pointer_count = template->soa_pointer_count,
    };
}

struct bytes dns_template_glue(const struct dns_template *template, unsigned *ret_count)
{
    *ret_count = template->glue_count;
    return buffer_bytes(&template->glue);
}
