"""`latchkey doctor`, every verdict: a device on a LAN whose resolvers, relay and network are broken on
purpose, with the filters that people have: dnsmasq, Unbound and Knot Resolver."""
import base64
import io
import json
import os
import pathlib
import re
import subprocess
import tarfile

import clinic
import conftest
import pytest
import testbed


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
        "served": "served-trusted", "names": "names-current", "storage": "storage-good",
        "identity": "identity-single"}, verdicts["all"]


def line_for(verdict, system):
    """The setting that the diagnosis gives for SYSTEM, its last line."""
    settings = {setting["system"]: setting for setting in verdict["settings"]}
    assert system in settings, sorted(settings)
    return settings[system]["lines"][-1]


def has_detail(verdict, *words):
    return any(all(word in line for word in words) for line in verdict["detail"])


# --- filters against DNS rebinding, and that the mend mends ---

def test_dnsmasq_stop_dns_rebind(ward):
    ward.resolve(ward.dnsmasq(*ward.REBIND))
    verdicts = ward.doctor()
    found = codes(verdicts)
    assert found["private-answers"] == "rebinding-filter", verdicts["all"]
    # A filter is no fault of the zone, and the relay has heard the question.
    assert (found["zone"], found["question"], found["public-resolver"]) == \
        ("zone-found", "question-arrived", "public-answers"), verdicts["all"]
    assert has_detail(verdicts["question"], "dropped on its way back")
    private = verdicts["private-answers"]
    assert has_detail(private, "192.168.77.1:53", "empty", "extended error 15")
    assert has_detail(private, "it is this network")
    # The same is in the status, and so on the page, until the next one is made.
    in_status = ward.agent.status()["diagnosis"]["verdicts"]
    assert private["code"] in [verdict["code"] for verdict in in_status]
    # What it is shows: only what is made of dnsmasq is listed, with the zone filled in.
    systems = {setting["system"] for setting in private["settings"]}
    assert {"dnsmasq", "OpenWrt", "Pi-hole"} <= systems and "Unbound" not in systems
    assert f"rebind_domain='{ward.zone}'" in str(private["settings"])
    line = line_for(private, "dnsmasq")
    assert line == f"rebind-domain-ok=/{ward.zone}/"
    ward.resolve(ward.dnsmasq(*ward.REBIND, f"--{line}"))
    assert codes(ward.doctor())["private-answers"] == "private-answered"


def test_unbound_private_address(ward):
    networks = [f"private-address: {network}" for network in ("10.0.0.0/8", "192.168.0.0/16", "fd00::/8")]
    ward.resolve(ward.unbound(*networks))
    verdicts = ward.doctor()
    private = verdicts["private-answers"]
    assert private["code"] == "rebinding-filter" and private["level"] == "fail", verdicts["all"]
    assert codes(verdicts)["question"] == "question-arrived"
    line = line_for(private, "Unbound")
    assert line_for(private, "pfSense") == line == f'private-domain: "{ward.zone}"'
    assert line_for(private, "OPNsense") == line_for(private, "FRITZ!Box") == ward.zone
    ward.resolve(ward.unbound(*networks, line))
    assert codes(ward.doctor())["private-answers"] == "private-answered"


def test_only_one_family_is_dropped(ward):
    ward.resolve(ward.unbound("private-address: 10.0.0.0/8", "private-address: 192.168.0.0/16"))
    assert codes(ward.doctor())["private-answers"] == "rebinding-filter-ipv4"
    ward.resolve(ward.unbound("private-address: fd00::/8"))
    verdicts = ward.doctor(status=0)
    assert verdicts["private-answers"]["code"] == "rebinding-filter-ipv6"
    assert verdicts["all"]["worst"] == "warn"


def test_knot_resolver_rebinding(ward):
    ward.resolve(ward.kresd("modules.load('rebinding < iterate')"))
    verdicts = ward.doctor()
    private = verdicts["private-answers"]
    assert private["code"] == "rebinding-filter", verdicts["all"]
    assert has_detail(private, "REFUSED", "extended error 18")
    assert [setting["system"] for setting in private["settings"]] == ["Knot Resolver"]


