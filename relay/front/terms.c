/* A version's text may not change once devices agreed to it: the first text that front saw
 * under a version is kept in front.db and served. A file that differs is not taken, and the
 * log says so; front goes on, because a typing error in the terms must not keep devices from
 * renewing. For the same reason nobody is asked to agree again to a new version
 * (userActionRequired, RFC 8555 7.3.3): a device in a cellar has nobody who could. The terms
 * say themselves when a new version counts for those that are there already. */
#include "relay/front/terms.h"

#include "base/core/clock.h"
#include "base/core/file.h"
#include "base/core/html.h"
#include "base/core/log.h"
#include "base/core/text.h"
#include "relay/front/journal.h"
#include "relay/store/front_store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int read_file(const char *path, struct buffer *text)
{
    int error = file_read(path, text);

    if (error != 0) {
        log_error("[relay] terms_file '%s': %s", path,
                  error == ERROR_IO      ? strerror(errno)
                  : error == ERROR_LIMIT ? "is larger than 64 KiB"
                                         : error_text(error));
    } else if (!terms_is_text(buffer_text(text), text->size)) {
        log_error(
            "[relay] terms_file '%s': must be UTF-8 text without control characters, "
            "and not empty",
            path);
        error = ERROR_SYNTAX;
    }
    return error;
}

struct comparison {
    const char *text;
    bool differs;
};

static int compare(const struct front_store_terms *terms, void *arg)
{
    struct comparison *comparison = arg;

    comparison->differs = strcmp(terms->text, comparison->text) != 0;
    return 0;
}

/* With the journal's writes where there is a journal: front.db has one transaction. */
static int add(struct service *service, const struct front_store_terms *terms)
{
    bool has_journal = service->journal != NULL;
    int64_t rev = 0;
    int error = has_journal ? journal_begin(service->journal, &rev)
                            : database_begin(service->front, &rev);

    if (error != 0) {
        return error;
    }
    error = front_store_add_terms(service->front, service->zone, rev, terms);
    if (has_journal) {
        return error;
    }
    if (error == 0) {
        return database_commit(service->front);
    }
    database_rollback(service->front);
    return error;
}

static int keep(struct service *service, const char *version, const char *text)
{
    struct front_store_terms terms = {
        .version = version, .text = text, .since_at = clock_wall_at()};
    struct comparison comparison = {.text = text};
    int error = front_store_get_terms(service->front, service->zone, version, compare,
                                      &comparison);

    if (error == ERROR_NOT_FOUND) {
        log_info("terms '%s' are in force from now on", version);
        error = add(service, &terms);
    } else if (error == 0 && comparison.differs) {
        log_warning("[relay] terms_file: its text differs from what version '%s' said "
                    "when devices agreed to it; ignoring it: give it a terms_version of "
                    "its own",
                    version);
    }
    if (error != 0) {
        log_error("the terms can't be kept: %s", database_error(service->front));
    }
    return error;
}

int terms_load(struct service *service)
{
    const struct relay_config *config = service->config;
    bool is_own = config->terms_file[0] != '\0';
    const char *version = is_own ? config->terms_version : terms_builtin_version;
    struct buffer text = buffer_init(TERMS_BYTES_MAX);
    int error = is_own ? read_file(config->terms_file, &text) : 0;

    if (error == 0) {
        error = keep(service, version, is_own ? buffer_text(&text) : terms_builtin_text);
    }
    if (error == 0 &&
        !text_copy(service->terms_version, sizeof(service->terms_version), version)) {
        error = ERROR_LIMIT;
    }
    buffer_free(&text);
    return error;
}

bool terms_is_text(const char *text, size_t size)
{
    size_t printed = 0;

    for (size_t i = 0; i < size; printed++) {
        uint8_t first = (uint8_t)text[i];
        size_t more = first < 0x80                     ? 0
                      : first >= 0xc2 && first <= 0xdf ? 1
                      : first >= 0xe0 && first <= 0xef ? 2
                      : first >= 0xf0 && first <= 0xf4 ? 3
                                                       : size;

        if (more >= size - i || first == 0x7f ||
            (first < 0x20 && strchr("\t\r\n", first) == NULL) || first == '\0') {
            return false;
        }
        for (size_t j = 1; j <= more; j++) {
            if (((uint8_t)text[i + j] & 0xc0) != 0x80) {
                return false;
            }
        }
        i += more + 1;
    }
    return printed > 0;
}

/* What is open at the moment. */
enum block { BLOCK_NONE, BLOCK_PARAGRAPH, BLOCK_LIST };

static void close_block(struct buffer *html, enum block *block)
{
    buffer_append_text(html, *block == BLOCK_PARAGRAPH ? "</p>\n"
                             : *block == BLOCK_LIST    ? "</li></ul>\n"
                                                       : "");
    *block = BLOCK_NONE;
}

static void write_line(struct buffer *html, const char *line, enum block *block)
{
    if (line[0] == '\0') {
        close_block(html, block);
    } else if (text_starts_with(line, "# ")) {
        close_block(html, block);
        html_element(html, "h2", line + 2);
    } else if (text_starts_with(line, "- ")) {
        if (*block != BLOCK_LIST) {
            close_block(html, block);
        }
        buffer_append_text(html, *block == BLOCK_LIST ? "</li><li>" : "<ul><li>");
        html_escape(html, line + 2);
        *block = BLOCK_LIST;
    } else {
        buffer_append_text(html, *block == BLOCK_NONE ? "<p>" : " ");
        html_escape(html, line);
        *block = *block == BLOCK_NONE ? BLOCK_PARAGRAPH : *block;
    }
}

void terms_write(struct buffer *html, const char *text)
{
    char *copy = strdup(text);
    char *rest = copy;
    enum block block = BLOCK_NONE;

    if (copy == NULL) {
        html->error = ERROR_MEMORY;
        return;
    }
    for (char *line = strsep(&rest, "\n"); line != NULL; line = strsep(&rest, "\n")) {
        line += strspn(line, " \t");
        line[strcspn(line, "\r")] = '\0';
        write_line(html, line, &block);
    }
    close_block(html, &block);
    free(copy);
}
