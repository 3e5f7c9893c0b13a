"""Where the package latchkey-relay comes from: a release with checksums, or the source tree that this lies in."""
import hashlib
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
import urllib.request

from host import InstallError

PACKAGE = "latchkey-relay"
HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.path.dirname(os.path.dirname(HERE))
RELEASE_BYTES_MAX = 256 << 20
SMALL_MEMORY_KB = 2 << 20
# Inside the root folder, where apt can reach it.
PLACE = "/var/cache/latchkey"


def is_source():
    return os.path.exists(os.path.join(SOURCE, "CMakeLists.txt"))


def installed_version(host):
    done = host.ask("dpkg-query", "-W", "-f", "${db:Status-Abbrev} ${Version}", PACKAGE)
    words = done.stdout.split()
    return words[1] if done.returncode == 0 and words[:1] == ["ii"] else None


# --- a release ---

def take(source, target):
    """Copies a file or URL."""
    opened = urllib.request.urlopen(source, timeout=60) if re.match(r"https?://", source) else open(source, "rb")
    with opened as reader, open(target, "wb") as writer:
        shutil.copyfileobj(reader, writer)
        if writer.tell() > RELEASE_BYTES_MAX:
            raise InstallError(f"'{source}' is larger than any release")


def digest(path):
    found = hashlib.sha256()
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            found.update(block)
    return found.hexdigest()


def check(path, wanted, whose):
    if not re.fullmatch(r"[0-9a-fA-F]{64}", wanted):
        raise InstallError(f"the checksum of {whose} must be 64 hexadecimal digits (SHA-256), not '{wanted[:80]}'")
    if digest(path) != wanted.lower():
        raise InstallError(f"{whose} is damaged or not the one that was released: its SHA-256 is {digest(path)}, "
                           f"it must be {wanted.lower()}")


def unpack_release(source, sha256, folder):
    """Fetches and verifies a release; the path of its package in FOLDER."""
    archive = os.path.join(folder, "release.tar")
    if sha256 is None and source.startswith("http://"):
        raise InstallError(f"'{source}' and its checksum come unprotected, from whoever is on the way: take them by "
                           "https, or give --sha256 HEX")
    try:
        take(source, archive)
        if sha256 is None:
            take(source + ".sha256", archive + ".sha256")
            with open(archive + ".sha256", encoding="ascii", errors="replace") as file:
                sha256 = (file.read(4096).split() or [""])[0]
    except OSError as error:
        raise InstallError(f"can't get '{source}' with its checksum: {error}") from None
    check(archive, sha256, f"'{source}'")
    try:
        with tarfile.open(archive) as tar:
            for member in tar.getmembers():
                # Names only: nothing of a release is put anywhere but here.
                if member.isfile() and re.fullmatch(r"SHA256SUMS|[\w.+~-]+\.deb", member.name):
                    with tar.extractfile(member) as reader, open(os.path.join(folder, member.name), "wb") as writer:
                        shutil.copyfileobj(reader, writer)
        with open(os.path.join(folder, "SHA256SUMS"), encoding="ascii") as file:
            sums = dict(reversed(line.split(maxsplit=1)) for line in file.read().splitlines())
    except (OSError, ValueError, tarfile.TarError) as error:
        raise InstallError(f"'{source}' is no release of latchkey: {error}") from None
    name = next((name for name in sums if name.startswith(PACKAGE + "_")), None)
    if name is None or not os.path.exists(os.path.join(folder, name)):
        raise InstallError(f"'{source}' has no package {PACKAGE}")
    check(os.path.join(folder, name), sums[name], name)
    return os.path.join(folder, name)


# --- the source tree ---

def memory_kb():
    with open("/proc/meminfo", encoding="ascii") as file:
        return int(re.search(r"MemTotal:\s+(\d+)", file.read())[1])


def build(folder):
    """Builds the package from the source tree, on the machine that this runs on."""
    jobs = 1 if memory_kb() < SMALL_MEMORY_KB else os.cpu_count() or 1
    for command in ([os.path.join(SOURCE, "deploy", "install-packages"), "build", "package"],
                    [os.path.join(SOURCE, "deploy", "build-packages"), "--relay", "--jobs", str(jobs),
                     "--build", os.path.join(SOURCE, "build", "package-relay"), folder]):
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True)
        if done.returncode != 0:
            raise InstallError(f"{command[0]} failed:\n" + "\n".join(done.stdout.splitlines()[-20:]))
    return os.path.join(folder, next(name for name in os.listdir(folder) if name.startswith(PACKAGE + "_")))


# --- both ---

def install(host, release, sha256, upgrade):
    """Whether a package was installed."""
    version = installed_version(host)
    if version is not None and not upgrade:
        host.out(f"{PACKAGE} {version} is installed")
        return False
    if release is None and not is_source():
        if upgrade:
            raise InstallError("an upgrade needs --release FILE (or the source tree of the new version: run "
                               "deploy/install-relay there)")
        raise InstallError(f"the package {PACKAGE} is not installed; give --release FILE")
    where = f"release {release}" if release else f"source tree {SOURCE}"
    if not host.act(f"get the package {PACKAGE} from the {where}"
                    + ("" if release else "; this takes minutes") + ", and install it"):
        return True
    with tempfile.TemporaryDirectory(prefix="latchkey-") as folder:
        package = unpack_release(release, sha256, folder) if release else build(folder)
        place = os.path.join(PLACE, os.path.basename(package))
        os.makedirs(host.path(PLACE), exist_ok=True)
        shutil.copyfile(package, host.path(place))
    try:
        if host.ask("apt-get", "-q", "install", "-s", "--no-install-recommends", place).returncode != 0:
            host.run("apt-get", "-q", "update")
        host.run("apt-get", "-q", "install", "-y", "--no-install-recommends", "--reinstall", "--allow-downgrades",
                 place)
    finally:
        host.remove(place)
    return True
