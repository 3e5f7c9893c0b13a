/* The one door to JSON text: parsing with bounds on size, depth and duplicate keys,
 * dumping, and typed getters. json_t values may be built and looked at with jansson's own
 * functions elsewhere. */
#ifndef BASE_CORE_JSON_H
#define BASE_CORE_JSON_H

#include "base/core/buffer.h"

#include <jansson.h>

/* Parses SIZE bytes as one JSON value. The size is held to MAX_BYTES and the depth to
 * LIMIT_JSON_DEPTH before jansson sees the text (ERROR_LIMIT); duplicate keys, NUL in
 * strings and trailing bytes are ERROR_SYNTAX. The caller json_decref()s *RET_VALUE. */
int json_parse(const void *data, size_t size, size_t max_bytes,
               json_t **ret_value) MUST_CHECK;
/* Appends VALUE, compact and with keys in order of insertion. */
int json_dump(const json_t *value, struct buffer *buffer) MUST_CHECK;

/* Members of an object, borrowed from it; NULL (or the fallback) when absent or of
 * another type. */
const char *json_get_text(const json_t *object, const char *key);
json_t *json_get_object(const json_t *object, const char *key);
json_t *json_get_array(const json_t *object, const char *key);
int64_t json_get_i64(const json_t *object, const char *key, int64_t fallback);
bool json_get_bool(const json_t *object, const char *key, bool fallback);
/* Sets a member to a new string; ERROR_MEMORY, or ERROR_SYNTAX for bytes that are no
 * UTF-8. A NULL text sets nothing. */
int json_set_text(json_t *object, const char *key, const char *text) MUST_CHECK;
int json_set_i64(json_t *object, const char *key, int64_t value) MUST_CHECK;
int json_set_bool(json_t *object, const char *key, bool value) MUST_CHECK;
/* Takes VALUE, also on failure. A NULL value is ERROR_MEMORY. */
int json_set_take(json_t *object, const char *key, json_t *value) MUST_CHECK;

#endif
