"""acme/ against Pebble itself (-strict): issuing, chaos, account binding, crashes, revocation. The
TXT go to pebble-challtestsrv; the driver is tests/system/acme_pebble.c."""
import contextlib
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import time
import urllib.request

import pytest

from conftest import program

KEYS = {"kid-256": "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W",
        "kid-384": "b10lLJs8l1GPIzsLP0s6pMt8O0XVGnfTaCeROxQM0BIt2XrJMDHJZBM5NuQmQJQH",
        "kid-512": "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12WAAAA"}


def free_port():
    with contextlib.closing(socket.socket()) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for_port(port, process):
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        assert process.poll() is None, "ended at start"
        with contextlib.closing(socket.socket()) as s:
            if s.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise AssertionError(f"nothing listens on port {port}")


class Bed:
    """Pebble and challtestsrv of one test."""

    def __init__(self, folder, environment, eab=False):
        self.folder = str(folder)
        self.port, self.manage, self.dns, self.dns_manage = (free_port() for _ in range(4))
        self.ca = self.path("ca.pem")
        self.processes = []
        self.eab = eab
        self.environment = {"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_AUTHZREUSE": "0",
                            "PEBBLE_WFE_NONCEREJECT": "0", **environment}
        self.published = []
        self.directory = f"https://127.0.0.1:{self.port}/dir"

    def path(self, name):
        return os.path.join(self.folder, name)

    def start(self):
        self.make_certificate("server.key", "ca.pem")
        config = {"listenAddress": f"127.0.0.1:{self.port}",
                  "managementListenAddress": f"127.0.0.1:{self.manage}",
                  "certificate": "ca.pem", "privateKey": "server.key", "httpPort": 5002,
                  "tlsPort": 5001, "ocspResponderURL": "", "certificateValidityPeriod": 86400 * 90,
                  "externalAccountBindingRequired": self.eab,
                  "domainBlocklist": ["blocked.test"]}
        if self.eab:
            config["externalAccountMACKeys"] = KEYS
        with open(self.path("pebble.json"), "w") as file:
            json.dump({"pebble": config}, file)
        self.launch("dns.log", ["pebble-challtestsrv", "-dns01", f"127.0.0.1:{self.dns}",
                                "-management", f"127.0.0.1:{self.dns_manage}", "-http01", "",
                                "-https01", "", "-tlsalpn01", ""], self.dns_manage)
        self.launch_pebble()
        return self

    def make_certificate(self, key, certificate):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec",
                        "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key,
                        "-out", certificate, "-days", "2", "-subj", "/CN=127.0.0.1",
                        "-addext", "subjectAltName=IP:127.0.0.1"],
                       check=True, stderr=subprocess.DEVNULL, cwd=self.folder)

    def launch(self, log, command, port):
        with open(self.path(log), "ab") as file:
            process = subprocess.Popen(command, stdout=file, stderr=file, cwd=self.folder,
                                       stdin=subprocess.DEVNULL,
                                       env={**os.environ, **self.environment})
        self.processes.append(process)
        wait_for_port(port, process)
        return process

    def launch_pebble(self):
        self.pebble = self.launch("pebble.log", ["pebble", "-config", "pebble.json", "-strict",
                                                 "-dnsserver", f"127.0.0.1:{self.dns}"], self.port)

    def restart_pebble(self):
        self.pebble.terminate()
        self.pebble.wait(10)
        self.launch_pebble()

    def stop(self):
        for process in self.processes:
            if process.poll() is None:
                process.terminate()
                process.wait(10)

    def dns_post(self, path, **body):
        request = urllib.request.Request(f"http://127.0.0.1:{self.dns_manage}/{path}",
                                         json.dumps(body).encode())
        urllib.request.urlopen(request, timeout=5).read()

    def orders(self):
        with open(self.path("pebble.log")) as file:
            return file.read().count("Added order ")

    def status(self, serial):
        context = ssl.create_default_context(cafile=self.ca)
        url = f"https://127.0.0.1:{self.manage}/cert-status-by-serial/{serial}"
        with urllib.request.urlopen(url, context=context, timeout=5) as response:
            return json.load(response)["Status"]

    def drive(self, *options, name="*.device.test", state=None, expect=0, records=True):
        """Runs the driver to its end, showing the records it asks for; its lines."""
        command = [program("acme_pebble"), "--directory", self.directory, "--ca", self.ca,
                   "--key", self.path("account.key"), "--name", name, *options]
        if state:
            command += ["--state", state]
        lines = []
        with open(self.path("driver.log"), "wb") as errors:
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                       stderr=errors, text=True)
        try:
            for line in process.stdout:
                line = line.rstrip("\n")
                lines.append(line)
                word, *rest = line.split(" ")
                if word in ("publish", "unpublish"):
                    if records:
                        self.show(word, rest)
                    with contextlib.suppress(BrokenPipeError):
                        process.stdin.write("ok\n")
                        process.stdin.flush()
            status = process.wait(60)
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
                process.wait()
            process.stdout.close()
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()
        with open(self.path("driver.log")) as file:
            said = file.read()
        assert status in (expect if isinstance(expect, tuple) else (expect,)), "\n".join(lines) + said
        assert "Sanitizer" not in said, said
        return lines

    def show(self, word, pairs):
        for name, value in zip(pairs[::2], pairs[1::2]):
            if word == "publish":
                self.dns_post("set-txt", host=name + ".", value=value)
                self.published.append((name, value))
            else:
                self.dns_post("clear-txt", host=name + ".")
                self.published = [pair for pair in self.published if pair != (name, value)]


