"""Which newOrders are admitted: what one device may hold, what the next one is told, and what becomes of
both when a store can't be read."""
import os
import sqlite3
import time

import conftest
import testbed

BUDGETS = {"issuer": {"budgets": "yes", "certificates_per_week": "6", "exact_set_per_week": "5"}}
# With budgets the relay's own certificate takes one of the six.
FREE = 5


def new_order(device, profile=""):
    """A newOrder for the wildcard name; a profile of its own keeps it from being an order again."""
    name = f"*.{device.name()}"
    return device.post(device.directory()["newOrder"],
                       {"identifiers": [{"type": "dns", "value": name}], "profile": profile})


def new_device(lab):
    device = conftest.new_client(lab)
    device.account()
    return device


def test_refusals_hide_no_open_order(make_lab):
    """However often it asks, a device has at most five open orders."""
    device = new_device(make_lab())
    statuses = [new_order(device, f"p{number}").status for number in range(45)]
    assert statuses == [201] * 5 + [429] * 40


# One of six certificates a week comes back.
TOKEN_S = 7 * 86400 // 6


def test_open_orders_hold_the_budget(make_lab):
    """Who waits behind orders that may yet be finalized is told a time that is right in any case."""
    lab = make_lab(settings=BUDGETS)
    hoarder = new_device(lab)
    assert [new_order(hoarder, f"p{number}").status for number in range(FREE)] == [201] * FREE
    response = new_order(new_device(lab))
    assert response.status == 429 and response.problem() == "rateLimited"
    assert TOKEN_S - 300 < int(response.headers["Retry-After"]) <= TOKEN_S
    assert "place 1 in the queue" in response.json()["detail"]


def test_certificates_come_back_evenly(make_lab):
    lab = make_lab(settings=BUDGETS)
    for _ in range(FREE):
        new_device(lab).certificate()
    response = new_order(new_device(lab))
    assert response.status == 429
    assert TOKEN_S - 300 < int(response.headers["Retry-After"]) <= TOKEN_S
    second = new_order(new_device(lab))
    assert "place 2 in the queue" in second.json()["detail"]
    assert 2 * TOKEN_S - 300 < int(second.headers["Retry-After"]) <= 2 * TOKEN_S


def test_a_broken_front_store_does_not_end_the_issuer(make_lab):
    """What can't be read of front.db is front's fault; the issuer waits for a better one."""
    lab = make_lab()
    lab.processes["front"].stop()
    path = os.path.join(lab.store, "front.db")
    front = sqlite3.connect(path, timeout=10, isolation_level=None)
    front.execute("ALTER TABLE requests RENAME TO elsewhere")
    testbed.wait_for(lambda: "front.db' can't be read" in lab.processes["issuer"].log(), "a complaint")
    assert lab.processes["issuer"].running()
    front.execute("ALTER TABLE elsewhere RENAME TO requests")
    front.close()
    lab.start_role("front")
    new_device(lab).certificate()


def test_an_unreadable_admin_store_admits_nobody(make_lab):
    """It may hold blocks: no answer is better than a wrong one."""
    lab = make_lab()
    for role in ("front", "issuer"):
        lab.processes[role].stop()
    os.mkdir(os.path.join(lab.store, "admin.db"))
    for role in ("front", "issuer"):
        lab.start_role(role)
    device = new_device(lab)
    assert new_order(device).status == 503
    os.rmdir(os.path.join(lab.store, "admin.db"))
    until = time.monotonic() + 10
    while new_order(device).status != 201:
        assert time.monotonic() < until
