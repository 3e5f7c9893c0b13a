"""Two zones on one relay: what one suffers the other does not, and each word about it names the zone. And what they
do share: the CA's limit for their registered domain."""
import json
import os
import re
import shutil
import signal

import pytest

import acme_client
import browser
import conftest
import testbed
from test_ca_faults import rows
from test_dashboard import admin_of, command, seed  # noqa: F401
from test_status import get, metrics
from test_zones import SecondZone, relay

FIRST, SECOND = "one.shared.test", "two.shared.test"


@pytest.fixture
def make_zones(request, tmp_path):
    """make_zones(first=..., second=...) -> (testbed of the first zone, the second), not started yet."""
    labs = []
    request.node.labs = labs

    def make(first=None, second=None):
        conftest.need("pebble", "openssl")
        lab = testbed.Testbed(tmp_path / "lab", conftest.BIN, zone=FIRST)
        labs.append(lab)
        other = SecondZone(lab, SECOND)
        lab.settings = {"relay": {"zone_files": other.config_file}, **(first or {})}
        other.settings_of_zone = {"front": {"enrolment": "open"}, **(second or {})}
        other.write_config(**other.settings_of_zone)
        return lab, other

    yield make
    for lab in labs:
        conftest.check_stopped(lab.stop(), lab.folder)


def client_of(zone):
    client = acme_client.Client(zone.directory, zone.ca.ca_file)
    client.account()
    return client


def ask(client):
    return client.post(client.directory()["newOrder"],
                       {"identifiers": [{"type": "dns", "value": f"*.{client.name()}"}]})


def of_zone(lab, zone, *arguments):
    return json.loads(relay(lab, "--zone", zone, *arguments, check=False))


def reload_issuer(lab, pattern):
    process, before = lab.processes["issuer"], len(lab.processes["issuer"].log())
    process.child.send_signal(signal.SIGHUP)
    testbed.wait_for(lambda: process.check() or re.search(pattern, process.log()[before:]),
                     f"'{pattern}' in the issuer's log", 30)


def test_one_registered_domain_is_one_budget(make_zones):
    """Four certificates a week for both: two for the relay's own names, two for devices, whichever zone asks; then one
    queue, also after a restart. With a registered domain of its own a zone has its own budget."""
    budget = {"issuer": {"budgets": "yes", "certificates_per_week": "4"}}
    lab, second = make_zones(first=budget, second=budget)
    lab.start()
    for zone in (FIRST, SECOND):
        testbed.wait_for(lambda: testbed.https_get(lab.address, lab.front_port, "/acme/directory", lab.roots_file,
                                                   name=f"relay.{zone}")[0] == 200, f"relay.{zone}", 60)
    for zone in (lab, second):
        client_of(zone).certificate()
    waiting = [client_of(zone) for zone in (lab, second, lab)]
    for place, client in enumerate(waiting, 1):
        response = ask(client)
        assert response.status == 429 and f"place {place} in the queue" in response.json()["detail"], response.json()
    lab.restart("issuer")
    response = ask(waiting[1])
    assert response.status == 429 and "place 2 in the queue" in response.json()["detail"], response.json()
    for zone, other, places in ((FIRST, SECOND, [1, 3]), (SECOND, FIRST, [2])):
        queue = of_zone(lab, zone, "queue", "--json")
        assert [place["place"] for place in queue["queue"]] == places, queue
        assert (queue["waiting"], queue["waitingInAll"]) == (len(places), 3)
        state = of_zone(lab, zone, "ca", "--json")
        assert state["budgets"]["certificates"]["left"] == 0 and state["budgets"]["certificates"]["size"] == 4
        assert state["registeredDomain"] == "shared.test" and state["sharedWith"] == [other]
        assert state["budgets"]["orders"]["left"] > 0
        assert metrics(lab, "issuer")[f'latchkey_ca_budget_left{{budget="certificates",zone="{zone}"}}'] == 0
        assert f"with {other}" in relay(lab, "--zone", zone, "ca")
        assert "3 wait in all" in relay(lab, "--zone", zone, "queue")
        plan = relay(lab, "--zone", zone, "plan", "--devices-per-day", "9", check=False)
        assert f"this must be the new devices of {other} too" in plan
    # The CA has given the second zone's account a limit of its own.
    budget["issuer"]["registered_domain"] = SECOND
    second.write_config(**{**second.settings_of_zone, **budget})
    reload_issuer(lab, "is read again")
    waiting[1].certificate()
    assert ask(waiting[0]).status == 429
    assert "sharedWith" not in of_zone(lab, FIRST, "ca", "--json")


