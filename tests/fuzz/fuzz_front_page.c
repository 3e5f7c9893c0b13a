/* What visitors of the relay's pages type, and what an operator gives as terms: the fields of
 * a query, and what becomes of them in HTML. A "<@" that is put before each must never come
 * out as markup. */
#include "relay/front/page_name.h"
#include "relay/front/terms.h"
#include "tests/fuzz/require.h"

#include <string.h>

static void check(struct buffer *html)
{
    REQUIRE(html->error != 0 || strstr(buffer_text(html), "<@") == NULL);
    buffer_free(html);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct relay_config config;
    struct service service = {
        .config = &config, .zone = "lan.example.com", .base = "", .prefix = ""};
    struct buffer id = buffer_init(256);
    struct buffer address = buffer_init(256);
    struct buffer text = buffer_init(TERMS_BYTES_MAX);
    struct buffer html = buffer_init(PAGE_BYTES_MAX);
    struct bytes query = {data, size};
    int status = 0;

    if (html_form_value(query, "id", &id) != 0 ||
        html_form_value(query, "address", &address) != 0) {
        buffer_append_text(&address, "<@");
    }
    status = page_name_write(&service, buffer_text(&id), buffer_text(&address), &html);
    REQUIRE(status == 200 || status == 404);
    check(&html);
    buffer_append_text(&text, "<@");
    buffer_append(&text, data, size);
    if (text.error == 0 && terms_is_text(buffer_text(&text), text.size)) {
        html = buffer_init(PAGE_BYTES_MAX);
        terms_write(&html, buffer_text(&text));
        check(&html);
    }
    buffer_free(&id);
    buffer_free(&address);
    buffer_free(&text);
    return 0;
}
