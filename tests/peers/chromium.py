"""A WebRTC party made of headless Chromium, whose page is driven over the DevTools protocol."""

import asyncio
import http.server
import json
import pathlib
import shutil
import tempfile
import threading
import urllib.request

import control
import websockets

PATIENCE = 30
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--mute-audio",
    "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream", "--disable-background-networking",
    "--autoplay-policy=no-user-gesture-required", "--remote-debugging-port=0", "--disable-features=MediaRouter",
)


class Page(http.server.BaseHTTPRequestHandler):
    """The page, from localhost: elsewhere there is no microphone without TLS."""

    def do_GET(self):
        body = pathlib.Path(__file__).with_name("chromium.html").read_bytes()
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Browser:
    def __init__(self, socket):
        self.socket, self.number = socket, 0

    async def command(self, method, **params):
        self.number += 1
        await self.socket.send(json.dumps({"id": self.number, "method": method, "params": params}))
        while True:
            message = json.loads(await asyncio.wait_for(self.socket.recv(), PATIENCE))
            if message.get("id") == self.number:
                if "error" in message:
                    raise RuntimeError(f"{method}: {message['error']}")
                return message["result"]

    async def call(self, function, **arguments):
        expression = f"{function}({json.dumps(arguments)})"
        result = await self.command(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in result:
            raise RuntimeError(result["exceptionDetails"]["exception"].get("description", "exception"))
        return result["result"]["value"]


async def start(files, url):
    """Starts Chromium and connects to its page."""
    process = await asyncio.create_subprocess_exec(
        shutil.which("chromium"), *FLAGS, f"--user-data-dir={files}", url,
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL)
    port_file = pathlib.Path(files, "DevToolsActivePort")
    async with asyncio.timeout(PATIENCE):
        while not (port_file.exists() and port_file.read_text().count("\n") >= 1):
            await asyncio.sleep(0.05)
        port = port_file.read_text().splitlines()[0]
        while True:
            listed = await asyncio.to_thread(
                lambda: json.load(urllib.request.urlopen(f"http://127.0.0.1:{port}/json", timeout=5)))
            pages = [one for one in listed if one["type"] == "page" and one["url"].startswith(url)]
            if pages:
                break
            await asyncio.sleep(0.05)
    socket = await websockets.connect(pages[0]["webSocketDebuggerUrl"], max_size=1 << 24)
    return process, Browser(socket)


async def main():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as files:
        process, browser = await start(files, f"http://127.0.0.1:{server.server_port}/")

        async def ready():
            async with asyncio.timeout(PATIENCE):
                while not await browser.call("(() => typeof hangUp === 'function')"):
                    await asyncio.sleep(0.05)
            return {}

        def caller(function):
            return lambda **arguments: browser.call(function, **arguments)

        plain = ("offer", "answered", "answer", "connected", "counts", "talk", "heard", "say", "listen")
        names = {name: name for name in plain}
        names["hang up"] = "hangUp"
        try:
            await control.serve({"ready": ready, **{name: caller(function) for name, function in names.items()}})
        finally:
            process.terminate()
            await process.wait()


asyncio.run(main())
