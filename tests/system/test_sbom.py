"""The bill of materials is whole, valid SPDX 2.3, and agrees with what the programs link and what is documented."""
import json
import os
import re
import subprocess

import pytest

import conftest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SBOM = os.path.join(TOP, "deploy", "sbom")
PROGRAMS = ["latchkey", "latchkey-worker", "latchkey-relay"]


def programs():
    names = PROGRAMS + [name for name in ("latchkey-mdns",)
                        if os.path.exists(os.path.join(conftest.BIN, name))]
    return [os.path.join(conftest.BIN, name) for name in names]


def make(output, epoch="1795242600"):
    subprocess.run([SBOM, "--version", "1.2.3", "--output", output, *programs()], check=True,
                   env={**os.environ, "SOURCE_DATE_EPOCH": epoch})
    with open(output, encoding="utf-8") as file:
        return json.load(file)


@pytest.fixture(scope="module")
def document(tmp_path_factory):
    return make(tmp_path_factory.mktemp("sbom") / "a.json")


def test_required_fields(document):
    """What SPDX 2.3 demands of a document, its packages and its relationships."""
    assert document["spdxVersion"] == "SPDX-2.3" and document["dataLicense"] == "CC0-1.0"
    assert document["SPDXID"] == "SPDXRef-DOCUMENT" and document["name"] == "latchkey-1.2.3"
    assert re.fullmatch(r"urn:latchkey:sbom:[0-9a-f]{64}", document["documentNamespace"])
    assert document["creationInfo"]["created"] == "2026-11-21T06:30:00Z"
    ids = [package["SPDXID"] for package in document["packages"]]
    assert len(ids) == len(set(ids))
    for package in document["packages"]:
        assert re.fullmatch(r"SPDXRef-[A-Za-z0-9.-]+", package["SPDXID"]), package
        for field in ("name", "downloadLocation", "licenseConcluded", "licenseDeclared", "copyrightText"):
            assert package[field], package
        assert package["filesAnalyzed"] is False
    for relation in document["relationships"]:
        assert relation["relatedSpdxElement"] in ids
        assert relation["spdxElementId"] in ids + ["SPDXRef-DOCUMENT"]
    described = [relation["relatedSpdxElement"] for relation in document["relationships"]
                 if relation["relationshipType"] == "DESCRIBES"]
    assert described == [f"SPDXRef-Program-{os.path.basename(path)}" for path in programs()]


def test_every_library_is_in_it(document):
    """Each soname that a program asks for belongs to a package of the document, with a documented licence."""
    packages = {package["SPDXID"]: package for package in document["packages"]}
    for path in programs():
        mine = f"SPDXRef-Program-{os.path.basename(path)}"
        linked = [packages[relation["relatedSpdxElement"]] for relation in document["relationships"]
                  if relation["spdxElementId"] == mine and relation["relationshipType"] == "DYNAMIC_LINK"]
        needed = re.findall(r"\(NEEDED\).*\[(.+)\]", subprocess.run(
            ["readelf", "-dW", path], stdout=subprocess.PIPE, check=True, text=True).stdout)
        for soname in needed:
            if re.match(r"lib(asan|ubsan|gcc_s)\.", soname):
                continue  # the test build's own
            owner = subprocess.run(["dpkg-query", "-S", f"*/{soname}"], stdout=subprocess.PIPE, check=True,
                                   text=True).stdout.split(":")[0]
            assert owner in [package["name"] for package in linked], \
                f"{path}: {soname} of {owner} is not in the document"
        for package in linked:
            if re.match(r"lib(asan|ubsan|gcc)", package["name"]):
                continue
            assert package["licenseDeclared"] != "NOASSERTION", \
                f"{package['name']} is linked by {path}, but docs/LICENSES.md has no line for it"
            assert package["externalRefs"][0]["referenceLocator"].startswith(
                f"pkg:deb/debian/{package['name']}@")


def test_two_runs_are_the_same(tmp_path):
    make(tmp_path / "a.json")
    make(tmp_path / "b.json")
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


def test_a_program_that_is_not_there(tmp_path):
    done = subprocess.run([SBOM, "--version", "1", "--output", tmp_path / "a.json", tmp_path / "nosuch"],
                          stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1 and "nosuch" in done.stderr and "build it first" in done.stderr
    assert not (tmp_path / "a.json").exists()
