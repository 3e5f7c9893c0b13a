"""Other servers of a device that take key and certificate from live/: real nginx and lighttpd, reloaded by
the agent, looked at by it, and the way back when that fails."""
import hashlib
import json
import os
import shutil
import signal
import socket
import ssl
import stat
import subprocess
import threading
import time

import pytest

import conftest
import testbed
from fake_relay import ZONE
from test_device import Device, ask, command, make_device, relay  # noqa: F401 (fixtures)

NGINX = """
daemon on; master_process on; worker_processes 1;
pid {folder}/nginx.pid; error_log {folder}/nginx.log;
events {{ worker_connections 64; }}
http {{
    access_log off; client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2;
    fastcgi_temp_path {folder}/t3; uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
    server {{
        listen 127.0.0.1:{port} ssl;
        ssl_certificate {live}/fullchain.pem;
        ssl_certificate_key {live}/privkey.pem;
        location / {{ return 200 "it is nginx"; }}
    }}
}}
"""

LIGHTTPD = """
server.modules = ("mod_openssl")
server.document-root = "{folder}"
server.pid-file = "{folder}/lighttpd.pid"
server.errorlog = "{folder}/lighttpd.log"
server.bind = "127.0.0.1"
server.port = {port}
server.feature-flags = ("server.graceful-restart-bg" => "enable", "server.graceful-shutdown-timeout" => 10)
ssl.engine = "enable"
ssl.pemfile = "{live}/bundle.pem"
"""


class Server:
    """A server beside an agent that serves nothing itself. It is started once live/ is there."""

    def __init__(self, kind, folder):
        conftest.need_root()
        conftest.need(kind)
        self.kind, self.folder = kind, str(folder)
        os.makedirs(self.folder)
        self.port = testbed.free_port("127.0.0.1", set())
        self.pid_file = f"{self.folder}/{kind}.pid"
        self.config = f"{self.folder}/{kind}.conf"
        self.program = shutil.which(kind, path="/usr/sbin:/usr/bin")
        self.options = ["-c", self.config] if kind == "nginx" else ["-f", self.config]

    def start(self, live):
        text = NGINX if self.kind == "nginx" else LIGHTTPD
        with open(self.config, "w") as file:
            file.write(text.format(folder=self.folder, port=self.port, live=live))
        conftest.run([self.program, *self.options])
        testbed.wait_for(lambda: os.path.exists(self.pid_file) and self.served(), self.kind, 10, 0.05)

    def reload(self):
        """The command for the agent."""
        if self.kind == "nginx":
            return f'{self.program} -c "{self.config}" -s reload'
        # lighttpd reads its certificates anew when it is restarted gracefully by SIGUSR1.
        script = os.path.join(self.folder, "reload lighttpd")
        with open(script, "w") as file:
            file.write(f"#!/bin/sh\nexec kill -USR1 $(cat {self.pid_file})\n")
        os.chmod(script, 0o755)
        return f'"{script}"'

    def connect(self, name=None):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        raw = socket.create_connection(("127.0.0.1", self.port), 5)
        return context.wrap_socket(raw, server_hostname=name)

    def served(self, name=None):
        try:
            with self.connect(name) as connection:
                return hashlib.sha256(connection.getpeercert(True)).hexdigest()
        except OSError:
            return None

    def stop(self):
        try:
            pid = int(open(self.pid_file).read())
            os.kill(pid, signal.SIGTERM)
        except (OSError, ValueError):
            return
        testbed.wait_for(lambda: not os.path.exists(f"/proc/{pid}"), f"{self.kind}'s end", 10, 0.05)


@pytest.fixture
def make_server(tmp_path):
    servers = []

    def make(kind):
        servers.append(Server(kind, tmp_path / f"server{len(servers)}"))
        return servers[-1]

    yield make
    for server in servers:
        server.stop()


def live_leaf(device):
    """SHA-256 of the leaf in live/, after checking that the three files belong together."""
    live = device.file("live")
    key, chain, both = (open(os.path.join(live, name)).read()
                        for name in ("privkey.pem", "fullchain.pem", "bundle.pem"))
    assert both == key + chain
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(os.path.join(live, "fullchain.pem"), os.path.join(live, "privkey.pem"))
    end = "-----END CERTIFICATE-----\n"
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(chain.split(end)[0] + end)).hexdigest()


def folders(device):
    return sorted(name for name in os.listdir(device.state_folder) if name.startswith("live-"))


def beside(make_device, relay, server, **settings):
    """An agent that only provides files, and SERVER with them, both still with the fallback."""
    relay.down = True
    settings = {"serve": "none", "verify": f"127.0.0.1:{server.port}", **settings}
    device = make_device(**settings)
    fallback = device.wait_status()["fallback"]["sha256"]
    assert live_leaf(device) == fallback
    testbed.wait_for(lambda: not device.status()["live"]["working"], "the first rollout", 20, 0.05)
    server.start(device.file("live"))
    assert server.served() == fallback
    return device, fallback


