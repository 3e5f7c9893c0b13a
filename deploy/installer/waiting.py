"""What an installation waits for: that public resolvers see the delegation, and that a CA has issued the relay's own
certificate. What is seen is printed whenever it changes."""
import json
import socket
import ssl
import subprocess
import time

from host import InstallError

LOOK_S = 5
CONNECT_S = 5
SEEN_BY = 2
SILENT = ("udp-silent", "tcp-silent")


def wait(host, look, seconds, what):
    """Calls LOOK, which returns (done, what it sees), until it is done. SECONDS: None waits for ever."""
    shown, until = None, None if seconds is None else time.monotonic() + seconds
    while True:
        done, seen = look()
        if seen != shown:
            host.out(time.strftime("%H:%M:%S ") + seen.replace("\n", "\n         "))
            shown = seen
        if done:
            return
        if until is not None and time.monotonic() >= until:
            raise InstallError(f"{what}: not within {seconds} s. Run the same command again to go on from here")
        time.sleep(LOOK_S if until is None else max(0.0, min(LOOK_S, until - time.monotonic())))


# --- the delegation ---

class DelegationWatch:
    """OPTIONS go to check-delegation: --doh, --resolver, --parent, --ca-file."""

    def __init__(self, host, options, behind_nat):
        self.host, self.options, self.behind_nat = host, options, behind_nat

    def look(self):
        done = self.host.ask("latchkey-relay", "check-delegation", "--json", *self.options)
        try:
            verdicts = json.loads(done.stdout[done.stdout.index("{"):])["verdicts"]
        except (ValueError, KeyError):
            return False, "check-delegation: " + done.stdout.strip()
        return judge(verdicts, self.behind_nat)


def judge(verdicts, behind_nat):
    """(whether the world sees the zone, what is seen). This machine's own view of its public address does not count,
    and BEHIND_NAT is not said: it may have none."""
    sees = [verdict for verdict in verdicts if verdict["code"] in ("public-sees", "public-differs")]
    asked = [verdict for verdict in verdicts if verdict["code"].startswith("public-")]
    lines = []
    for verdict in verdicts:
        if verdict["code"] in SILENT and behind_nat:
            continue
        if verdict["level"] == "FAILED" or verdict["code"].startswith(("public-", "parent-", "delegat")):
            lines.append(f"{verdict['level']:<8} {verdict['where']}: {verdict['text']}")
    return len(sees) >= min(SEEN_BY, max(len(asked), 1)), "\n".join(lines)


# --- certificates ---

def certificate(address, port, name, context):
    """(DER certificate, None) that is served for NAME, or (None, why not)."""
    try:
        with socket.create_connection((str(address), port), CONNECT_S) as plain, \
                context.wrap_socket(plain, server_hostname=name) as secure:
            return secure.getpeercert(binary_form=True), None
    except (OSError, ValueError) as error:
        return None, str(error)


def trusted_context(ca_file):
    return ssl.create_default_context(cafile=ca_file)


def any_context():
    """For the trial: its certificates are meant to be trusted by nobody. Only who issued it is looked at."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def issuer_and_subject(der):
    done = subprocess.run(["openssl", "x509", "-inform", "DER", "-noout", "-issuer", "-subject"], input=der,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    lines = done.stdout.decode("utf-8", "replace").splitlines()
    return [line.partition("=")[2].strip() for line in lines] if len(lines) == 2 else ["", ""]


class CertificateWatch:
    """Until the front serves a certificate for NAME: of any CA (not its own one), or one that CONTEXT trusts."""

    def __init__(self, host, address, port, name, ca_file=None, trial=False):
        self.host, self.address, self.port, self.name = host, address, port, name
        self.trial = trial
        self.context = any_context() if trial else trusted_context(ca_file)

    def look(self):
        der, why = certificate(self.address, self.port, self.name, self.context)
        if der is None:
            return False, f"https://{self.name}: {why}{self.last_words()}"
        if not self.trial:
            return True, f"https://{self.name} serves a certificate that browsers trust"
        issuer, subject = issuer_and_subject(der)
        if issuer == subject:
            return False, f"https://{self.name} waits for the CA{self.last_words()}"
        return True, f"https://{self.name} serves a certificate of the trial: {issuer}"

    def last_words(self):
        """What the issuer said last, where there is a journal."""
        done = self.host.ask("journalctl", "-q", "-n", "1", "-o", "cat", "-u", "latchkey-issuer.service")
        text = done.stdout.strip()
        return f"\n(issuer: {text.splitlines()[-1]})" if done.returncode == 0 and text else ""
