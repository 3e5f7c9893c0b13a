"""What packagers start from agrees with the build: options, version, licence, files, configuration."""
import hashlib
import os
import re
import subprocess

import pytest

import conftest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
OPENWRT = os.path.join(TOP, "deploy", "openwrt")
RECIPE = next(name for name in os.listdir(os.path.join(TOP, "deploy", "yocto")) if name.endswith(".bb"))
# Just enough of OpenWrt's build system to expand a package's Makefile and to run its install rule.
RULES = """
INSTALL_DIR:=install -d -m0755
INSTALL_BIN:=install -m0755
INSTALL_CONF:=install -m0600
INCLUDE_DIR:=$(TOPDIR)/include
"""
PACKAGE = """
define BuildPackage
install-$(1):
	$$(call Package/$(1)/install,$(OUT))
options-$(1):
	@echo $(CMAKE_OPTIONS)
endef
"""


def read(*path):
    with open(os.path.join(TOP, *path), encoding="utf-8") as file:
        return file.read()


def version():
    return re.search(r"project\(latchkey VERSION (\S+)", read("CMakeLists.txt"))[1]


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The build at hand, installed as a package does it."""
    build = os.environ.get("LATCHKEY_BUILD") or os.path.dirname(conftest.BIN)
    folder = tmp_path_factory.mktemp("installed")
    subprocess.run(["cmake", "--install", build, "--prefix", "/usr"], check=True,
                   env={**os.environ, "DESTDIR": str(folder)}, stdout=subprocess.DEVNULL)
    return folder


def openwrt(tmp_path, installed, target, variant="full"):
    top = tmp_path / "openwrt"
    (top / "include").mkdir(parents=True)
    (top / "rules.mk").write_text(RULES)
    (top / "include" / "package.mk").write_text(PACKAGE)
    (top / "include" / "cmake.mk").write_text("")
    return subprocess.run(["make", "-s", "-C", OPENWRT, f"TOPDIR={top}", f"OUT={tmp_path}/out",
                           f"PKG_INSTALL_DIR={installed}", f"BUILD_VARIANT={variant}", target],
                          check=True, stdout=subprocess.PIPE, text=True).stdout


@pytest.mark.parametrize("package,variant", [("latchkey", "full"), ("latchkey-minimal", "minimal")])
def test_openwrt_installs(tmp_path, installed, package, variant):
    openwrt(tmp_path, installed, f"install-{package}", variant)
    out = tmp_path / "out"
    for name in ("usr/bin/latchkey", "usr/bin/latchkey-tool", "usr/bin/latchkey-worker", "etc/init.d/latchkey"):
        assert os.access(out / name, os.X_OK), name
    assert (out / "etc/latchkey/device.conf").stat().st_mode & 0o777 == 0o600
    assert subprocess.run(["sh", "-n", out / "etc/init.d/latchkey"]).returncode == 0


def test_openwrt_configuration(tmp_path):
    """Good once the relay is named; and the init script waits for just that line."""
    text = read("deploy", "openwrt", "files", "device.conf")
    named = text.replace("#relay =", "relay =")
    assert named != text
    config = tmp_path / "device.conf"
    config.write_text(text)
    wait = re.search(r"grep -q '([^']+)'", read("deploy", "openwrt", "files", "latchkey.init"))[1]
    assert subprocess.run(["grep", "-q", wait, config]).returncode == 1
    config.write_text(named)
    assert subprocess.run(["grep", "-q", wait, config]).returncode == 0
    done = subprocess.run([os.path.join(conftest.BIN, "latchkey"), "--check", "--config", config],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, done.stdout


def test_options_exist(tmp_path, installed):
    """An option that the build does not know is only a warning to CMake, and lost on the packager."""
    known = set(re.findall(r"^\s*(?:option|set)\((LATCHKEY_\w+)", "".join(
        read(*path.split("/")) for path in ("CMakeLists.txt", "device/CMakeLists.txt")), re.M))
    recipe = read("deploy", "yocto", RECIPE)
    for text in (openwrt(tmp_path, installed, "options-latchkey"), recipe):
        wanted = set(re.findall(r"-D(LATCHKEY_\w+)=", text))
        assert {"LATCHKEY_TESTS", "LATCHKEY_RELAY", "LATCHKEY_MINIMAL", "LATCHKEY_AVAHI"} <= wanted
        assert wanted <= known, f"unknown: {wanted - known}"


def test_version_and_licence():
    recipe = read("deploy", "yocto", RECIPE)
    assert RECIPE == f"latchkey_{version()}.bb"
    assert f"PKG_VERSION:={version()}\n" in read("deploy", "openwrt", "Makefile")
    digest = hashlib.md5(read("LICENSE").encode()).hexdigest()
    assert f"file://LICENSE;md5={digest}" in recipe


def test_recipe_names_the_libraries():
    """Every library that the device's side asks pkg-config for is a dependency of both packages."""
    recipe, makefile = read("deploy", "yocto", RECIPE), read("deploy", "openwrt", "Makefile")
    names = {"openssl": ("openssl", "libopenssl"), "jansson": ("jansson", "jansson"),
             "libevent_core": ("libevent", "libevent2-core"), "libcurl": ("curl", "libcurl"),
             "libcares": ("c-ares", "libcares"), "libqrencode": ("qrencode", "libqrencode"),
             "inih": ("inih", "libinih")}
    asked = set(re.findall(r"IMPORTED_TARGET ([\w-]+)", read("cmake", "Libraries.cmake")))
    relay_only = {"ldns", "sqlite3", "libseccomp", "cmocka", "libcrypto", "avahi-client"}
    assert asked - relay_only == set(names), "a library came or went: name it for the packagers"
    for yocto_name, openwrt_name in names.values():
        assert re.search(rf"\b{re.escape(yocto_name)}\b", recipe), yocto_name
        assert f"+{openwrt_name}" in makefile, openwrt_name


def test_recipe_files(installed):
    """What the recipe splits off is really installed."""
    names = [os.path.relpath(os.path.join(folder, name), installed)
             for folder, _, files in os.walk(installed) for name in files]
    for pattern in (r"usr/bin/latchkey$", r"usr/bin/latchkey-worker$", r"/liblatchkey\.so\.\d",
                    r"/liblatchkey-curl\.so\.\d", r"/latchkey\.service$", r"etc/latchkey/device\.conf"):
        assert any(re.search(pattern, name) for name in names), f"no {pattern} in {names}"
