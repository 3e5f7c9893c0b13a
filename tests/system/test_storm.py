"""Many devices at once while the CA refuses nonces, a CA that reuses authorizations, a CA that forgets."""
import os
import sqlite3
import threading
import time

import acme_client
import conftest
import testbed

DEVICES = 1000 if conftest.SOAK else 200


def run_devices(lab, count, work):
    """WORK(client) in COUNT threads at once. Returns the results and the failures as text."""
    results, failures, start = [], [], threading.Barrier(count)

    def one():
        client = conftest.new_client(lab)
        client.timeout = 120
        try:
            start.wait(60)
            results.append(work(client))
        except Exception as error:  # noqa: B902 - each failure is shown, whatever it is
            failures.append(f"{type(error).__name__}: {error}")
        finally:
            client.close()

    threads = [threading.Thread(target=one) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results, failures


def test_200_devices_while_nonces_are_refused(make_lab):
    lab = make_lab(pebble={"PEBBLE_WFE_NONCEREJECT": "20"})
    before = conftest.ca_orders(lab)
    started = time.monotonic()
    chains, failures = run_devices(
        lab, DEVICES, lambda client: (client.name(), client.certificate(seconds=120)))
    took = time.monotonic() - started
    assert not failures, f"{len(failures)} of {DEVICES} failed, the first: {failures[:3]}"
    print(f"{DEVICES} devices in {took:.1f} s")
    assert len({acme_client.leaf(chain).serial_number for _, chain in chains}) == DEVICES
    for name, chain in chains[:5]:
        conftest.verify_chain(lab, chain, f"10-0-0-1.{name}")
    for name, chain in chains:
        assert f"*.{name}" in acme_client.names(chain)
    assert conftest.ca_orders(lab) - before == DEVICES, "a refused nonce cost an order"


def challenges(lab):
    """Every TXT value the issuer has ever put into the store, as far as it still remembers."""
    connection = sqlite3.connect(os.path.join(lab.store, "issuer.db"), timeout=10)
    try:
        return set(connection.execute("SELECT name, value FROM challenges"))
    finally:
        connection.close()


def test_authorizations_that_are_valid_already(make_lab):
    """With PEBBLE_AUTHZREUSE=100 the second order of a name arrives ready: no TXT is written."""
    lab = make_lab(pebble={"PEBBLE_AUTHZREUSE": "100"})
    client = conftest.new_client(lab)
    first = client.certificate()
    known = challenges(lab)
    assert any(name.startswith(f"_acme-challenge.{client.key.id()}.") for name, _ in known)
    orders = conftest.ca_orders(lab)
    second = client.certificate()
    assert acme_client.leaf(first).serial_number != acme_client.leaf(second).serial_number
    assert conftest.ca_orders(lab) == orders + 1
    assert challenges(lab) - known == set()


def caa(lab):
    """The apex CAA's values, as the public would see them."""
    _, _, records = testbed.dns_query(lab.address, lab.dns_port, lab.zone, 257)
    return [record[2 + record[1]:].decode() for record in records]


def test_ca_forgets_everything(make_lab):
    """Allowed a new account, the relay makes one, changes its CAA, and goes on."""
    lab = make_lab(new_account=True)
    client = conftest.new_client(lab)
    client.certificate()
    old = caa(lab)
    assert any("accounturi=" in value for value in old), old
    lab.restart("pebble")
    chain = client.certificate(seconds=60)
    conftest.verify_chain(lab, chain, f"10-0-0-1.{client.name()}")
    new = caa(lab)
    assert any("accounturi=" in value for value in new) and new != old, (old, new)


def test_ca_forgets_and_no_new_account_is_allowed(make_lab):
    """It says so: in the log with the remedy, and to the device. It does not make an account."""
    lab = make_lab(new_account=False)
    client = conftest.new_client(lab)
    client.certificate()
    known = caa(lab)
    lab.restart("pebble")
    try:
        client.certificate(seconds=20)
        raise AssertionError("a certificate came from a CA that does not know the account")
    except acme_client.Refused as refused:
        assert refused.response.status == 200 or refused.response.problem(), refused
    except OSError as error:
        raise AssertionError(f"the front went away: {error}") from error
    log = lab.processes["issuer"].log()
    assert "new_account" in log, log[-3000:]
    assert "There are now" not in lab.processes["pebble"].log().rpartition("Listening on")[2]
    assert caa(lab) == known
