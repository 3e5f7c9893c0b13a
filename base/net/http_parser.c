/* HTTP/1.1 requests, held to RFC 9112 without the leniencies that it permits.
 *
 * What a lenient parser and a proxy in front of it may read differently is refused
 * (request smuggling, RFC 9112 11.2): bare LF and bare CR, NUL, folded lines, blanks
 * before the colon, Content-Length beside Transfer-Encoding or given twice, any coding
 * but "chunked", signs and lists in lengths.
 *
 *   HEAD --> BODY ----------------------------> DONE      (Content-Length; none or 0:
 * DONE at once) |        chunked:
 *     +-----> CHUNK_SIZE -> CHUNK_DATA -> CHUNK_END -> CHUNK_SIZE ...
 *                 | size 0
 *                 +-------> TRAILER ----------> DONE
 *   any state --> BAD
 *
 * The head is collected whole, then cut into NUL-terminated pieces in place; `fields`
 * points into it. So a byte is looked at a fixed number of times, however it is split
 * over packets. */
#include "base/net/http_parser.h"

#include "base/core/limits.h"
#include "base/core/text.h"

#include <stdlib.h>
#include <string.h>

enum state {
    STATE_HEAD,
    STATE_BODY,
    STATE_CHUNK_SIZE,
    STATE_CHUNK_DATA,
    STATE_CHUNK_END,
    STATE_TRAILER,
    STATE_DONE,
    STATE_BAD,
};

struct field {
    const char *name;
    const char *value;
};

struct http_parser {
    enum state state;
    size_t max_header_bytes;
    size_t max_body_bytes;

    struct buffer head;
    size_t line_at;     /* where in HEAD the unfinished line begins */
    bool skipped_empty; /* the one empty line before a request that RFC 9112 2.2 grants */
    const char *method;
    const char *path;
    const char *query;
    bool is_version_1_1;
    struct field fields[LIMIT_HTTP_FIELDS];
    size_t field_count;

    struct buffer body;
    uint64_t left_bytes;  /* of the body or of this chunk */
    struct buffer line;   /* a line of the chunked framing */
    size_t framing_bytes; /* chunk sizes, extensions and trailers so far */
    bool wants_continue;

    int status;
    const char *reason;
};

int http_parser_new(size_t max_header_bytes, size_t max_body_bytes,
                    struct http_parser **ret_parser)
{
    struct http_parser *parser = calloc(1, sizeof(*parser));
    if (parser == NULL) {
        return ERROR_MEMORY;
    }
    parser->max_header_bytes = max_header_bytes;
    parser->max_body_bytes = max_body_bytes;
    parser->head = buffer_init(max_header_bytes);
    parser->body = buffer_init(max_body_bytes);
    parser->line = buffer_init(max_header_bytes);
    *ret_parser = parser;
    return ERROR_NONE;
}

void http_parser_free(struct http_parser *parser)
{
    if (parser == NULL) {
        return;
    }
    buffer_free(&parser->head);
    buffer_free(&parser->body);
    buffer_free(&parser->line);
    free(parser);
}

size_t http_parser_held_bytes(const struct http_parser *parser)
{
    return sizeof(*parser) + parser->head.capacity + parser->body.capacity +
           parser->line.capacity;
}

static void set_state(struct http_parser *parser, enum state state)
{
    parser->state = state;
}

/* Always ERROR_SYNTAX, so that a check can say `return refuse(...)`. */
static int refuse(struct http_parser *parser, int status, const char *reason)
{
    parser->status = status;
    parser->reason = reason;
    set_state(parser, STATE_BAD);
    return ERROR_SYNTAX;
}

