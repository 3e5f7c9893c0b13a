/* Configuration files: whatever stands in them, success and an empty report go together.
 */
#include "base/core/conf.h"

#include "tests/fuzz/require.h"

#include <string.h>

struct sample {
    char *zone;
    struct conf_texts listen;
    uint64_t workers;
    uint64_t timeout_s;
    bool verbose;
    int mode;
};

static const char *check_listen(const char *value)
{
    return strchr(value, ':') != NULL ? NULL : "must be address:port";
}

static const char *const modes[] = {"open", "token", "closed", NULL};

static const struct conf_row rows[] = {
    {.section = "relay",
     .key = "zone",
     .type = CONF_TEXT,
     .offset = offsetof(struct sample, zone),
     .required = true},
    {.section = "relay",
     .key = "mode",
     .type = CONF_CHOICE,
     .offset = offsetof(struct sample, mode),
     .fallback = "token",
     .choices = modes},
    {.section = "dns",
     .key = "listen",
     .type = CONF_TEXTS,
     .offset = offsetof(struct sample, listen),
     .fallback = "127.0.0.1:53",
     .check = check_listen,
     .max_count = 3},
    {.section = "dns",
     .key = "workers",
     .type = CONF_NUMBER,
     .offset = offsetof(struct sample, workers),
     .fallback = "2",
     .min = 1,
     .max = 64},
    {.section = "dns",
     .key = "timeout",
     .type = CONF_DURATION,
     .offset = offsetof(struct sample, timeout_s),
     .fallback = "15m",
     .min = 1,
     .max = 86400},
    {.section = "dns",
     .key = "verbose",
     .type = CONF_BOOL,
     .offset = offsetof(struct sample, verbose)},
};

enum { ROW_COUNT = sizeof(rows) / sizeof(rows[0]) };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sample sample = {0};
    struct buffer report = buffer_init(1 << 16);
    char *text = malloc(size + 1);
    REQUIRE(text != NULL);
    memcpy(text, data, size);
    text[size] = '\0';
    int error = conf_parse("x.conf", text, rows, ROW_COUNT, &sample, &report);
    if (error == 0) {
        REQUIRE(report.size == 0);
        REQUIRE(sample.zone != NULL);
        REQUIRE(sample.mode >= 0 && sample.mode < 3);
        REQUIRE(sample.listen.count >= 1 && sample.listen.count <= 3);
        REQUIRE(sample.workers >= 1 && sample.workers <= 64);
        REQUIRE(sample.timeout_s >= 1 && sample.timeout_s <= 86400);
    } else {
        REQUIRE(error == ERROR_SYNTAX);
        REQUIRE(report.size > 0);
        for (size_t i = 0; i < report.size; i++) {
            REQUIRE(report.data[i] == '\n' ||
                    (report.data[i] >= 0x20 && report.data[i] < 0x7f));
        }
    }
    conf_free(rows, ROW_COUNT, &sample);
    buffer_free(&report);
    free(text);
    return 0;
}