def test_one_of_two_filters(ward):
    ward.resolve(ward.unbound(), ward.dnsmasq(*ward.REBIND, address=ward.SECOND))
    private = ward.doctor()["private-answers"]
    assert private["code"] == "rebinding-filter-some"
    assert has_detail(private, "192.168.77.2:53", "empty") and \
        has_detail(private, "192.168.77.1:53", "right answer")


# --- other faults of resolvers ---

def test_hijacked_answers(ward):
    ward.resolve(ward.dnsmasq(f"--address=/{ward.zone}/192.168.77.1"))
    verdicts = ward.doctor()
    found = codes(verdicts)
    assert found["private-answers"] == "answers-changed", verdicts["all"]
    # It answers by itself: the relay has not heard of the question.
    assert found["question"] in ("question-not-arrived", "not-checked"), verdicts["all"]


def test_answered_without_asking(ward):
    """A forged probe: the resolver asks the relay for the rest of the zone, but not for this."""
    name = f"{ward.id}.{ward.zone}"
    ward.resolve(ward.dnsmasq(f"--address=/{name}/10.9.9.9",
                              f"--server=/_acme-challenge.{name}/198.51.100.1#{ward.dns_port}"))
    verdicts = ward.doctor()
    assert codes(verdicts)["question"] == "question-not-arrived", verdicts["all"]
    assert codes(verdicts)["private-answers"] == "answers-changed", verdicts["all"]


def test_blocked_zone(ward):
    ward.resolve(ward.unbound(f'local-zone: "{ward.zone}." always_nxdomain'))
    verdicts = ward.doctor()
    assert verdicts["zone"]["code"] == "zone-blocked", verdicts["all"]
    assert has_detail(verdicts["zone"], "NXDOMAIN")
    assert codes(verdicts)["private-answers"] == "not-checked"
    # Its own name is in the zone too.
    assert codes(verdicts)["relay"] == "relay-name-unknown"


def test_nobody_finds_the_zone(ward):
    ward.resolve(ward.unbound(f'local-zone: "{ward.zone}." always_refuse'))
    ward.public_mode("servfail")
    try:
        verdicts = ward.doctor()
        assert codes(verdicts)["zone"] == "zone-lost", verdicts["all"]
        assert codes(verdicts)["public-resolver"] == "public-lost"
    finally:
        ward.public_mode("relay")


def test_public_resolver_filters(ward):
    ward.resolve(ward.unbound())
    ward.public_mode("empty-addresses")
    try:
        verdicts = ward.doctor(status=0)
        assert verdicts["public-resolver"]["code"] == "public-filters", verdicts["all"]
    finally:
        ward.public_mode("relay")


def test_refusing_resolver(ward):
    ward.resolve(ward.kresd("policy.add(policy.all(policy.REFUSE))"))
    verdicts = ward.doctor()
    assert verdicts["resolver"]["code"] == "resolver-refuses", verdicts["all"]
    assert codes(verdicts)["zone"] == "not-checked"


def test_silent_resolvers(ward):
    ward.resolve(ward.unbound(), names=[ward.ADDRESS, ward.SECOND])
    verdicts = ward.doctor(status=0)
    assert verdicts["resolver"]["code"] == "resolver-part-silent", verdicts["all"]
    ward.stop_resolvers()
    verdicts = ward.doctor()
    found = codes(verdicts)
    assert (found["resolver"], found["zone"], found["relay"]) == \
        ("resolver-silent", "not-checked", "relay-name-unknown"), verdicts["all"]
    # What needs no name still works.
    assert (found["port"], found["public-resolver"]) == ("port-open", "public-answers"), verdicts["all"]


def test_no_resolver(ward):
    ward.name_servers()
    assert codes(ward.doctor())["resolver"] == "resolver-none"


# --- the network ---

def test_no_route(ward):
    ward.resolve(ward.unbound())
    ward.nets.ip("dev", "route", "del", "default")
    try:
        verdicts = ward.doctor()
        found = codes(verdicts)
        assert (found["route"], found["relay"], found["public-resolver"], found["resolver"]) == \
            ("route-none", "relay-unreachable", "public-unreachable", "resolver-answers"), verdicts["all"]
    finally:
        ward.nets.ip("dev", "route", "add", "default", "via", "192.168.77.1")