static bool is_alnum(unsigned char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* tchar of RFC 9110 5.6.2. */
static bool is_token_char(unsigned char c)
{
    return is_alnum(c) || (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static bool is_blank(unsigned char c)
{
    return c == ' ' || c == '\t';
}

/* field-vchar, SP and HTAB of RFC 9110 5.5; no other control character, so no CR and no
 * NUL. */
static bool is_value_char(unsigned char c)
{
    return c == '\t' || (c >= 0x20 && c != 0x7f);
}

static bool is_text_of(const char *text, size_t size, bool (*is_allowed)(unsigned char))
{
    for (size_t i = 0; i < size; i++) {
        if (!is_allowed((unsigned char)text[i])) {
            return false;
        }
    }
    return true;
}

static bool is_target_char(unsigned char c)
{
    return c > 0x20 && c < 0x7f && c != '#';
}

static bool is_host_char(unsigned char c)
{
    return is_alnum(c) || (c != '\0' && strchr("-._~%!$&'()*+,;=:[]", c) != NULL);
}

/* Whether the comma-separated list VALUE holds TOKEN (RFC 9110 5.6.1). */
static bool list_has(const char *value, const char *token)
{
    size_t size = strlen(token);
    const char *at = value;
    while (*at != '\0') {
        at += strspn(at, ", \t");
        size_t item = strcspn(at, ", \t");
        char text[16];
        if (item == size && item < sizeof(text)) {
            memcpy(text, at, item);
            text[item] = '\0';
            if (text_equal_nocase(text, token)) {
                return true;
            }
        }
        at += item;
    }
    return false;
}

/* Cuts the next CRLF line off TEXT, which ends with one; every LF in it follows a CR. */
static char *next_line(char **text)
{
    char *line = *text;
    char *end = strchr(line, '\n');
    if (end == NULL) {
        return NULL;
    }
    end[-1] = '\0';
    *text = end + 1;
    return line;
}

/* RFC 9112 3.2.2: an absolute-form target; its authority must be what Host says. */
static int cut_authority(struct http_parser *parser, char *target, char **ret_path,
                         const char **ret_authority)
{
    const char *scheme_end = strstr(target, "://");
    if (scheme_end == NULL || scheme_end == target) {
        return refuse(parser, 400, "the request target must be a path");
    }
    char *authority = target + (scheme_end - target) + 3;
    char *path = authority + strcspn(authority, "/?");
    if (path == authority || *path == '?') {
        return refuse(parser, 400, "the request target must have a host and a path");
    }
    /* Moves the authority one byte to the left, over the scheme's last slash, to end it.
     */
    size_t size = (size_t)(path - authority);
    memmove(authority - 1, authority, size);
    authority[size - 1] = '\0';
    static char root[] = "/";
    *ret_authority = authority - 1;
    *ret_path = *path == '\0' ? root : path;
    return ERROR_NONE;
}

static int parse_request_line(struct http_parser *parser, char *line,
                              const char **ret_authority)
{
    char *target = strchr(line, ' ');
    char *version = target != NULL ? strchr(target + 1, ' ') : NULL;
    if (version == NULL) {
        return refuse(parser, 400, "the request line must be method, target and version");
    }
    *target++ = '\0';
    *version++ = '\0';
    size_t method_size = strlen(line);
    if (method_size == 0 || method_size > LIMIT_HTTP_METHOD_BYTES ||
        !is_text_of(line, method_size, is_token_char)) {
        return refuse(parser, 400, "the method is no token");
    }
    if (strncmp(version, "HTTP/", 5) != 0 || strlen(version) != 8 || version[6] != '.') {
        return refuse(parser, 400, "the version is no HTTP version");
    }
    parser->is_version_1_1 = strcmp(version, "HTTP/1.1") == 0;
    if (!parser->is_version_1_1 && strcmp(version, "HTTP/1.0") != 0) {
        return refuse(parser, 505, "only HTTP/1.1 is spoken here");
    }
    if (!is_text_of(target, strlen(target), is_target_char)) {
        return refuse(parser, 400,
                      "the request target holds a character that is not allowed");
    }
    char *path = target;
    bool is_asterisk = strcmp(target, "*") == 0 && strcmp(line, "OPTIONS") == 0;
    if (target[0] != '/' && !is_asterisk) {
        int error = cut_authority(parser, target, &path, ret_authority);
        if (error != ERROR_NONE) {
            return error;
        }
    }
    char *query = strchr(path, '?');
    if (query != NULL) {
        *query++ = '\0';
    }
    parser->method = line;
    parser->path = path;
    parser->query = query != NULL ? query : "";
    return ERROR_NONE;
}

/* Cuts "name: value" in place (RFC 9112 5). */
static int parse_field(struct http_parser *parser, char *line, struct field *ret_field)
{
    if (is_blank((unsigned char)line[0])) {
        return refuse(parser, 400, "a folded header line");
    }
    char *colon = strchr(line, ':');
    if (colon == NULL || colon == line ||
        !is_text_of(line, (size_t)(colon - line), is_token_char)) {
        return refuse(parser, 400, "a header line must be a name, a colon and a value");
    }
    *colon = '\0';
    text_lower(line);
    char *value = colon + 1;
    value += strspn(value, " \t");
    size_t size = strlen(value);
    if (!is_text_of(value, size, is_value_char)) {
        return refuse(parser, 400, "a header value holds a control character");
    }
    while (size > 0 && is_blank((unsigned char)value[size - 1])) {
        value[--size] = '\0';
    }
    *ret_field = (struct field){.name = line, .value = value};
    return ERROR_NONE;
}

const char *http_parser_header(const struct http_parser *parser, const char *name)
{
    for (size_t i = 0; i < parser->field_count; i++) {
        if (text_equal_nocase(parser->fields[i].name, name)) {
            return parser->fields[i].value;
        }
    }
    return NULL;
}

static int parse_fields(struct http_parser *parser, char *text)
{
    for (char *line = next_line(&text); line != NULL && *line != '\0';
         line = next_line(&text)) {
        static const char *const single[] = {"host", "content-length", "content-type",
                                             "transfer-encoding"};
        struct field field;
        int error = parse_field(parser, line, &field);
        if (error != ERROR_NONE) {
            return error;
        }
        if (parser->field_count == LIMIT_HTTP_FIELDS) {
            return refuse(parser, 431, "too many header lines");
        }
        for (size_t i = 0; i < sizeof(single) / sizeof(single[0]); i++) {
            if (strcmp(field.name, single[i]) == 0 &&
                http_parser_header(parser, field.name) != NULL) {
                return refuse(parser, 400,
                              "a header is given twice that may be given once");
            }
        }
        parser->fields[parser->field_count++] = field;
    }
    return ERROR_NONE;
}

static int check_host(struct http_parser *parser, const char *authority)
{
    const char *host = http_parser_header(parser, "host");
    if (host == NULL) {
        return parser->is_version_1_1 ? refuse(parser, 400, "there must be a Host header")
                                      : ERROR_NONE;
    }
    if (host[0] == '\0' || !is_text_of(host, strlen(host), is_host_char)) {
        return refuse(parser, 400, "the Host header is no host");
    }
    if (authority != NULL && !text_equal_nocase(authority, host)) {
        return refuse(parser, 400, "the request target and Host differ");
    }
    return ERROR_NONE;
}

/* How long the body is (RFC 9112 6.3), and so the state that follows the head. */
static int plan_body(struct http_parser *parser)
{
    const char *coding = http_parser_header(parser, "transfer-encoding");
    const char *length = http_parser_header(parser, "content-length");
    const char *expect = http_parser_header(parser, "expect");
    uint64_t size = 0;
    if (expect != NULL && !text_equal_nocase(expect, "100-continue")) {
        return refuse(parser, 417, "the only expectation met here is 100-continue");
    }
    if (coding != NULL) {
        if (length != NULL || !parser->is_version_1_1) {
            return refuse(parser, 400, "Transfer-Encoding where it must not be");
        }
        if (!text_equal_nocase(coding, "chunked")) {
            return refuse(parser, 501, "the only transfer coding taken here is chunked");
        }
        set_state(parser, STATE_CHUNK_SIZE);
    } else if (length != NULL) {
        int error = text_u64(length, UINT64_MAX, &size);
        if (error == ERROR_SYNTAX) {
            return refuse(parser, 400, "Content-Length is no number");
        }
        if (error != ERROR_NONE || size > parser->max_body_bytes) {
            return refuse(parser, 413, "the body is too large");
        }
        parser->left_bytes = size;
        set_state(parser, size > 0 ? STATE_BODY : STATE_DONE);
    } else {
        set_state(parser, STATE_DONE);
    }
    parser->wants_continue =
        expect != NULL && parser->is_version_1_1 && parser->state != STATE_DONE;
    return ERROR_NONE;
}

static void parse_head(struct http_parser *parser)
{
    /* After this no byte is appended to the head, so pointers into it stay good. */
    char *text = (char *)parser->head.data;
    const char *authority = NULL;
    if (memchr(text, '\0', parser->head.size) != NULL) {
        refuse(parser, 400, "the head holds a NUL");
        return;
    }
    char *line = next_line(&text);
    if (line == NULL || parse_request_line(parser, line, &authority) != ERROR_NONE ||
        parse_fields(parser, text) != ERROR_NONE ||
        check_host(parser, authority) != ERROR_NONE) {
        return;
    }
    (void)!plan_body(parser);
}

/* A line of the head is complete. */
static void end_head_line(struct http_parser *parser)
{
    const struct buffer *head = &parser->head;
    size_t size = head->size - parser->line_at;
    if (size < 2 || head->data[head->size - 2] != '\r') {
        refuse(parser, 400, "a line ends without CR");
        return;
    }
    if (size > 2) {
        parser->line_at = head->size;
        return;
    }
    if (parser->line_at > 0) {
        parse_head(parser);
        return;
    }
    if (parser->skipped_empty) {
        refuse(parser, 400, "empty lines before the request");
        return;
    }
    parser->skipped_empty = true;
    buffer_reset(&parser->head);
}

/* Up to and including the next LF, or all. */
static size_t line_part(const char *data, size_t size, bool *ret_complete)
{
    const char *end = memchr(data, '\n', size);
    *ret_complete = end != NULL;
    return end != NULL ? (size_t)(end - data) + 1 : size;
}

static size_t take_head(struct http_parser *parser, const char *data, size_t size)
{
    bool is_complete = false;
    size_t part = line_part(data, size, &is_complete);
    /* What can't become a request (a TLS record on a plain port, say) need not wait for a
     * deadline. */
    if (parser->head.size == 0 && data[0] != '\r' &&
        !is_token_char((unsigned char)data[0])) {
        refuse(parser, 400, "this is no HTTP request");
        return part;
    }
    if (buffer_append(&parser->head, data, part) != ERROR_NONE) {
        bool is_memory = parser->head.error == ERROR_MEMORY;
        refuse(parser,
               is_memory              ? 503
               : parser->line_at == 0 ? 414
                                      : 431,
               is_memory ? "out of memory" : "the head is too large");
        return part;
    }
    if (is_complete) {
        end_head_line(parser);
    }
    return part;
}

static size_t take_body(struct http_parser *parser, const char *data, size_t size)
{
    size_t part = size < parser->left_bytes ? size : (size_t)parser->left_bytes;
    parser->wants_continue = false;
    if (buffer_append(&parser->body, data, part) != ERROR_NONE) {
        refuse(parser, 503, "out of memory");
        return part;
    }
    parser->left_bytes -= part;
    if (parser->left_bytes == 0) {
        set_state(parser, parser->state == STATE_BODY ? STATE_DONE : STATE_CHUNK_END);
    }
    return part;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    char lower = (char)(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* chunk-size [ chunk-ext ] (RFC 9112 7.1); extensions are passed over. */
static void end_chunk_size(struct http_parser *parser, const char *line)
{
    uint64_t size = 0;
    size_t room = parser->max_body_bytes - parser->body.size;
    const char *at = line;
    for (; hex_digit(*at) >= 0; at++) {
        size = size * 16 + (uint64_t)hex_digit(*at);
        if (size > room) {
            refuse(parser, 413, "the body is too large");
            return;
        }
    }
    const char *extension = at + strspn(at, " \t");
    if (at == line || (*extension != ';' && *at != '\0') ||
        !is_text_of(extension, strlen(extension), is_value_char)) {
        refuse(parser, 400, "a chunk size is malformed");
        return;
    }
    parser->left_bytes = size;
    set_state(parser, size > 0 ? STATE_CHUNK_DATA : STATE_TRAILER);
}

static void end_framing_line(struct http_parser *parser)
{
    struct buffer *line = &parser->line;
    if (line->size < 2 || line->data[line->size - 2] != '\r' ||
        memchr(line->data, '\0', line->size) != NULL) {
        refuse(parser, 400, "a line of the chunked body ends without CR or holds a NUL");
        return;
    }
    char *text = (char *)line->data;
    text[line->size - 2] = '\0';
    if (parser->state == STATE_CHUNK_SIZE) {
        end_chunk_size(parser, text);
    } else if (parser->state == STATE_CHUNK_END) {
        if (*text != '\0') {
            refuse(parser, 400, "a chunk is longer than its size");
            return;
        }
        set_state(parser, STATE_CHUNK_SIZE);
    } else if (*text == '\0') {
        set_state(parser, STATE_DONE);
    } else {
        struct field ignored;
        (void)!parse_field(parser, text, &ignored);
    }
    buffer_reset(line);
}

static size_t take_framing(struct http_parser *parser, const char *data, size_t size)
{
    bool is_complete = false;
    size_t part = line_part(data, size, &is_complete);
    parser->wants_continue = false;
    parser->framing_bytes += part;
    /* Chunks of one byte or endless extensions would cost without a body growing. */
    if (parser->framing_bytes > parser->max_header_bytes + parser->body.size) {
        refuse(parser, 400, "too much framing in a chunked body");
        return part;
    }
    if (buffer_append(&parser->line, data, part) != ERROR_NONE) {
        bool is_memory = parser->line.error == ERROR_MEMORY;
        refuse(parser, is_memory ? 503 : 400,
               is_memory ? "out of memory" : "a line of the chunked body is too long");
        return part;
    }
    if (is_complete) {
        end_framing_line(parser);
    }
    return part;
}

enum http_parser_result http_parser_feed(struct http_parser *parser, const void *data,
                                         size_t size, size_t *ret_used)
{
    const char *bytes = data;
    size_t used = 0;
    while (used < size && parser->state != STATE_DONE && parser->state != STATE_BAD) {
        switch (parser->state) {
        case STATE_HEAD:
            used += take_head(parser, bytes + used, size - used);
            break;
        case STATE_BODY:
        case STATE_CHUNK_DATA:
            used += take_body(parser, bytes + used, size - used);
            break;
        case STATE_CHUNK_SIZE:
        case STATE_CHUNK_END:
        case STATE_TRAILER:
            used += take_framing(parser, bytes + used, size - used);
            break;
        case STATE_DONE:
        case STATE_BAD:
            break;
        }
    }
    *ret_used = used;
    if (parser->state == STATE_BAD) {
        return HTTP_PARSER_BAD;
    }
    return parser->state == STATE_DONE ? HTTP_PARSER_DONE : HTTP_PARSER_MORE;
}

int http_parser_status(const struct http_parser *parser)
{
    return parser->status;
}

const char *http_parser_reason(const struct http_parser *parser)
{
    return parser->reason != NULL ? parser->reason : "";
}

bool http_parser_take_continue(struct http_parser *parser)
{
    bool wants = parser->wants_continue;
    parser->wants_continue = false;
    return wants;
}

const char *http_parser_method(const struct http_parser *parser)
{
    return parser->method;
}

const char *http_parser_path(const struct http_parser *parser)
{
    return parser->path;
}

const char *http_parser_query(const struct http_parser *parser)
{
    return parser->query;
}

struct bytes http_parser_body(const struct http_parser *parser)
{
    return buffer_bytes(&parser->body);
}

void http_parser_release_body(struct http_parser *parser)
{
    buffer_free(&parser->body);
}

bool http_parser_keep_alive(const struct http_parser *parser)
{
    if (parser->state != STATE_DONE || !parser->is_version_1_1) {
        return false;
    }
    for (size_t i = 0; i < parser->field_count; i++) {
        if (strcmp(parser->fields[i].name, "connection") == 0 &&
            list_has(parser->fields[i].value, "close")) {
            return false;
        }
    }
    return true;
}
