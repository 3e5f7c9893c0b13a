/* The tables of the store, one list per writing role. Each role owns one database file
 * and is the only one that writes it; the others open it read-only. Every table has
 * `zone`, and `rev`, which the writing transaction takes from the file's `revision` row:
 * readers follow by `rev > seen`. Nothing is deleted while a reader may need to see it
 * go: `gone` marks a tombstone. */
#ifndef RELAY_STORE_SCHEMA_H
#define RELAY_STORE_SCHEMA_H

/* The migrations of each file, in order; the index + 1 of the last one applied is its
 * version. NULL-terminated. */
extern const char *const schema_front[];
extern const char *const schema_issuer[];
extern const char *const schema_admin[];

#endif
