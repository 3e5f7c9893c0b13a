"""The operator's commands, with the real relay and Pebble: finding devices, forgetting and revoking,
keys that are refused for ever, tokens, the audit."""
import csv
import fcntl
import io
import json
import os
import re
import signal
import sqlite3
import struct
import subprocess
import termios

import pytest

import acme_client
import conftest
import testbed
from conftest import ca_status, new_client

USAGE, NOT_FOUND, PENDING = 2, 3, 4


def operate(lab, *arguments, status=0):
    """(standard output, standard error) of a command, which must end with STATUS (None: any)."""
    done = subprocess.run([conftest.program("latchkey-relay"), "--config", lab.config_file, *arguments],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=90,
                          env={**os.environ, "SUDO_USER": "olga"})
    assert status in (None, done.returncode), f"{arguments}: {done.returncode}\n{done.stdout}{done.stderr}"
    assert not conftest.SANITIZER.search(done.stderr), done.stderr
    return done.stdout, done.stderr


def lines_of(text):
    return [json.loads(line) for line in text.splitlines()]


def lines(lab, *arguments, status=0):
    """The JSON objects that a command prints."""
    return lines_of(operate(lab, *arguments, "--json", status=status)[0])


def enrolled(lab, **members):
    client = new_client(lab)
    client.account(**members)
    return client


def published(lab, client):
    """What the DNS answers for the device's stable name."""
    return testbed.dns_query(lab.address, lab.dns_port, f"home.{client.name()}", 1)[2]


def publish(lab, client, address="192.168.7.9"):
    url = client.directory()["meta"]["latchkey"]["addressesUrl"]
    answer = client.post(url, {"addresses": [address], "counter": 1})
    assert answer.status == 200, answer
    testbed.wait_for(lambda: published(lab, client) == [address], "the published address")


def test_list_show_search(lab):
    first = enrolled(lab, contact=["mailto:Hall@Example.com"])
    second = enrolled(lab)
    pem = first.certificate()
    publish(lab, first)
    known = {device["id"]: device for device in lines(lab, "list")}
    assert known[first.key.id()]["status"] == "valid"
    serial = known[first.key.id()]["serial"]
    assert int(serial, 16) == acme_client.leaf(pem).serial_number
    assert "notAfter" not in known[second.key.id()]
    text = operate(lab, "list")[0]
    assert re.search(rf"^{first.key.id()}  valid +\d{{4}}-\d\d-\d\d  \d+ days", text, re.M), text
    assert max(map(len, text.splitlines())) <= 80, text
    # Pages: the first device alone, then all behind it.
    ids = sorted(known)
    out, err = operate(lab, "list", "--limit", "1", "--json")
    assert json.loads(out)["id"] == ids[0] and "there are more" in err
    assert [device["id"] for device in lines(lab, "list", "--after", ids[0])] == ids[1:]
    # Certificates by days left.
    assert first.key.id() in [device["id"] for device in lines(lab, "list", "--expiring", "36500")]
    assert first.key.id() not in [device["id"] for device in lines(lab, "list", "--expiring", "1")]
    # One device, by the first characters.
    shown, = lines(lab, "show", first.key.id()[:12])
    assert shown["addresses"] == ["192.168.7.9"] and shown["contact"] == ["mailto:Hall@Example.com"]
    assert shown["certificates"][0]["state"] == "current" and shown["certificates"][0]["serial"] == serial
    assert shown["orders"][0]["state"] == "valid"
    assert f"serial {serial}" in operate(lab, "show", first.key.id())[0]
    for text, why in ((first.key.id()[:9], "id"), (serial[:10], "serial"), ("192.168.7.9", "address"),
                      (shown["certificates"][0]["certId"], "certID"), ("hall@example", "contact")):
        found, = lines(lab, "search", text)
        assert (found["id"], found["found"]) == (first.key.id(), why)
    assert "nothing fits" in operate(lab, "search", "no such thing", status=NOT_FOUND)[1]
    assert "nothing fits" in operate(lab, "search", "-a.b", "--json", status=NOT_FOUND)[1]
    assert "is no device id" in operate(lab, "show", "UPPER!", status=USAGE)[1]
    assert "has enrolled here" in operate(lab, "show", "a" * 32, status=NOT_FOUND)[1]