@pytest.fixture
def bed(tmp_path):
    beds = []

    def make(eab=False, **environment):
        for command in ("pebble", "pebble-challtestsrv", "openssl"):
            if shutil.which(command) is None:
                pytest.skip(f"'{command}' is not installed")
        beds.append(Bed(tmp_path, environment, eab))
        return beds[-1].start()

    yield make
    for one in beds:
        one.stop()


def done(lines):
    return [line.split() for line in lines if line.startswith("done ")]


def test_issues_by_dns01(bed):
    one = bed()
    lines = one.drive(state=one.folder)
    assert len(done(lines)) == 1, lines
    words = [line.split()[0] for line in lines]
    assert words == ["account", "save", "save", "publish", "unpublish", "done"], lines
    assert one.published == []
    text = subprocess.run(["openssl", "x509", "-in", one.path("chain0.pem"), "-noout", "-ext",
                           "subjectAltName"], capture_output=True, text=True, check=True).stdout
    assert "DNS:*.device.test" in text
    # The same account again, by its stored URL and by its key alone.
    os.remove(one.path("order0.json"))
    assert not [x for x in one.drive(state=one.folder) if x.startswith("account")]
    assert [x for x in one.drive("--existing") if x.startswith("account")]


def test_two_names_share_one_record_name(bed):
    one = bed()
    lines = one.drive(name="device.test,*.device.test")
    publish = next(line for line in lines if line.startswith("publish")).split()[1:]
    assert publish[0::2] == ["_acme-challenge.device.test"] * 2
    assert publish[1] != publish[3]
    assert len(done(lines)) == 1


def test_many_orders_share_one_client_with_half_of_the_nonces_refused(bed):
    one = bed(PEBBLE_WFE_NONCEREJECT="50", PEBBLE_VA_ALWAYS_VALID="1")
    lines = one.drive("--count", "40", name="d#.device.test", records=False)
    assert len(done(lines)) == 40, lines
    assert one.orders() == 40


def test_reused_authorizations_need_no_record(bed):
    one = bed(PEBBLE_AUTHZREUSE="100")
    one.drive()
    lines = one.drive()
    assert [line.split()[0] for line in lines] == ["account", "save", "done"], lines


@pytest.mark.parametrize("size", ("256", "384", "512"))
def test_binds_the_account(bed, size):
    one = bed(eab=True)
    kid = f"kid-{size}"
    assert done(one.drive("--eab", f"{kid}:{size}:{KEYS[kid]}"))


