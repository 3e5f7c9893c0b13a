"""install-relay: from a fresh Debian to a running relay. Each step looks what is there already, so that running it
again repairs what is missing and goes on where it stopped."""
import argparse
import os
import secrets
import socket
import sys

import addresses
import packages
import settings
import waiting
from host import Host, InstallError

PRODUCTION = "https://acme-v02.api.letsencrypt.org/directory"
TRIAL = "https://acme-staging-v02.api.letsencrypt.org/directory"
ROLES = ("dns", "issuer", "front")
UNITS = ("latchkey-dns.socket", "latchkey-front.socket", "latchkey-dns.service", "latchkey-issuer.service",
         "latchkey-front.service", "latchkey-relay.target", "latchkey-relay-backup.timer")
ADMIN = "latchkey-admin.service"
BUDGET = """\
Without an override Let's Encrypt gives 50 new certificates a week for one registered domain: about 7 new devices
a day; renewals do not count. Who comes too early keeps a place in the queue. For more:
latchkey-relay plan --devices-per-day N"""
DONE = """\
The relay runs. Next:
  latchkey-relay token add --label first    a token for a device to enrol with
  latchkey-relay key                        the line that devices name this relay by
  latchkey-relay check-delegation           asks the world again, whenever you like
  latchkey-relay status                     is it well? The dashboard shows more: from your own machine
                                            ssh -L 9440:{dashboard} root@{address}
                                            then open http://localhost:9440
Keep a copy of {store}/secret and {store}/issuer/relay-key.pem somewhere else.
"""


def parse(arguments):
    parser = argparse.ArgumentParser(prog="install-relay", description="Makes a relay of this Debian 12 machine.",
                                     epilog="docs/OPERATIONS.md explains each step.")
    parser.add_argument("zone", nargs="?", help="the zone that the relay answers, such as lan.example.com")
    parser.add_argument("--agree-tos", action="store_true", help="you have read the CA's terms of service, and agree")
    parser.add_argument("--address", action="append", default=[], metavar="IP",
                        help="this machine's public address (again for IPv6), when it can't be found")
    parser.add_argument("--registered", action="store_true",
                        help="the zone itself is registered: its name servers are inside it, with glue")
    parser.add_argument("--release", metavar="FILE|URL", help="take the package from a release instead of building it")
    parser.add_argument("--sha256", metavar="HEX", help="the release's checksum; else FILE.sha256 has it")
    parser.add_argument("--dry-run", action="store_true", help="say what would be done, and change nothing")
    parser.add_argument("--wait", type=int, metavar="SECONDS",
                        help="how long to wait for the delegation, and for the CA; default: for ever")
    doing = parser.add_mutually_exclusive_group()
    doing.add_argument("--upgrade", action="store_true", help="install a newer package; configuration and data stay")
    doing.add_argument("--uninstall", action="store_true", help="stop and remove the relay; its data stays")
    parser.add_argument("--purge-data", action="store_true",
                        help="with --uninstall: remove store, keys and configuration too (the backups stay)")
    ca = parser.add_argument_group("another CA")
    ca.add_argument("--directory", default=PRODUCTION, metavar="URL", help="the CA's ACME directory")
    ca.add_argument("--trial-directory", default=None, metavar="URL|none",
                    help="where the first certificate is tried; default: Let's Encrypt's staging for Let's Encrypt")
    ca.add_argument("--ca-name", default="letsencrypt.org", metavar="NAME", help="the CA's name in CAA records")
    ca.add_argument("--ca-file", metavar="FILE", help="what to trust for the CA's HTTPS; default: the system's")
    test = parser.add_argument_group("for trying it out")
    test.add_argument("--root", default="/", metavar="DIR", help="install into this root folder instead of /")
    test.add_argument("--metadata", default=addresses.METADATA, metavar="URL", help="the cloud's metadata service")
    test.add_argument("--check-option", action="append", default=[], metavar="OPTION",
                      help="an option for check-delegation, such as --check-option=--doh=URL")
    test.add_argument("--roots-file", metavar="FILE", help="what to trust for the relay's own certificate")
    options = parser.parse_args(arguments)
    if options.trial_directory is None:
        options.trial_directory = TRIAL if options.directory == PRODUCTION else "none"
    if options.purge_data and not options.uninstall:
        parser.error("--purge-data goes with --uninstall")
    if options.zone is None and not (options.uninstall or options.upgrade):
        parser.error("which zone? For instance: install-relay lan.example.com --agree-tos")
    return options