@pytest.mark.parametrize("kind", ["nginx", "lighttpd"])
def test_a_server_gets_the_certificate_without_dropping(make_device, make_server, relay, kind):
    server = make_server(kind)
    device, fallback = beside(make_device, relay, server, reload=server.reload())
    leaf = device.file("live")
    assert stat.S_IMODE(os.stat(leaf).st_mode) == 0o700
    assert {stat.S_IMODE(os.stat(os.path.join(leaf, n)).st_mode) for n in os.listdir(leaf)} == {0o600}
    standing = server.connect()
    relay.down = False
    command("renew", "--config", device.config_file)
    status = device.wait_trusted()
    trusted = status["trusted"]["sha256"]
    assert trusted != fallback and live_leaf(device) == trusted
    assert server.served(f"home.{status['id']}.{ZONE}") == trusted
    assert status["live"]["holds"] == "trusted" and "code" not in status["live"]
    assert standing.getpeercert(True)
    # A connection from before lives on, and is served.
    code, _, _ = ask(standing, "/", "device")
    assert code in (200, 403, 404)
    standing.close()
    # Another one: now only the previous folder is kept.
    command("renew", "--config", device.config_file)
    newer = device.wait_status(lambda s: s["state"] == "trusted" and
                               s["trusted"]["sha256"] != trusted, 30)["trusted"]["sha256"]
    assert server.served() == newer == live_leaf(device)
    assert len(folders(device)) == 2
    # A restart changes nothing, and runs nothing.
    runs = device.process.log().count("reload: running")
    device.stop()
    device.start()
    device.wait_status()
    assert live_leaf(device) == newer
    assert device.process.log().count("reload: running") == runs
    assert len(relay.orders) == 2


def script(tmp_path, name, text):
    path = tmp_path / name
    path.write_text("#!/bin/sh\n" + text)
    path.chmod(0o755)
    return str(path)


def all_commands():
    commands = []
    for pid in os.listdir("/proc"):
        try:
            commands.append(open(f"/proc/{pid}/cmdline", "rb").read())
        except OSError:
            continue
    return b"\n".join(commands)


@pytest.mark.parametrize("text, code, detail", [
    ("echo first; echo 'nginx: bad configuration' >&2; exit 3", "reload-failed",
     "ended with status 3: 'nginx: bad configuration'"),
    ("sleep 61.7 & wait", "reload-failed", "was killed after 1 s"),
    ("exit 0", "not-served", "another one is served there"),
])
def test_what_is_not_taken_goes_back(make_device, make_server, relay, tmp_path, text, code, detail):
    """... in the files, with the command run once more; then the same certificate is tried again, and
    neither relay nor CA hears of it."""
    server = make_server("nginx")
    calls = tmp_path / "calls"
    broken = tmp_path / "broken"
    nginx = server.reload()
    hook = script(tmp_path, "hook", f"echo $LATCHKEY_LIVE $1 $HOME >> {calls}\n"
                  f"if [ -e {broken} ]; then\n{text}\nelse\n{nginx}\nfi\n")
    device, fallback = beside(make_device, relay, server, reload=f'{hook} "one word"',
                              reload_timeout="1s")
    first = len(calls.read_text().splitlines())
    broken.write_text("")
    relay.down = False
    command("renew", "--config", device.config_file)
    status = device.wait_failure(code, 40)
    assert detail in status["failure"]["detail"], status
    assert status["serving"] == "fallback" and "trusted" not in status
    assert live_leaf(device) == fallback == server.served()
    testbed.wait_for(lambda: len(calls.read_text().splitlines()) >= first + 2, "the hook again", 20)
    assert calls.read_text().splitlines()[0] == f"{device.file('live')} one word /"
    assert os.path.exists(device.file("candidate.pem"))
    assert not os.path.exists(device.file("trusted.pem"))
    assert 60 <= status["nextTryInSeconds"] <= 135
    asked = len(relay.log)
    testbed.wait_for(lambda: b"sleep\x00" + b"61.7" not in all_commands(), "the group's end", 10)
    # Mended, it is tried at once when asked for, without the relay; also by the next start.
    broken.unlink()
    device.stop()
    relay.down = True
    device.start()
    status = device.wait_trusted()
    # Servers reload when they find the time; the agent looks for some seconds too.
    testbed.wait_for(lambda: live_leaf(device) == status["trusted"]["sha256"] == server.served(),
                     "the certificate at the server", 15)
    testbed.wait_for(lambda: not os.path.exists(device.file("candidate.pem")), "the end of the trial", 15)
    assert len(relay.orders) == 1 and "cert" not in "".join(relay.log[asked:])


