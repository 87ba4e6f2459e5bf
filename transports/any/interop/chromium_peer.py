"""A page in Chromium at the other end of a WebSocket connection.

    chromium_peer.py BROWSER URL FOLDER KEY_HASH   sends the messages `small` and `large` of FOLDER again and again, wants
                                                   them back, closes with 1000

The browser is told what to do through its debugging pipe: messages of JSON that end with a zero byte, on its
descriptors 3 and 4. Exits with 0 if the page saw what it should.
"""

import base64
import json
import os
import signal
import subprocess
import sys

_TIMEOUT_SECONDS = 50

_PAGE = """
new Promise((resolve) => {
  const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const messages = [bytes(%(small)s), bytes(%(large)s)];
  const socket = new WebSocket(%(url)s);
  socket.binaryType = 'arraybuffer';
  let sent = 0, right = 0;
  const send = () => socket.send(messages[sent++ %% 2]);
  socket.onopen = () => { for (let i = 0; i < 10; ++i) send(); };
  socket.onmessage = (event) => {
    const expected = messages[right %% 2], got = new Uint8Array(event.data);
    if (got.length !== expected.length || got.some((byte, i) => byte !== expected[i])) {
      resolve({wrong: right});
    }
    if (++right === 40) socket.close(1000, 'done');
    else if (sent < 40) send();
  };
  socket.onclose = (event) => resolve(
    {right, code: event.code, clean: event.wasClean, extensions: socket.extensions});
})
"""


class Browser:
    """Calls of the DevTools protocol, one at a time."""

    def __init__(self, program, folder, key_hash):
        read_here, write_there = os.pipe()
        read_there, write_here = os.pipe()
        command = [
            program, "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--remote-debugging-pipe",
            f"--user-data-dir={folder}/profile", f"--ignore-certificate-errors-spki-list={key_hash}", "about:blank",
        ]  # fmt: skip

        def wire():
            os.dup2(os.dup(read_there), 3)
            os.dup2(os.dup(write_there), 4)

        self._log = open(f"{folder}/chromium.log", "w+")
        self._process = subprocess.Popen(
            command, preexec_fn=wire, close_fds=False, env=dict(os.environ, HOME=folder), stderr=self._log
        )
        os.close(read_there)
        os.close(write_there)
        self._in = os.fdopen(read_here, "rb", buffering=0)
        self._out = os.fdopen(write_here, "wb", buffering=0)
        self._rest = b""
        self._id = 0

    def _next(self):
        while b"\0" not in self._rest:
            more = self._in.read(1 << 16)
            if not more:
                self._log.seek(0)
                sys.exit("the browser has ended:\n" + self._log.read())
            self._rest += more
        message, self._rest = self._rest.split(b"\0", 1)
        return json.loads(message)

    def call(self, method, session=None, **parameters):
        self._id += 1
        call = {"id": self._id, "method": method, "params": parameters}
        if session is not None:
            call["sessionId"] = session
        self._out.write(json.dumps(call).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._id:
                assert "error" not in answer, answer
                return answer["result"]

    def close(self):
        self._process.terminate()
        self._process.wait()


def _text(folder, name):
    with open(f"{folder}/{name}", "rb") as file:
        return json.dumps(base64.b64encode(file.read()).decode())


def main(program, url, folder, key_hash):
    browser = Browser(program, folder, key_hash)
    target = browser.call("Target.createTarget", url="about:blank")["targetId"]
    session = browser.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
    page = _PAGE % {"small": _text(folder, "small"), "large": _text(folder, "large"), "url": json.dumps(url)}
    result = browser.call("Runtime.evaluate", session, expression=page, awaitPromise=True, returnByValue=True)
    browser.close()
    print(result)
    assert result["result"]["value"] == {"right": 40, "code": 1000, "clean": True, "extensions": ""}, result


signal.alarm(_TIMEOUT_SECONDS)
main(*sys.argv[1:])
