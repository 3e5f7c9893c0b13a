/* OpenSSL 3 calls engines old, and all that is declared for them deprecated; Debian 12 has
 * no other way to a PKCS#11 token. All of it is in this file, which becomes a refusal with
 * LATCHKEY_ENGINE=OFF.
 *
 * The engine does not know the URI's module-path (RFC 7512 2.4), so that is taken out here
 * and told to it by its own command. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "base/crypto/key_engine.h"

#include "base/core/text.h"
#include "base/crypto/openssl.h"

#include <openssl/err.h>
#ifdef LATCHKEY_ENGINE
#include <openssl/engine.h>
#endif
#include <stdlib.h>
#include <string.h>

#ifdef LATCHKEY_ENGINE

enum { URI_CAPACITY = 1024, PATH_CAPACITY = 512 };

struct key_engine {
    ENGINE *engine;
    bool is_open;
};

void key_engine_close(struct key_engine *engine)
{
    if (engine == NULL) {
        return;
    }
    if (engine->is_open) {
        ENGINE_finish(engine->engine);
    }
    ENGINE_free(engine->engine);
    free(engine);
}

/* Copies URI without its module-path, which goes into RET_MODULE ("" when there is none). */
static bool split(const char *uri, char ret_uri[static URI_CAPACITY],
                  char ret_module[static PATH_CAPACITY])
{
    static const char name[] = "module-path=";
    size_t base = strcspn(uri, "?");
    char separator = '?';
    ret_module[0] = '\0';
    if (base >= URI_CAPACITY) {
        return false;
    }
    memcpy(ret_uri, uri, base);
    ret_uri[base] = '\0';
    for (const char *at = uri[base] == '?' ? uri + base + 1 : uri + base; *at != '\0';) {
        size_t size = strcspn(at, "&");
        size_t used = strlen(ret_uri);
        if (strncmp(at, name, sizeof(name) - 1) == 0) {
            size_t path = size - (sizeof(name) - 1);
            if (path >= PATH_CAPACITY) {
                return false;
            }
            memcpy(ret_module, at + sizeof(name) - 1, path);
            ret_module[path] = '\0';
        } else if (used + 1 + size >= URI_CAPACITY) {
            return false;
        } else {
            ret_uri[used] = separator;
            memcpy(ret_uri + used + 1, at, size);
            ret_uri[used + 1 + size] = '\0';
            separator = '&';
        }
        at += size + (at[size] == '&' ? 1 : 0);
    }
    return true;
}

static const char *why(void)
{
    const char *text = ERR_reason_error_string(ERR_peek_error());
    return text != NULL ? text : "no reason was given";
}

static int start(struct key_engine *engine, const char *module, char *reason,
                 size_t capacity)
{
    ENGINE_load_dynamic();
    engine->engine = ENGINE_by_id("pkcs11");
    if (engine->engine == NULL) {
        text_copy(
            reason, capacity,
            "OpenSSL's engine 'pkcs11' is not installed (libengine-pkcs11-openssl)");
        return openssl_error(ERROR_UNSUPPORTED);
    }
    if (module[0] != '\0' &&
        ENGINE_ctrl_cmd_string(engine->engine, "MODULE_PATH", module, 0) != 1) {
        text_format(reason, capacity, "the engine 'pkcs11' does not take the module '%s'",
                    module);
        return openssl_error(ERROR_UNSUPPORTED);
    }
    engine->is_open = ENGINE_init(engine->engine) == 1;
    if (!engine->is_open) {
        text_format(reason, capacity, "the engine 'pkcs11' can't start: %s", why());
        return openssl_error(ERROR_CRYPTO);
    }
    return 0;
}

int key_engine_open(const char *uri, struct key_engine **ret_engine,
                    struct evp_pkey_st **ret_pkey, char *reason, size_t reason_capacity)
{
    char plain[URI_CAPACITY];
    char module[PATH_CAPACITY];
    struct key_engine *engine = calloc(1, sizeof(*engine));
    if (engine == NULL) {
        return ERROR_MEMORY;
    }
    if (!split(uri, plain, module)) {
        free(engine);
        text_copy(reason, reason_capacity, "the URI is too long");
        return ERROR_LIMIT;
    }
    int error = start(engine, module, reason, reason_capacity);
    EVP_PKEY *pkey =
        error == 0 ? ENGINE_load_private_key(engine->engine, plain, NULL, NULL) : NULL;
    if (error == 0 && pkey == NULL) {
        text_format(reason, reason_capacity,
                    "no private key is at '%.*s', or its PIN is wrong: %s",
                    (int)strcspn(plain, "?"), plain, why());
        error = openssl_error(ERROR_NOT_FOUND);
    }
    explicit_bzero(plain, sizeof(plain));
    if (error < 0) {
        key_engine_close(engine);
        return error;
    }
    *ret_pkey = pkey;
    *ret_engine = engine;
    return 0;
}

#else

void key_engine_close(struct key_engine *engine)
{
    (void)engine;
}

int key_engine_open(const char *uri, struct key_engine **ret_engine,
                    struct evp_pkey_st **ret_pkey, char *reason, size_t reason_capacity)
{
    (void)uri;
    (void)ret_engine;
    (void)ret_pkey;
    text_copy(reason, reason_capacity,
              "no OpenSSL provider knows pkcs11:, and this build has no engines");
    return ERROR_UNSUPPORTED;
}

#endif
