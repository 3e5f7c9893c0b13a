#!/usr/bin/python3
"""Each library has one door: the files that may include its headers, and for jansson the file that may
parse and dump. So that what the library demands is met in one place."""
import re

import source

DOORS = (
    (r"sqlite3(ext)?\.h|libpq-fe\.h|pq/.*", ("relay/store/",)),
    # latchkey_curl.c: a library of its own, for programs without our loop and resolver.
    (r"curl/.*", ("base/net/http_client", "device/lib/latchkey_curl.c")),
    (r"ares(_.*)?\.h", ("base/net/resolve.c",)),
    (r"event2/.*|event\.h|evhttp\.h", ("base/net/",)),
    (r"ldns/.*", ("dns/", "tests/")),
    (r"seccomp\.h", ("base/core/syscall_filter.c",)),
    (r"ini\.h", ("base/core/conf.c",)),
    (r"avahi-.*", ("device/mdns.c", "device/mdns_group.c", "device/mdns_group.h")),
    (r"openssl/.*", ("base/crypto/", "base/net/", "device/lib/examples/", "tests/")),
)
JANSSON = re.compile(r"\bjson_(load[sbf]|loadfd|load_file|load_callback|dump[sbf]|dumpfd|dump_file"
                     r"|dump_callback)\s*\(")
JANSSON_DOOR = "base/core/json.c"


def check(path, text):
    for line, name, local in source.includes(text):
        for pattern, allowed in DOORS:
            if not local and re.fullmatch(pattern, name) and not path.startswith(allowed):
                yield line, f"<{name}> only in {' '.join(allowed)}"
    if path != JANSSON_DOOR and not path.startswith("tests/"):
        for line, match in source.matches(JANSSON, source.blank(text)):
            yield line, f"json_{match.group(1)}() only in {JANSSON_DOOR}: it bounds size and depth"


source.run(check, (
    ("relay/store/a.c", "#include <sqlite3.h>\n", 0),
    ("relay/front/a.c", "#include <sqlite3.h>\n", 1),
    ("base/net/http_client.c", "#include <curl/curl.h>\n", 0),
    ("base/net/http_exchange.c", "#include <curl/curl.h>\n", 1),
    ("device/lib/latchkey_curl.c", "#include <curl/curl.h>\n", 0),
    ("device/worker/a.c", "#include <curl/curl.h>\n#include <libpq-fe.h>\n", 2),
    ("base/net/loop.c", "#include <ares.h>\n", 1),
    ("base/net/loop.c", "#include <event2/event.h>\n", 0),
    ("dns/a.c", "#include <event2/event.h>\n#include <ldns/ldns.h>\n", 1),
    ("tests/unit/a.c", "#include <ldns/ldns.h>\n", 0),
    ("relay/front/a.c", "#include <seccomp.h>\n", 1),
    ("acme/a.c", "#include <openssl/evp.h>\n", 1),
    ("device/agent.c", "#include <avahi-client/client.h>\n", 1),
    ("acme/a.c", "json_t *x = json_loadb(text, size, 0, NULL);\n", 1),
    ("acme/a.c", "char *x = json_dumps(value, 0); /* json_dumps( */\n", 1),
    ("tests/unit/a.c", "char *x = json_dumps(value, 0);\n", 0),
    ("base/core/json.c", "char *x = json_dumps(value, 0);\n", 0),
    ("acme/a.c", "const char *x = \"json_dumps(\"; json_object_get(a, b);\n", 0),
))