def test_zone_fails_and_nobody_to_compare_with(ward):
    ward.resolve(ward.unbound(f'local-zone: "{ward.zone}." always_refuse'))
    verdicts = ward.alone("nobody", doh="https://198.51.100.1:4499/dns-query",
                          relay="https://198.51.100.1:4443/relay/directory")
    assert codes(verdicts)["zone"] == "zone-failing", verdicts["all"]


def test_no_address(ward):
    ward.resolve(ward.unbound())
    verdicts = ward.alone("nowhere", interface="none-such0")
    assert codes(verdicts)["address"] == "address-none", verdicts["all"]
    assert codes(verdicts)["port"] == "not-checked"


# --- the relay, and what is not the relay ---

PLACES = {
    "minutes": ("https://198.51.100.1:4443/minutes/directory", "clock", "clock-off"),
    "days": ("https://198.51.100.1:4443/days/directory", "clock", "clock-wrong"),
    "other": ("https://198.51.100.1:4443/acme/directory", "relay", "relay-other"),
    "down": ("https://198.51.100.1:4443/down/directory", "relay", "relay-down"),
    "login": ("https://198.51.100.1:4443/login/directory", "relay", "relay-portal"),
    "page": ("https://198.51.100.1:4443/welcome/directory", "relay", "relay-portal"),
    "foreign": ("https://198.51.100.1:4444/relay/directory", "relay", "relay-intercepted"),
    "old": ("https://198.51.100.1:4445/relay/directory", "relay", "relay-expired"),
    "plain": ("https://198.51.100.1:4446/relay/directory", "relay", "relay-portal"),
    "closed": ("https://198.51.100.1:4499/relay/directory", "relay", "relay-unreachable"),
    "pinned": ("https://198.51.100.1:4443/relay/directory#" + "A" * 43, "relay", "relay-impostor"),
}


@pytest.mark.parametrize("place", PLACES)
def test_what_is_at_the_relays_address(ward, place):
    relay, check, code = PLACES[place]
    verdicts = ward.alone(place, relay=relay)
    assert verdicts[check]["code"] == code, verdicts["all"]
    assert verdicts[check]["mend"]
    # A device that never ran: it has no name and no certificate yet.
    assert codes(verdicts)["certificate"] == "certificate-none"


def test_the_relay_in_use(ward, tmp_path):
    """It is judged by what the device remembers of it, not by what comes first in the configuration."""
    state = ward.copy_state(tmp_path)
    relays = f"https://198.51.100.1:4499/relay/directory {ward.env['LAB_DIRECTORY']}"

    def diagnose(name, **changes):
        path = pathlib.Path(state, "state.json")
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))
        return ward.alone(name, state=state, relay=relays)["relay"]

    assert diagnose("second")["code"] == "relay-answers"
    verdict = diagnose("key", relay_pin="A" * 43)
    assert verdict["code"] == "relay-key" and verdict["level"] == "warn", verdict
    assert has_detail(verdict, "with the pin 'AAAA")
    verdict = diagnose("zone", relay_zone="other.example")
    assert verdict["code"] == "relay-zone" and has_detail(verdict, "was 'other.example'"), verdict


# --- the device's own names and HTTPS ---

def test_names_lead_elsewhere(ward, tmp_path):
    """The state of the device with another address and port, as after a move that nobody published."""
    verdicts = ward.alone("moved", state=ward.copy_state(tmp_path), host="pc", serve=":444")
    found = codes(verdicts)
    assert (found["names"], found["port"], found["certificate"]) == \
        ("names-old", "port-closed", "certificate-good"), verdicts["all"]
    assert found["served"] == "served-nowhere", verdicts["all"]
    # And of a device that has published nothing.
    found = codes(ward.alone("unpublished", relay=ward.env["LAB_DIRECTORY"]))
    assert (found["names"], found["served"]) == ("names-missing", "not-checked"), found


def test_another_certificate_is_served(ward, tmp_path):
    state = ward.copy_state(tmp_path)
    ward.replace_trusted(state)
    verdicts = ward.alone("elsewhere", state=state)
    assert codes(verdicts)["served"] == "served-other", verdicts["all"]
    assert codes(verdicts)["port"] == "port-open"