class Installer:
    def __init__(self, options, host):
        self.options, self.host = options, host
        self.zone = settings.check_zone(options.zone) if options.zone else None
        self.changed = False

    # --- checks ---

    def check_machine(self):
        if os.geteuid() != 0 and not self.options.dry_run:
            raise InstallError("must be run by root (sudo deploy/install-relay …)")
        known = dict(line.split("=", 1) for line in (self.host.read("/etc/os-release") or "").splitlines() if "=" in line)
        version = known.get("VERSION_ID", "").strip('"')
        if known.get("ID") != "debian" or not version.isdigit() or int(version) < 12:
            raise InstallError(f"this is {known.get('PRETTY_NAME', 'no Debian')}: the relay is made for Debian 12 "
                               "or newer")

    def check_agreement(self):
        if not self.options.agree_tos:
            raise InstallError("the CA's terms of service: read them (Let's Encrypt's are at "
                               "https://letsencrypt.org/repository/), then add --agree-tos")

    def check_ports(self, found):
        """Who else has the relay's ports is named now, not by a unit that fails."""
        if any(self.host.ask("systemctl", "is-active", f"latchkey-{role}.socket").returncode == 0
               for role in settings.SOCKETS):
            return
        for role, entries in settings.SOCKETS.items():
            for kind, port in entries:
                stream = kind == "ListenStream"
                for address in dict.fromkeys(address.listen for address in found):
                    family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
                    with socket.socket(family, socket.SOCK_STREAM if stream else socket.SOCK_DGRAM) as probe:
                        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1 if stream else 0)
                        try:
                            probe.bind((str(address), port))
                        except PermissionError:
                            return
                        except OSError as error:
                            raise InstallError(
                                f"port {port} of {address} is not free ({error.strerror}): stop what has it "
                                f"(ss -lnp 'sport = :{port}' names it)") from None

    # --- steps ---

    def configure(self, found):
        """relay.conf, the sockets' addresses and the secret. What is there stays."""
        host, options = self.host, self.options
        delegation = settings.Delegation(self.zone, found, options.registered)
        config = host.read(settings.CONFIG)
        first = options.directory if options.trial_directory == "none" else options.trial_directory
        if config is None:
            host.write(settings.CONFIG,
                       settings.config_text(delegation, first, options.ca_name, options.ca_file), 0o640,
                       "root:latchkey")
            self.changed = True
        else:
            self.check_config(config)
        if host.read(f"{settings.STORE}/secret") is None:
            host.write(f"{settings.STORE}/secret", secrets.token_hex(32) + "\n", 0o600, "latchkey-admin:latchkey")
        for role in settings.SOCKETS:
            self.changed |= host.write(settings.socket_path(role), settings.socket_text(role, found))
        if not host.dry_run:
            checked = host.ask("latchkey-relay", "--check")
            if checked.returncode != 0:
                raise InstallError(checked.stdout.strip())
        return delegation

    def check_config(self, config):
        there = settings.value(config, "relay", "zone")
        if there != self.zone:
            raise InstallError(f"{settings.CONFIG} is for the zone '{there}', not '{self.zone}'; a second zone is "
                               "added by hand (docs/OPERATIONS.md, \"Several zones\")")
        self.host.out(f"{settings.CONFIG} is there, and stays as it is")

    def systemctl(self, *words):
        self.host.run("systemctl", *words)

    def start_dns(self):
        """Nothing is asked of the CA before the world sees the zone."""
        self.systemctl("daemon-reload")
        self.systemctl("enable", "--quiet", *UNITS)
        if self.changed:
            # A socket takes new addresses only while its service rests.
            self.systemctl("stop", *(f"latchkey-{role}.service" for role in ROLES))
            self.systemctl("restart", "latchkey-dns.socket", "latchkey-front.socket")
        self.systemctl("start", "latchkey-dns.socket", "latchkey-dns.service")

    def start_all(self):
        self.systemctl("start", "latchkey-front.socket", *(f"latchkey-{role}.service" for role in ROLES))
        if settings.value(self.host.read(settings.CONFIG) or "", "admin", "listen"):
            self.systemctl("enable", "--quiet", ADMIN)
        # With the admin role, if it is enabled: a dashboard that fails stops no installation.
        self.systemctl("start", "latchkey-relay.target", "latchkey-relay-backup.timer")

    def wait_delegation(self, delegation):
        self.host.out("")
        self.host.out(delegation.text())
        self.host.out("")
        if self.host.act("wait until two public resolvers see the delegation"):
            watch = waiting.DelegationWatch(self.host, self.options.check_option,
                                            any(address.behind_nat() for address in delegation.addresses))
            waiting.wait(self.host, watch.look, self.options.wait, "the delegation")

    def watch_certificate(self, found, trial):
        config = self.host.read(settings.CONFIG) or ""
        name = settings.value(config, "relay", "host") or f"relay.{self.zone}"
        what = "a certificate of the CA's trial directory" if trial else "the relay's own certificate"
        if self.host.act(f"wait for {what}"):
            watch = waiting.CertificateWatch(self.host, found[0].listen, 443, name, self.options.roots_file, trial)
            waiting.wait(self.host, watch.look, self.options.wait, what)

    def try_out(self, found):
        """The trial, while relay.conf names its directory; then all that came of it goes, and the CA's own directory
        is set. No device has a certificate then: no token has been given out."""
        options, host = self.options, self.host
        config = host.read(settings.CONFIG) or ""
        if not host.dry_run and settings.value(config, "issuer", "directory") != options.trial_directory:
            return
        self.watch_certificate(found, trial=True)
        host.act("switch to the CA's own directory, as the trial has passed")
        self.systemctl("stop", *(f"latchkey-{role}.service" for role in ROLES))
        for folder, names in (("issuer", ("issuer.db", "ca-account.key")), ("front", ("front.db",)),
                              ("dns", ("dns.snapshot",))):
            for name in names:
                host.remove(*(f"{settings.STORE}/{folder}/{name}{end}" for end in ("", "-wal", "-shm")))
        host.write(settings.CONFIG,
                   settings.with_directory(config, options.trial_directory, options.directory), 0o640,
                   "root:latchkey")
        self.systemctl("start", *(f"latchkey-{role}.service" for role in ROLES))

    # --- what it can be told to do ---

    def install(self):
        self.check_machine()
        self.check_agreement()
        found = addresses.find(self.options.address, self.options.metadata)
        for address in found:
            listens = f", which reaches this machine at {address.listen}" if address.behind_nat() else ""
            self.host.out(f"public address {address.public} ({address.source}){listens}")
        self.check_ports(found)
        packages.install(self.host, self.options.release, self.options.sha256, upgrade=False)
        delegation = self.configure(found)
        if not self.host.has_systemd() and not self.host.dry_run:
            self.host.out("systemd does not run here: enabling the units only. Run this again once it does.")
            self.systemctl("enable", "--quiet", *UNITS)
            return
        self.start_dns()
        self.wait_delegation(delegation)
        self.start_all()
        if self.options.trial_directory != "none":
            self.try_out(found)
        self.watch_certificate(found, trial=False)
        self.host.out("\n" + BUDGET + "\n\n" + DONE.format(store=settings.STORE, dashboard=settings.DASHBOARD,
                                                           address=found[0].public))

    def upgrade(self):
        self.check_machine()
        if packages.installed_version(self.host) is None:
            raise InstallError("there is nothing to upgrade: the package latchkey-relay is not installed")
        packages.install(self.host, self.options.release, self.options.sha256, upgrade=True)
        self.host.out(f"latchkey-relay {packages.installed_version(self.host)}; configuration and data are as they were")

    def uninstall(self):
        self.check_machine()
        if packages.installed_version(self.host) is not None:
            self.systemctl("disable", "--quiet", "--now", *UNITS, ADMIN)
            self.host.run("apt-get", "-q", "remove", "-y", packages.PACKAGE)
        self.host.remove(*(os.path.dirname(settings.socket_path(role)) for role in settings.SOCKETS))
        if self.host.has_systemd():
            self.systemctl("daemon-reload")
        if self.options.purge_data:
            self.host.remove(*(f"{settings.STORE}/{name}" for name in settings.STORE_NAMES), settings.CONFIG)
            self.host.out(f"store, keys and configuration are gone; the backups in {settings.STORE}/backup stay")
        else:
            self.host.out(f"{settings.STORE} and {settings.CONFIG} stay: install-relay goes on with them")


def main(arguments):
    # A person waits before it, or a file keeps it: each line at once.
    sys.stdout.reconfigure(line_buffering=True)
    try:
        options = parse(arguments)
        installer = Installer(options, Host(options.root, options.dry_run))
        if options.uninstall:
            installer.uninstall()
        elif options.upgrade:
            installer.upgrade()
        else:
            installer.install()
    except InstallError as error:
        print(f"install-relay: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ninstall-relay: stopped; run the same command again to go on from here", file=sys.stderr)
        return 130
    return 0


sys.exit(main(sys.argv[1:]))
