#!/usr/bin/python3
"""Files of at most 800 lines, functions of at most 80, lines of at most 100 columns."""
import source

FILE_LINES, FUNCTION_LINES, COLUMNS = 800, 80, 100


def check(path, text):
    lines = text.splitlines()
    if len(lines) > FILE_LINES:
        yield FILE_LINES, f"{len(lines)} lines; a file has at most {FILE_LINES}: divide it"
    start = None
    for number, line in enumerate(lines, 1):
        if len(line) > COLUMNS:
            yield number, f"{len(line)} columns; a line has at most {COLUMNS}"
        if line.startswith("{"):
            start = number
        elif line.startswith("}") and start is not None:
            if number - start + 1 > FUNCTION_LINES:
                yield start, (f"a function of {number - start + 1} lines; "
                              f"it has at most {FUNCTION_LINES}")
            start = None


def function(count):
    return "int f(void)\n{\n" + "    g();\n" * (count - 2) + "}\n"


source.run(check, (
    ("base/core/a.c", function(80), 0),
    ("base/core/a.c", function(81), 1),
    ("base/core/a.c", function(60) + function(60), 0),
    ("base/core/a.c", "\n" * 800, 0),
    ("base/core/a.c", "\n" * 801, 1),
    ("base/core/a.c", "x" * 100 + "\n" + "x" * 101 + "\n", 1),
))
