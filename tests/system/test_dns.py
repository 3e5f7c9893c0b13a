"""The dns role as the world sees it: dig asks it directly, Unbound asks it as a public CA's resolver does
(strict minimisation, 0x20, EDNS 1232 and 512), and the store comes, changes and goes under it. The store is
a copy of a lab's, which the tests write to with sqlite3, as the roles that own the files would."""
import contextlib
import os
import re
import shutil
import sqlite3
import statistics
import time

import pytest

import conftest
import testbed

ZONE = "lab.test"
ID = "abcdefghijklmnopqrstuvwxyz234567"
OTHER = "bcdefghijklmnopqrstuvwxyz234567a"
VISIBLE_S = 0.25
LAB = {}


class Answer:
    """What dig printed."""

    def __init__(self, text):
        self.text = text
        status = re.search(r"status: (\w+)", text)
        assert status, text
        self.status = status.group(1)
        self.flags = set(re.search(r"flags: ([a-z ]*);", text).group(1).split())
        self.answer, self.authority = self._section("ANSWER"), self._section("AUTHORITY")

    def _section(self, name):
        match = re.search(rf";; {name} SECTION:\n((?:[^;\n].*\n)*)", self.text)
        lines = match.group(1).splitlines() if match else []
        return sorted(tuple(line.split(None, 4)) for line in lines)

    def data(self):
        return [record[4] for record in self.answer]


def dig(port, name, qtype, *options):
    done = conftest.run(["dig", "@127.0.0.1", "-p", str(port), "+tries=2", "+time=5", "+qr",
                         *options, name, qtype])
    # With +qr the query stands before the answer.
    return Answer(done.stdout[done.stdout.index(";; Got answer:"):])


class Store:
    """A copy of a relay's databases, changed as their writers change them."""

    def __init__(self, folder):
        self.folder = folder

    @contextlib.contextmanager
    def change(self, name):
        """One transaction of the writer of NAME; gives (connection, revision)."""
        connection = sqlite3.connect(os.path.join(self.folder, name), isolation_level=None, timeout=10)
        try:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("UPDATE revision SET rev = rev + 1")
            yield connection, connection.execute("SELECT rev FROM revision").fetchone()[0]
            connection.execute("COMMIT")
        finally:
            connection.close()

    def put_challenge(self, name, value, gone=0):
        with self.change("issuer.db") as (connection, rev):
            connection.execute(
                "INSERT OR REPLACE INTO challenges (zone, name, value, rev, expires_at, gone)"
                " VALUES (?, ?, ?, ?, ?, ?)", (ZONE, name, value, rev, int(time.time()) + 3600, gone))

    def publish(self, device, addresses):
        with self.change("front.db") as (connection, rev):
            connection.execute(
                "INSERT OR REPLACE INTO addresses (zone, id, rev, counter, addresses, jws, published_at, gone)"
                " VALUES (?, ?, ?, 1, ?, '', ?, 0)", (ZONE, device, rev, addresses, int(time.time())))

    def certify(self, device, names):
        now = int(time.time())
        row = {"zone": ZONE, "cert_id": f"c-{device}-{time.time()}", "id": device,
               "number": f"n-{time.time()}", "lane": "device", "ca": "", "serial": "1", "names": names,
               "spki_hash": "", "csr_hash": "", "chain": "", "alternates": "[]", "not_before_at": now,
               "not_after_at": now + 3600, "ari_start_at": 0, "ari_end_at": 0, "ari_checked_at": 0}
        with self.change("issuer.db") as (connection, rev):
            row["rev"] = rev
            connection.execute(f"INSERT INTO certificates ({', '.join(row)}) VALUES"
                               f" ({', '.join('?' * len(row))})", tuple(row.values()))


