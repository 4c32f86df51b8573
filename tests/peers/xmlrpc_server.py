"""An XMLRPC server as a SIP server has one. It notes what it is told, and can be made to misbehave."""

import argparse
import asyncio
import socketserver
import ssl
import threading
import time
from xmlrpc.server import SimpleXMLRPCRequestHandler, SimpleXMLRPCServer

from control import serve

# Longer than any client waits.
HANGS_S = 60

calls = []
attempts = 0
mode = "answer"
changed = threading.Condition()


class Handler(SimpleXMLRPCRequestHandler):
    rpc_paths = ("/RPC2",)

    def do_POST(self):
        global attempts
        with changed:
            attempts += 1
            changed.notify_all()
        if mode == "hang":
            time.sleep(HANGS_S)
        if mode == "error":
            return self.send_error(500)
        self.server.at.address = self.connection.getsockname()[0]
        super().do_POST()

    def log_message(self, *_):
        pass


class Server(socketserver.ThreadingMixIn, SimpleXMLRPCServer):
    daemon_threads = True
    at = threading.local()

    def _dispatch(self, method, params):
        if mode == "fault":
            raise RuntimeError("no such call")
        with changed:
            calls.append({"at": self.at.address, "method": method, "params": list(params)})
            changed.notify_all()
        return "OK"

    def handle_error(self, *_):
        """A client that does not like the certificate is no error of the server."""


async def ready():
    return {}


async def behave(how):
    global mode
    mode = how


def wait_for(what, number, wait_s):
    with changed:
        changed.wait_for(lambda: what() >= number, wait_s)
        return {"calls": calls, "attempts": attempts}


async def heard(calls_wanted=0, attempts_wanted=0, wait_s=20):
    """Waits until it was told so many times, or asked so many times; yields everything."""
    if calls_wanted:
        return await asyncio.to_thread(wait_for, lambda: len(calls), calls_wanted, wait_s)
    return await asyncio.to_thread(wait_for, lambda: attempts, attempts_wanted, wait_s)


parser = argparse.ArgumentParser()
parser.add_argument("--port", type=int, required=True)
parser.add_argument("--certificate", help="PEM file with certificate and key, for HTTPS")
arguments = parser.parse_args()
server = Server(("0.0.0.0", arguments.port), Handler)
if arguments.certificate:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(arguments.certificate)
    # The handshake belongs to the thread of the connection: one that fails is no matter of the others.
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
threading.Thread(target=server.serve_forever, daemon=True).start()
asyncio.run(serve({"ready": ready, "behave": behave, "heard": heard}))
