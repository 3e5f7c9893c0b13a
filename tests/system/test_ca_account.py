"""The relay's account at the CA: its key changed on the operator's wish, cut short at each step; the key
lost or spoilt, with and without leave to make a new account."""
import json
import os
import signal
import stat
import subprocess
import threading

import pytest
from cryptography.hazmat.primitives import serialization

import acme_client
import conftest
import proxied_lab
import testbed
from fault_proxy import Rule

KEY_CHANGE = "^/rollover-account-key"


@pytest.fixture
def make_proxied(request, tmp_path):
    labs = []
    request.node.labs = labs

    def make(**options):
        conftest.need("pebble", "openssl")
        bed = proxied_lab.ProxiedLab(tmp_path / f"lab{len(labs)}", conftest.BIN, **options)
        labs.append(bed)
        return bed.start()

    yield make
    for bed in labs:
        conftest.check_stopped(bed.stop(), bed.folder)


def command(lab, *arguments):
    return subprocess.run([os.path.join(conftest.BIN, "latchkey-relay"), "--config", lab.config_file,
                           *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def ca(lab):
    return json.loads(command(lab, "ca", "--json").stdout)


def key_file(lab, name="ca-account.key"):
    return os.path.join(lab.store, name)


def account_of(lab, pem):
    """What Pebble says to whoever holds the key PEM: the account's URL, None when it knows none."""
    key = acme_client.Key(private=serialization.load_pem_private_key(pem, None))
    client = acme_client.Client(f"https://localhost:{lab.pebble_port}/dir", lab.ca.ca_file, key)
    response = client.post(client.directory()["newAccount"], {"onlyReturnExisting": True}, use_jwk=True)
    client.close()
    return response.headers["Location"] if response.status == 200 else None


def read(path):
    with open(path, "rb") as file:
        return file.read()


def accounts_made(lab):
    return lab.processes["pebble"].log().count("accounts in memory")


def check_rolled(lab, old_pem):
    """The account is the same, its key another; the old key opens nothing."""
    new_pem = read(key_file(lab))
    assert new_pem != old_pem
    assert account_of(lab, new_pem) is not None and account_of(lab, old_pem) is None
    assert stat.S_IMODE(os.stat(key_file(lab)).st_mode) == 0o600
    assert not os.path.exists(key_file(lab, "ca-account-new.key"))
    assert accounts_made(lab) == 1
    state = ca(lab)
    assert state["state"] == "ready" and state["rolloverAt"] > 0


def test_rollover(make_proxied):
    """While devices order: all are served, none twice, and it happens once."""
    lab = make_proxied()
    old_pem, old = read(key_file(lab)), ca(lab)
    orders = conftest.ca_orders(lab)
    clients, failures = [conftest.new_client(lab) for _ in range(12)], []

    def order(client):
        try:
            client.certificate()
        except Exception as error:  # noqa: B902 - shown below
            failures.append(f"{type(error).__name__}: {error}")

    threads = [threading.Thread(target=order, args=(client,)) for client in clients]
    for number, thread in enumerate(threads):
        thread.start()
        if number == 4:
            done = command(lab, "ca", "rollover")
            assert done.returncode == 0, done.stderr
    for thread in threads:
        thread.join()
    assert not failures, failures
    testbed.wait_for(lambda: ca(lab)["keyThumbprint"] != old["keyThumbprint"], "another key")
    testbed.wait_for(lambda: ca(lab)["state"] == "ready", "the end of the change")
    check_rolled(lab, old_pem)
    assert ca(lab)["account"] == old["account"]
    assert conftest.ca_orders(lab) - orders == len(clients)
    lab.restart("issuer")
    conftest.new_client(lab).certificate()
    assert lab.proxy.count(KEY_CHANGE) == 1


@pytest.mark.parametrize("moment", ["before the CA was told", "after the CA was told"])
def test_rollover_cut_short(make_proxied, moment):
    """kill -9 in the middle: the next start asks the CA which key it knows."""
    lab = make_proxied()
    old_pem = read(key_file(lab))
    reached, may_go_on = threading.Event(), threading.Event()

    def stop_here(handler, *_):
        reached.set()
        may_go_on.wait(60)
        handler.close_connection = True
        return True

    where = "before" if moment.startswith("before") else "after"
    lab.proxy.set_rules(Rule(KEY_CHANGE, 1, **{where: stop_here}))
    asked = subprocess.Popen([os.path.join(conftest.BIN, "latchkey-relay"), "--config", lab.config_file, "ca", "rollover"],
                             stderr=subprocess.PIPE, text=True)
    assert reached.wait(30)
    assert read(key_file(lab)) == old_pem and os.path.exists(key_file(lab, "ca-account-new.key"))
    lab.processes["issuer"].kill(signal.SIGKILL)
    # Written down, and nobody is there to do it: the next start does.
    assert "does not run" in asked.communicate(timeout=30)[1] and asked.returncode == 4
    may_go_on.set()
    new_pem = read(key_file(lab, "ca-account-new.key"))
    assert (account_of(lab, new_pem) is None) == (where == "before")
    lab.revive("issuer")
    testbed.wait_for(lambda: read(key_file(lab)) == new_pem, "the new key in its place")
    testbed.wait_for(lambda: ca(lab)["state"] == "ready", "the end of the change")
    check_rolled(lab, old_pem)
    conftest.new_client(lab).certificate()
    assert lab.proxy.count(KEY_CHANGE) == (2 if where == "before" else 1)


def test_rollover_cut_short_between_the_files(make_proxied):
    """Both files hold the new key, or the new one's file is half a file: the start mends it."""
    lab = make_proxied()
    lab.processes["issuer"].stop()
    pem = read(key_file(lab))
    for content in (pem, b"-----BEGIN PRIV"):
        with open(os.open(key_file(lab, "ca-account-new.key"), os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
            file.write(content)
        lab.start_role("issuer")
        conftest.new_client(lab).certificate()
        assert not os.path.exists(key_file(lab, "ca-account-new.key"))
        assert read(key_file(lab)) == pem
        lab.processes["issuer"].stop()
    lab.start_role("issuer")


def test_rollover_refused(make_proxied):
    """A CA that does not take the new key: the old one stays, and the relay works."""
    lab = make_proxied()
    old_pem = read(key_file(lab))

    def refuse(handler):
        from fault_proxy import respond
        return respond(409, '{"type":"urn:ietf:params:acme:error:malformed"}',
                       Content_Type="application/problem+json")(handler)

    lab.proxy.set_rules(Rule(KEY_CHANGE, 0, before=refuse))
    done = command(lab, "ca", "rollover")
    assert done.returncode == 1 and "the account keeps its key" in done.stderr, done
    testbed.wait_for(lambda: "keeps its key" in lab.processes["issuer"].log(), "the end of the change", 60)
    assert read(key_file(lab)) == old_pem and not os.path.exists(key_file(lab, "ca-account-new.key"))
    conftest.new_client(lab).certificate()
    assert lab.proxy.count(KEY_CHANGE) == 3


def order_status(lab):
    client = conftest.new_client(lab)
    client.account()
    return client.post(client.directory()["newOrder"],
                       {"identifiers": [{"type": "dns", "value": f"*.{client.name()}"}]})


@pytest.mark.parametrize("damage", ["gone", "spoilt"])
def test_loss(make_proxied, damage):
    """No account is made in silence: the operator is told what to do, devices are told why; the key from a
    backup is all that is needed."""
    lab = make_proxied(new_account=False)
    pem = read(key_file(lab))
    lab.processes["issuer"].stop()
    if damage == "gone":
        os.remove(key_file(lab))
    else:
        with open(key_file(lab), "wb") as file:
            file.write(pem[:60])
    lab.start_role("issuer")
    response = order_status(lab)
    assert response.problem() == "serverInternal" and "bring it back from a backup" in response.json()["detail"]
    assert "new_account = yes" in lab.processes["issuer"].log()
    done = command(lab, "ca")
    assert done.returncode == 1 and "no-key" in done.stdout
    assert accounts_made(lab) == 1
    lab.processes["issuer"].stop()
    testbed.write_atomically(key_file(lab), pem.decode(), 0o600)
    lab.start_role("issuer")
    conftest.new_client(lab).certificate()
    assert accounts_made(lab) == 1


def caa(lab):
    _, _, records = testbed.dns_query(lab.address, lab.dns_port, lab.zone, 257)
    return [record[2 + record[1]:].decode() for record in records]


@pytest.mark.parametrize("damage", ["gone", "spoilt"])
def test_loss_with_leave(make_proxied, damage):
    """With leave a new account is made; CAA names it for a TTL before it is used."""
    lab = make_proxied(new_account=True, settings={"issuer": {"caa_wait": "4"}})
    old_account, old_caa, pem = ca(lab)["account"], caa(lab), read(key_file(lab))
    lab.processes["issuer"].stop()
    if damage == "gone":
        os.remove(key_file(lab))
    else:
        with open(key_file(lab), "wb") as file:
            file.write(b"no key")
    lab.proxy.set_rules()
    lab.start_role("issuer")
    testbed.wait_for(lambda: ca(lab)["account"] != old_account, "a new account")
    testbed.wait_for(lambda: caa(lab) != old_caa, "its CAA")
    assert ca(lab)["state"] == "paused"
    response = order_status(lab)
    assert response.status == 429 and 0 < int(response.headers["Retry-After"]) <= 4
    assert lab.proxy.count("^/order-plz") == 0
    testbed.wait_for(lambda: ca(lab)["state"] == "ready", "the end of the wait")
    conftest.new_client(lab).certificate()
    assert accounts_made(lab) == 2 and read(key_file(lab)) != pem
    assert os.path.exists(key_file(lab, "ca-account.key.bad")) == (damage == "spoilt")
