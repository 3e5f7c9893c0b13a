"""Enrolled devices of a test on overload, run inside a network namespace:

    enrolled_devices.py DIRECTORY CA_FILE ZONE DNS_HOST DNS_PORT COUNT

Enrols COUNT devices and says "enrolled". Then, for each line of its input, a number of seconds, they do in turn what a
device does when it wakes: a new connection, directory, nonce, account, the first time an order, and somebody looks up
its name. Prints what came of it as a line of JSON."""
import json
import os
import statistics
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(os.path.dirname(HERE)), "deploy")]

import acme_client  # noqa: E402
import testbed  # noqa: E402

DNS_TRIES = 3  # as a resolver does
TURNS_PER_S = 4  # well below what one network may ask


def look_up(host, port, name):
    for attempt in range(DNS_TRIES):
        try:
            return testbed.dns_query(host, port, name, 1, 2)
        except OSError:
            if attempt == DNS_TRIES - 1:
                raise


def wake(client, zone, dns, orders):
    """One device's turn; what it was answered wrongly raises."""
    client.close()
    client.nonces.clear()
    client._directory = None
    account = client.post(client.kid)
    if account.status != 200 or account.json()["status"] != "valid":
        raise acme_client.Refused("account", account)
    if orders:
        order = client.post(client.directory()["newOrder"],
                            {"identifiers": [{"type": "dns", "value": f"*.{client.key.id()}.{zone}"}]})
        if order.status != 201 or order.json()["status"] != "ready":
            raise acme_client.Refused("order", order)
    rcode, _, records = look_up(*dns, f"192-168-1-51.{client.key.id()}.{zone}")
    if (rcode, records) != (0, ["192.168.1.51"]):
        raise OSError(f"DNS answered {rcode} {records}")


def run(clients, zone, dns, seconds):
    took_ms, failures = [], []
    started = time.monotonic()
    until = started + seconds
    turn = 0
    while time.monotonic() < until or turn < len(clients):
        time.sleep(max(0, started + turn / TURNS_PER_S - time.monotonic()))
        began = time.monotonic()
        try:
            wake(clients[turn % len(clients)], zone, dns, turn < len(clients))
            took_ms.append((time.monotonic() - began) * 1000)
        except Exception as error:  # whatever it is, the test has failed
            failures.append(f"{type(error).__name__}: {error}"[:500])
        turn += 1
    return {"turns": turn, "failures": failures, "median_ms": statistics.median(took_ms or [0]),
            "longest_ms": max(took_ms or [0])}


def main():
    directory, ca_file, zone, host, port, count = sys.argv[1:]
    clients = [acme_client.Client(directory, ca_file, timeout=30) for _ in range(int(count))]
    for client in clients:
        client.account()
    print("enrolled", flush=True)
    for line in sys.stdin:
        print(json.dumps(run(clients, zone, (host, int(port)), float(line))), flush=True)


if __name__ == "__main__":
    main()
