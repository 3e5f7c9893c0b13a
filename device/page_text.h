/* Every sentence that people read on the page and from `latchkey status`, in one file, so that it can be
 * translated. */
#ifndef DEVICE_PAGE_TEXT_H
#define DEVICE_PAGE_TEXT_H

enum page_text {
    PAGE_TEXT_LANGUAGE,
    PAGE_TEXT_TITLE,
    PAGE_TEXT_TRUSTED_HEAD,
    PAGE_TEXT_TRUSTED_BODY,
    PAGE_TEXT_NEW_HEAD,
    PAGE_TEXT_NEW_BODY,
    PAGE_TEXT_EXPIRED_HEAD,
    PAGE_TEXT_EXPIRED_BODY,
    PAGE_TEXT_VISIT_NAME,
    PAGE_TEXT_FAILURE_HEAD,
    PAGE_TEXT_NEXT_TRY,
    PAGE_TEXT_NAMES_HEAD,
    PAGE_TEXT_STABLE_NAME,
    PAGE_TEXT_STABLE_NOTE,
    PAGE_TEXT_ADDRESS_NAME,
    PAGE_TEXT_LOCAL_NAME,
    PAGE_TEXT_LOCAL_NOTE,
    PAGE_TEXT_CERTIFICATE_HEAD,
    PAGE_TEXT_IN_USE,
    PAGE_TEXT_IN_USE_TRUSTED,
    PAGE_TEXT_IN_USE_FALLBACK,
    PAGE_TEXT_ISSUER,
    PAGE_TEXT_SERIAL,
    PAGE_TEXT_VALID_UNTIL,
    PAGE_TEXT_RENEWAL,
    PAGE_TEXT_RENEWAL_ADVISED,
    PAGE_TEXT_VERIFY_HEAD,
    PAGE_TEXT_VERIFY_BODY,
    PAGE_TEXT_VERIFY_HONEST,
    PAGE_TEXT_QR_LABEL,
    PAGE_TEXT_LEAF_FINGERPRINT,
    PAGE_TEXT_LEAF_NOTE,
    PAGE_TEXT_PIN,
    PAGE_TEXT_PIN_NOTE,
    PAGE_TEXT_DEVICE_HEAD,
    PAGE_TEXT_ID,
    PAGE_TEXT_RELAY,
    PAGE_TEXT_ADDRESSES,
    PAGE_TEXT_NO_ADDRESSES,
    PAGE_TEXT_TIME,
    PAGE_TEXT_NOT_FOUND,
    PAGE_TEXT_WRONG_HOST,
    PAGE_TEXT_COUNT,
};

/* Never NULL. No markup in it. */
const char *page_text(enum page_text text);
/* What a failure code means, and what helps; a general sentence for an unknown one. Never NULL. */
const char *page_text_failure(const char *code);

#endif
