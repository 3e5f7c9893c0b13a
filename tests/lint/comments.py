#!/usr/bin/python3
"""Every function that a header declares has a comment before it that says what it does, who owns what,
and how it fails. Declarations that follow each other without an empty line share one comment."""
import re

import source

# A declaration at the left margin that ends in ");" (attributes may stand between).
START = re.compile(r"^(?!typedef\b|struct [\w]+ \{|enum |#|\}|static |return )[A-Za-z_][\w \t]*[ *]+"
                   r"\**\w+\s*\(")


def check(path, text):
    if not path.endswith(".h") or path.startswith("tests/"):
        return
    lines, bare = text.splitlines(), source.blank(text).splitlines()
    for number, line in enumerate(bare, 1):
        if not START.match(line):
            continue
        above = number - 2
        # Upwards over the declarations of the same group to what stands before them.
        while above >= 0 and lines[above].strip() and not bare[above].startswith(("#", "}")):
            above -= 1
        group = lines[above + 1:number - 1]
        if not any("/*" in row or "//" in row or "*/" in row for row in group):
            name = re.search(r"(\w+)\s*\($", line[:line.index("(") + 1]).group(1)
            yield number, f"{name}() has no comment before it"


source.run(check, (
    ("base/core/a.h", "/* Does. */\nint a_do(int x);\n", 0),
    ("base/core/a.h", "int a_do(int x);\n", 1),
    ("base/core/a.h", "/* Does. */\nint a_do(int x);\nvoid a_free(struct a *a);\n", 0),
    ("base/core/a.h", "/* Does. */\nint a_do(int x,\n         int y);\nint a_be(void);\n", 0),
    ("base/core/a.h", "/* Does. */\nint a_do(int x);\n\nvoid a_free(struct a *a);\n", 1),
    ("base/core/a.h", "/* File. */\n#ifndef A_H\n#define A_H\nint a_do(int x);\n#endif\n", 1),
    ("base/core/a.h", "const char *a_name(int x);\n", 1),
    ("base/core/a.h", "/* A. */\nstruct a {\n    int b; /* B */\n};\nint a_do(int x);\n", 1),
    ("base/core/a.h", "struct a {\n    int (*call)(void *data);\n};\n", 0),
    ("base/core/a.c", "int a_do(int x);\n", 0),
))
