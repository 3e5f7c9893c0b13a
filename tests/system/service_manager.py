"""As much of systemd as the relay's units ask for, for a root folder in which systemd does not run:
service_manager.py ROOT LOGS. It reads the units that are installed there, with their drop-ins, opens their sockets,
and starts the services in the root folder as their users, with sockets, credentials and NOTIFY_SOCKET as systemd
passes them. The root's `systemctl` hands its words over by two FIFOs. The sandbox of the units is not played:
test_install_relay.py looks at that."""
import os
import shlex
import signal
import socket
import sys
import time

READY_S, STOP_S = 30, 30
PLACE = "run/service-manager"
# dpkg's scripts ask for much that has no effect here; what fails must be an answer that was meant.
SYSTEMCTL = f"""#!/bin/sh
echo "$*" > /{PLACE}/request
read -r status < /{PLACE}/reply
exit "$status"
"""


class Unit:
    """The settings of a unit: section.key to the list of its values; an empty value empties the list."""

    def __init__(self, root, name):
        self.name, self.values = name, {}
        base = os.path.join(root, "etc/systemd/system", name)
        if not os.path.exists(base):
            base = os.path.join(root, "usr/lib/systemd/system", name)
        folder = os.path.join(root, "etc/systemd/system", name + ".d")
        self.exists = os.path.exists(base)
        drop_ins = [os.path.join(folder, file) for file in sorted(os.listdir(folder))] if os.path.isdir(folder) else []
        for path in [base, *drop_ins] if self.exists else []:
            self.read(path)

    def read(self, path):
        section = ""
        with open(path) as file:
            for line in file:
                line = line.strip()
                if line.startswith("["):
                    section = line[1:-1]
                elif line and line[0] not in "#;":
                    key, _, value = line.partition("=")
                    held = self.values.setdefault(f"{section}.{key}", [])
                    held.append(value) if value else held.clear()

    def get(self, key, default=None):
        return (self.values.get(key) or [default])[-1]


def find_ids(root, unit):
    """(user, group) of UNIT."""
    with open(os.path.join(root, "etc/passwd")) as file:
        users = {line.split(":")[0]: int(line.split(":")[2]) for line in file}
    with open(os.path.join(root, "etc/group")) as file:
        groups = {line.split(":")[0]: int(line.split(":")[2]) for line in file}
    user = unit.get("Service.User", "root")
    return users[user], groups[unit.get("Service.Group", user)]