def test_says_that_a_binding_is_needed_or_wrong(bed):
    one = bed(eab=True)
    failed = [line for line in one.drive(expect=1) if line.startswith("failed")]
    assert failed[0].split()[2:4] == ["eab", "operator"], failed
    wrong = KEYS["kid-256"][::-1]
    failed = [line for line in one.drive("--eab", f"kid-256:256:{wrong}", expect=1)
              if line.startswith("failed")]
    assert failed[0].split()[2:4] == ["eab", "operator"], failed


def test_unknown_account_is_made_only_where_that_is_allowed(bed):
    one = bed()
    failed = [line for line in one.drive("--existing", expect=1) if line.startswith("failed")]
    assert failed[0].split()[2:4] == ["account", "operator"], failed
    one.drive(state=one.folder)
    os.remove(one.path("order0.json"))
    one.restart_pebble()
    failed = [line for line in one.drive("--existing", state=one.folder, expect=1)
              if line.startswith("failed")]
    assert failed[0].split()[2:4] == ["account", "operator"], failed
    lines = one.drive(state=one.folder)
    assert len([line for line in lines if line.startswith("account")]) == 1
    assert done(lines)


def test_order_lost_with_the_account_is_made_anew(bed):
    one = bed()
    one.drive("--stop-after", "8", state=one.folder, expect=9)
    assert os.path.exists(one.path("order0.json"))
    one.restart_pebble()
    assert done(one.drive(state=one.folder))


def test_killed_after_any_step_it_resumes_the_same_order(bed, tmp_path):
    one = bed()
    steps = 0
    is_whole = False
    while not is_whole:
        steps += 1
        folder = tmp_path / f"state{steps}"
        folder.mkdir()
        before = one.orders()
        lines = one.drive("--stop-after", str(steps), state=str(folder), expect=(0, 9))
        is_whole = bool(done(lines))
        if is_whole:
            break
        made = one.orders() - before
        was_saved = (folder / "order0.json").exists()
        assert len(done(one.drive(state=str(folder)))) == 1
        # A crash may cost an order between newOrder and the save of its URL, never later.
        assert one.orders() - before == (1 if was_saved else 1 + made)
        assert one.published == []
    assert steps > 12


def test_wrong_record_fails_with_the_reason(bed):
    one = bed()
    lines = one.drive(records=False, expect=1)
    failed = next(line for line in lines if line.startswith("failed"))
    assert failed.split()[2:5] == ["dns", "name", "resumable=0"], failed
    assert [line.split()[0] for line in lines][-2] == "unpublish"


def test_rejected_name_fails_for_good(bed):
    one = bed()
    failed = next(line for line in one.drive(name="x.blocked.test", expect=1)
                  if line.startswith("failed"))
    assert failed.split()[2:6] == ["rejected", "name", "resumable=0", "retry=0"], failed


def test_revokes(bed):
    one = bed()
    lines = one.drive("--revoke")
    assert lines[-1] == "revoked 0"
    assert one.status(done(lines)[0][3]) == "Revoked"


def test_alternate_chains_are_bounded(bed):
    one = bed(PEBBLE_ALTERNATE_ROOTS="6")
    assert done(one.drive("--alternates", "3"))[0][4] == "alternates=3"
    assert done(one.drive())[0][4] == "alternates=0"


def test_profile_and_replaces_are_only_wishes(bed):
    one = bed()
    line = done(one.drive("--profile", "tlsserver",
                          "--replaces", "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE"))
    assert line[0][5] == "profile=-"


def test_server_with_an_unknown_certificate_is_not_spoken_to(bed):
    one = bed()
    one.make_certificate("other.key", "other.pem")
    one.ca = one.path("other.pem")
    failed = next(line for line in one.drive(expect=1) if line.startswith("failed"))
    assert re.match(r"failed 0 net ca resumable=1 ", failed), failed
