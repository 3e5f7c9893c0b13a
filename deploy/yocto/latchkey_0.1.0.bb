SUMMARY = "HTTPS address for a device on a private network that any browser trusts"
DESCRIPTION = "Gets and renews a certificate for a name that carries the device's private address, by a \
latchkey relay, and serves HTTPS with it."
LICENSE = "MIT"
LIC_FILES_CHKSUM = "file://LICENSE;md5=93acbf6e1930ef8f490340be50601f4c"

# The release tarball; put it beside this recipe, or name where it comes from.
SRC_URI = "file://latchkey-${PV}.tar.gz"

DEPENDS = "openssl libevent jansson inih curl c-ares"

inherit cmake pkgconfig systemd

PACKAGECONFIG ??= "qrcode ${@bb.utils.filter('DISTRO_FEATURES', 'zeroconf', d)}"
PACKAGECONFIG[qrcode] = "-DLATCHKEY_MINIMAL=OFF,-DLATCHKEY_MINIMAL=ON,qrencode"
PACKAGECONFIG[zeroconf] = "-DLATCHKEY_AVAHI=ON,-DLATCHKEY_AVAHI=OFF,avahi"

EXTRA_OECMAKE = "-DLATCHKEY_TESTS=OFF -DLATCHKEY_RELAY=OFF"

SYSTEMD_SERVICE:${PN} = "latchkey.service"

CONFFILES:${PN} = "${sysconfdir}/latchkey/device.conf"
PACKAGES =+ "lib${BPN} lib${BPN}-curl"
FILES:lib${BPN} = "${libdir}/liblatchkey.so.*"
FILES:lib${BPN}-curl = "${libdir}/liblatchkey-curl.so.*"
RDEPENDS:${PN} += "ca-certificates"
