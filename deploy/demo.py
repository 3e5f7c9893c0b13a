"""Shows latchkey's whole path on this machine: installs what is missing, builds, starts a relay with its own
CA and a device, and proves that the device's certificate is trusted by its name. Ends with Ctrl-C."""
import argparse
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import testbed  # noqa: E402

ADDRESS = "127.0.0.1"


class DemoError(Exception):
    """A step failed; the text says how."""


class Steps:
    """Prints what is done, and how long it took."""

    def __init__(self):
        self.count = 0

    def run(self, what, action):
        self.count += 1
        print(f"{self.count:2}. {what:<58}", end="", flush=True)
        started = time.monotonic()
        try:
            result = action()
        except BaseException:
            print("  failed", flush=True)
            raise
        print(f" {time.monotonic() - started:7.2f} s", flush=True)
        return result


def command(*arguments, **options):
    done = subprocess.run(arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, **options)
    if done.returncode != 0:
        raise DemoError(f"{shlex.join(arguments)}: status {done.returncode}\n{done.stdout[-3000:]}")
    return done.stdout


def look_up(lab, name):
    """The address of NAME, asked of the lab's DNS alone."""
    said = command("dig", f"@{lab.address}", "-p", str(lab.dns_port), "+short", "+time=2", name, "A")
    if said.split() != [ADDRESS]:
        raise DemoError(f"the lab's DNS says {said.split()} for '{name}', not {ADDRESS}")
    return said.split()[0]


def open_by_name(lab, name, port):
    """curl opens https://NAME/, trusting the lab's CA alone, at the address that the lab's DNS gives."""
    address = look_up(lab, name)
    said = command("curl", "--silent", "--show-error", "--fail", "--verbose", "--cacert",
                   lab.roots_file, "--resolve", f"{name}:{port}:{address}", "--noproxy", "*",
                   f"https://{name}:{port}/")
    facts = dict(re.findall(r"^\*  (subject|issuer|expire date|subjectAltName): *(.*)$", said, re.M))
    if "SSL certificate verify ok" not in said:
        raise DemoError(f"curl did not verify the certificate:\n{said[-3000:]}")
    return facts


def fallback_is_up(port):
    """Whether HTTPS is served, with whatever certificate."""
    done = subprocess.run(["curl", "--silent", "--insecure", "--max-time", "2", "--output", "/dev/null",
                           f"https://{ADDRESS}:{port}/"], stdin=subprocess.DEVNULL)
    return done.returncode == 0


def make_browser_home(lab, folder):
    """A home folder whose NSS database trusts the lab's root: nothing else on this machine is touched."""
    database = os.path.join(folder, "browser", ".pki", "nssdb")
    os.makedirs(database)
    command("certutil", "-d", f"sql:{database}", "-N", "--empty-password")
    command("certutil", "-d", f"sql:{database}", "-A", "-t", "C,,", "-n", "latchkey lab", "-i",
            lab.roots_file)
    return os.path.join(folder, "browser")


def show(options, folder):
    steps = Steps()
    bin_folder = options.bin
    if bin_folder is None:
        steps.run("installing what is missing", testbed.install)
        bin_folder = steps.run("building latchkey (release)", testbed.build)
    lab = testbed.Testbed(os.path.join(folder, "lab"), bin_folder)
    agent = None
    try:
        steps.run("starting a CA (Pebble) and the relay: front, issuer, dns", lab.start)
        port = testbed.free_port(ADDRESS, set())
        agent = testbed.Agent(os.path.join(folder, "device"), bin_folder, lab.directory,
                              lab.ca.ca_file, f"{ADDRESS}:{port}", settings={"address": ADDRESS})
        agent.start()
        steps.run("the device serves HTTPS with its fallback certificate",
                  lambda: testbed.wait_for(lambda: agent.process.check() and fallback_is_up(port),
                                           "HTTPS of the device", 10, 0.01))
        status = steps.run("it gets a trusted certificate through the relay", agent.wait_trusted)
        name = f"{ADDRESS.replace('.', '-')}.{status['id']}.{lab.zone}"
        facts = steps.run("curl opens it by name, through the lab's DNS",
                          lambda: open_by_name(lab, name, port))
        home = steps.run("making a browser home that trusts the lab's root",
                         lambda: make_browser_home(lab, folder))
        url = f"https://{name}:{port}/"
        print(f"\nVerified over a real connection: {url}")
        for key, value in facts.items():
            print(f"  {key}: {value}")
        print()
        print(command(*agent.command("qr")))
        print("Open it in Chromium (as root add --no-sandbox):\n")
        print(f"  HOME={shlex.quote(home)} chromium --user-data-dir={shlex.quote(home)}/profile "
              f"--host-resolver-rules='MAP *.{lab.zone} {ADDRESS}' {url}\n")
        if options.check:
            return
        print("Ctrl-C ends the demo.", flush=True)
        while True:
            time.sleep(0.5)
            agent.process.check()
            lab.revive_ended()
    finally:
        if agent is not None:
            agent.stop()
        lab.stop()


def stop_at_signal(number, _):
    raise SystemExit(128 + number)


def main():
    parser = argparse.ArgumentParser(prog="deploy/demo", description=__doc__)
    parser.add_argument("--check", action="store_true",
                        help="end after the proof; 0 only if the certificate was verified by name")
    parser.add_argument("--bin", metavar="DIR", default=os.environ.get("LATCHKEY_BIN"),
                        help="use the programs in DIR instead of installing and building")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, stop_at_signal)
    folder = tempfile.mkdtemp(prefix="latchkey-demo-")
    try:
        show(options, folder)
    except KeyboardInterrupt:
        print()
    except (DemoError, testbed.TestbedError) as error:
        sys.exit(f"deploy/demo: {error}")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


main()