def test_block_and_unblock(lab):
    client = enrolled(lab)
    operate(lab, "block", client.key.id()[:10], "stolen from the hall")
    assert [device["id"] for device in lines(lab, "list", "--blocked")] == [client.key.id()]
    assert lines(lab, "show", client.key.id())[0]["blockReason"] == "stolen from the hall"
    operate(lab, "unblock", client.key.id())
    assert "is not blocked" in operate(lab, "unblock", client.key.id(), status=NOT_FOUND)[1]
    assert lines(lab, "list", "--blocked") == []


def copy_rows(path, table, made):
    """Rows like the first, but for what MADE has of each."""
    store = sqlite3.connect(path)
    cursor = store.execute(f"SELECT * FROM {table} LIMIT 1")
    names, row = [field[0] for field in cursor.description], list(cursor.fetchone())
    places = ",".join("?" * len(names))
    store.executemany(f"INSERT INTO {table} VALUES ({places})",
                      ([{**dict(zip(names, row)), **change}[name] for name in names] for change in made))
    store.commit()
    store.close()


@pytest.mark.parametrize("arguments", [[], ["--expiring", "36500"]], ids=["all", "expiring"])
def test_a_list_that_nobody_reads_on(make_lab, arguments):
    """As in a pager that is left open: nothing of the store is held meanwhile, else its -wal would grow for ever."""
    lab = make_lab()
    enrolled(lab).certificate()
    for role in ("front", "issuer", "dns"):
        lab.processes[role].stop()
    ids = [f"{number:032d}".translate(str.maketrans("0123456789", "abcdefghij")) for number in range(1500)]
    front, issuer = (os.path.join(lab.store, name) for name in ("front.db", "issuer.db"))
    copy_rows(front, "accounts", [{"id": name} for name in ids])
    copy_rows(issuer, "certificates", [{"id": name, "cert_id": name, "lane": "device"} for name in ids])
    process = subprocess.Popen([conftest.program("latchkey-relay"), "--config", lab.config_file, "list", "--limit", "0",
                                *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    size = fcntl.fcntl(process.stdout, fcntl.F_GETPIPE_SZ)

    def waiting():
        return struct.unpack("i", fcntl.ioctl(process.stdout, termios.FIONREAD, b"\0" * 4))[0] > size - 4096

    testbed.wait_for(waiting, "a full pipe")
    for path in (front, issuer):
        store = sqlite3.connect(path)
        store.execute("UPDATE revision SET rev = rev + 1")
        store.commit()
        assert store.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0, "somebody holds " + path
        store.close()
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0 and not conftest.SANITIZER.search(err), err
    assert set(ids) <= {line.split()[0] for line in out.splitlines()} and "1501 devices" in err
    for role in ("issuer", "dns", "front"):
        lab.start_role(role)


def test_forget(lab):
    client = enrolled(lab)
    tls_key = acme_client.Key()
    pem = client.certificate(tls_key=tls_key)
    second = client.certificate()
    publish(lab, client)
    assert "whole device id" in operate(lab, "forget", client.key.id()[:10], status=USAGE)[1]
    out, _ = operate(lab, "forget", client.key.id())
    assert out.count("revoking the certificate") == 2 and "forgotten" in out
    assert ca_status(lab, pem) == ca_status(lab, second) == "Revoked"
    testbed.wait_for(lambda: published(lab, client) == [], "the DNS to forget the address")
    assert client.key.id() not in [device["id"] for device in lines(lab, "list")]
    answer = client.post(client.directory()["newOrder"],
                         {"identifiers": [{"type": "dns", "value": f"*.{client.name()}"}]})
    assert "accountDoesNotExist" in repr(answer), answer
    shown, = lines(lab, "show", client.key.id())
    assert shown["status"] == "none" and shown["wishes"][0]["wish"] == "forget"
    # Again: there is nothing left to do. And the device may come back.
    assert "had no account" in operate(lab, "forget", client.key.id())[1]
    client.account()
    client.certificate()


def certificate_of(lab, client, pem):
    serial = acme_client.leaf(pem).serial_number
    return next(item for item in lines(lab, "show", client.key.id())[0]["certificates"]
                if int(item["serial"], 16) == serial)


def roll_over(lab):
    """The CA account gets another key."""
    before = lines(lab, "ca")[0]["keyThumbprint"]
    operate(lab, "ca", "rollover")
    testbed.wait_for(lambda: lines(lab, "ca")[0]["keyThumbprint"] != before, "another key", 60)
    testbed.wait_for(lambda: lines(lab, "ca")[0]["state"] == "ready", "the end of the change", 60)


def move_serial(lab):
    return int(operate(lab, "move", "--stay")[0].split()[1])


def announced_serial(lab):
    client = new_client(lab)
    move = client.directory()["meta"]["latchkey"].get("movedTo")
    client.close()
    return json.loads(acme_client.unb64(move["payload"]))["serial"] if move else 0


def test_a_lost_admin_db(make_lab):
    """The file begins anew; what is wished is not taken for what was done before."""
    lab = make_lab()
    client = enrolled(lab)
    pems = [client.certificate() for _ in range(2)]
    operate(lab, "revoke", certificate_of(lab, client, pems[0])["certId"])
    roll_over(lab)
    assert [move_serial(lab) for _ in range(2)] == [1, 2]
    testbed.wait_for(lambda: announced_serial(lab) == 2, "the announcement")
    for role in ("front", "issuer"):
        lab.processes[role].stop()
    for end in ("", "-wal", "-shm"):
        os.unlink(os.path.join(lab.store, f"admin.db{end}"))
    for role in ("issuer", "front"):
        lab.start_role(role)
    assert ca_status(lab, pems[1]) == "Valid"
    assert "revoked" in operate(lab, "revoke", certificate_of(lab, client, pems[1])["certId"])[0]
    assert ca_status(lab, pems[1]) == "Revoked"
    roll_over(lab)
    assert move_serial(lab) == 3
    testbed.wait_for(lambda: announced_serial(lab) == 3, "the announcement")


def test_revoke(lab):
    client = enrolled(lab)
    tls_key = acme_client.Key()
    pem = client.certificate(tls_key=tls_key)
    other = client.certificate()
    current = {int(item["serial"], 16): item for item in lines(lab, "show", client.key.id())[0]["certificates"]}
    item = current[acme_client.leaf(pem).serial_number]
    assert "revoked" in operate(lab, "revoke", item["certId"], "--reason", "keyCompromise")[0]
    assert (ca_status(lab, pem), ca_status(lab, other)) == ("Revoked", "Valid")
    assert "is revoked already" in operate(lab, "revoke", item["certId"])[1]
    # The key is refused for ever; another one is not.
    assert item["keyHash"] in [key["keyHash"] for key in lines(lab, "revoked-keys", "list")]
    with pytest.raises(acme_client.Refused, match="compromised"):
        client.certificate(tls_key=tls_key)
    client.certificate()
    # All that a device has.
    assert operate(lab, "revoke", client.key.id(), "--reason", "superseded")[0].count("serial") == 2
    assert ca_status(lab, other) == "Revoked"
    assert "no live certificate" in operate(lab, "revoke", client.key.id(), status=NOT_FOUND)[1]
    assert "no certificate with" in operate(lab, "revoke", "a.b", status=NOT_FOUND)[1]
    assert "no certificate with" in operate(lab, "revoke", "-a.b", "--reason=superseded", status=NOT_FOUND)[1]
    assert "keyCompromise" in operate(lab, "revoke", item["certId"], "--reason", "bored", status=USAGE)[1]


def test_a_key_is_refused_on_the_operators_word(lab, tmp_path):
    client = enrolled(lab)
    leaked = acme_client.Key()
    path = tmp_path / "leaked.pem"
    path.write_bytes(leaked.pem())
    assert "is never certified again" in operate(lab, "revoked-keys", "add", str(path))[0]
    with pytest.raises(acme_client.Refused, match="compromised"):
        client.certificate(tls_key=leaked)
    assert "64 hex characters" in operate(lab, "revoked-keys", "add", "nothing", status=USAGE)[1]


def test_reactivate(lab):
    client = enrolled(lab)
    assert client.post(client.kid, {"status": "deactivated"}).json()["status"] == "deactivated"
    assert [device["status"] for device in lines(lab, "list")
            if device["id"] == client.key.id()] == ["deactivated"]
    operate(lab, "reactivate", client.key.id())
    client.certificate()
    assert "no deactivated account" in operate(lab, "reactivate", client.key.id(), status=1)[1]


def test_roles_that_do_not_run_do_it_later(make_lab):
    lab = make_lab()
    client = enrolled(lab)
    pem = client.certificate()
    lab.processes["issuer"].stop()
    assert "does not run: it is done at its next start" in operate(
        lab, "forget", client.key.id(), status=PENDING)[1]
    # While the CA is away the wish stays; killed in the middle, it goes on; it is done once.
    lab.processes["pebble"].child.send_signal(signal.SIGSTOP)
    lab.start_role("issuer")
    testbed.wait_for(lambda: "revoking" in dict(sqlite_rows(
        lab, "issuer.db", "SELECT kind, what FROM ledger WHERE kind = 'revoking'")), "the revocation begun")
    lab.processes["issuer"].kill(9)
    lab.processes["pebble"].child.send_signal(signal.SIGCONT)
    lab.start_role("issuer")
    testbed.wait_for(lambda: ca_status(lab, pem) == "Revoked", "the revocation after the restart", 60)
    testbed.wait_for(lambda: sqlite_rows(lab, "issuer.db", "SELECT state FROM wish_answers") == [("done",)],
                     "the answer")
    assert sqlite_rows(lab, "issuer.db", "SELECT count(*) FROM ledger WHERE kind = 'revoking'") == [(0,)]


def sqlite_rows(lab, name, sql):
    connection = sqlite3.connect(f"file:{lab.store}/{name}?mode=ro", uri=True)
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()


def test_tokens(make_lab, tmp_path):
    lab = make_lab(settings={"front": {"enrolment": "token"}})
    out, _ = operate(lab, "token", "add", "--label", "hall", "--devices", "1", "--days", "3")
    kid, key = re.fullmatch(r"(\w+):(\S+)\n", out).groups()
    client = new_client(lab)
    client.account(externalAccountBinding=client.eab(kid, acme_client.unb64(key)))
    token, = lines(lab, "token", "show", kid)
    assert (token["state"], token["devices"], token["maxDevices"]) == ("used up", 1, 1)
    assert [device["id"] for device in lines(lab, "list", "--token", kid)] == [client.key.id()]
    assert [device["found"] for device in lines(lab, "search", "hall")] == ["token"]
    client.certificate()
    # A forgotten device gives its place back.
    operate(lab, "forget", client.key.id())
    back = new_client(lab)
    back.account(externalAccountBinding=back.eab(kid, acme_client.unb64(key)))
    back.certificate()
    operate(lab, "token", "end", kid)
    assert "no open token" in operate(lab, "token", "end", kid, status=NOT_FOUND)[1]
    assert "no token" in operate(lab, "token", "show", "nothing", status=NOT_FOUND)[1]


def test_bulk_tokens(make_lab, tmp_path):
    lab = make_lab(settings={"front": {"enrolment": "token"}})
    relay = [conftest.program("latchkey-relay"), "--config", lab.config_file, "token", "bulk", "--count", "200",
             "--devices", "1", "--days", "365", "--label", "batch 7"]
    path = tmp_path / "tokens.csv"
    with open(path, "w") as file:
        os.chmod(path, 0o644)
        done = subprocess.run(relay, stdout=file, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1 and "umask 077" in done.stderr and path.read_text() == ""
    assert lines(lab, "token", "list") == []
    os.chmod(path, 0o600)
    with open(path, "w") as file:
        subprocess.run(relay, stdout=file, check=True)
    rows = list(csv.DictReader(io.StringIO(path.read_text())))
    assert len(rows) == 200 and len({row["kid"] for row in rows}) == 200
    assert len(lines(lab, "token", "list")) == 200
    client = new_client(lab)
    kid, key = rows[137]["token"].split(":")
    client.account(externalAccountBinding=client.eab(kid, acme_client.unb64(key)))
    actions = [row["action"] for row in lines(lab, "audit")]
    assert actions == ["token-bulk"]


def test_ready_lines_for_certbot(make_lab, tmp_path):
    """What `token add --for certbot` prints makes a device, as it stands."""
    conftest.need("certbot", "unshare")
    conftest.need_root()
    lab = make_lab(settings={"front": {"enrolment": "token"}})
    script = tmp_path / "device.sh"
    script.write_text("set -e\n" + operate(lab, "token", "add", "--for", "certbot")[0])
    inside = 'for folder in /etc/letsencrypt /var/lib/letsencrypt /var/log/letsencrypt; do ' \
             'mkdir -p $folder; mount -t tmpfs none $folder; done; sh "$0" && ' \
             'cat /etc/letsencrypt/live/*/fullchain.pem'
    done = conftest.run(["unshare", "-m", "sh", "-c", inside, str(script)],
                        env={**os.environ, "REQUESTS_CA_BUNDLE": lab.ca.ca_file})
    device, = lines(lab, "list")
    assert device["serial"] and "BEGIN CERTIFICATE" in done.stdout


def test_audit(make_lab):
    lab = make_lab()
    client = enrolled(lab)
    operate(lab, "block", client.key.id(), "lost")
    operate(lab, "unblock", client.key.id())
    number, kept = operate(lab, "audit", "head")[0].split()
    assert number == "2"
    operate(lab, "settle", client.key.id())
    rows = lines(lab, "audit", "list")
    assert [(row["who"], row["action"]) for row in rows] == [
        ("olga", "block"), ("olga", "unblock"), ("olga", "settle-clone")]
    assert rows[0]["detail"] == f"{client.key.id()} lost" and rows[1]["hash"] == kept
    assert lines(lab, "audit", "--after", "2")[0]["number"] == 3
    assert "good: 3 rows" in operate(lab, "audit", "verify", "--head", kept)[0]
    with sqlite3.connect(os.path.join(lab.store, "admin.db")) as store:
        store.execute("UPDATE audit SET detail = 'nothing' WHERE number = 2")
    assert "row 2 is missing or was altered" in operate(lab, "audit", "verify", status=1)[1]
    with sqlite3.connect(os.path.join(lab.store, "admin.db")) as store:
        store.execute("DELETE FROM audit WHERE number >= 2")
    assert "good: 1 rows" in operate(lab, "audit", "verify")[0]
    assert "the chain was made anew" in operate(lab, "audit", "verify", "--head", kept, status=1)[1]


def test_exit_statuses(make_lab):
    """As latchkey-relay(8) has them, of the commands that no other test here asks for each."""
    lab = make_lab(new_account=False)
    target = "https://relay.new.example/acme/directory"
    relay = operate(lab, "key")[0].strip()
    assert re.fullmatch(rf"{re.escape(lab.directory)}#[\w-]{{43}}", relay)
    assert json.loads(operate(lab, "plan", "--devices-per-day", "7", "--json")[0])["fits"] is True
    assert "This does not fit" in operate(lab, "plan", "--devices-per-day", "8", status=1)[0]
    assert operate(lab, "ca")[0].startswith("CA ")
    assert "new key" in operate(lab, "ca", "rollover")[0]
    assert "signed" in operate(lab, "move", "--to", f"{target}#{relay.partition('#')[2]}")[0]
    # Nobody answers at port 53 here: a fault is found, which is not a wrong command line.
    assert "FAILED" in operate(lab, "check-delegation", "--local", status=1)[0]
    for words in (["key", "x"], ["plan"], ["plan", "--devices-per-day", "many"], ["plan", "--devices-per-day", "1", "x"],
                  ["ca", "x"], ["ca", "rollover", "x"], ["queue", "--limit", "x"], ["move", "--to", "http://x"],
                  ["move", "--to", target, "--relay-key", "short"], ["move", "x"], ["check-delegation", "x"],
                  ["check-delegation", "--doh"]):
        assert operate(lab, *words, status=USAGE)[1], words
    lab.processes["issuer"].stop()
    assert "does not run: it is done at its next start" in operate(lab, "move", "--stay", status=PENDING)[1]
    assert "does not run: it is done at its next start" in operate(lab, "ca", "rollover", status=PENDING)[1]
    key = os.path.join(lab.store, "ca-account.key")
    os.rename(key, key + ".away")
    lab.start_role("issuer")
    testbed.wait_for(lambda: lines(lab, "ca", status=None)[0]["state"] == "no-key", "the account without a key")
    assert "no-key" in operate(lab, "ca", status=1)[0]
    lab.processes["issuer"].stop()
    os.rename(key + ".away", key)
    for end in ("", "-wal", "-shm"):
        os.rename(f"{lab.store}/issuer.db{end}", f"{lab.folder}/away{end}")
    for command in ("key", "ca"):
        out, err = operate(lab, command, status=1)
        assert out == "" and "start" in err, (command, out, err)


def test_an_unknown_command(lab):
    assert "the commands are" in operate(lab, "frobnicate", status=USAGE)[1]
    for command in (["list", "--nothing"], ["show"], ["token"], ["audit", "burn"], ["revoke"], ["forget"],
                    ["revoked-keys"], ["search", "x"], ["list", "--limit", "-1"]):
        operate(lab, *command, status=USAGE)


def test_status(make_lab):
    lab = make_lab()
    enrolled(lab).certificate()

    def checks_of(status):
        object, = lines_of(operate(lab, "status", "--json", status=status)[0])
        return object["status"], {check["check"]: check for check in object["checks"]}

    def levels(status):
        worst, checks = checks_of(status)
        return worst, {name: check["level"] for name, check in checks.items()}

    status, checks = levels(1)  # no backup yet, and the delegation was never looked at
    assert status == "attention" and {checks[name] for name in (*testbed.ROLES, "certificates", "disk")} == {"good"}
    assert checks["backup"] == checks["delegation"] == "attention" and "admin" not in checks
    operate(lab, "backup")
    assert levels(1)[1]["backup"] == "good"
    text = operate(lab, "status", status=1)[0]
    assert re.search(r"^attention  delegation +never checked", text, re.M)
    assert re.search(r"^good       dns +runs since 20\S+Z \(\d+ (second|minute)s?\)$", text, re.M), text
    # One that hangs, one that is ill, one that is gone; the worst decides.
    lab.processes["dns"].child.send_signal(signal.SIGSTOP)
    dns = checks_of(1)[1]["dns"]
    assert dns["level"] == "attention" and "runs, but does not answer on 127.0.0.1:" in dns["text"], dns
    lab.processes["dns"].child.send_signal(signal.SIGCONT)
    assert checks_of(1)[1]["dns"]["since"].endswith("Z")
    lab.processes["issuer"].stop()
    status, checks = levels(2)
    assert status == "failure" and (checks["front"], checks["issuer"]) == ("good", "failure")
    lab.processes["front"].stop()
    for end in ("", "-wal", "-shm"):
        os.rename(f"{lab.store}/issuer.db{end}", f"{lab.folder}/moved{end}")
    lab.start_role("front")
    front = testbed.wait_for(lambda: [check for check in [checks_of(2)[1]["front"]] if check["level"] != "good"],
                             "the front's complaint")[0]
    assert re.search("runs since .*, but: issuer.db is not there", front["text"]), front
    lab.processes["dns"].stop()
    assert levels(2)[1]["dns"] == "failure"
    operate(lab, "status", "--nothing", status=3)


def move_note(lab, seconds):
    """As if the last backup had been noted so much later."""
    with sqlite3.connect(os.path.join(lab.store, "admin.db"), timeout=20) as database:
        assert database.execute("UPDATE notes SET at = at + ? WHERE what = 'backup'", (seconds,)).rowcount == 1


def test_a_role_without_a_status_listener(make_lab):
    """Its lock tells that it runs. What can't be known (3) is worse than what wants attention, and better than a failure."""
    lab = make_lab(settings={"dns": {"status_listen": "none"}, "alert": {"command": "/bin/true"},
                             "relay": {"backup_folder": "/dev/null/nowhere"}})

    def check(name):
        object, = lines_of(operate(lab, "status", "--json", status=3 if lab.processes["dns"].running() else 2)[0])
        return next((one["level"], one["text"]) for one in object["checks"] if one["check"] == name)

    assert check("dns") == ("good", "runs; without its status listener no more is known")
    assert check("admin") == ("attention", "does not run") and check("backup")[0] == "unknown"
    lab.processes["dns"].stop()
    assert check("dns") == ("failure", "does not run")


def test_a_backup_that_can_not_be_judged(make_lab):
    """Noted when the clock was wrong; and an error of the notes is not the folder's."""
    lab = make_lab()

    def check():
        object, = lines_of(operate(lab, "status", "--json", status=None)[0])
        return next((one["level"], one["text"]) for one in object["checks"] if one["check"] == "backup")

    operate(lab, "backup", os.path.join(lab.folder, "by-hand.tar"))
    assert check()[0] == "good"
    move_note(lab, 9 * 86400)
    level, text = check()
    assert level == "attention" and re.search(r"noted (8|9) days ahead of now: the clock was wrong", text), (level, text)
    operate(lab, "backup")
    assert check()[0] == "good"
    # One by hand says nothing of the nightly ones, once it is old.
    lab.settings.setdefault("relay", {})["backup_folder"] = "/dev/null/nowhere"
    lab.write_config()
    assert check()[0] == "good"
    move_note(lab, -9 * 86400)
    level, text = check()
    assert level == "unknown" and "'/dev/null/nowhere' can't be looked into" in text, (level, text)
    with sqlite3.connect(os.path.join(lab.store, "admin.db"), timeout=20) as database:
        database.execute("ALTER TABLE notes RENAME COLUMN at TO other")
    level, text = check()
    assert level == "unknown" and "no such column" in text and "looked into" not in text, (level, text)