# --- orders ---

def test_an_order_waits(ward):
    """The relay rations certificates; the agent looks by itself after the refusal, without being asked."""
    agent = ward.make_agent("pc", "second").start()
    ward.others.append(agent)
    status = ward.wait_status(agent, lambda s: "diagnosis" in s)
    verdicts = {verdict["check"]: verdict for verdict in status["diagnosis"]["verdicts"]}
    assert verdicts["order"]["code"] == "order-waiting" and verdicts["order"]["level"] == "warn"
    assert has_detail(verdicts["order"], "orders again at 20")
    assert verdicts["certificate"]["code"] == "certificate-none"
    text = conftest.run(agent.command("doctor"), check=False)
    assert text.returncode == 1 and "order (order-waiting)" in text.stdout, text.stdout


def test_an_order_does_not_wait_for_a_diagnosis(ward):
    """With dead resolvers a diagnosis takes seconds; an order asked for meanwhile begins at once."""
    ward.resolve(ward.unbound(), names=[ward.SECOND])
    log = ward.agent.process.log
    before = log().count("order: asking")
    doctor = subprocess.Popen(ward.agent.command("doctor", "--json"), stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        testbed.wait_for(lambda: ward.workers() == 1, "the diagnosis' worker", 10, 0.02)
        conftest.run(ward.agent.command("renew"))
        testbed.wait_for(lambda: log().count("order: asking") > before, "the order", 1, 0.02)
        assert doctor.poll() is None, "the diagnosis was over already: this test shows nothing"
    finally:
        doctor.communicate(timeout=60)
    ward.resolve(ward.unbound())


# --- for people ---

def test_text_for_people(ward):
    ward.resolve(ward.dnsmasq(*ward.REBIND))
    done = conftest.run(ward.agent.command("doctor"), check=False)
    assert done.returncode == 1, done.stdout
    assert "private-answers (rebinding-filter)" in done.stdout
    assert f"uci add_list dhcp.@dnsmasq[0].rebind_domain='{ward.zone}'" in done.stdout
    assert max(len(line) for line in done.stdout.splitlines() if "http" not in line) <= 80
    ward.resolve(ward.unbound())

    def well():
        done = conftest.run(ward.agent.command("doctor"), check=False)
        return done.stdout if done.returncode == 0 else None
    # An order may have been under way while the resolver was bad: it has to be made again first.
    assert "fail" not in testbed.wait_for(well, "the doctor finds nothing", 60, 1)


# --- the support bundle ---

def spellings(secret):
    """SECRET (bytes) in the ways in which it could slip into a file."""
    plain = base64.b64encode(secret).decode().rstrip("=")
    return {secret, secret.hex().encode(), secret.hex().upper().encode(), plain.encode(),
            plain.replace("+", "-").replace("/", "_").encode(),
            base64.b32encode(secret).rstrip(b"="), base64.b32encode(secret).rstrip(b"=").lower(),
            ":".join(f"{byte:02x}" for byte in secret).encode()}


def secrets_of(folder):
    """Every private key in FOLDER: its bytes, its DER, and the lines of its PEM."""
    from cryptography.hazmat.primitives import serialization
    found = set()
    for name in os.listdir(folder):
        path = os.path.join(folder, name)
        if not os.path.isfile(path):
            continue
        with open(path, "rb") as file:
            text = file.read()
        for block in re.findall(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?-----END [A-Z ]*PRIVATE KEY-----",
                                text, re.S):
            key = serialization.load_pem_private_key(block, None)
            found |= spellings(key.private_numbers().private_value.to_bytes(32, "big"))
            found |= {line for line in block.split(b"\n") if line and b"-----" not in line}
    assert found
    return found


def test_support_bundle(ward, tmp_path):
    """All that helps, and no secret: not in a file, not in another spelling, not in the configuration."""
    ward.resolve(ward.dnsmasq(*ward.REBIND))
    token = tmp_path / "token"
    token.write_text("kid-of-token:" + base64.urlsafe_b64encode(b"token-key-of-32-bytes-for-hmac!!").decode())
    config = tmp_path / "device.conf"
    with open(ward.agent.config_file) as file:
        config.write_text(file.read() + f"token_file = {token}\n# password: in-a-comment-1\n"
                          "proxy = http://joe:in-a-proxy-2@192.0.2.9:3128\n"
                          "identity = pkcs11:object=latchkey;type=private?pin-value=in-a-pin-3\n"
                          "reload = /bin/echo in-a-command-4\n")
    invited = conftest.run(ward.agent.command("qr", "--invite")).stdout
    invitation = re.search(r"/T([A-Z2-7]{26})", invited).group(1)
    path = tmp_path / "bundle.tar"
    done = conftest.run(ward.nets.inside("dev", conftest.program("latchkey"), "support-bundle", str(path),
                                         "--state", ward.agent.state_folder, "--config", str(config)))
    assert str(path) in done.stdout
    assert os.stat(path).st_mode & 0o777 == 0o600
    assert "trusted-chain.pem" in conftest.run(["tar", "tvf", str(path)]).stdout
    with tarfile.open(path) as archive:
        parts = {member.name: archive.extractfile(member).read() for member in archive}
    assert set(parts) == {"versions.txt", "diagnosis.json", "status.json", "config.txt", "interfaces.txt",
                          "resolv.conf", "routes-ipv4.txt", "routes-ipv6.txt", "trusted-chain.pem",
                          "fallback-chain.pem", "log.txt"}
    assert b"rebinding-filter" in parts["diagnosis.json"] and ward.id.encode() in parts["status.json"]
    assert b"lan0" in parts["interfaces.txt"] and b"192.168.77.51" in parts["interfaces.txt"]
    assert b"nameserver 192.168.77.1" in parts["resolv.conf"] and b"lan0" in parts["routes-ipv4.txt"]
    assert parts["trusted-chain.pem"].count(b"BEGIN CERTIFICATE") >= 1
    assert f"token_file = {token}".encode() in parts["config.txt"]
    assert b"proxy = http://192.0.2.9:3128" in parts["config.txt"]
    assert b"identity = pkcs11:object=latchkey;type=private (" in parts["config.txt"]
    with open(os.path.join(ward.agent.state_folder, "admin-secret"), "rb") as file:
        admin = file.read().strip()
    raw = base64.b32decode(invitation + "=" * (-len(invitation) % 8))
    secrets = secrets_of(ward.agent.state_folder) | spellings(raw) | spellings(admin) | \
        spellings(admin.replace(b"-", b"")) | spellings(b"token-key-of-32-bytes-for-hmac!!") | \
        {invitation.encode(), b"kid-of-token", b"in-a-comment-1", b"in-a-proxy-2", b"joe", b"in-a-pin-3",
         b"in-a-command-4", b"PRIVATE KEY"}
    whole = path.read_bytes()
    for secret in secrets:
        assert secret not in whole, secret
    # The control: the state folder has them.
    assert any(secret in open(os.path.join(ward.agent.state_folder, "identity.pem"), "rb").read()
               for secret in secrets)


def test_support_bundle_of_a_device_that_never_ran(ward, tmp_path):
    ward.resolve(ward.unbound())
    agent = ward.make_agent("dev", "fresh")
    done = subprocess.run(agent.command("support-bundle"), cwd=tmp_path, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert done.returncode == 0, done.stderr
    with tarfile.open(tmp_path / "latchkey-support.tar") as archive:
        parts = {member.name: archive.extractfile(member).read() for member in archive}
    assert b"not available" in parts["status.json"] and b"not available" in parts["trusted-chain.pem"]
    assert b"names-missing" in parts["diagnosis.json"]
    # It is not made up a name for: there is no identity yet.
    assert not os.path.exists(os.path.join(agent.state_folder, "identity.pem"))
    done = subprocess.run([*agent.command("support-bundle")[:-2], "-", *agent.command("x")[-2:]],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert done.returncode == 0 and tarfile.open(fileobj=io.BytesIO(done.stdout)).getnames()
    done = subprocess.run([*agent.command("support-bundle")[:-2], "/nonexistent/x.tar",
                           *agent.command("x")[-2:]], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          stdin=subprocess.DEVNULL)
    assert done.returncode == 1 and b"'/nonexistent/x.tar' can't be written" in done.stderr
