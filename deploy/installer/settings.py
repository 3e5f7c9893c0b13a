"""The files that make this machine's relay: /etc/latchkey/relay.conf and the addresses of the sockets. What the
operator has changed in relay.conf is kept; only the CA's directory is changed, when the trial has passed."""
import re

from host import InstallError

CONFIG = "/etc/latchkey/relay.conf"
STORE = "/var/lib/latchkey"
# What is in it beside the backups.
STORE_NAMES = ("front", "issuer", "dns", "admin", "secret")
SOCKETS = {"front": (("ListenStream", 443),), "dns": (("ListenDatagram", 53), ("ListenStream", 53))}
DASHBOARD = "127.0.0.1:9440"
LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)\Z")

TEMPLATE = """\
# latchkey's relay, for all of its roles; written by latchkey-install-relay, yours to change: it is not written
# again. Every key is explained in /usr/share/doc/latchkey-relay/relay.conf.example. After a change:
#   latchkey-relay --check && systemctl restart latchkey-relay.target

[relay]
zone = {zone}
# Keep a copy of {store}/secret and {store}/issuer/relay-key.pem (the nightly backup has both).

[front]
# The sockets are systemd's: /etc/systemd/system/latchkey-front.socket.d/addresses.conf. This is what the role
# would open without them.
listen = {https}
# Devices enrol with a token: latchkey-relay token add
enrolment = token

[issuer]
# You agreed to the CA's terms of service with --agree-tos.
terms_agreed = yes
{ca}
# Whom this machine asks whether a challenge is visible: itself. It may not reach its public address.
check_name_servers = {dns}

[dns]
# As for [front]: /etc/systemd/system/latchkey-dns.socket.d/addresses.conf
listen = {dns}
name_servers = {servers}
hosts = relay={public}

[admin]
# The dashboard, for this machine alone: ssh -L 9440:{dashboard} root@{first}, then open http://localhost:9440
listen = {dashboard}

[alert]
# A program that is told of what needs you, as JSON on its standard input, by the user latchkey-admin; what it is
# told, and when: docs/OPERATIONS.md, "Alerts". After a change: systemctl restart latchkey-admin
#command = /usr/local/sbin/latchkey-alert
"""


def check_zone(text):
    """The zone in lower case, without a dot at the end."""
    zone = text.lower().rstrip(".")
    if len(zone) > 190 or zone.count(".") < 1 or not all(LABEL.match(label) for label in zone.split(".")):
        raise InstallError(f"'{text}' can't be a zone: it must be a domain name such as lan.example.com")
    return zone


def endpoint(address, port):
    return f"[{address}]:{port}" if address.version == 6 else f"{address}:{port}"


def public_list(addresses):
    return ",".join(str(address.public) for address in addresses)


def listen_list(addresses, port):
    return " ".join(dict.fromkeys(endpoint(address.listen, port) for address in addresses))


class Delegation:
    """How the world finds the zone's name server: by records in the zone above, or by a registrar's form."""

    def __init__(self, zone, addresses, registered):
        self.zone, self.addresses = zone, addresses
        label, _, self.parent = zone.partition(".")
        # Nobody delegates by hand from a top-level domain.
        self.registered = registered or "." not in self.parent
        # Registrars' forms want two names, and one machine may have both.
        self.names = [f"ns1.{zone}", f"ns2.{zone}"] if self.registered else [f"ns-{label}.{self.parent}"]

    def config_value(self):
        """For [dns] name_servers: those inside the zone need their addresses there."""
        if self.registered:
            return " ".join(f"{name}={public_list(self.addresses)}" for name in self.names)
        return self.names[0]

    def text(self):
        """What the operator does now."""
        kinds = [("AAAA" if address.public.version == 6 else "A", address.public) for address in self.addresses]
        if self.registered:
            lines = [f"At the registrar of {self.zone}, in the form for name servers (host records, \"glue\"):", ""]
            lines += [f"    {name}    {' '.join(str(address) for _, address in kinds)}" for name in self.names]
            return "\n".join(lines + ["", "Both names are this machine: the form wants two, the zone works with one."])
        name, short = self.names[0], self.zone.partition(".")[0]
        lines = [f"Where the records of {self.parent} are kept, add:", ""]
        lines += [f"    {short:<16} NS    {name}."]
        lines += [f"    {name[:-len(self.parent) - 1]:<16} {kind:<5} {address}" for kind, address in kinds]
        return "\n".join(lines + ["", f"(If {self.zone} is itself what you registered: run this with --registered.)"])


# --- relay.conf ---

def ca_lines(directory, name, ca_file):
    lines = [f"directory = {directory}", f"ca_name = {name}"]
    return "\n".join(lines + ([f"ca_file = {ca_file}"] if ca_file else []))


def config_text(delegation, directory, ca_name, ca_file):
    addresses = delegation.addresses
    return TEMPLATE.format(
        zone=delegation.zone, store=STORE, ca=ca_lines(directory, ca_name, ca_file),
        https=listen_list(addresses, 443), dns=listen_list(addresses, 53),
        servers=delegation.config_value(), public=public_list(addresses), dashboard=DASHBOARD,
        first=addresses[0].public)


def value(text, section, key):
    """What relay.conf says for KEY of [SECTION], or None."""
    now = None
    for line in text.splitlines():
        heading = re.match(r"\s*\[(\w+)\]", line)
        now = heading[1] if heading else now
        found = re.match(r"\s*(\w+)\s*=\s*(.*?)\s*\Z", line)
        if found and now == section and found[1] == key:
            return found[2]
    return None


def with_directory(text, old, new):
    """The same configuration with another CA directory."""
    return re.sub(rf"^(\s*directory\s*=\s*){re.escape(old)}\s*$", lambda found: found[1] + new, text, count=1,
                  flags=re.M)


# --- sockets ---

def socket_path(role):
    return f"/etc/systemd/system/latchkey-{role}.socket.d/addresses.conf"


def socket_text(role, addresses):
    lines = ["# Written by latchkey-install-relay: each of this machine's addresses, never the wildcard.", "[Socket]"]
    for address in dict.fromkeys(address.listen for address in addresses):
        lines += [f"{kind}={endpoint(address, port)}" for kind, port in SOCKETS[role]]
    return "\n".join(lines) + "\n"