class Nameserver:
    """A dns role of its own on a copy of a lab's store."""

    def __init__(self, folder, source):
        self.folder = str(folder)
        self.store = Store(os.path.join(self.folder, "store"))
        os.mkdir(self.store.folder)
        for name in ("front.db", "issuer.db", "admin.db"):
            origin = os.path.join(source, name)
            if os.path.exists(origin):
                with sqlite3.connect(f"file:{origin}?mode=ro", uri=True) as old, \
                        sqlite3.connect(os.path.join(self.store.folder, name)) as new:
                    old.backup(new)
                new.execute("PRAGMA journal_mode = WAL")
                old.close()
                new.close()
        self.port = testbed.free_port("127.0.0.1", set())
        self.config = os.path.join(self.folder, "relay.conf")
        self.snapshot = os.path.join(self.store.folder, "dns.snapshot")
        testbed.write_atomically(self.config, f"""[relay]
zone = {ZONE}
store = {self.store.folder}
base_url = https://relay.{ZONE}
[issuer]
terms_agreed = yes
[dns]
listen = 127.0.0.1:{self.port}
name_servers = ns.{ZONE}=127.0.0.1
hosts = relay=127.0.0.1
apex = 203.0.113.7
""")
        self.process = testbed.Process(
            "dns", [conftest.program("latchkey-relay"), "--config", self.config, "dns"],
            os.path.join(self.folder, "dns.log"))

    def start(self):
        self.process.start()
        testbed.wait_for(lambda: self.process.check() and
                         testbed.dns_query("127.0.0.1", self.port, ZONE, 6, 0.5)[1], "dns")
        return self

    def stop(self):
        status = self.process.stop()
        assert not conftest.sanitizer_reports(self.folder)
        assert status in (0, None), self.process.tail()

    def texts(self, name):
        return testbed.dns_query("127.0.0.1", self.port, name, 16)[2]

    def count_texts(self, name):
        """As texts, but eight values don't fit a datagram of 512 octets."""
        return len(dig(self.port, name, "TXT").answer)

    def addresses(self, name):
        return testbed.dns_query("127.0.0.1", self.port, name, 1)[2]


@pytest.fixture
def server(lab, tmp_path):
    conftest.need("dig")
    made = Nameserver(tmp_path, lab.store)
    yield made
    made.stop()


def fill(server):
    """One device that published and holds its own name, with eight values to prove it."""
    store = server.store
    store.publish(ID, "192.168.1.7 10.0.0.9 fd00::7")
    store.certify(ID, f"*.{ID}.{ZONE} {ID}.{ZONE}")
    for number in range(8):
        store.put_challenge(f"_acme-challenge.{ID}.{ZONE}", f"{number}" * 43)


def start_unbound(folder, server, edns_bytes):
    port = testbed.free_port("127.0.0.1", {server.port})
    config = os.path.join(folder, f"unbound-{edns_bytes}.conf")
    text = testbed.UNBOUND.format(folder=folder, address="127.0.0.1", port=port, zone=ZONE,
                                  tld="test", dns_address="127.0.0.1", dns_port=server.port)
    assert "edns-buffer-size: 1232" in text
    text = text.replace("edns-buffer-size: 1232",
                        f"edns-buffer-size: {edns_bytes}\n  max-udp-size: 4096")
    testbed.write_atomically(config, text)
    process = testbed.Process("unbound", ["unbound", "-d", "-c", config],
                              os.path.join(folder, f"unbound-{edns_bytes}.out")).start()
    # Any answer will do: without RD it is a refusal.
    testbed.wait_for(lambda: process.check() and testbed.dns_query("127.0.0.1", port, ZONE, 6, 2),
                     "Unbound")
    return process, port


