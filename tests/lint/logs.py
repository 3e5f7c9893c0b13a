#!/usr/bin/python3
"""Libraries (base, dns, acme) return errors and log nothing above debug, and print nothing: the program
that decides says it, once."""
import re

import source

LOG = re.compile(r"\b(log_(?:error|warning|info)|printf|puts|perror|exit)\s*\(|\bfprintf\s*\(\s*stderr\b")
ALLOWED = ("base/core/log.h", "base/core/log.c")


def check(path, text):
    if path.startswith(("base/", "dns/", "acme/")) and path not in ALLOWED:
        for line, match in source.matches(LOG, source.blank(text)):
            yield line, f"'{match.group().rstrip('(')}' in a library: return an error instead"


source.run(check, (
    ("acme/a.c", "log_info(\"x\");\n", 1),
    ("acme/a.c", "log_debug(\"x\");\n", 0),
    ("dns/a.c", "fprintf(stderr, \"x\");\nsnprintf(a, 1, \"x\");\n", 1),
    ("base/net/a.c", "exit(1); _exit(1); /* exit(1) */\n", 1),
    ("relay/main.c", "log_error(\"x\");\n", 0),
    ("base/core/log.h", "#define log_error(...) log_write(LOG_LEVEL_ERROR, __VA_ARGS__)\n", 0),
))
