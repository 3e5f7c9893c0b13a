#!/usr/bin/python3
"""The manual pages are good mdoc, as mandoc judges it: no warning. Arguments: ROOT. Without mandoc it ends with 77,
which ctest counts as skipped."""
import glob
import os
import shutil
import subprocess
import sys
import tempfile

GOOD = ".Dd November 21, 2026\n.Dt X 1\n.Os\n.Sh NAME\n.Nm x\n.Nd a page\n"


def faults(paths):
    """What mandoc says of them beyond style."""
    done = subprocess.run(["mandoc", "-T", "lint", "-W", "warning"] + paths, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)
    return [line for line in done.stdout.splitlines()
            if any(f" {word}: " in line for word in ("WARNING", "ERROR", "UNSUPP", "BADARG"))]


def self_test():
    """It must find a wrong page, and nothing in a right one."""
    with tempfile.TemporaryDirectory() as folder:
        found = []
        for text in (GOOD, GOOD + ".Sh DESCRIPTION\n.Nonsense\n.El\n"):
            path = os.path.join(folder, "x.1")
            with open(path, "w") as file:
                file.write(text)
            found.append(bool(faults([path])))
        return found == [False, True] or print(f"self-test: {found}")


def main():
    if shutil.which("mandoc") is None:
        print("'mandoc' is not installed (deploy/install-packages test)")
        sys.exit(77)
    root = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(__file__), "..", "..")
    paths = sorted(glob.glob(os.path.join(root, "docs", "man", "*.[1-9]")))
    good = self_test()
    found = faults(paths) if paths else ["no manual page found"]
    for line in found:
        print(line)
    sys.exit(0 if good and not found else 1)


main()