NAMES = (  # name, type, status, number of answers
    (ZONE, "SOA", "NOERROR", 1), (ZONE, "NS", "NOERROR", 1), (ZONE, "CAA", "NOERROR", 1),
    (ZONE, "A", "NOERROR", 1), (ZONE, "MX", "NOERROR", 1), (ZONE, "TXT", "NOERROR", 1),
    (ZONE, "AAAA", "NOERROR", 0), (f"relay.{ZONE}", "A", "NOERROR", 1),
    (f"ns.{ZONE}", "A", "NOERROR", 1), (f"relay.{ZONE}", "CAA", "NOERROR", 0),
    (f"{ID}.{ZONE}", "A", "NOERROR", 2), (f"{ID}.{ZONE}", "AAAA", "NOERROR", 1),
    (f"{ID}.{ZONE}", "CAA", "NOERROR", 0), (f"{OTHER}.{ZONE}", "A", "NOERROR", 0),
    (f"home.{ID}.{ZONE}", "A", "NOERROR", 2), (f"home.{ID}.{ZONE}", "TYPE65", "NOERROR", 0),
    (f"192-168-1-51.{OTHER}.{ZONE}", "A", "NOERROR", 1),
    (f"192-168-1-51.{OTHER}.{ZONE}", "AAAA", "NOERROR", 0),
    (f"192-168-1-51.{OTHER}.{ZONE}", "TYPE65", "NOERROR", 0),
    (f"192-168-1-51.{OTHER}.{ZONE}", "TYPE65280", "NOERROR", 0),
    (f"192-168-1-51.{OTHER}.{ZONE}", "CAA", "NOERROR", 0),
    (f"fd12-3456-0-0-0-0-0-1.{OTHER}.{ZONE}", "AAAA", "NOERROR", 1),
    (f"8-8-8-8.{ID}.{ZONE}", "A", "NOERROR", 0),
    (f"_acme-challenge.{ID}.{ZONE}", "TXT", "NOERROR", 8),
    (f"_acme-challenge.{ID}.{ZONE}", "CAA", "NOERROR", 0),
    (f"_acme-challenge.{OTHER}.{ZONE}", "TXT", "NOERROR", 1),
    (f"_acme-challenge.relay.{ZONE}", "TXT", "NOERROR", 1),
    (f"probe-x.{ID}.{ZONE}", "A", "NOERROR", 1),
    (f"nothing.{ZONE}", "A", "NXDOMAIN", 0), (f"a.b.{ID}.{ZONE}", "A", "NXDOMAIN", 0),
    (f"192-168-1-51.nothing.{ZONE}", "A", "NXDOMAIN", 0))


@pytest.mark.parametrize("edns_bytes", (1232, 512))
def test_unbound_resolves_every_kind_of_name(server, tmp_path, edns_bytes):
    conftest.need("unbound")
    fill(server)
    server.start()
    unbound, port = start_unbound(str(tmp_path), server, edns_bytes)
    try:
        for name, qtype, status, count in NAMES:
            got = dig(port, name, qtype, "+bufsize=4096")
            assert (got.status, len(got.answer)) == (status, count), f"{name} {qtype}\n{got.text}"
            if count == 0:
                assert [record[3] for record in got.authority] == ["SOA"], got.text
    finally:
        unbound.stop()


def test_dig_sees_authority_in_every_answer(server):
    fill(server)
    server.start()
    for name, qtype, status, count in NAMES:
        for options in ((), ("+tcp",), ("+noedns",), ("+dnssec",)):
            got = dig(server.port, name, qtype, *options)
            assert (got.status, len(got.answer)) == (status, count), f"{name} {qtype}\n{got.text}"
            assert "aa" in got.flags and "ra" not in got.flags, got.text
            assert bool(got.authority) == (count == 0), got.text
            assert "malformed" not in got.text and "extra bytes" not in got.text, got.text


def test_truncated_answers_come_over_tcp(server):
    fill(server)
    server.start()
    name = f"_acme-challenge.{ID}.{ZONE}"
    for options, truncated in ((("+bufsize=512",), True), (("+noedns",), True), (("+bufsize=1232",), False),
                               (("+bufsize=100",), True)):
        got = dig(server.port, name, "TXT", "+ignore", *options)
        assert ("tc" in got.flags) == truncated, got.text
        assert len(got.answer) == (0 if truncated else 8), got.text
        assert len(dig(server.port, name, "TXT", *options).answer) == 8


def test_case_is_echoed(server):
    server.start()
    name = f"192-168-1-51.{ID.upper()}.LaB.tEsT"
    got = dig(server.port, name, "A")
    assert f";{name}." in got.text and got.data() == ["192.168.1.51"], got.text


