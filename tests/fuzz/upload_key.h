/* The key that tests/vectors/upload and the fuzz corpus are for; it is no secret. */
#ifndef TESTS_FUZZ_UPLOAD_KEY_H
#define TESTS_FUZZ_UPLOAD_KEY_H

static const char upload_key_pem[] =
    "-----BEGIN PRIVATE KEY-----\n"
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgAAAAAAAAAAAAAAAA\n"
    "AAAAAAAAAAAAAAAAAGxhdGNrZXmhRANCAASzVcegchM44aQBM9cizYzlm8gv1bCw\n"
    "G/+ILqK3d0IYOYjsbMsPt0YDEDBSEEy7vSWrRLbzANwNF3NfjRLro8W5\n"
    "-----END PRIVATE KEY-----\n";
#define UPLOAD_HOST "nas.example"
enum { UPLOAD_NOW_AT = 1795219200 }; /* 2026-11-21 */

#endif