def test_the_previous_certificate_comes_back(make_device, make_server, relay, tmp_path):
    server = make_server("nginx")
    broken = tmp_path / "broken"
    hook = script(tmp_path, "hook", f"[ ! -e {broken} ] && exec {server.reload()}\n")
    device, _ = beside(make_device, relay, server, reload=hook)
    relay.down = False
    command("renew", "--config", device.config_file)
    good = device.wait_trusted()["trusted"]
    broken.write_text("")
    command("renew", "--config", device.config_file)
    status = device.wait_failure("reload-failed", 30)
    assert status["serving"] == "trusted" and status["trusted"]["serial"] == good["serial"]
    assert live_leaf(device) == good["sha256"] == server.served()
    assert "going back to the previous one" in device.process.log()
    # Going back needs the command too, which fails as well: that is told apart.
    device.wait_status(lambda s: s["live"].get("code") == "reload-failed")
    device.stop()
    device.start()  # and the disk says so too
    assert device.wait_status()["trusted"]["serial"] == good["serial"]


def test_expiry_gives_the_fallback_to_the_server(make_device, make_server, relay):
    server = make_server("nginx")
    device, _ = beside(make_device, relay, server, reload=server.reload())
    relay.life = 8
    relay.down = False
    command("renew", "--config", device.config_file)
    device.wait_trusted()
    relay.down = True
    fallback = device.wait_status(lambda s: s["serving"] == "fallback", 30)["fallback"]["sha256"]
    testbed.wait_for(lambda: server.served() == fallback, "the fallback at the server", 10)
    assert live_leaf(device) == fallback


def test_a_crash_between_files_and_command(make_device, make_server, relay, tmp_path):
    """The files changed, the command was not run: the next start runs it."""
    server = make_server("nginx")
    hold = tmp_path / "hold"
    hook = script(tmp_path, "hook", f"[ -e {hold} ] && sleep 20\nexec {server.reload()}\n")
    device, fallback = beside(make_device, relay, server, reload=hook)
    relay.down = False
    hold.write_text("")
    command("renew", "--config", device.config_file)
    testbed.wait_for(lambda: live_leaf(device) != fallback, "the new files", 20, 0.02)
    device.process.kill()
    hold.unlink()
    device.start()
    status = device.wait_trusted()
    assert server.served() == live_leaf(device) == status["trusted"]["sha256"]
    assert len(relay.orders) == 1


def test_a_backup_that_followed_the_link(make_device, relay):
    """A folder in the link's place is taken away, and no fault of the disk."""
    relay.down = False
    device = make_device(relay)
    device.wait_trusted()
    device.stop()
    link = device.file("live")
    shutil.copytree(link, link + ".copy")
    os.unlink(link)
    os.rename(link + ".copy", link)
    device.start()
    status = device.wait_trusted()
    assert os.path.islink(link) and live_leaf(device) == status["trusted"]["sha256"]
    assert status["disk"] == "good" and "storage: can't" not in device.process.log()


