/* Every maximum in one place. A peer can make nothing grow beyond what stands here. */
#ifndef BASE_CORE_LIMITS_H
#define BASE_CORE_LIMITS_H

enum {
    LIMIT_JSON_BYTES = 1 << 20,   /* a JSON text from a CA or from disk */
    LIMIT_JSON_DEPTH = 16,        /* nesting */
    LIMIT_JWS_BYTES = 64 << 10,   /* a JWS that a device posts */
    LIMIT_CSR_BYTES = 8 << 10,    /* DER */
    LIMIT_CHAIN_BYTES = 64 << 10, /* PEM, all certificates */
    LIMIT_CHAIN_COUNT = 10,       /* certificates in a chain */
    LIMIT_URL_BYTES = 1024,
    LIMIT_NONCE_BYTES = 256,
    LIMIT_TOKEN_BYTES = 256,       /* an ACME challenge token */
    LIMIT_DETAIL_BYTES = 512,      /* a problem's detail that we keep */
    LIMIT_ORDER_NAMES = 4,         /* identifiers in a device's order */
    LIMIT_PUBLISHED_ADDRESSES = 8, /* per device */
    LIMIT_CHALLENGE_VALUES = 8,    /* TXT values at one name */
    LIMIT_FILE_BYTES = 1 << 20,    /* a file that we read whole */
    LIMIT_LOG_BYTES = 1024,        /* a log line */
    LIMIT_HTTP_FIELDS = 64,        /* header lines in a request or response */
    LIMIT_HTTP_METHOD_BYTES = 32,
    /* read and dropped after a refusal, so that it is seen */
    LIMIT_HTTP_LINGER_BYTES = 4 << 20,
    /* taken from a peer while its request is handled */
    LIMIT_HTTP_READ_AHEAD_BYTES = 16 << 10,
    LIMIT_NONCE_TRIES = 10, /* badNonce in a row (RFC 8555 6.5) */
    /* an order's saved state between agent and worker */
    LIMIT_WORKER_ORDER_BYTES = 16 << 10,
    LIMIT_WORKER_MESSAGE_BYTES = 192 << 10, /* one message between agent and worker */
    LIMIT_STATE_BYTES = 64 << 10,           /* the device's state file */
    LIMIT_DEVICE_ADDRESSES = 8, /* own addresses that a device names and publishes */
    LIMIT_DEVICE_APPS = 16,     /* apps that have enrolled with a device */
    LIMIT_DEVICE_INTERFACES = 64, /* that have an address */
    LIMIT_DEVICE_INTERFACE_ADDRESSES = 128,
    LIMIT_MDNS_MESSAGE_BYTES = 2048, /* one message between agent and latchkey-mdns */
    LIMIT_TEXTS_FILE_BYTES = 64 << 10, /* a translation of the pages */
    LIMIT_PAGE_TEXT_BYTES = 1000,      /* one text in it */
    LIMIT_BRAND_LOGO_BYTES = 64 << 10, /* the maker's logo */
    LIMIT_FILE_NAME_BYTES = 255,       /* of a path that a message quotes */
};

#endif