def test_what_a_zone_that_is_gone_holds(make_zones):
    """Of four certificates a week the relay's own names have two, and an order of the second zone holds one. Without that
    zone it is free; when the zone comes back it is held as before."""
    budget = {"issuer": {"budgets": "yes", "certificates_per_week": "4"}}
    lab, second = make_zones(first=budget, second=budget)
    lab.start()
    for zone in (FIRST, SECOND):
        testbed.wait_for(lambda: testbed.https_get(lab.address, lab.front_port, "/acme/directory", lab.roots_file,
                                                   name=f"relay.{zone}")[0] == 200, f"relay.{zone}", 60)
    holder, one, two, three = (client_of(zone) for zone in (second, lab, lab, lab))
    assert ask(holder).status == 201
    relay_settings = lab.settings.pop("relay")
    lab.write_config()
    lab.restart("issuer")
    assert [ask(client).status for client in (one, two, three)] == [201, 201, 429]
    lab.settings["relay"] = relay_settings
    lab.write_config()
    reload_issuer(lab, "is read again")
    testbed.wait_for(lambda: rows(lab, "SELECT held FROM buckets WHERE zone = ''") == [(3,)], "all three are held", 30)


def check_shut(lab, second, reason):
    """The second zone's orders are refused with the reason, the first's go on, and everybody says which is which."""
    refused = ask(client_of(second))
    assert refused.problem() == "serverInternal" and reason in refused.json()["detail"], refused.json()
    assert refused.headers["Retry-After"]
    client_of(lab).certificate()
    status, text = get(lab, "issuer", "/healthz")
    assert status == 503 and text.startswith(f"{SECOND}: ") and reason in text and f"{FIRST}: " not in text, text
    series = metrics(lab, "issuer")
    assert series[f'latchkey_ca_account_refused{{zone="{SECOND}"}}'] == 1
    assert series[f'latchkey_ca_account_refused{{zone="{FIRST}"}}'] == 0
    assert series[f'latchkey_ca_ready{{zone="{FIRST}"}}'] == 1
    assert series[f'latchkey_issuer_issuances_total{{result="valid",zone="{FIRST}"}}'] >= 1
    state = of_zone(lab, SECOND, "ca", "--json")
    assert state["state"] == "unusable" and reason in state["reason"], state
    shown = conftest.run([conftest.program("latchkey-relay"), "--config", lab.config_file, "--zone", SECOND, "status"],
                         check=False)
    assert shown.returncode == 2 and re.search(rf"failure\s+ca\s.*{re.escape(reason)}", shown.stdout), shown.stdout
    assert of_zone(lab, FIRST, "ca", "--json")["state"] == "ready"


@pytest.mark.parametrize("fault", ["binding", "bundle", "binding and trust"])
def test_a_zone_whose_ca_can_not_be_opened(make_zones, fault, tmp_path):
    """The configuration is mended, and a reload is all that is needed."""
    missing, stranger = str(tmp_path / "missing"), str(tmp_path / "stranger.pem")
    conftest.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=stranger", "-days", "9",
                  "-keyout", str(tmp_path / "stranger.key"), "-out", stranger])
    binding = {"eab_kid": "kid", "eab_key_file": missing}
    wrong = {"binding": binding, "bundle": {"ca_file": missing},
             "binding and trust": {**binding, "ca_file": stranger}}[fault]
    lab, second = make_zones(second={"issuer": wrong})
    lab.start()
    check_shut(lab, second, missing)
    reload_issuer(lab, f"{re.escape(missing)}.*\n(.*\n)*.*{re.escape(missing)}")
    second.write_config(front={"enrolment": "open"})
    reload_issuer(lab, f"the CA for '{re.escape(SECOND)}' can be used again")
    client_of(second).certificate()
    testbed.wait_for(lambda: get(lab, "issuer", "/healthz")[0] == 200, "the issuer is well")
    client_of(lab).certificate()


def test_a_zone_whose_account_key_can_not_be_read(make_zones):
    """Mended by hand, the zone comes back without a word to the issuer."""
    lab, second = make_zones()
    lab.start()
    client_of(second).certificate()
    lab.processes["issuer"].stop()
    key_file = os.path.join(lab.store, f"ca-account-{SECOND}.key")
    os.chmod(key_file, 0o644)
    lab.start_role("issuer")
    check_shut(lab, second, f"ca-account-{SECOND}.key")
    os.chmod(key_file, 0o600)
    testbed.wait_for(lambda: f"the CA for '{SECOND}' can be used again" in lab.processes["issuer"].log(),
                     "the issuer tries again", 120)
    client_of(second).certificate()


def test_an_only_zone_ends_with_the_error(make_lab, tmp_path):
    lab = make_lab()
    lab.processes["issuer"].stop()
    lab.settings["issuer"] = {"ca_file": str(tmp_path / "missing")}
    lab.write_config()
    done = conftest.run([conftest.program("latchkey-relay"), "--config", lab.config_file, "issuer"], check=False)
    assert done.returncode != 0 and str(tmp_path / "missing") in done.stdout, done.stdout
    lab.settings.pop("issuer")
    lab.write_config()
    lab.start_role("issuer")