def test_a_group_may_read(make_device, relay, tmp_path):
    conftest.need_root()
    conftest.need("setpriv")
    os.chmod(tmp_path, 0o755)
    for parent in list(tmp_path.parents)[:-2]:
        os.chmod(parent, os.stat(parent).st_mode | 0o011)
    device = make_device(live_group="www-data")
    device.wait_trusted()
    os.chmod(device.folder, 0o755)
    live = device.file("live")
    assert stat.S_IMODE(os.stat(live).st_mode) == 0o750
    assert {stat.S_IMODE(os.stat(os.path.join(live, n)).st_mode) for n in os.listdir(live)} == {0o640}

    def reads(path, *groups):
        done = subprocess.run(["setpriv", "--reuid", "nobody", "--regid", "nogroup", *groups, "cat", path],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        return done.returncode == 0
    member = ["--groups", "www-data"]
    assert reads(os.path.join(live, "privkey.pem"), *member)
    assert not reads(os.path.join(live, "privkey.pem"), "--clear-groups")
    for name in ("identity.pem", "trusted.pem", "state.json", "fallback.pem"):
        assert not reads(device.file(name), *member), name
    code = ("import socket,sys; s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])")
    done = subprocess.run(["setpriv", "--reuid", "nobody", "--regid", "nogroup", *member,
                           "/usr/bin/python3", "-c", code, device.file("control.sock")],
                          stderr=subprocess.PIPE, text=True)
    assert "PermissionError" in done.stderr, done.stderr
    # Without the group again nobody passes the folder.
    device.stop()
    text = open(device.config_file).read()
    open(device.config_file, "w").write(text.replace("live_group = www-data\n", ""))
    device.start()
    device.wait_status()
    assert stat.S_IMODE(os.stat(device.state_folder).st_mode) == 0o700
    assert stat.S_IMODE(os.stat(device.file("live/privkey.pem")).st_mode) == 0o600


@pytest.mark.parametrize("settings, text", [
    ({"live_group": "nosuchgroup"}, "live_group = 'nosuchgroup': there is no such group"),
    ({"reload": "nginx -s reload"}, "must begin with the path of a program"),
    ({"reload": '/bin/echo "one'}, "quotation mark without its second"),
])
def test_wrong_settings_are_named(make_device, settings, text):
    device = make_device(start=False, **settings)
    with pytest.raises(testbed.TestbedError):
        device.start()
        device.wait_status(seconds=5)
    assert text in device.process.log()


def test_a_missing_command_is_named(make_device):
    device = make_device(reload="/nonexistent/reload now")
    status = device.wait_failure("reload-failed", 20)
    assert "could not be started: No such file" in status["failure"]["detail"]
    assert "reload = '/nonexistent/reload': there is no such program" in device.process.log()
    done = command("--check", "--config", device.config_file, status=1)
    assert "there is no such program" in done.stderr


# --- servers that the short lane leaves out ---

APACHE = """
ServerRoot {folder}
ServerName device
PidFile {folder}/apache2.pid
ErrorLog {folder}/apache2.log
Mutex file:{folder}
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule socache_shmcb_module /usr/lib/apache2/modules/mod_socache_shmcb.so
LoadModule ssl_module /usr/lib/apache2/modules/mod_ssl.so
Listen 127.0.0.1:{port}
SSLEngine on
SSLSessionCache none
SSLCertificateFile {live}/fullchain.pem
SSLCertificateKeyFile {live}/privkey.pem
"""

HAPROXY = """
global
    pidfile {folder}/haproxy.pid
    master-worker
defaults
    mode http
    timeout client 10s
    timeout server 10s
    timeout connect 10s
frontend https
    bind 127.0.0.1:{port} ssl crt {live}/bundle.pem
    http-request return status 200
"""

MOSQUITTO = """
pid_file {folder}/mosquitto.pid
listener {port} 127.0.0.1
allow_anonymous true
certfile {live}/fullchain.pem
keyfile {live}/privkey.pem
"""

OTHERS = {
    "apache2": (APACHE, ["-f"], "{program} -f {config} -k graceful"),
    "haproxy": (HAPROXY, ["-W", "-D", "-f"], "/bin/sh {folder}/usr2"),
    "mosquitto": (MOSQUITTO, ["-d", "-c"], "/bin/sh {folder}/hup"),
}


class OtherServer(Server):
    def __init__(self, kind, folder):
        super().__init__(kind, folder)
        template, options, self.command = OTHERS[kind]
        self.template, self.options = template, [*options, self.config]
        os.chmod(self.folder, 0o777)
        for name, signal_name in (("usr2", "USR2"), ("hup", "HUP")):
            with open(os.path.join(self.folder, name), "w") as file:
                file.write(f"kill -{signal_name} $(cat {self.pid_file})\n")

    def start(self, live):
        with open(self.config, "w") as file:
            file.write(self.template.format(folder=self.folder, port=self.port, live=live))
        conftest.run([self.program, *self.options])
        testbed.wait_for(self.served, self.kind, 10, 0.05)

    def reload(self):
        return self.command.format(program=self.program, config=self.config, folder=self.folder)


def check_other_server(make_device, relay, tmp_path, kind):
    for parent in list(tmp_path.parents)[:-2] + [tmp_path]:
        os.chmod(parent, os.stat(parent).st_mode | 0o011)
    server = OtherServer(kind, tmp_path / "server")
    settings = {"live_group": "mosquitto"} if kind == "mosquitto" else {}
    relay.down = True
    device = make_device(serve="none", verify=f"127.0.0.1:{server.port}", reload=server.reload(),
                         **settings)
    os.chmod(device.folder, 0o755)
    device.wait_status(lambda s: s["live"]["holds"] == "fallback" and not s["live"]["working"])
    try:
        server.start(device.file("live"))
        relay.down = False
        command("renew", "--config", device.config_file)
        status = device.wait_trusted()
        assert server.served() == live_leaf(device) == status["trusted"]["sha256"]
        assert "failure" not in status
    finally:
        server.stop()


if conftest.SOAK:  # their packages are in the group of that lane; a skip would count as a failure
    @pytest.mark.parametrize("kind", sorted(OTHERS))
    def test_other_servers(make_device, relay, tmp_path, kind):
        check_other_server(make_device, relay, tmp_path, kind)
