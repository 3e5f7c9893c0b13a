"""A relay with its own CA on loopback, in the foreground, for trying things out."""
import argparse
import os
import signal
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import testbed  # noqa: E402

LAB_ENV = """
Once all is up DIR/lab.env holds, as shell assignments: LAB_DIRECTORY, LAB_CA_FILE (to trust the relay),
LAB_ROOTS_FILE (to trust what it issues), LAB_ZONE, LAB_DNS_HOST, LAB_DNS_PORT, LAB_STORE, LAB_CONFIG,
LAB_PEBBLE_DIRECTORY, LAB_PEBBLE_CA_FILE, and LAB_PID_ FRONT, ISSUER, DNS, PEBBLE. A program that dies is
started again and the file written anew. PEBBLE_* in the environment goes to Pebble. Enrolment is open and
loopback addresses are answered: a lab is not for a network.
"""


def stop_at_signal(number, _):
    raise SystemExit(0)


def find_bin():
    """The folder of the programs as last built; they are built if they never were."""
    for folder in ("release", "debug"):
        path = os.path.join(testbed.TOP, "build", folder, "bin")
        if os.path.exists(os.path.join(path, "latchkey-relay")):
            return path
    print("deploy/lab: building the programs first", file=sys.stderr, flush=True)
    testbed.install()
    return testbed.build()


def main():
    parser = argparse.ArgumentParser(prog="deploy/lab", description=__doc__, epilog=LAB_ENV,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", metavar="DIR", help="where everything of the lab is kept")
    parser.add_argument("--bin", default=os.environ.get("LATCHKEY_BIN"), metavar="DIR",
                        help="folder of the programs (default: $LATCHKEY_BIN, else what was built last, else "
                             "they are built now)")
    parser.add_argument("--zone", default="lab.test")
    parser.add_argument("--address", default="127.0.0.1", help="where front and DNS listen")
    parser.add_argument("--validity", type=int, metavar="SECONDS", help="life of the certificates")
    parser.add_argument("--unbound", action="store_true",
                        help="Pebble asks through an Unbound that behaves like a public CA's resolver")
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE",
                        help="a line of relay.conf, over the lab's own")
    parser.add_argument("--keep-account", action="store_true",
                        help="no new CA account when Pebble has forgotten the relay's")
    options = parser.parse_args()
    try:
        bin_folder = options.bin or find_bin()
    except testbed.TestbedError as error:
        sys.exit(f"deploy/lab: {error}")
    if not os.path.exists(os.path.join(bin_folder, "latchkey-relay")):
        sys.exit(f"deploy/lab: no 'latchkey-relay' in '{bin_folder}': build it (cmake --preset release "
                 "&& cmake --build --preset release) or give another --bin")
    environment = os.path.join(options.folder, "lab.env")
    if os.path.exists(environment):
        os.remove(environment)  # it would say that a lab is up
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, stop_at_signal)
    settings = {}
    for text in options.set:
        name, equals, value = text.partition("=")
        section, dot, key = name.partition(".")
        if not (equals and dot and section and key):
            sys.exit(f"deploy/lab: --set '{text}': must be SECTION.KEY=VALUE, such as front.request_rate=40")
        settings.setdefault(section, {})[key] = value
    lab = testbed.Testbed(options.folder, bin_folder, options.zone, options.address, options.validity,
                          options.unbound, not options.keep_account, settings)
    try:
        lab.start()
        print(f"The lab is up: {lab.directory} (zone {lab.zone}); its variables are in {environment}",
              flush=True)
        while True:
            time.sleep(0.2)
            for name in lab.revive_ended():
                print(f"{name} ended; it was started again", flush=True)
    except testbed.TestbedError as error:
        sys.exit(f"deploy/lab: {error}")
    finally:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        lab.stop()
        if os.path.exists(environment):
            os.remove(environment)


main()