def test_a_ledger_that_is_lost_for_one_zone(make_zones):
    """No issuer.db, and the account's key of the second zone alone: it does not start."""
    lab, _ = make_zones()
    lab.start()
    lab.processes["issuer"].stop()
    kept = os.path.join(lab.folder, "kept")
    os.mkdir(kept)
    for name in os.listdir(lab.store):
        if name.startswith("issuer.db") or name == "ca-account.key":
            shutil.move(os.path.join(lab.store, name), kept)
    done = conftest.run([conftest.program("latchkey-relay"), "--config", lab.config_file, "issuer"], check=False)
    assert done.returncode != 0
    assert f"ca-account-{SECOND}.key' of '{SECOND}' is there: bring the store back" in done.stdout, done.stdout
    for name in os.listdir(kept):
        shutil.move(os.path.join(kept, name), os.path.join(lab.store, name))
    lab.start_role("issuer")


def test_the_key_of_another_zone_is_not_used(make_zones):
    """As when the second zone became the main one, and the files kept their names."""
    lab, _ = make_zones()
    lab.start()
    lab.processes["issuer"].stop()
    path, own = (os.path.join(lab.store, name) for name in (f"relay-key-{SECOND}.pem", "relay-key.pem"))
    shutil.copy2(path, path + ".kept")
    shutil.copy2(own, path)
    before = relay(lab, "--zone", SECOND, "key")
    lab.start_role("issuer")
    testbed.wait_for(lambda: f"{path}' is that of '{FIRST}'" in lab.processes["issuer"].log(), "the complaint")
    assert relay(lab, "--zone", SECOND, "key") == before
    lab.processes["issuer"].stop()
    shutil.move(path + ".kept", path)
    lab.start_role("issuer")
    assert "is that of" not in lab.processes["issuer"].log().rpartition("ended after")[2]


def test_alerts_name_the_zone(make_zones, admin_of, tmp_path):  # noqa: F811
    lab, second = make_zones(second={"issuer": {"ca_file": str(tmp_path / "missing")}})
    lab.start()
    path, _ = command(lab)
    admin = admin_of(lab, alert={"command": path})

    def told():
        if not os.path.exists(os.path.join(lab.folder, "told")):
            return []
        with open(os.path.join(lab.folder, "told")) as file:
            return [(line["alert"], line["state"], line["zone"], line["relay"]) for line in map(json.loads, file)]
    begin = ("ca-account-refused", "begin", SECOND, second.base_url)
    testbed.wait_for(lambda: begin in told(), "the command hears of it", 60)
    admin.wait_for(rf"To be mended.*{re.escape(SECOND)}: <b>")
    text = admin.get("/metrics")[1]
    assert f'latchkey_alert_active{{alert="ca-account-refused",zone="{SECOND}"}} 1' in text
    assert f'latchkey_alert_active{{alert="ca-account-refused",zone="{FIRST}"}} 0' in text
    assert f'latchkey_alert_active{{alert="disk-nearly-full",zone="{SECOND}"}}' not in text
    second.write_config(front={"enrolment": "open"})
    reload_issuer(lab, f"the CA for '{re.escape(SECOND)}' can be used again")
    testbed.wait_for(lambda: ("ca-account-refused", "end", SECOND, second.base_url) in told(), "the end", 60)
    assert not [line for line in told() if line[2] == FIRST and line[0].startswith("ca-")]


def test_the_dashboard_counts_by_zone(make_zones, admin_of, tmp_path):  # noqa: F811
    conftest.need("chromium", "certutil")
    budget = {"issuer": {"budgets": "yes"}}
    lab, second = make_zones(first=budget, second={"issuer": {"budgets": "yes", "ca_file": str(tmp_path / "missing")}})
    lab.start()
    client_of(lab).certificate()
    seed(lab, 60)
    seed(second, 25)
    admin = admin_of(lab)
    admin.wait_for(r"<b>86</b><span>devices")
    admin.wait_for(rf"To be mended.*{re.escape(SECOND)}: <b>")
    counts = {zone: re.search(rf"zone={re.escape(zone)}\"><b>.*?</ul>", admin.get("/")[1], re.S)[0]
              for zone in (FIRST, SECOND)}
    assert "<b>61</b><span>devices" in counts[FIRST] and "good\">well" in counts[FIRST], counts
    assert "<b>25</b><span>devices" in counts[SECOND] and "bad\">refused" in counts[SECOND], counts
    page = browser.Browser(str(tmp_path), browser.make_home(str(tmp_path)))
    try:
        page.shoot_all(f"http://{admin.address}/?zone={SECOND}", "dashboard-zones")
        assert not page.complaints
        text = page.text()
        assert "missing" in text and f"shared with {FIRST}" in text, text
        page.look(1280)
        page.open(f"http://{admin.address}/")
        assert f"shared with {SECOND}" in page.text() and "50 left" in page.text()
        page.open(f"http://{admin.address}/devices?zone={SECOND}")
        assert page.evaluate("document.querySelectorAll('.list > li').length") == 25
    finally:
        page.close()
