#!/usr/bin/python3
"""The manual pages are whole: every command of the programs' tables stands in latchkey.1 or latchkey-relay.8, and every
key of the configurations in latchkey.conf.5 or relay.conf.5."""
import os
import re
import sys

HIDDEN = {"-h", "ready_file"}  # another spelling; for tests


def commands(text):
    return set(re.findall(r'\{"([a-z-]+)", (?:command_\w+\}|\.(?:run|list) = )', text))


def keys(text):
    return set(re.findall(r'(?:\.key = |\b[A-Z]+\("\w+", )"(\w+)"', text))


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
    table = '{"run", command_run},   {"admin-secret", command_admin_secret}, {"list", .list = x},'
    assert commands(table) == {"run", "admin-secret", "list"}
    assert missing(commands(table), manual_commands(".Cm run\n.It Cm list | x\n"), "x") == [
        "x: 'admin-secret' is not explained"]
    assert not missing({"admin-secret"}, manual_commands(".Cm admin-secret | x\n"), "x")
    assert missing(keys('.key = "a_b",\n.key = "c", TEXT("dns", "d", e),'), manual_keys(".It Ic c , d\n"), "x") == [
        "x: 'a_b' is not explained"]


def main():
    prove()
    root = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(__file__), "..", "..")

    def read(*parts):
        with open(os.path.join(root, *parts)) as file:
            return file.read()

    faults = []
    for folder, page in (("device", "latchkey.1"), ("relay/admin", "latchkey-relay.8")):
        wanted = set().union(*(commands(read(folder, name)) for name in os.listdir(os.path.join(root, folder))
                               if name.endswith(".c")))
        if not wanted:
            sys.exit(f"no table of commands was found in {folder}")
        faults += missing(wanted, manual_commands(read("docs", "man", page)), f"docs/man/{page}")
    for source, page in (("device/device_config.c", "latchkey.conf.5"), ("relay/relay_config.c", "relay.conf.5")):
        wanted = keys(read(source))
        if not wanted:
            sys.exit(f"no table of keys was found in {source}")
        faults += missing(wanted, manual_keys(read("docs", "man", page)), f"docs/man/{page}")
    for fault in faults:
        print(fault)
    return 1 if faults else 0


sys.exit(main())
