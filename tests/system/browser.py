"""Chromium as the tests drive it: the DevTools protocol over a pipe (no port, nothing to install). One browser
opens many pages, in light and dark, narrow and wide, with and without scripts."""
import base64
import json
import os
import select
import subprocess
import time

import conftest

COMMAND = ("chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
           "--disable-background-networking", "--disable-component-update", "--disable-sync",
           "--hide-scrollbars", "--disable-extensions", "--remote-debugging-pipe")


def make_home(folder, roots=None):
    """A home folder for Chromium whose certificate store trusts the file ROOTS."""
    home = os.path.join(folder, "home" if roots else "home-untrusting")
    database = os.path.join(home, ".pki", "nssdb")
    if not os.path.exists(database):
        os.makedirs(database)
        conftest.run(["certutil", "-d", f"sql:{database}", "-N", "--empty-password"])
        if roots:
            conftest.run(["certutil", "-d", f"sql:{database}", "-A", "-t", "C,,", "-n", "pebble", "-i", roots])
    return home


class Browser:
    """prefix: a command that runs it elsewhere, such as in a network namespace."""
    count = 0

    def __init__(self, folder, home, prefix=(), arguments=()):
        Browser.count += 1
        self.number, self.waiting = 0, []
        commands, self.commands = os.pipe()
        self.events, events = os.pipe()
        profile = os.path.join(folder, f"profile-{Browser.count}")
        self.log = open(os.path.join(folder, f"chromium-{Browser.count}.txt"), "w")
        self.process = subprocess.Popen(
            [*prefix, "bash", "-c", f'exec "$@" 3<&{commands} 4>&{events}', "bash", *COMMAND,
             f"--user-data-dir={profile}", *arguments, "about:blank"],
            pass_fds=(commands, events), stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
            env={**os.environ, "HOME": home})
        os.close(commands)
        os.close(events)
        self.left = b""
        self.session, self.width = None, 800
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Security", "Network", "Log"):
            self.call(f"{domain}.enable")
        self.complaints = []   # what the page's policy refused, and what its scripts threw
        self.errors = []       # every error on the console since the start, what could not be loaded too
        self.security = None

    def _read(self, seconds):
        """One message, or None."""
        until = time.monotonic() + seconds
        while b"\0" not in self.left:
            left = until - time.monotonic()
            if left <= 0 or not select.select([self.events], [], [], left)[0]:
                return None
            data = os.read(self.events, 1 << 20)
            assert data, "Chromium has ended"
            self.left += data
        message, self.left = self.left.split(b"\0", 1)
        return json.loads(message)

    def _note(self, message):
        method, values = message.get("method"), message.get("params", {})
        if method == "Security.visibleSecurityStateChanged":
            self.security = values["visibleSecurityState"]["securityState"]
        elif method == "Log.entryAdded":
            entry = values["entry"]
            if entry["source"] in ("security", "javascript"):
                self.complaints.append(entry["text"])
            if entry["level"] == "error":
                self.errors.append(f"{entry['text']} {entry.get('url', '')}")
        elif method == "Runtime.exceptionThrown":
            self.complaints.append(str(values["exceptionDetails"]))

    def call(self, method, **params):
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.commands, json.dumps(message).encode() + b"\0")
        until = time.monotonic() + 30
        while time.monotonic() < until:
            answer = self._read(1)
            if answer and answer.get("id") == self.number:
                assert "error" not in answer, f"{method}: {answer['error']}"
                return answer["result"]
            if answer:
                self._note(answer)
        raise AssertionError(f"{method}: no answer from Chromium")

    def evaluate(self, script):
        result = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    def wait(self, script, what, seconds=15):
        """Until SCRIPT is true in the page; its value."""
        until = time.monotonic() + seconds
        value = None
        while time.monotonic() < until:
            try:
                value = self.evaluate(script)
            except AssertionError as error:   # the page is being replaced
                value, last = None, error
            if value:
                return value
            time.sleep(0.05)
        try:
            text = self.evaluate("location.href + '\\n' + document.documentElement.outerHTML.slice(0, 6000)")
        except AssertionError as error:
            text = str(error)
        raise AssertionError(f"not within {seconds} s: {what}\n{text}\n{self.complaints}")

    def open(self, url):
        """Opens URL and waits until it is loaded; what Chromium says went wrong, or None."""
        self.complaints, self.security = [], None
        failed = self.call("Page.navigate", url=url).get("errorText")
        if not failed:
            self.wait("document.readyState === 'complete'", url)
        return failed

    def look(self, width, dark=False, scripts=True, height=800):
        """How the pages that are opened next are seen."""
        self.width = width
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height,
                  deviceScaleFactor=1, mobile=width < 500)
        self.call("Emulation.setEmulatedMedia", features=[
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"},
            {"name": "prefers-reduced-motion", "value": "reduce"}])
        self.call("Emulation.setScriptExecutionDisabled", value=not scripts)

    def text(self):
        """What people can read."""
        return self.evaluate("document.body.innerText")

    def shoot(self, name):
        """The whole page as NAME.png in the build folder's screenshots."""
        folder = os.path.join(conftest.BUILD, "screenshots")
        os.makedirs(folder, exist_ok=True)
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        # Wider than its window: something sticks out, and people on phones would have to scroll sideways.
        width = self.width
        assert size["width"] <= width, f"{name}: {size['width']} wide in a window of {width}"
        shot = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True,
                         clip={"x": 0, "y": 0, "width": width, "height": size["height"], "scale": 1})
        with open(os.path.join(folder, f"{name}.png"), "wb") as file:
            file.write(base64.b64decode(shot["data"]))

    def shoot_all(self, url, name, wait="true"):
        """URL in light and dark, narrow and wide."""
        for dark in (False, True):
            for width in (360, 1280):
                self.look(width, dark)
                assert self.open(url) is None, url
                self.wait(wait, f"{url}: {wait}")
                self.shoot(f"{name}-{'dark' if dark else 'light'}-{width}")
        self.look(1280)

    def close(self):
        try:
            self.session = None
            self.call("Browser.close")
            self.process.wait(10)
        except (AssertionError, OSError, subprocess.TimeoutExpired):
            self.process.kill()
            self.process.wait()
        os.close(self.commands)
        os.close(self.events)
        self.log.close()
