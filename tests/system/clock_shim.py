"""A wrong wall clock for one program: clock_shim.c, preloaded. (Time namespaces don't shift it.)"""
import os
import struct
import subprocess
import time

HERE = os.path.dirname(os.path.abspath(__file__))


class WrongClock:
    """The clock of one device; set() may be called while it runs."""

    def __init__(self, folder):
        os.makedirs(folder, exist_ok=True)
        self.path = os.path.join(folder, "clock-offset")
        self.library = os.path.join(folder, "clock_shim.so")
        subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", self.library,
                        os.path.join(HERE, "clock_shim.c")], check=True)
        self.folder = folder
        self.set_offset(0)

    def set_offset(self, seconds):
        # In place: the device has the file mapped.
        fd = os.open(self.path, os.O_WRONLY | os.O_CREAT, 0o644)
        os.pwrite(fd, struct.pack("=q", int(seconds)), 0)
        os.close(fd)

    def set(self, at):
        """From now on the clock says AT, seconds since 1970."""
        self.set_offset(at - time.time())

    def environment(self):
        sanitizer = [os.environ[n] for n in ("ASAN_OPTIONS",) if os.environ.get(n)]
        return {**os.environ, "LD_PRELOAD": self.library, "CLOCK_SHIM": self.path,
                "ASAN_OPTIONS": ":".join(sanitizer + ["verify_asan_link_order=0"])}

    def wrap(self, program):
        """A script that runs PROGRAM with this clock: an agent gives its worker a short environment."""
        path = os.path.join(self.folder, "wrapped-" + os.path.basename(program))
        with open(path, "w") as file:
            file.write(f"#!/bin/sh\nexport LD_PRELOAD='{self.library}' CLOCK_SHIM='{self.path}'\n"
                       f"exec '{program}' \"$@\"\n")
        os.chmod(path, 0o755)
        return path
