#!/usr/bin/python3
"""What the documentation names must exist: files of the project, and tests by their ctest names, so that an
invariant isn't said to be held by a test that is gone."""
import glob
import os
import re
import sys
import tempfile

DOCUMENTS = ("README.md", "NEWS.md", "CONTRIBUTING.md", "SECURITY.md", "docs/*.md")
TESTS = {"unit": ("tests/unit/*/{}.c",), "fuzz": ("tests/fuzz/{}.c",), "fault": ("tests/fault/{}.c",),
         "system": ("tests/system/{}.py",), "lint": ("tests/lint/{}.py",),
         "bench": ("tests/bench/{}", "tests/bench/{}.py")}
FOLDERS = ("base", "dns", "acme", "relay", "device", "deploy", "tests", "docs", "cmake")


def exists(root, name):
    """Whether a quoted NAME is there; None when it is no reference at all."""
    first, _, rest = name.partition("/")
    if not re.fullmatch(r"[\w./*-]+", name) or not rest or "..." in name or "…" in name:
        return None
    if first in TESTS and not os.path.isdir(os.path.join(root, first)):
        patterns = [pattern.format(rest) for pattern in TESTS[first]]
    elif first in FOLDERS:
        patterns = [name.rstrip("/"), name.rstrip("/") + ".h", name.rstrip("/") + ".py"]
    else:
        return None
    return any(glob.glob(os.path.join(root, pattern)) for pattern in patterns)


def faults(root):
    """(document, line, name) of each reference to what isn't there, and how many were looked at."""
    found, count = [], 0
    for pattern in DOCUMENTS:
        for path in sorted(glob.glob(os.path.join(root, pattern))):
            with open(path) as file:
                for number, line in enumerate(file, 1):
                    links = re.findall(r"\]\(([\w./-]+)\)", line)
                    base = os.path.dirname(path)
                    for link in links:
                        count += 1
                        if not os.path.exists(os.path.join(base, link)):
                            found.append((os.path.relpath(path, root), number, link))
                    for name in re.findall(r"`([^`]+)`", line):
                        there = exists(root, name)
                        count += there is not None
                        if there is False:
                            found.append((os.path.relpath(path, root), number, name))
    return found, count


def self_test():
    with tempfile.TemporaryDirectory() as root:
        for folder in ("docs", "base/core", "tests/unit/core", "tests/system"):
            os.makedirs(os.path.join(root, folder))
        for name in ("base/core/text.c", "tests/unit/core/test_text.c", "tests/system/test_a.py"):
            open(os.path.join(root, name), "w").close()
        with open(os.path.join(root, "docs", "A.md"), "w") as file:
            file.write("`base/core/text.c` `unit/test_text` `system/test_a` `base/core` `a/b` `text`\n"
                       "`base/core/gone.c` `unit/test_gone` `system/test_b`\n[a](A.md) [b](B.md)\n")
        names = [name for _, _, name in faults(root)[0]]
        return names == ["base/core/gone.c", "unit/test_gone", "system/test_b", "B.md"] or print(
            f"self-test: {names}")


def main():
    root = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(__file__), "..", "..")
    good = self_test()
    found, count = faults(root)
    for path, line, name in found:
        print(f"{path}:{line}: '{name}' doesn't exist")
    if count < 10:
        print(f"only {count} references found below '{root}'")
    sys.exit(0 if good and not found and count >= 10 else 1)


main()
