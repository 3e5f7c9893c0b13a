"""The device that docs/PROTOCOL.md makes of curl and openssl gets its certificate: the commands are taken from the
document, and what they left is judged by others."""
import base64
import hashlib
import json
import os
import re

import conftest
import testbed


def commands():
    with open(os.path.join(conftest.TOP, "docs", "PROTOCOL.md")) as file:
        section = re.search(r"^## By hand: curl and openssl\n(.*?)^## ", file.read(), re.M | re.S).group(1)
    return "".join(line[4:] + "\n" for line in section.splitlines() if line.startswith("    "))


def test_by_hand(make_lab, tmp_path):
    conftest.need("curl", "openssl", "perl", "base32")
    lab = make_lab(settings={"front": {"enrolment": "token"}})
    done = conftest.run([conftest.program("latchkey-relay"), "--config", lab.config_file, "token", "add"])
    kid, key = re.search(r"^([a-z2-7]+):([\w-]+)$", done.stdout, re.M).groups()
    environment = {**os.environ, "DIRECTORY": lab.directory, "ZONE": lab.zone, "KID": kid, "KEY": key,
                   "CURL_CA_BUNDLE": lab.ca.ca_file}
    output = conftest.run(["bash", "-eu", "-c", commands() + '\necho "the id is $ID"'], env=environment,
                          cwd=tmp_path).stdout
    device = re.search(r"the id is ([a-z2-7]{32})$", output, re.M).group(1)
    conftest.verify_chain(lab, (tmp_path / "chain.pem").read_text(), f"192-168-1-51.{device}.{lab.zone}")

    testbed.wait_for(lambda: testbed.dns_query(lab.address, lab.dns_port, f"home.{device}.{lab.zone}", 1)
                     == (0, True, ["192.168.1.51"]), "the published address is answered")

    statement = json.loads((tmp_path / "time.json").read_text())
    directory = json.loads((tmp_path / "directory").read_text())["meta"]["latchkey"]
    payload = json.loads(base64.urlsafe_b64decode(statement["payload"] + "=="))
    assert payload["zone"] == lab.zone
    # The key that signed it is the one whose pin the operator gives to devices.
    shown = conftest.run([conftest.program("latchkey-relay"), "--config", lab.config_file, "key"]).stdout
    spki = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d03010703420004")
    spki += b"".join(base64.urlsafe_b64decode(directory["relayKey"][axis] + "=") for axis in "xy")
    assert base64.urlsafe_b64encode(hashlib.sha256(spki).digest()).decode().rstrip("=") in shown
