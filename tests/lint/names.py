#!/usr/bin/python3
"""A file is one noun: none is named util, misc, common or helpers, and its stem starts the name of
every function that its header declares."""
import os
import re

import source

VAGUE = re.compile(r"(^|_)(utils?|misc|common|helpers?|stuff|tools?)(_|$)")
FUNCTION = re.compile(r"^(?!typedef\b|static\b|return\b|#)[A-Za-z_][\w \t]*[ *]+\**(\w+)\s*\(", re.M)
# Interfaces whose prefix is not their file's stem, and why.
EXCEPTIONS = {
    "device/lib/latchkey-curl.h": ("latchkey_curl",),  # installed beside latchkey.h
    "base/net/http_server.h": ("http_exchange",),   # one request and its response at the server
    "base/net/http_client.h": ("http_response",),   # what a transfer brought
    "base/net/resolve.h": ("resolver",),            # the object; resolve_* are its look-ups
    "device/worker_protocol.h": ("worker_message",),  # what the protocol is made of
}


def check(path, text):
    stem, ending = os.path.splitext(os.path.basename(path))
    if VAGUE.search(stem):
        yield 1, f"'{stem}' says nothing of what is in the file"
    if ending != ".h" or path.startswith("tests/"):
        return
    for line, match in source.matches(FUNCTION, source.blank(text)):
        name = match.group(1)
        # x_parts.h is what the files of the noun x share among themselves.
        noun = re.sub(r"_parts$", "", stem)
        folder = os.path.basename(os.path.dirname(path))
        prefixes = (noun, f"{folder}_{noun}") + EXCEPTIONS.get(path, ())
        if name.isupper() or name == "__attribute__":
            continue
        if not any(name == prefix or name.startswith(prefix + "_") for prefix in prefixes):
            yield line, f"{name}() doesn't start with the file's stem '{stem}_'"


source.run(check, (
    ("base/core/util.c", "\n", 1),
    ("base/core/http_helpers.c", "\n", 1),
    ("base/core/utility_rate.c", "\n", 0),
    ("base/core/text.h", "int text_cut(char *x);\nchar *text_copy(const char *x);\n", 0),
    ("base/core/text.h", "int cut(char *x);\n", 1),
    ("dns/probe.h", "int dns_probe_new(void);\nint net_probe_new(void);\n", 1),
    ("base/core/text.h", "/* int cut(char *x); */\n", 0),
    ("base/core/text_parts.h", "int text_cut(char *x);\nint cut(char *x);\n", 1),
    ("tests/unit/text.h", "int cut(char *x);\n", 0),
))
