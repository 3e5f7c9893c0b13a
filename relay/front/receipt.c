#include "relay/front/receipt.h"

#include "base/core/text.h"

#include <string.h>

enum { NEAR_S = 86400 };

bool receipt_judge(const struct front_store_receipt *before, const char *shown,
                   const char *fresh, int64_t settled_at, int64_t now_at,
                   struct front_store_receipt *ret_after)
{
    struct front_store_receipt after = {.mismatch_at = 0};
    bool fits = true;

    if (before != NULL) {
        bool is_last = strcmp(shown, before->receipt) == 0;
        /* The answer to the last was lost: it shows the one before again. That one stays good
         * until the new one is shown, but only until then: two devices could take turns. */
        bool is_former = shown[0] != '\0' && strcmp(shown, before->former) == 0;

        after = *before;
        fits = is_last || is_former;
        (void)text_copy(after.former, sizeof(after.former),
                        is_last     ? before->receipt
                        : is_former ? before->former
                                    : "");
    }
    if (!fits) {
        bool is_near =
            after.mismatch_at > settled_at && now_at - after.mismatch_at <= NEAR_S;

        after.cloned_at = is_near ? now_at : after.cloned_at;
        after.mismatch_at = now_at;
    }
    (void)text_copy(after.receipt, sizeof(after.receipt), fresh);
    *ret_after = after;
    return fits;
}
