#!/usr/bin/python3
"""Calls that have no place here (unbounded, ambiguous, not reentrant, blocking), typedefs that hide a
struct or a pointer, and marks of unfinished work."""
import re

import source

CALLS = re.compile(r"(?<![\w.>])(strcpy|strcat|stpcpy|sprintf|vsprintf|strtok|atoi|atol|atoll|strtol"
                   r"|sscanf|gets|gmtime|localtime|rand|srand|alloca|system|popen|sleep|usleep"
                   r"|nanosleep|tmpnam|mktemp)\s*\(")
TYPEDEF = re.compile(r"\btypedef\s+(?:const\s+)?(?:(?:struct|union)\b|[^;(){}]*\*)")
MARK = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")


def check(path, text):
    bare = source.blank(text)
    for line, match in source.matches(CALLS, bare):
        yield line, f"{match.group(1)}() is banned"
    for line, _ in source.matches(TYPEDEF, bare):
        yield line, "no typedef of a struct or of a pointer"
    for line, match in source.matches(MARK, text):
        yield line, f"{match.group(1)}: finish it, or say it in an issue"


source.run(check, (
    ("base/core/a.c", "int x = atoi(text);\n", 1),
    ("base/core/a.c", "strcpy (a, b); localtime(&t); localtime_r(&t, &tm);\n", 2),
    ("base/core/a.c", "/* strcpy(a, b) */ const char *x = \"system(1)\"; vtable.system(1);\n", 0),
    ("base/core/a.c", "file_system(1); snprintf(a, 1, b); operator->rand(1);\n", 0),
    ("base/core/a.c", "sleep(1); usleep(1); nanosleep(&a, NULL);\n", 3),
    ("base/core/a.h", "typedef struct thing thing_t;\n", 1),
    ("base/core/a.h", "typedef struct {\n  int a;\n} thing;\n", 1),
    ("base/core/a.h", "typedef char *text;\n", 1),
    ("base/core/a.h", "typedef int (*callback)(void *data);\ntypedef void done(int x);\n", 0),
    ("base/core/a.c", "/* TODO: later */\n", 1),
))
