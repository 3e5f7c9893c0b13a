#!/usr/bin/python3
"""Every test in the tree is a test of the build: a file that no CMakeLists.txt mentions would be a test that
nobody runs. Arguments: ROOT BUILD."""
import glob
import os
import sys
import tempfile

PATTERNS = ("tests/unit/*/test_*.c", "tests/fuzz/fuzz_*.c", "tests/fault/fault_*.c",
            "tests/system/test_*.py")


def faults(root, build):
    """The test files that ctest doesn't know, and how many there are."""
    known = ""
    for where, _, names in os.walk(build):
        if "CTestTestfile.cmake" in names:
            with open(os.path.join(where, "CTestTestfile.cmake")) as file:
                known += file.read()
    paths = [path for pattern in PATTERNS for path in sorted(glob.glob(os.path.join(root, pattern)))]
    stems = [(path, os.path.splitext(os.path.basename(path))[0]) for path in paths]
    return [os.path.relpath(path, root) for path, stem in stems if f"/{stem}]" not in known and
            f'/{stem}"' not in known and f"/{stem} " not in known], len(paths)


def self_test():
    with tempfile.TemporaryDirectory() as root:
        for path in ("tests/unit/a/test_a.c", "tests/unit/a/test_b.c", "tests/fuzz/fuzz_a.c"):
            os.makedirs(os.path.join(root, os.path.dirname(path)), exist_ok=True)
            open(os.path.join(root, path), "w").close()
        os.makedirs(os.path.join(root, "build", "tests"))
        with open(os.path.join(root, "build", "tests", "CTestTestfile.cmake"), "w") as file:
            file.write('add_test([=[unit/test_a]=] "/x/test_a")\n')
        found, count = faults(root, os.path.join(root, "build"))
        return (found, count) == (["tests/unit/a/test_b.c", "tests/fuzz/fuzz_a.c"], 3) or print(
            f"self-test: {found}")


def main():
    good = self_test()
    found, count = faults(sys.argv[1], sys.argv[2])
    for path in found:
        print(f"{path}: no test of the build runs it")
    sys.exit(0 if good and not found and count > 0 else 1)


main()
