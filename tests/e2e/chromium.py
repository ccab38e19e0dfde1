"""A headless Chromium, told what to do through its DevTools pipe: JSON messages that end with a zero byte."""

import base64
import json
import os
import select
import shutil
import subprocess
import time

# What the page must not say to the browser's console.
BAD = ("error", "warning", "assert")


class Chromium:
    """A browser with one page. Leaving the `with` block ends it."""

    def __init__(self, directory, width=1280, height=900, dark=False):
        self.width, self.height, self.dark = width, height, dark
        self.directory = directory
        self.complaints = []
        self._id = 0
        self._buffer = b""

    def __enter__(self):
        theirs_in, self._out = os.pipe()
        self._in, theirs_out = os.pipe()
        # Chromium reads from 3 and writes to 4; the shell puts them there.
        command = 'exec "$@" 3<&%d 4>&%d' % (theirs_in, theirs_out)
        program = shutil.which("chromium") or shutil.which("chromium-browser") or "google-chrome"
        arguments = [
            program, "--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe", "--no-first-run",
            "--no-proxy-server", "--disable-dev-shm-usage", "--disable-background-networking", "--hide-scrollbars",
            f"--user-data-dir={self.directory}/chromium", f"--window-size={self.width},{self.height}", "about:blank",
        ]
        self.process = subprocess.Popen(
            ["bash", "-c", command, "chromium", *arguments], pass_fds=(theirs_in, theirs_out),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        os.close(theirs_in)
        os.close(theirs_out)
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network", "Audits"):
            self.ask(f"{domain}.enable")
        self.ask("Emulation.setDeviceMetricsOverride", width=self.width, height=self.height, deviceScaleFactor=1,
                 mobile=False)
        theme = "dark" if self.dark else "light"
        self.ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": theme}])
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        os.close(self._in)
        os.close(self._out)

    def ask(self, method, **params):
        """A command to the page."""
        return self.call(method, session=self._session, **params)

    def call(self, method, session=None, **params):
        self._id += 1
        message = {"id": self._id, "method": method, "params": params} | ({"sessionId": session} if session else {})
        os.write(self._out, json.dumps(message).encode() + b"\0")
        end = time.monotonic() + 20
        while time.monotonic() < end:
            answer = self._read(end)
            if answer and answer.get("id") == self._id:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                return answer["result"]
        raise TimeoutError(f"Chromium does not answer to {method}")

    def _read(self, end):
        """The next message; what the page complained of is remembered."""
        while b"\0" not in self._buffer:
            if not select.select([self._in], [], [], max(0, end - time.monotonic()))[0]:
                return None
            read = os.read(self._in, 1 << 16)
            if not read:
                raise RuntimeError("Chromium has ended")
            self._buffer += read
        text, self._buffer = self._buffer.split(b"\0", 1)
        message = json.loads(text)
        params = message.get("params", {})
        match message.get("method"):
            case "Runtime.consoleAPICalled" if params["type"] in BAD:
                self.complaints.append(f"console.{params['type']}: {params['args']}")
            case "Runtime.exceptionThrown":
                details = params["exceptionDetails"]
                self.complaints.append(details.get("exception", {}).get("description") or details["text"])
            case "Log.entryAdded" if params["entry"]["level"] in BAD:
                self.complaints.append(params["entry"]["text"])
            case "Audits.issueAdded":
                self.complaints.append(json.dumps(params["issue"])[:300])
            case "Network.requestWillBeSent":
                url = params["request"]["url"]
                if not url.startswith(("http://127.0.0.1", "data:", "about:")):
                    self.complaints.append(f"asks for {url}")
        return message

    def listen(self, seconds):
        """Lets the page live for a while."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self._read(end)

    def open(self, url, headers=None):
        self.ask("Network.setExtraHTTPHeaders", headers=headers or {})
        self.ask("Page.navigate", url=url)
        end = time.monotonic() + 10
        while self.value("document.readyState") != "complete" or self.value("location.href") == "about:blank":
            if time.monotonic() > end:
                raise TimeoutError(f"{url} is not there")
            self.listen(0.05)

    def value(self, expression):
        """What an expression in the page is."""
        answer = self.ask("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(f"{expression}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def screenshot(self, path, whole=True):
        height = self.value("document.documentElement.scrollHeight") if whole else self.height
        clip = {"x": 0, "y": 0, "width": self.width, "height": min(height, 6000), "scale": 1}
        shot = self.ask("Page.captureScreenshot", format="png", clip=clip, captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(shot["data"]))