def test_edns_is_as_flag_day_wants_it(server):
    """The questions of ISC's EDNS compliance tester."""
    server.start()
    badvers = dig(server.port, ZONE, "SOA", "+edns=1", "+noednsneg")
    assert badvers.status == "BADVERS" and not badvers.answer, badvers.text
    assert "EDNS: version: 0" in badvers.text
    for options in (("+ednsopt=65001:0102",), ("+ednsflags=0x40",), ("+nsid",), ("+cookie",),
                    ("+subnet=10.0.0.0/8",), ("+expire",), ("+padding=128",), ("+dnssec",),
                    ("+header-only", "+opcode=notify"), ("+opcode=update",), ("+zflag",), ("+adflag",),
                    ("+cdflag",)):
        got = dig(server.port, ZONE, "SOA", *options)
        if any("opcode" in option for option in options):
            assert got.status == "NOTIMP", got.text
            continue
        assert got.status == "NOERROR" and len(got.answer) == 1, got.text
        if options != ("+zflag",) and options != ("+adflag",) and options != ("+cdflag",):
            assert "EDNS: version: 0" in got.text and "udp: 1232" in got.text, got.text
        assert "MBZ" not in got.text[got.text.index("flags:"):] and "ad" not in got.flags, got.text
    assert dig(server.port, "version.bind", "TXT", "-c", "CH").status == "REFUSED"
    assert dig(server.port, "example.org", "A").status == "REFUSED"


def test_caa_stands_at_the_apex_only(server):
    """As Boulder climbs: each level is asked, none may fail, and the apex names the CA's account."""
    server.start()
    got = dig(server.port, ZONE, "CAA")
    assert len(got.answer) == 1, got.text
    assert re.fullmatch(r'0 issue "pebble\.test; validationmethods=dns-01; accounturi=https://[^"]+"',
                        got.data()[0]), got.text
    for name in (f"{ID}.{ZONE}", f"192-168-1-51.{ID}.{ZONE}", f"_acme-challenge.{ID}.{ZONE}",
                 f"home.{ID}.{ZONE}", f"relay.{ZONE}", f"ns.{ZONE}"):
        below = dig(server.port, name, "CAA")
        assert below.status == "NOERROR" and not below.answer and below.authority, below.text


def test_new_rows_show_at_once(server):
    """A row is in answers within 250 ms of its commit on an idle machine; a test allows ten times that."""
    server.start()
    delays = []
    name = f"_acme-challenge.{OTHER}.{ZONE}"
    for number in range(20):
        value = f"value-{number}"
        server.store.put_challenge(name, value)
        committed = time.monotonic()
        testbed.wait_for(lambda: value.encode() in server.texts(name), "a new challenge", 10, 0.002)
        delays.append(time.monotonic() - committed)
        server.store.put_challenge(name, value, gone=1)
        testbed.wait_for(lambda: value.encode() not in server.texts(name), "its end", 10, 0.002)
    print(f"a new row shows after {statistics.median(delays) * 1000:.0f} ms (median of {len(delays)}, "
          f"slowest {max(delays) * 1000:.0f} ms)")
    assert statistics.median(delays) < VISIBLE_S * 10
    server.store.publish(OTHER, "10.1.2.3")
    testbed.wait_for(lambda: server.addresses(f"x.{OTHER}.{ZONE}") == ["10.1.2.3"], "addresses", 10)
    assert server.addresses(f"{OTHER}.{ZONE}") == []
    server.store.certify(OTHER, f"*.{OTHER}.{ZONE} {OTHER}.{ZONE}")
    testbed.wait_for(lambda: server.addresses(f"{OTHER}.{ZONE}") == ["10.1.2.3"], "the id itself", 10)


def test_a_blocked_device_has_no_published_names(server):
    fill(server)
    server.start()
    relay = [conftest.program("latchkey-relay"), "--config", server.config]
    assert len(server.addresses(f"home.{ID}.{ZONE}")) == 2
    conftest.run([*relay, "block", ID])
    testbed.wait_for(lambda: server.addresses(f"home.{ID}.{ZONE}") == [], "the block", 10)
    assert server.addresses(f"{ID}.{ZONE}") == []
    assert server.addresses(f"10-0-0-1.{ID}.{ZONE}") == ["10.0.0.1"]
    conftest.run([*relay, "unblock", ID])
    testbed.wait_for(lambda: len(server.addresses(f"home.{ID}.{ZONE}")) == 2, "its end", 10)


