"""Runs the command of an installed unit in as much of its sandbox as can be had without systemd:
unit_sandbox.py ROOT UNIT. ROOT is a folder with a system in it (what it lacks of /usr and /dev is this machine's).
Played are User=, Group=, UMask=, NoNewPrivileges=, CapabilityBoundingSet=, SystemCallFilter=, PrivateNetwork=,
PrivateIPC=, PrivateTmp=, ProtectHome=, ProtectProc=, ProcSubset=, ProtectSystem=strict and ReadWritePaths=. Must be
root. The command's exit status is this one's."""
import ctypes
import ctypes.util
import os
import re
import shlex
import subprocess
import sys

from service_manager import Unit, find_ids

CLONE_NEWNS, CLONE_NEWIPC, CLONE_NEWNET = 0x00020000, 0x08000000, 0x40000000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 1, 2, 4, 32, 4096, 16384, 1 << 18
PR_CAPBSET_READ, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 23, 24, 38
SCMP_ACT_ALLOW, SCMP_ACT_ERRNO_EPERM = 0x7fff0000, 0x00050001
CAPABILITIES = ["CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH"]  # by number; others are not named in our units

libc = ctypes.CDLL(None, use_errno=True)


def call(function, *arguments):
    if function(*arguments) < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{function.__name__}{arguments}: {os.strerror(error)}")


def mount(source, target, kind=None, flags=0, options=None):
    call(libc.mount, *(text and text.encode() for text in (source, target, kind)), ctypes.c_ulong(flags),
         options and options.encode())


def is_yes(unit, key):
    return unit.get(f"Service.{key}") in ("yes", "true", "1", "on")


def bind(source, target):
    os.makedirs(target, exist_ok=True)
    mount(source, target, flags=MS_BIND | MS_REC)


def mounts_below(root):
    with open("/proc/self/mountinfo") as file:
        points = {line.split()[4].encode().decode("unicode_escape") for line in file}
    return sorted(point for point in points if (point + "/").startswith(root + "/"))


def set_read_only(root, but):
    for point in mounts_below(root):
        if not any((point + "/").startswith(path + "/") for path in but):
            mount(None, point, flags=MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID)


def enter_root(root, unit):
    """The file system as the unit has it."""
    mount(None, "/", flags=MS_REC | MS_PRIVATE)
    mount(root, root, flags=MS_BIND | MS_REC)
    for path in ("usr", "dev"):
        if not os.path.isdir(f"{root}/{path}") or not os.listdir(f"{root}/{path}"):
            bind(f"/{path}", f"{root}/{path}")
    assert unit.get("Service.ProtectSystem") == "strict", "nothing else is played"
    writable = [f"{root}/{path.lstrip('/')}" for text in unit.values.get("Service.ReadWritePaths", [])
                for path in text.split()]
    for path in writable:
        mount(path, path, flags=MS_BIND | MS_REC)
    set_read_only(root, [*writable, f"{root}/dev"])
    hidden = ["tmp", "var/tmp"] if is_yes(unit, "PrivateTmp") else []
    hidden += ["home", "root"] if is_yes(unit, "ProtectHome") else []
    for path in hidden:
        if os.path.isdir(f"{root}/{path}"):
            private = path.endswith("tmp")
            mount("tmpfs", f"{root}/{path}", "tmpfs", MS_NOSUID | MS_NODEV | (0 if private else MS_RDONLY),
                  "mode=1777" if private else "mode=0")
    mount("proc", f"{root}/proc", "proc", MS_NOSUID | MS_NODEV,
          f"hidepid={unit.get('Service.ProtectProc', 'default')},subset={unit.get('Service.ProcSubset', 'all')}"
          .replace("hidepid=default", "hidepid=0").replace(",subset=all", ""))
    os.chroot(root)
    os.chdir("/")


def expand(word):
    """A call's name, or the names of a group, as systemd itself knows them."""
    if not word.startswith("@"):
        return {word}
    done = subprocess.run(["systemd-analyze", "syscall-filter", "--no-pager", word], stdout=subprocess.PIPE, check=True,
                          text=True)
    names = re.findall(r"^\s+([@\w-]+)\s*$", done.stdout, re.M)
    return set().union(*(expand(name) for name in names if name != word))


def allowed_calls(unit):
    calls = expand("@default")
    for line in unit.values["Service.SystemCallFilter"]:
        names = set().union(*(expand(word) for word in line.lstrip("~").split()))
        calls = calls - names if line.startswith("~") else calls | names
    return calls | {"execve"}


def filter_calls(calls):
    seccomp = ctypes.CDLL(ctypes.util.find_library("seccomp") or "libseccomp.so.2", use_errno=True)
    seccomp.seccomp_init.restype = ctypes.c_void_p
    context = ctypes.c_void_p(seccomp.seccomp_init(ctypes.c_uint32(SCMP_ACT_ERRNO_EPERM)))
    for name in calls:
        number = seccomp.seccomp_syscall_resolve_name(name.encode())
        if number >= 0:
            seccomp.seccomp_rule_add(context, ctypes.c_uint32(SCMP_ACT_ALLOW), number, ctypes.c_uint(0))
    if seccomp.seccomp_load(context) != 0:
        raise OSError("seccomp_load")


def drop_capabilities(unit):
    kept = {CAPABILITIES.index(name) for name in (unit.get("Service.CapabilityBoundingSet") or "").split()}
    for number in range(64):
        if number not in kept and libc.prctl(PR_CAPBSET_READ, number, 0, 0, 0) == 1:
            call(libc.prctl, PR_CAPBSET_DROP, number, 0, 0, 0)


def main(root, name):
    unit = Unit(root, name)
    assert unit.exists, f"'{root}' has no {name}"
    user = find_ids(root, unit)
    calls = allowed_calls(unit)
    words = shlex.split(unit.get("Service.ExecStart"))
    call(libc.unshare, CLONE_NEWNS | (CLONE_NEWNET if is_yes(unit, "PrivateNetwork") else 0)
         | (CLONE_NEWIPC if is_yes(unit, "PrivateIPC") else 0))
    enter_root(root, unit)
    os.umask(int(unit.get("Service.UMask", "0022"), 8))
    if is_yes(unit, "NoNewPrivileges"):
        call(libc.prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    drop_capabilities(unit)
    os.setgroups([])
    os.setgid(user[1])
    os.setuid(user[0])
    filter_calls(calls)
    # The sanitizers' leak check traces the process, which no unit lets.
    os.execve(words[0], words, {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8",
                                "ASAN_OPTIONS": "detect_leaks=0:abort_on_error=1"})


if __name__ == "__main__":
    main(os.path.realpath(sys.argv[1]), sys.argv[2])
