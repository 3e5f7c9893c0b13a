/* A verdict from a worker that may be captured: what is taken is a code of that check and
 * printable lines, and says the same when it is written and taken again. */
#include "device/diagnosis.h"

#include "tests/fuzz/require.h"

#include <string.h>

static void check_lines(const struct verdict *verdict)
{
    char line[DIAGNOSIS_LINE_BYTES];
    for (size_t i = 0; diagnosis_line(verdict, i, line); i++) {
        for (const char *at = line; *at != '\0'; at++) {
            REQUIRE(*at >= 0x20 && *at < 0x7f);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct diagnosis diagnosis;
    struct diagnosis again;
    char *text = malloc(size + 1);
    REQUIRE(text != NULL);
    if (size > 0) {
        memcpy(text, data, size);
    }
    text[size] = '\0';
    diagnosis_init(&diagnosis);
    diagnosis_init(&again);
    if (diagnosis_take_verdict(&diagnosis, text) == 0) {
        for (int i = 0; i < DIAGNOSIS_CHECK_COUNT; i++) {
            enum diagnosis_check check = (enum diagnosis_check)i;
            const struct verdict *verdict = &diagnosis.verdicts[i];
            enum diagnosis_check owner = diagnosis_code_check(verdict->code);
            struct buffer written = buffer_init(4096);
            REQUIRE(owner == check || owner == DIAGNOSIS_CHECK_COUNT);
            check_lines(verdict);
            REQUIRE(diagnosis_write_verdict(&diagnosis, check, &written) == 0);
            REQUIRE(diagnosis_take_verdict(&again, buffer_text(&written)) == 0);
            REQUIRE(again.verdicts[i].code == verdict->code);
            REQUIRE(strcmp(again.verdicts[i].detail, verdict->detail) == 0);
            buffer_free(&written);
        }
    }
    free(text);
    return 0;
}