def test_answers_go_on_without_the_store(server):
    fill(server)
    server.start()
    name = f"_acme-challenge.{ID}.{ZONE}"
    away = server.store.folder + ".away"
    os.rename(server.store.folder, away)
    until = time.monotonic() + 3
    while time.monotonic() < until:
        assert server.count_texts(name) == 8
        assert len(server.addresses(f"home.{ID}.{ZONE}")) == 2
        assert server.process.running()
        time.sleep(0.1)
    os.rename(away, server.store.folder)
    server.store.put_challenge(name, "0" * 43, gone=1)
    testbed.wait_for(lambda: server.count_texts(name) == 7, "news from the store", 10)


def test_restart_from_the_snapshot_without_the_store(server):
    fill(server)
    server.start()
    server.process.stop()
    assert os.path.exists(server.snapshot)
    for name in os.listdir(server.store.folder):
        if name != "dns.snapshot":
            os.rename(os.path.join(server.store.folder, name), os.path.join(server.folder, name))
    server.start()
    assert server.count_texts(f"_acme-challenge.{ID}.{ZONE}") == 8
    assert sorted(server.addresses(f"{ID}.{ZONE}")) == ["10.0.0.9", "192.168.1.7"]
    assert "pebble.test" in dig(server.port, ZONE, "CAA").text


def test_kill_leaves_a_snapshot_that_is_whole(server):
    """SIGKILL while snapshots are being written: the file is the old or the new one, never a part."""
    fill(server)
    server.start()
    testbed.wait_for(lambda: os.path.exists(server.snapshot), "the snapshot", 15)
    server.process.kill()
    for name in ("front.db", "issuer.db"):
        os.rename(os.path.join(server.store.folder, name), os.path.join(server.folder, name))
    server.start()
    assert server.count_texts(f"_acme-challenge.{ID}.{ZONE}") == 8
    assert "ignoring" not in server.process.log()


def test_damaged_snapshot_is_ignored(server):
    fill(server)
    server.start()
    server.process.stop()
    with open(server.snapshot, "r+b") as file:
        file.seek(40)
        octet = file.read(1)
        file.seek(40)
        file.write(bytes([octet[0] ^ 1]))
    server.start()
    assert server.count_texts(f"_acme-challenge.{ID}.{ZONE}") == 8
    assert "dns.snapshot" in server.process.log()
    assert "ignoring" in server.process.log()


def test_older_store_is_read_anew(server, tmp_path):
    """A store restored from a backup: its revision is lower than what was seen."""
    fill(server)
    backup = str(tmp_path / "backup.db")
    with sqlite3.connect(os.path.join(server.store.folder, "issuer.db")) as old, \
            sqlite3.connect(backup) as new:
        old.backup(new)
    old.close()
    new.close()
    for number in range(5):
        server.store.put_challenge(f"_acme-challenge.{OTHER}.{ZONE}", f"later-{number}")
    server.start()
    assert len(server.texts(f"_acme-challenge.{OTHER}.{ZONE}")) == 5
    server.process.stop()
    for end in ("", "-wal", "-shm"):
        with contextlib.suppress(FileNotFoundError):
            os.remove(os.path.join(server.store.folder, "issuer.db" + end))
    shutil.copy(backup, os.path.join(server.store.folder, "issuer.db"))
    server.start()
    assert server.texts(f"_acme-challenge.{OTHER}.{ZONE}") == [b"no challenge is pending"]
    assert server.count_texts(f"_acme-challenge.{ID}.{ZONE}") == 8


def test_a_taken_port_is_named(server):
    server.start()
    done = conftest.run(server.process.command, check=False)
    assert done.returncode != 0
    assert f"127.0.0.1:{server.port}" in done.stdout, done.stdout
