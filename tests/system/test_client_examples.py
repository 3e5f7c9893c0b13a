"""Each example of docs/CLIENTS.md is run as it stands, by the clients that Debian ships, against a relay that asks for
tokens: a client ends with a certificate for its own name, or the document is wrong."""
import glob
import os
import re
import subprocess

import conftest
import pytest
import testbed

DOCUMENT = os.path.join(conftest.TOP, "docs", "CLIENTS.md")
# Folders that the clients write by default: each is empty and of this test's own in its mount namespace.
FOLDERS = ("/etc/letsencrypt", "/var/lib/letsencrypt", "/var/log/letsencrypt", "/etc/ssl/uacme", "/etc/lego",
           "/etc/dehydrated/conf.d", "/var/lib/dehydrated", "/etc/caddy", "/var/lib/caddy", "/var/log/nginx", "/root")


def examples(client):
    """The indented blocks below the heading CLIENT."""
    with open(DOCUMENT) as file:
        section = re.search(rf"^## {re.escape(client)}\n(.*?)(?=^## |\Z)", file.read(), re.M | re.S).group(1)
    return [re.sub(r"^    ", "", block, flags=re.M) for block in re.findall(r"(?:^    .*\n)+", section, re.M)]


class Machine:
    """Where a client runs: the machine as it is, with folders of its own and the lab's CA in the system's bundle."""

    def __init__(self, lab, folder):
        self.lab, self.folder = lab, str(folder)
        self.bundle = os.path.join(self.folder, "bundle.pem")
        with open(self.bundle, "w") as file, open(lab.ca.ca_file) as ca:
            file.write(ca.read())
        self.mounts = ['mount --bind "$BUNDLE" /etc/ssl/certs/ca-certificates.crt']
        for number, path in enumerate(FOLDERS):
            own = os.path.join(self.folder, f"{number}{path.replace('/', '-')}")
            os.makedirs(own)
            os.makedirs(path, exist_ok=True)
            self.mounts.append(f"mount --bind '{own}' {path}")

        done = conftest.run([conftest.program("latchkey-relay"), "--config", lab.config_file, "token", "add"])
        self.kid, self.key = re.search(r"^([a-z2-7]+):([\w-]+)$", done.stdout, re.M).groups()

    def command(self, script):
        """SCRIPT as a command for the shell of this machine, and its environment."""
        environment = {**os.environ, "DIRECTORY": self.lab.directory, "ZONE": self.lab.zone, "KID": self.kid,
                       "KEY": self.key, "BUNDLE": self.bundle, "HOME": "/root",
                       "PATH": f"{conftest.BIN}:{os.environ['PATH']}"}
        return ["unshare", "-m", "sh", "-c", "\n".join(["set -eu", *self.mounts, "set -x", script])], environment

    def run(self, script):
        """Runs SCRIPT; returns what it printed, each command with it."""
        command, environment = self.command(script)
        return conftest.run(command, env=environment).stdout

    def path(self, path):
        """Where PATH of the client's machine really is."""
        for number, folder in enumerate(FOLDERS):
            if path.startswith(folder + "/"):
                return os.path.join(self.folder, f"{number}{folder.replace('/', '-')}", path[len(folder) + 1:])
        raise AssertionError(path)

    def chain(self, pattern):
        found = glob.glob(self.path(pattern))
        assert len(found) == 1, f"'{pattern}': {found}"
        with open(found[0]) as file:
            return file.read()


@pytest.fixture
def machine(make_lab, tmp_path):
    conftest.need("unshare")
    conftest.need_root()
    (tmp_path / "machine").mkdir()
    return Machine(make_lab(settings={"front": {"enrolment": "token"}}), tmp_path / "machine")


def found_id(output):
    """What the example found out as its ID; OUTPUT is of `set -x`."""
    found = re.findall(r"^\+ ID=([a-z2-7]{32})$", output, re.M)
    assert found, output
    return found[-1]


def judge(machine, device, chain):
    conftest.verify_chain(machine.lab, chain, f"192-168-1-51.{device}.{machine.lab.zone}")


@pytest.mark.parametrize("client, chain", [
    ("certbot", "/etc/letsencrypt/live/*/fullchain.pem"),
    ("uacme", "/etc/ssl/uacme/*.test/cert.pem"),
    ("lego", "/etc/lego/certificates/*.test.crt"),
    ("dehydrated", "/var/lib/dehydrated/certs/device/fullchain.pem"),
])
def test_command_line(machine, client, chain):
    conftest.need(client)
    output = machine.run(examples(client)[0])
    judge(machine, found_id(output), machine.chain(chain))


def test_nginx(machine):
    """The first certificate is served, and by the hook the second too, without anybody's help."""
    conftest.need("certbot", "nginx")
    commands, server = examples("nginx with certbot")
    port = testbed.free_port("127.0.0.1", set())
    server = server.replace("listen 443", f"listen 127.0.0.1:{port}")
    # nginx must have been started before the hook can reload it: at first with nothing to serve.
    script = f"""
printf '%s' 'pid /root/nginx.pid; error_log /root/nginx.log; events {{}} http {{ include /root/server.conf; }}' > /root/nginx.conf
touch /root/server.conf
nginx() {{ command nginx -c /root/nginx.conf "$@"; }}
nginx
trap 'kill "$(cat /root/nginx.pid)"' EXIT
{commands.replace('nginx -s reload', 'nginx -c /root/nginx.conf -s reload')}
cat > /root/server.conf <<END
{server}END
nginx -s reload
serial() {{ openssl s_client -connect 127.0.0.1:{port} -servername "x.$ID.$ZONE" < /dev/null 2>/dev/null | openssl x509 -noout -serial; }}
until serial > /root/first; do sleep 0.1; done
certbot renew -n --force-renewal --no-random-sleep-on-renew
until serial > /root/second && ! cmp -s /root/first /root/second; do sleep 0.1; done
cp /etc/letsencrypt/live/*/fullchain.pem /root/chain.pem
"""
    output = machine.run(script)
    judge(machine, found_id(output), machine.chain("/root/chain.pem"))


def test_caddy(machine):
    conftest.need("caddy")
    taken = set()
    ports = [testbed.free_port("127.0.0.1", taken) for _ in range(2)]
    site, = examples("Caddy")
    script = f"""
printf '%s\n' '{{' 'admin off' 'default_bind 127.0.0.1' 'https_port {ports[0]}' 'http_port {ports[1]}' \
    'storage file_system /var/lib/caddy' '}}' > /etc/caddy/Caddyfile
cat >> /etc/caddy/Caddyfile <<'END'
{site}END
exec caddy run --config /etc/caddy/Caddyfile"""
    log = os.path.join(machine.folder, "caddy.log")

    def run_until(condition, what, **environment):
        command, base = machine.command(script)
        with open(log, "w") as file:
            caddy = subprocess.Popen(command, env={**base, **environment}, stdin=subprocess.DEVNULL, stdout=file,
                                     stderr=file)
        try:
            return testbed.wait_for(condition, what, 60)
        finally:
            caddy.terminate()
            caddy.wait()

    def named():
        with open(log) as file:
            return re.search(r"names are \*\.([a-z2-7]{32})\.", file.read())

    def issued():
        return glob.glob(machine.path("/var/lib/caddy/certificates/*/*/*.crt"))

    device = run_until(named, "Caddy's log names the account's names").group(1)
    path, = run_until(issued, "Caddy has a certificate", ID=device)
    with open(path) as file:
        judge(machine, device, file.read())
