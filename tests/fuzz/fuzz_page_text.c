/* A translation after anything that a translator or a disk can do to it: whatever is taken
 * can be filled in and shown. */
#include "device/page_html.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buffer report = buffer_init(1 << 20);
    struct buffer html = buffer_init(1 << 20);
    if (page_text_parse("fuzz", data, size, &report) == 0) {
        for (int i = 0; i < PAGE_TEXT_COUNT; i++) {
            page_html_fill(&html, "p", (enum page_text)i, "<1>", "&2");
        }
        for (const char *at = buffer_text(&html); *at != '\0'; at++) {
            if (*at == '<' && at[1] != 'p' && at[1] != '/') {
                abort();
            }
        }
    }
    page_text_reset();
    buffer_free(&report);
    buffer_free(&html);
    return 0;
}
