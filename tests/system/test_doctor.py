"""`latchkey doctor`, every verdict: a device on a LAN whose resolvers, relay and network are broken on
purpose, with the filters that people have: dnsmasq, Unbound and Knot Resolver."""
import clinic
import conftest
import pytest


@pytest.fixture(scope="module")
def ward(tmp_path_factory):
    conftest.need("pebble", "unbound", "dnsmasq", "kresd", "ip", "dig")
    conftest.need_root()
    conftest.program("latchkey-relay")
    ward = clinic.Clinic(tmp_path_factory.mktemp("clinic"))
    try:
        ward.up()
        yield ward
    finally:
        results = ward.down()
        reports = conftest.sanitizer_reports(ward.folder)
        assert not reports, "\n".join(reports)
        assert results.get("agent") in (0, None), results


def codes(verdicts):
    return {check: verdict["code"] for check, verdict in verdicts.items() if check != "all"}


def test_all_is_well(ward):
    verdicts = ward.doctor()
    assert codes(verdicts) == {
        "clock": "clock-right", "address": "address-found", "route": "route-found",
        "resolver": "resolver-answers", "zone": "zone-found", "private-answers": "private-answered",
        "question": "question-arrived", "public-resolver": "public-answers", "relay": "relay-answers",
        "order": "order-none", "certificate": "certificate-good", "port": "port-open",
        "served": "served-trusted", "names": "names-current"}, verdicts["all"]
