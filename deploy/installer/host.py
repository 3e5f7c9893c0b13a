"""The machine that becomes a relay: every change to it goes through Host, which says what it does, does nothing in
a dry run, and can work on another root folder (what is installed there is run by chroot)."""
import os
import shutil
import subprocess
import tempfile

UNTIL_COMMAND_ENDS_S = 3600


class InstallError(Exception):
    """What the operator reads, with the mend in it."""


class Host:
    def __init__(self, root="/", dry_run=False, out=print):
        self.root = os.path.abspath(root)
        self.dry_run = dry_run
        self.out = out

    def path(self, path):
        return path if self.root == "/" else os.path.join(self.root, path.lstrip("/"))

    def act(self, text):
        """Says what is done; whether it is to be done."""
        self.out(("would " if self.dry_run else "") + text)
        return not self.dry_run

    def read(self, path):
        """The file's text, or None."""
        try:
            with open(self.path(path), encoding="utf-8") as file:
                return file.read()
        except FileNotFoundError:
            return None

    def has_systemd(self):
        return os.path.isdir(self.path("/run/systemd/system"))

    def ids(self, owner):
        """(uid, gid) of "user:group" by the files of the root folder."""
        found = []
        for name, file in zip(owner.split(":"), ("/etc/passwd", "/etc/group")):
            for line in (self.read(file) or "").splitlines():
                if line.startswith(f"{name}:"):
                    found.append(int(line.split(":")[2]))
                    break
            else:
                raise InstallError(f"there is no '{name}' in {file}: is the package latchkey-relay installed?")
        return tuple(found)

    def write(self, path, text, mode=0o644, owner=None):
        """Puts TEXT into PATH, whole or not at all; whether that changed anything."""
        if self.read(path) == text:
            return False
        if not self.act(f"write {path}"):
            return True
        real = self.path(path)
        os.makedirs(os.path.dirname(real), exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=os.path.dirname(real))
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            os.fchmod(file.fileno(), mode)
            if owner:
                os.fchown(file.fileno(), *self.ids(owner))
            file.flush()
            os.fsync(file.fileno())
        os.rename(temporary, real)
        return True

    def remove(self, *paths):
        for path in paths:
            real = self.path(path)
            if os.path.lexists(real) and self.act(f"remove {path}"):
                if os.path.isdir(real) and not os.path.islink(real):
                    shutil.rmtree(real)
                else:
                    os.unlink(real)

    def command(self, words):
        return words if self.root == "/" else ["chroot", self.root, *words]

    def run(self, *words):
        """Runs a command that changes something; its output only when it fails."""
        if not self.act("run " + " ".join(words)):
            return
        done = self.ask(*words)
        if done.returncode != 0:
            raise InstallError(f"'{' '.join(words)}' failed (status {done.returncode}):\n{done.stdout.strip()}")

    def ask(self, *words):
        """Runs a command that only looks; also in a dry run."""
        try:
            return subprocess.run(self.command(list(words)), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, text=True, timeout=UNTIL_COMMAND_ENDS_S,
                                  env={**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"})
        except FileNotFoundError:
            return subprocess.CompletedProcess(words, 127, f"'{words[0]}' is not installed")