class Manager:
    def __init__(self, root, logs):
        self.root, self.logs = root, logs
        self.sockets, self.pids, self.enabled = {}, {}, set()

    # --- sockets ---

    def open_sockets(self, unit):
        opened = []
        for key, kind in (("Socket.ListenStream", socket.SOCK_STREAM), ("Socket.ListenDatagram", socket.SOCK_DGRAM)):
            for text in unit.values.get(key, []):
                host, _, port = text.rpartition(":")
                family = socket.AF_INET6 if host.startswith("[") else socket.AF_INET
                sock = socket.socket(family, kind)
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                sock.bind((host.strip("[]"), int(port)))
                if kind == socket.SOCK_STREAM:
                    sock.listen(int(unit.get("Socket.Backlog", "128")))
                opened.append(sock)
        if not opened:
            raise RuntimeError(f"{unit.name} has no Listen")
        self.sockets[unit.name] = (opened, unit.get("Socket.FileDescriptorName", unit.name))

    # --- services ---

    def credentials(self, unit, user):
        """A folder of the service's own with its credentials, as the service sees it."""
        folder = f"/run/credentials/{unit.name}"
        real = self.root + folder
        os.makedirs(real, exist_ok=True)
        for text in unit.values.get("Service.LoadCredential", []):
            name, _, path = text.partition(":")
            with open(self.root + path, "rb") as file, open(os.path.join(real, name), "wb") as copy:
                copy.write(file.read())
            os.chown(os.path.join(real, name), *user)
            os.chmod(os.path.join(real, name), 0o400)
        os.chown(real, *user)
        os.chmod(real, 0o500)
        return folder

    def execute(self, unit, words, user, sockets, names, environment):
        """In the child."""
        log = os.open(os.path.join(self.logs, unit.name + ".log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.dup2(os.open("/dev/null", os.O_RDONLY), 0)
        os.dup2(log, 1)
        os.dup2(log, 2)
        # Out of the way first: a socket may have the number that another is to get.
        moved = [os.dup2(sock.fileno(), 200 + number) for number, sock in enumerate(sockets)]
        for number, descriptor in enumerate(moved):
            os.dup2(descriptor, 3 + number, inheritable=True)
        os.closerange(3 + len(moved), 1024)
        if moved:
            environment.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(moved)), LISTEN_FDNAMES=":".join(names))
        os.chroot(self.root)
        os.chdir("/")
        os.umask(int(unit.get("Service.UMask", "0022"), 8))
        os.setgroups([])
        os.setgid(user[1])
        os.setuid(user[0])
        os.setsid()
        for number in range(1, signal.NSIG):
            if number not in (signal.SIGKILL, signal.SIGSTOP) and signal.getsignal(number) is not None:
                signal.signal(number, signal.SIG_DFL)
        os.execve(words[0], words, environment)

    def start_service(self, unit):
        user = find_ids(self.root, unit)
        opened, name = self.sockets.get(unit.name.replace(".service", ".socket"), ([], ""))
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}
        if unit.values.get("Service.LoadCredential"):
            environment["CREDENTIALS_DIRECTORY"] = self.credentials(unit, user)
        if unit.get("Service.StateDirectory"):
            os.makedirs(os.path.join(self.root, "var/lib", unit.get("Service.StateDirectory")), 0o700, exist_ok=True)
        notify, path = None, f"/{PLACE}/{unit.name}.notify"
        if unit.get("Service.Type") == "notify":
            notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            if os.path.exists(self.root + path):
                os.unlink(self.root + path)
            notify.bind(self.root + path)
            os.chmod(self.root + path, 0o666)
            notify.settimeout(READY_S)
            environment["NOTIFY_SOCKET"] = path
        words = shlex.split(unit.get("Service.ExecStart"))
        pid = os.fork()
        if pid == 0:
            try:
                self.execute(unit, words, user, opened, [name] * len(opened), environment)
            finally:
                os._exit(203)
        self.pids[unit.name] = pid
        # The socket stays: its path is what a service that runs writes to.
        self.sockets[unit.name] = ([notify] if notify else [], "")
        return self.is_ready(unit.name, notify) if notify else True

    def is_ready(self, name, notify):
        """Whether READY=1 comes before the end of the service."""
        until = time.monotonic() + READY_S
        notify.settimeout(0.2)
        while time.monotonic() < until and self.is_running(name):
            try:
                if "READY=1" in notify.recv(4096).decode().splitlines():
                    return True
            except TimeoutError:
                continue
        return False

    def is_running(self, name):
        pid = self.pids.get(name)
        if pid is not None and os.waitpid(pid, os.WNOHANG)[0] == pid:
            del self.pids[name]
        return name in self.pids

    def stop(self, name):
        if self.is_running(name):
            os.kill(self.pids[name], signal.SIGTERM)
            until = time.monotonic() + STOP_S
            while self.is_running(name) and time.monotonic() < until:
                time.sleep(0.05)
            if self.is_running(name):
                os.kill(self.pids[name], signal.SIGKILL)
                os.waitpid(self.pids.pop(name), 0)
        for sock in self.sockets.pop(name, ([], ""))[0]:
            sock.close()

    # --- systemctl ---

    def is_active(self, name):
        return self.is_running(name) if name.endswith(".service") else name in self.sockets

    def start(self, name):
        if self.is_active(name):
            return True
        unit = Unit(self.root, name)
        if not unit.exists:
            return False
        if name.endswith(".socket"):
            self.open_sockets(unit)
        elif name.endswith(".service"):
            return self.start_service(unit)
        elif name.endswith(".target"):
            for other in sorted(self.enabled):
                if name in " ".join(Unit(self.root, other).values.get("Install.WantedBy", [])).split():
                    self.start(other)
        return True

    def do(self, words):
        """The exit status of `systemctl WORDS`."""
        verbs = [word for word in words if not word.startswith("-")]
        verb = verbs[0] if verbs else ""
        units = [unit for unit in verbs[1:] if unit.startswith("latchkey")]
        if verb in ("enable", "disable"):
            self.enabled = self.enabled | set(units) if verb == "enable" else self.enabled - set(units)
        if verb == "is-active":
            return 0 if all(self.is_active(unit) for unit in units) else 3
        if verb in ("stop", "restart") or "--now" in words:
            for unit in units:
                self.stop(unit)
        if verb == "try-restart":
            units = [unit for unit in units if self.is_active(unit)]
            for unit in units:
                self.stop(unit)
        if verb in ("start", "restart", "try-restart"):
            return 0 if all([self.start(unit) for unit in units]) else 1
        return 0

    def serve(self):
        place = os.path.join(self.root, PLACE)
        os.makedirs(place, exist_ok=True)
        os.makedirs(os.path.join(self.root, "run/systemd/system"), exist_ok=True)
        for name in ("request", "reply"):
            os.mkfifo(os.path.join(place, name))
        program = os.path.join(self.root, "usr/bin/systemctl")
        os.unlink(program)
        with open(program, "w") as file:
            file.write(SYSTEMCTL)
        os.chmod(program, 0o755)
        print("ready", flush=True)
        while True:
            with open(os.path.join(place, "request")) as file:
                words = shlex.split(file.read())
            try:
                status = self.do(words)
            except Exception as error:  # the installer shall see a failure, and the log why
                print(f"{words}: {error!r}", flush=True)
                status = 1
            print(f"systemctl {' '.join(words)}: {status}", flush=True)
            with open(os.path.join(place, "reply"), "w") as file:
                file.write(f"{status}\n")


def end(*_):
    for pid in list(manager.pids.values()):
        os.kill(pid, signal.SIGTERM)
    sys.exit(0)


if __name__ == "__main__":
    manager = Manager(*(os.path.abspath(path) for path in sys.argv[1:3]))
    signal.signal(signal.SIGTERM, end)
    manager.serve()
