"""Stores of every earlier schema: the present roles take them over with what is in them, and refuse a newer
one with words."""
import os
import re
import sqlite3

import pytest

import conftest
import testbed

SCHEMA = os.path.join(conftest.TOP, "relay", "store", "schema.c")


def literal(text):
    """The value of C string literals that stand side by side."""
    parts = re.findall(r'"((?:[^"\\]|\\.)*)"', text)
    return "".join(part.replace('\\"', '"').replace("\\n", "\n") for part in parts)


def migrations(name):
    """The statements that lead from one schema of NAME.db to the next, as the program has them."""
    with open(SCHEMA) as file:
        source = re.sub(r"/\*.*?\*/", "", file.read(), flags=re.S)
    revision = literal(re.search(r"#define REVISION_TABLE(.*?[^\\])\n\n", source, re.S).group(1))
    found = re.findall(rf"static const char {name}_(\d+)\[\] =(.*?);\n\n", source, re.S)
    assert [int(number) for number, _ in found] == list(range(1, len(found) + 1)), found
    return [(revision if "REVISION_TABLE" in text else "") + literal(text) for _, text in found]


FILES = ("front", "issuer", "admin")
LEVELS = max(len(migrations(name)) for name in FILES)


def tables(connection):
    return [row[0] for row in connection.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")]


def columns(connection, table):
    return [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]


def take_back(path, name, level):
    """Makes PATH as a program of schema LEVEL would have left it, with the rows that it could know."""
    old = sqlite3.connect(path)
    new_path = path + ".older"
    new = sqlite3.connect(new_path)
    for statement in migrations(name)[:level]:
        new.executescript(statement)
    new.execute(f"PRAGMA user_version = {min(level, len(migrations(name)))}")
    known = {}
    for table in tables(new):
        shared = [column for column in columns(new, table) if column in columns(old, table)]
        rows = old.execute(f"SELECT {', '.join(shared)} FROM {table}").fetchall()
        marks = ", ".join("?" * len(shared))
        new.execute(f"DELETE FROM {table}")
        new.executemany(f"INSERT INTO {table} ({', '.join(shared)}) VALUES ({marks})", rows)
        known[table] = len(rows)
    new.commit()
    new.close()
    old.close()
    for end in ("-wal", "-shm"):
        if os.path.exists(path + end):
            os.remove(path + end)
    os.rename(new_path, path)
    os.chmod(path, 0o640)
    return known


def spend_as_before(path, zone, count):
    """What issuers before the buckets wrote: a row a certificate."""
    connection = sqlite3.connect(path)
    ca = connection.execute("SELECT ca FROM ca_accounts").fetchone()[0]
    for number in range(count):
        connection.execute("INSERT INTO budgets (zone, ca, budget, number, rev, id, spent_at) VALUES"
                           " (?, ?, 'certificates', ?, 1, 'x', strftime('%s', 'now'))", (zone, ca, f"n{number}"))
    connection.commit()
    connection.close()


def new_order(device):
    device.account()
    return device.post(device.directory()["newOrder"],
                       {"identifiers": [{"type": "dns", "value": f"*.{device.name()}"}]})


@pytest.mark.parametrize("level", range(1, LEVELS))
def test_upgrade(make_lab, level):
    lab = make_lab(settings={"issuer": {"budgets": "yes", "certificates_per_week": "6"}})
    device = conftest.new_client(lab)
    chain = device.certificate()
    conftest.run([os.path.join(conftest.BIN, "latchkey-relay"), "--config", lab.config_file, "block", "b" * 32])
    for role in testbed.ROLES:
        lab.processes[role].stop()
    known = {name: take_back(os.path.join(lab.store, f"{name}.db"), name, level) for name in FILES}
    assert known["issuer"]["certificates"] == 2 and known["front"]["accounts"] == 1
    assert known["admin"]["blocks"] == 1
    issuer_db = os.path.join(lab.store, "issuer.db")
    if level < 3:
        spend_as_before(issuer_db, lab.zone, 5)
    for role in testbed.ROLES:
        lab.start_role(role)
    # The device is known, its certificate is served again, and what was spent is remembered.
    assert device.post(device.kid).status == 200
    connection = sqlite3.connect(issuer_db)
    assert connection.execute("PRAGMA user_version").fetchone()[0] == len(migrations("issuer"))
    assert connection.execute("SELECT count(*) FROM certificates").fetchone()[0] == 2
    connection.close()
    assert conftest.ca_status(lab, chain) == "Valid"
    statuses = [new_order(conftest.new_client(lab)).status for _ in range(2)]
    assert statuses == ([201, 429] if level < 3 else [201, 201])
    device.certificate()


@pytest.mark.parametrize("role", ["front", "issuer"])
def test_a_newer_store_is_refused(make_lab, role):
    lab = make_lab()
    lab.processes[role].stop()
    connection = sqlite3.connect(os.path.join(lab.store, f"{role}.db"))
    connection.execute("PRAGMA user_version = 99")
    connection.commit()
    connection.close()
    process = lab.start_role(role, ready_s=None)
    testbed.wait_for(lambda: not process.running(), f"the end of {role}")
    assert process.child.returncode > 0
    assert "made by a newer latchkey" in process.log(), process.tail()


def test_the_parser_of_this_test():
    """It reads what the program has: a store made by these statements is one of the present schema."""
    for name in FILES:
        connection = sqlite3.connect(":memory:")
        for statement in migrations(name):
            connection.executescript(statement)
        assert "revision" in tables(connection) and len(tables(connection)) > 3
        connection.close()
