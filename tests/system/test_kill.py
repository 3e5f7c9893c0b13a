"""kill -9 of a random role, again and again while devices order: every device ends with exactly one valid
certificate, and a kill costs at most one order at the CA."""
import http.client
import os
import random
import signal
import sqlite3
import threading
import time

import acme_client
import conftest
import testbed

KILLS = 500 if conftest.SOAK else 50
ORDERS = KILLS
WORKERS = 5


class Device:
    """A device that keeps on through outages, as a real agent does: it remembers its order's URL and
    its CSR, asks again after each failure, and never makes a second key."""

    def __init__(self, lab):
        self.client = conftest.new_client(lab)
        self.client.timeout = 30
        self.name = None
        self.der = None
        self.order_url = self.order = None
        self.trouble = []

    def step(self):
        """One attempt to get on. Returns the chain once there is one."""
        if self.client.kid is None:
            self.client.account()
        if self.der is None:
            self.name = f"*.{self.client.name()}"
            self.der = acme_client.csr([self.name], acme_client.Key())
        if self.order_url is None:
            self.order_url, self.order = self.client.order([self.name])
        response = self.client.post(self.order_url)
        if response.status != 200:
            if response.status == 404:
                self.order_url = None  # the front died before the order was on disk
            raise acme_client.Refused("order", response)
        status = response.json()["status"]
        if status == "ready":
            response = self.client.post(self.order["finalize"], {"csr": acme_client.b64(self.der)})
            if response.status != 200:
                raise acme_client.Refused("finalize", response)
            status = response.json()["status"]
        if status == "invalid":
            self.order_url = None
            raise acme_client.Refused("order", response)
        if status != "valid":
            return None
        chain = self.client.post(response.json()["certificate"])
        if chain.status != 200:
            raise acme_client.Refused("certificate", chain)
        return chain.body.decode()

    def run(self, until):
        while time.monotonic() < until:
            try:
                chain = self.step()
                if chain is not None:
                    return chain
            except (OSError, http.client.HTTPException, acme_client.Refused) as error:
                self.trouble.append(f"{type(error).__name__}: {error}"[:300])
                self.client.close()
            time.sleep(0.1)
        raise AssertionError(f"{self.name} has no certificate; its troubles: {self.trouble[-8:]}")


def certificates_by_id(lab):
    connection = sqlite3.connect(os.path.join(lab.store, "issuer.db"), timeout=10)
    try:
        return dict(connection.execute(
            "SELECT id, count(*) FROM certificates WHERE lane = 'device' GROUP BY id"))
    finally:
        connection.close()


def test_kill_storm(make_lab):
    seed = int(os.environ.get("KILL_SEED", random.randrange(1 << 32)))
    print(f"KILL_SEED={seed}")
    chance = random.Random(seed)
    lab = make_lab()
    orders_before = conftest.ca_orders(lab)
    until = time.monotonic() + 60 + 6 * KILLS
    killed, chains, failures = [], {}, []
    lock, waiting = threading.Lock(), list(range(ORDERS))

    def work():
        while True:
            with lock:
                if not waiting:
                    return
                # Orders and kills go on together: none is left over for a quiet end.
                number = waiting.pop(0)
            while len(killed) < min(number - WORKERS, KILLS) and not failures:
                time.sleep(0.02)
            device = Device(lab)
            try:
                chain = device.run(until)
                with lock:
                    chains[device.client.key.id()] = (device.name, chain)
            except Exception as error:  # noqa: B902 - shown below
                failures.append(f"{type(error).__name__}: {error}")
            finally:
                device.client.close()

    workers = [threading.Thread(target=work) for _ in range(WORKERS)]
    for worker in workers:
        worker.start()
    try:
        while len(killed) < KILLS and not failures:
            time.sleep(chance.uniform(0, 0.4))
            role = chance.choice(testbed.ROLES)
            lab.restart(role, signal.SIGKILL)
            killed.append(role)
    finally:
        if len(killed) < KILLS:
            failures.append(f"only {len(killed)} kills")
        for worker in workers:
            worker.join()
    assert not failures, f"seed {seed}, killed {killed}: {failures[:3]}"
    assert len(chains) == ORDERS
    for device_id, (name, chain) in chains.items():
        assert acme_client.names(chain) == [name]
        assert conftest.ca_status(lab, chain) == "Valid"
    counts = certificates_by_id(lab)
    assert set(counts) == set(chains)
    several = {device_id: count for device_id, count in counts.items() if count != 1}
    assert not several, f"seed {seed}: devices with several certificates: {several}"
    spent = conftest.ca_orders(lab) - orders_before
    print(f"{ORDERS} devices, {KILLS} kills, {spent} orders at the CA")
    assert ORDERS <= spent <= ORDERS + KILLS, f"seed {seed}: {spent} orders at the CA"
