#include "device/page_text.h"

#include <stddef.h>
#include <string.h>

static const char *const texts[] = {
    [PAGE_TEXT_LANGUAGE] = "en",
    [PAGE_TEXT_TITLE] = "latchkey",
    [PAGE_TEXT_TRUSTED_HEAD] = "Browsers trust this device",
    [PAGE_TEXT_TRUSTED_BODY] = "It has a certificate that every browser accepts, for the "
                               "names below. Its key was made on "
                               "this device and never left it.",
    [PAGE_TEXT_NEW_HEAD] = "No trusted certificate yet",
    [PAGE_TEXT_NEW_BODY] = "The device serves a certificate that it made itself, so "
                           "browsers warn. It is ordering a "
                           "trusted one.",
    [PAGE_TEXT_EXPIRED_HEAD] = "The trusted certificate has run out",
    [PAGE_TEXT_EXPIRED_BODY] =
        "It could not be renewed in time. Until it can, the device serves a certificate "
        "that it "
        "made itself, so browsers warn. The connection is still encrypted.",
    [PAGE_TEXT_VISIT_NAME] = "You came by an address or a name that the trusted "
                             "certificate does not cover. Use one of "
                             "the names below.",
    [PAGE_TEXT_FAILURE_HEAD] = "What happened last",
    [PAGE_TEXT_NEXT_TRY] = "Next try in",
    [PAGE_TEXT_SECONDS] = "seconds",
    [PAGE_TEXT_MINUTES] = "minutes",
    [PAGE_TEXT_NAMES_HEAD] = "Names",
    [PAGE_TEXT_STABLE_NAME] = "For bookmarks",
    [PAGE_TEXT_STABLE_NOTE] = "Stays the same when the device's address changes.",
    [PAGE_TEXT_ADDRESS_NAME] = "By address",
    [PAGE_TEXT_LOCAL_NAME] = "Without the internet",
    [PAGE_TEXT_LOCAL_NOTE] =
        "Always there, but browsers warn: no public certificate can cover it.",
    [PAGE_TEXT_CERTIFICATE_HEAD] = "Certificate",
    [PAGE_TEXT_IN_USE] = "In use",
    [PAGE_TEXT_IN_USE_TRUSTED] = "the trusted one",
    [PAGE_TEXT_IN_USE_FALLBACK] = "the device's own (fallback)",
    [PAGE_TEXT_ISSUER] = "Issued by",
    [PAGE_TEXT_SERIAL] = "Serial number",
    [PAGE_TEXT_VALID_UNTIL] = "Valid until",
    [PAGE_TEXT_RENEWAL] = "Renewal planned",
    [PAGE_TEXT_RENEWAL_ADVISED] = "as the relay advises",
    [PAGE_TEXT_VERIFY_HEAD] = "Is this really your device?",
    [PAGE_TEXT_VERIFY_BODY] = "When a browser warns, compare the fingerprint that it "
                              "shows with the one that the device "
                              "itself shows.",
    [PAGE_TEXT_VERIFY_HONEST] = "A fingerprint proves something only when you read it "
                                "from the device's own screen, its "
                                "label or its console (latchkey qr). On this page it "
                                "proves nothing: whoever could imitate "
                                "the device could imitate this page too.",
    [PAGE_TEXT_QR_LABEL] = "QR code with the pin of this device",
    [PAGE_TEXT_LEAF_FINGERPRINT] =
        "For your eyes: SHA-256 of the device's own certificate",
    [PAGE_TEXT_LEAF_NOTE] = "What a browser's certificate viewer shows when it warns.",
    [PAGE_TEXT_PIN] = "For apps: pin of the identity key",
    [PAGE_TEXT_PIN_NOTE] = "What the QR code carries. Browsers don't show it.",
    [PAGE_TEXT_DEVICE_HEAD] = "Device",
    [PAGE_TEXT_ID] = "Id",
    [PAGE_TEXT_RELAY] = "Relay",
    [PAGE_TEXT_ADDRESSES] = "Addresses",
    [PAGE_TEXT_NO_ADDRESSES] = "none in a private network",
    [PAGE_TEXT_TIME] = "Its clock says",
    [PAGE_TEXT_NOT_FOUND] = "There is no such page on this device.",
    [PAGE_TEXT_WRONG_HOST] = "This device does not go by that name.",
    [PAGE_TEXT_WRONG_METHOD] = "This device's pages can only be read.",
};
_Static_assert(sizeof(texts) / sizeof(texts[0]) == PAGE_TEXT_COUNT, "one text for each");

/* Codes are acme/acme_error.h's words and the worker's own. */
static const struct {
    const char *code;
    const char *sentence;
} failures[] = {
    {"net", "The relay can't be reached. Is the device connected to the internet?"},
    {"server", "The relay has a problem of its own. The device tries again by itself."},
    {"protocol",
     "The relay answered something that makes no sense. Is its address right?"},
    {"rate-limit",
     "The relay asks the device to wait: certificates are rationed by those who issue "
     "them. The device keeps its place and tries again by itself."},
    {"paused",
     "Certificates for this device are paused at their issuer. The relay's operator can "
     "lift that."},
    {"account", "The relay does not accept this device. Ask its operator."},
    {"eab", "The relay wants an enrolment token, or does not accept this one. Ask its "
            "operator for "
            "one and name its file as token_file in the configuration."},
    {"user-action", "The relay's operator has to agree to something first."},
    {"rejected", "The relay refuses a certificate for this device. Ask its operator."},
    {"csr", "The relay does not accept the device's request. It makes a new one."},
    {"dns",
     "The certificate's issuer could not see the relay's proof. The device tries again."},
    {"caa", "The zone does not allow this issuer. The relay's operator can mend that."},
    {"order", "The order was lost or took too long. The device makes a new one."},
    {"chain",
     "The certificate that came is not what was asked for. It was not installed."},
    {"no-relay",
     "The configured address is no latchkey relay. Check `relay` in the configuration."},
    {"wait", "The relay asks the device to come back later. It does so by itself."},
    {"self-check",
     "A new certificate came, but the device does not serve it. It keeps the old one."},
    {"device", "The device could not use what came. Its log says more."},
    {"disk", "The device can't write to its storage. Is it full or read-only?"},
    {"worker", "The device's own helper program failed. It tries again by itself."},
};

const char *page_text(enum page_text text)
{
    return texts[text];
}

const char *page_text_failure(const char *code)
{
    for (size_t i = 0; i < sizeof(failures) / sizeof(failures[0]); i++) {
        if (strcmp(failures[i].code, code) == 0) {
            return failures[i].sentence;
        }
    }
    return "Something went wrong. The device tries again by itself.";
}
