"""Which addresses the world reaches this machine by, and which ones it listens on: a cloud's VM often has a private
address on its interface, and a public one that only the cloud's metadata service knows."""
import http.client
import ipaddress
import json
import subprocess
import urllib.error
import urllib.request

from host import InstallError

METADATA = "http://169.254.169.254"
ANSWER_S = 2
ANSWER_BYTES = 1024
TOKEN = ("/latest/api/token", {"X-aws-ec2-metadata-token-ttl-seconds": "60"})
# Whose, path, headers. EC2's needs a token; what OpenStack and others imitate of it does not.
PUBLIC_IPV4 = (
    ("Google Cloud", "/computeMetadata/v1/instance/network-interfaces/0/access-configs/0/external-ip",
     {"Metadata-Flavor": "Google"}),
    ("Azure", "/metadata/instance/network/interface/0/ipv4/ipAddress/0/publicIpAddress"
     "?api-version=2021-02-01&format=text", {"Metadata": "true"}),
    ("Hetzner", "/hetzner/v1/metadata/public-ipv4", {}),
    ("DigitalOcean", "/metadata/v1/interfaces/public/0/ipv4/address", {}),
    ("an EC2-like cloud", "/latest/meta-data/public-ipv4", {}),
)


class Address:
    """public: what the world is told. listen: what this machine has of it."""

    def __init__(self, public, listen, source):
        self.public = ipaddress.ip_address(public)
        self.listen = ipaddress.ip_address(listen)
        self.source = source

    def behind_nat(self):
        return self.public != self.listen


# --- the cloud's metadata ---

def fetch(base, path, headers, method="GET"):
    """The answer's text, or None. Never by a proxy: the service is on this link."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    request = urllib.request.Request(base + path, headers=headers, method=method)
    try:
        with opener.open(request, timeout=ANSWER_S) as response:
            return response.read(ANSWER_BYTES).decode("ascii", "replace").strip()
    except urllib.error.HTTPError:
        return None


def public_ipv4(base):
    """(address, whose metadata), or None."""
    try:
        token = fetch(base, *TOKEN, method="PUT")
        sources = PUBLIC_IPV4
        if token:
            sources = (("EC2", PUBLIC_IPV4[-1][1], {"X-aws-ec2-metadata-token": token}),) + PUBLIC_IPV4
        for whose, path, headers in sources:
            text = fetch(base, path, headers)
            try:
                address = ipaddress.IPv4Address(text)
            except ValueError:
                continue
            if address.is_global:
                return address, whose
    except (OSError, http.client.HTTPException):
        pass  # no such service here: not a cloud's VM, or its firewall
    return None


# --- this machine's interfaces ---

def ip_json(*words):
    try:
        done = subprocess.run(["ip", "-j", *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True)
        return json.loads(done.stdout or b"[]")
    except FileNotFoundError:
        raise InstallError("'ip' is missing: apt-get install iproute2") from None
    except (subprocess.CalledProcessError, ValueError):
        return []


def is_lasting(entry):
    """Not one of IPv6's temporary addresses, nor one that is on its way out."""
    return not (entry.get("temporary") or entry.get("deprecated") or entry.get("tentative"))


def interface_addresses(interfaces):
    """Address of each interface that is up, with its device, from `ip -j addr`."""
    for interface in interfaces:
        for entry in interface.get("addr_info", ()):
            if entry.get("scope") == "global" and is_lasting(entry):
                yield interface["ifname"], ipaddress.ip_address(entry["local"])


def primary_ipv4(held, routes):
    """The private address that leads to the world: on the device of the default route."""
    for route in routes:
        for device, address in held:
            if address.version == 4 and device == route.get("dev") and \
                    route.get("prefsrc", str(address)) == str(address):
                return address
    return None


def find(wanted, metadata=METADATA, ask=ip_json):
    """The addresses, IPv4 first. WANTED: what --address said; else they are found."""
    held = list(interface_addresses(ask("addr")))
    here = [address for _, address in held]
    private = primary_ipv4(held, ask("-4", "route", "show", "default"))
    found = []
    for text in wanted:
        try:
            address = ipaddress.ip_address(text)
        except ValueError:
            raise InstallError(f"--address '{text}' is no IP address") from None
        listen = address if address in here else private if address.version == 4 else None
        if listen is None:
            raise InstallError(f"--address {text}: no interface of this machine has it"
                               + ("" if address.version == 6 else ", and none has a default route"))
        found.append(Address(address, listen, "--address"))
    if wanted:
        return sorted(found, key=lambda address: address.public.version)
    found = [Address(address, address, "interface") for address in here if address.is_global]
    if private is not None and not any(address.public.version == 4 for address in found):
        known = public_ipv4(metadata)
        if known is not None:
            found.append(Address(known[0], private, f"metadata of {known[1]}"))
    if not found:
        raise InstallError("no public address: the interfaces have none, and no cloud's metadata service told one. "
                           "Name it: --address 192.0.2.1 (again for IPv6)")
    return sorted(found, key=lambda address: address.public.version)
