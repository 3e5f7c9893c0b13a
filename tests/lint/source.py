"""What the checks in this folder share: the sources, their text without comments, and how a check is
run. Each check is a program: CHECK.py [ROOT]. It first proves on made-up files that it finds what it
should (its CASES), then reads the tree; the exit status is 1 when it finds something."""
import os
import re
import sys
import tempfile

FOLDERS = ("base", "dns", "acme", "relay", "device", "tests")
TOKEN = re.compile(r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", re.S)


def paths(root, endings=(".c", ".h")):
    """The sources below ROOT, as paths relative to it, sorted."""
    found = []
    for folder in FOLDERS:
        for where, below, names in os.walk(os.path.join(root, folder)):
            below[:] = [name for name in below if name not in ("corpus", "vectors", "__pycache__")]
            found += [os.path.relpath(os.path.join(where, name), root)
                      for name in names if name.endswith(endings)]
    return sorted(found)


def blank(text, strings=True):
    """TEXT with comments (and string contents) replaced by blanks; every line keeps its number."""
    def replace(match):
        token = match.group()
        if token[0] == "/":
            return re.sub(r"[^\n]", " ", token)
        return token[0] + " " * (len(token) - 2) + token[-1] if strings else token
    return TOKEN.sub(replace, text)


def includes(text):
    """(line, name, is local) of each #include."""
    for number, line in enumerate(blank(text, strings=False).splitlines(), 1):
        match = re.match(r'\s*#\s*include\s*(["<])([^">]+)[">]', line)
        if match:
            yield number, match.group(2), match.group(1) == '"'


def matches(pattern, text):
    """(line, match) of each match of PATTERN in TEXT."""
    for match in re.finditer(pattern, text):
        yield text.count("\n", 0, match.start()) + 1, match


def run(check, cases, endings=(".c", ".h")):
    """CHECK(path, text) yields (line, message). CASES: (path, text, faults expected)."""
    faults = 0
    for path, text, expected in cases:
        found = list(check(path, text))
        if len(found) != expected:
            print(f"self-test: {path}: {len(found)} faults found, {expected} expected: {found}\n{text}")
            faults += 1
    # The walk itself must see a file, or a check of an empty list would always pass.
    with tempfile.TemporaryDirectory() as folder:
        os.makedirs(os.path.join(folder, "base", "core"))
        with open(os.path.join(folder, "base", "core", "x" + endings[0]), "w") as file:
            file.write("\n")
        if paths(folder, endings) != [os.path.join("base", "core", "x" + endings[0])]:
            print("self-test: the walk over the sources doesn't find them")
            faults += 1
    root = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(__file__), "..", "..")
    count = 0
    for path in paths(root, endings):
        with open(os.path.join(root, path), encoding="utf-8", errors="replace") as file:
            text = file.read()
        count += 1
        for line, message in check(path, text):
            print(f"{path}:{line}: {message}")
            faults += 1
    if count == 0:
        print(f"no sources below '{root}'")
        faults += 1
    sys.exit(1 if faults else 0)
