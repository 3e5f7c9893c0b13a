#!/usr/bin/python3
"""The manual pages are whole: every command of the programs' tables stands in latchkey.1 and every key of the
configuration in latchkey.conf.5."""
import os
import re
import sys

HIDDEN = {"-h"}  # another spelling


def commands(text):
    return set(re.findall(r'\{"([a-z-]+)", command_\w+\}', text))


def keys(text):
    return set(re.findall(r'\.key = "(\w+)"', text))


def manual_commands(text):
    found = set()
    for line in re.findall(r"^\.(?:It )?Cm (.*)$", text, re.M):
        found |= set(re.findall(r"[a-z][a-z-]+", line))
    return found


def manual_keys(text):
    return {word for line in re.findall(r"^\.It Ic (.*)$", text, re.M) for word in re.findall(r"\w+", line)}


def missing(wanted, found, where):
    return [f"{where}: '{word}' is not explained" for word in sorted(wanted - found - HIDDEN)]


def prove():
    table = '{"run", command_run},   {"admin-secret", command_admin_secret},'
    assert commands(table) == {"run", "admin-secret"}
    assert missing(commands(table), manual_commands(".Cm run\n.Op x\n"), "x") == [
        "x: 'admin-secret' is not explained"]
    assert not missing(commands(table), manual_commands(".It Cm run\n.Cm admin-secret | x\n"), "x")
    assert missing(keys('.key = "a_b",\n.key = "c"'), manual_keys(".It Ic c , d\n"), "x") == [
        "x: 'a_b' is not explained"]


def main():
    prove()
    root = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(__file__), "..", "..")

    def read(*parts):
        with open(os.path.join(root, *parts)) as file:
            return file.read()

    wanted = set()
    for name in os.listdir(os.path.join(root, "device")):
        if name.endswith(".c"):
            wanted |= commands(read("device", name))
    if not wanted:
        sys.exit("no table of commands was found")
    faults = missing(wanted, manual_commands(read("docs", "man", "latchkey.1")), "docs/man/latchkey.1")
    faults += missing(keys(read("device", "device_config.c")),
                      manual_keys(read("docs", "man", "latchkey.conf.5")), "docs/man/latchkey.conf.5")
    for fault in faults:
        print(fault)
    return 1 if faults else 0


sys.exit(main())
