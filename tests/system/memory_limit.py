"""A limit of memory for one program, as systemd's MemoryMax= is: a memory cgroup where there is one that a child can be
made of (version 2 or 1); else RLIMIT_AS, by which the kernel refuses memory instead of ending who wants it."""
import os
import re
import resource
import subprocess
import sys

import testbed

MIB = 1 << 20
PROBE = 64 * MIB


def unit_limit(role, top):
    """What the unit of ROLE is given, in bytes."""
    with open(os.path.join(top, "cmake", "RelayUnits.cmake")) as file:
        return int(re.search(rf"latchkey_role_unit\({role} (\d+)M ", file.read()).group(1)) * MIB


def own_group(controller):
    """Our path in the hierarchy of /proc/self/cgroup with this controller ("" is version 2)."""
    with open("/proc/self/cgroup") as file:
        for line in file:
            _, names, path = line.rstrip("\n").split(":", 2)
            if controller in names.split(","):
                return path
    return None


def hierarchies():
    """(version, where it is mounted, the path of the mount's root, our path) of each that limits memory."""
    with open("/proc/self/mountinfo") as file:
        for line in file:
            fields, _, rest = line.rstrip("\n").partition(" - ")
            _, _, _, root, place = fields.split()[:5]
            kind, _, options = rest.split()[:3]
            if kind == "cgroup2":
                yield 2, place, root, own_group("")
            elif kind == "cgroup" and "memory" in options.split(","):
                yield 1, place, root, own_group("memory")


def parents():
    """(version, folder) in which a group with a limit may be made: ours, else the nearest above it."""
    for version, place, root, path in hierarchies():
        below = os.path.relpath(path or root, root)
        folder = place if below.startswith("..") else os.path.normpath(os.path.join(place, below))
        while folder.startswith(place):
            if version == 1 or "memory" in read(os.path.join(folder, "cgroup.subtree_control")).split():
                yield version, folder
            folder = os.path.dirname(folder)


def read(path):
    try:
        with open(path) as file:
            return file.read()
    except OSError:
        return ""


def write(path, value):
    """True unless it is refused."""
    try:
        with open(path, "w") as file:
            file.write(str(value))
    except OSError:
        return False
    return True


class Group:
    """A memory cgroup without swap. Raises OSError where none can be made."""

    FILES = {1: ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes", "memory.max_usage_in_bytes"),
             2: ("memory.max", "memory.swap.max", "memory.peak")}
    count = 0

    def __init__(self, version, parent, limit):
        Group.count += 1
        self.version = version
        self.folder = os.path.join(parent, f"latchkey-test-{os.getpid()}-{Group.count}")
        self.limit_file, self.swap_file, self.peak_file = self.FILES[version]
        os.mkdir(self.folder)
        try:
            self.set(limit)
        except OSError:
            self.close()
            raise

    def path(self, name):
        return os.path.join(self.folder, name)

    def set(self, limit):
        """Version 1 has one for memory and one for memory and swap, which may at no time be the smaller one."""
        for _ in range(2):
            write(self.path(self.swap_file), 0 if self.version == 2 else limit)
            write(self.path(self.limit_file), limit)
        if int(read(self.path(self.limit_file))) > limit:
            raise OSError(f"{self.path(self.limit_file)} does not take {limit}")

    def tighten(self, _, room):
        """ROOM bytes more than the program's own memory is now; what is only cached can go."""
        kind = {1: "rss", 2: "anon"}[self.version]
        self.set(int(re.search(rf"^{kind} (\d+)", read(self.path("memory.stat")), re.M).group(1)) + room)

    def prefix(self):
        """What a command is run by, to be in the group from its first byte on."""
        return ["sh", "-c", 'echo $$ > "$0" && exec "$@"', self.path("cgroup.procs")]

    def peak(self, pid):
        return int(read(self.path(self.peak_file)) or resident_peak(pid))

    def close(self):
        def removed():
            os.rmdir(self.folder)
            return True
        testbed.wait_for(removed, f"the end of {self.folder}", 10)


class AddressSpace:
    """RLIMIT_AS."""

    def __init__(self, limit):
        self.limit = limit

    def set(self, limit):
        self.limit = limit

    def tighten(self, pid, room):
        pages = int(read(f"/proc/{pid}/statm").split()[0])
        _, most = resource.prlimit(pid, resource.RLIMIT_AS)
        resource.prlimit(pid, resource.RLIMIT_AS, (pages * resource.getpagesize() + room, most))

    def loosen(self, pid):
        _, most = resource.prlimit(pid, resource.RLIMIT_AS)
        resource.prlimit(pid, resource.RLIMIT_AS, (most, most))

    def prefix(self):
        return ["prlimit", f"--as={self.limit}", "--"]

    def peak(self, pid):
        return resident_peak(pid)

    def close(self):
        pass


def resident_peak(pid):
    return int(re.search(r"VmHWM:\s+(\d+)", read(f"/proc/{pid}/status")).group(1)) << 10


def is_held(group, limit):
    """Whether a program that takes twice as much is ended: not every kernel means what it accepts."""
    wants = f"bytearray(b'x') * {2 * limit}"
    done = subprocess.run([*group.prefix(), sys.executable, "-c", wants], stderr=subprocess.DEVNULL)
    return done.returncode != 0


def make(limit):
    """A limit of LIMIT bytes for one program at a time."""
    for version, parent in parents():
        try:
            group = Group(version, parent, PROBE)
        except OSError:
            continue
        if is_held(group, PROBE):
            group.set(limit)
            return group
        group.close()
    return AddressSpace(limit)
