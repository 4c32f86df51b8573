"""A SIP user agent over UDP (RFC 3261), as much of it as placing, taking and ending calls needs, with SDES media."""

import argparse
import asyncio
import os

import control
import sdes

PATIENCE = 10


def headers(message):
    head, _, body = message.partition("\r\n\r\n")
    lines = head.split("\r\n")
    fields = [tuple(part.strip() for part in line.split(":", 1)) for line in lines[1:]]
    return lines[0], fields, body


def values(fields, name):
    return [value for key, value in fields if key.lower() == name.lower()]


def media_of(body):
    """Where an SDP body says that audio goes."""
    address = port = None
    for line in body.splitlines():
        if line.startswith("c="):
            address = line.split()[2]
        if line.startswith("m=audio"):
            port = int(line.split()[1])
    return address, port


class Call:
    def __init__(self, media):
        self.media = media
        self.replies = asyncio.Queue()
        self.ssrc = int.from_bytes(os.urandom(4), "big")
        self.sent = 0


class Agent(asyncio.DatagramProtocol):
    def __init__(self, options):
        self.options, self.calls, self.taken = options, {}, 0

    def connection_made(self, transport):
        self.transport = transport

    def body(self, media, profile, lines):
        address = self.options.address
        text = [
            "v=0", f"o=- 1 1 IN IP4 {address}", "s=-", f"c=IN IP4 {address}", "t=0 0",
            f"m=audio {media.port} {profile} 8", "a=rtpmap:8 PCMA/8000", *lines,
        ]
        return "".join(line + "\r\n" for line in text)

    def send(self, start, fields, body="", to=None):
        fields = [*fields, ("Content-Length", str(len(body)))]
        if body:
            fields.insert(0, ("Content-Type", "application/sdp"))
        text = start + "\r\n" + "".join(f"{name}: {value}\r\n" for name, value in fields) + "\r\n" + body
        self.transport.sendto(text.encode(), to or self.options.proxy)

    def datagram_received(self, data, source):
        start, fields, body = headers(data.decode())
        call_id = values(fields, "Call-ID")[0]
        if start.startswith("SIP/2.0"):
            if call_id in self.calls:
                self.calls[call_id].replies.put_nowait((int(start.split()[1]), fields, body))
            return
        method = start.split()[0]
        if method == "INVITE" and call_id not in self.calls:
            asyncio.ensure_future(self.take(call_id, fields, body, source))
        elif method == "BYE":
            self.send("SIP/2.0 200 OK", self.echoed(fields), to=source)

    def echoed(self, fields, tag=""):
        kept = [(name, value) for name, value in fields if name.lower() in ("via", "record-route", "from", "call-id", "cseq")]
        to = values(fields, "To")[0]
        return [*kept, ("To", to if "tag=" in to else to + tag)]

    async def take(self, call_id, fields, body, source):
        """Answers with the suite wanted, or without keys where none are offered, and echoes all media."""
        media = await sdes.Media.open(self.options.address)
        media.remote, media.echo = media_of(body), True
        self.calls[call_id] = Call(media)
        profile, lines = "RTP/AVP", []
        offered = sdes.crypto_lines(body)
        if offered:
            profile = "RTP/SAVP"
            tag, suite, theirs = next(one for one in offered if one[1] == self.options.suite)
            ours = sdes.new_key(suite)
            media.keys(suite, ours, suite, theirs)
            lines = [sdes.crypto_line(tag, suite, ours)]
        answer = self.body(media, profile, lines)
        contact = ("Contact", f"<sip:callee@{self.options.address}:5060>")
        self.taken += 1
        self.send("SIP/2.0 200 OK", [*self.echoed(fields, ";tag=callee"), contact], answer, to=source)

    async def reply_of(self, call):
        while True:
            reply = await asyncio.wait_for(call.replies.get(), PATIENCE)
            if reply[0] >= 200:
                return reply

    def request(self, method, number, call_id, target, to, routes=()):
        branch = f"z9hG4bK{os.urandom(8).hex()}"
        address = self.options.address
        return f"{method} {target} SIP/2.0", [
            ("Via", f"SIP/2.0/UDP {address}:5060;branch={branch}"),
            *[("Route", route) for route in routes],
            ("From", f"<sip:caller@{address}>;tag=caller"), ("To", to), ("Call-ID", call_id),
            ("CSeq", f"{number} {method}"), ("Contact", f"<sip:caller@{address}:5060>"), ("Max-Forwards", "20"),
        ]

    async def place(self, suites):
        """Places one call, offering these suites in order."""
        media = await sdes.Media.open(self.options.address)
        call_id = os.urandom(8).hex()
        call = self.calls[call_id] = Call(media)
        keys = {tag: (suite, sdes.new_key(suite)) for tag, suite in enumerate(suites, 1)}
        lines = [sdes.crypto_line(tag, *key) for tag, key in keys.items()]
        target = f"sip:callee@{self.options.proxy[0]}"
        start, fields = self.request("INVITE", 1, call_id, target, f"<{target}>")
        self.send(start, fields, self.body(media, "RTP/SAVP" if suites else "RTP/AVP", lines))
        status, fields, body = await self.reply_of(call)
        if status != 200:
            raise RuntimeError(f"INVITE: {status}")
        call.routes = list(reversed(values(fields, "Record-Route")))
        call.to = values(fields, "To")[0]
        call.target = values(fields, "Contact")[0].strip("<>")
        self.send(*self.request("ACK", 1, call_id, call.target, call.to, call.routes))
        media.remote = media_of(body)
        if suites:
            (tag, suite, theirs), = sdes.crypto_lines(body)
            ours_suite, ours = keys[tag]
            if ours_suite != suite:
                raise RuntimeError(f"answered with {suite} under the tag of {ours_suite}")
            media.keys(suite, ours, suite, theirs)
        return {"call": call_id, "sdp": body}

    async def talk(self, call, packets):
        """Sends packets one after the other; the very same must come back."""
        one = self.calls[call]
        for _ in range(packets):
            packet = sdes.rtp(one.ssrc, one.sent, os.urandom(160))
            one.sent += 1
            one.media.send(packet)
            heard = await asyncio.wait_for(one.media.received.get(), PATIENCE)
            if heard != packet:
                raise RuntimeError(f"sent {packet.hex()}, heard {heard.hex()}")
        return {"refused": one.media.refused, "extra": one.media.received.qsize()}

    async def hang_up(self, call):
        one = self.calls[call]
        self.send(*self.request("BYE", 2, call, one.target, one.to, one.routes))
        status, _, _ = await self.reply_of(one)
        one.media.transport.close()
        del self.calls[call]
        return {"status": status}

    async def report(self):
        media = [call.media for call in self.calls.values()]
        return {
            "taken": self.taken, "refused": sum(one.refused for one in media),
            "received": sum(one.received.qsize() for one in media),
        }


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--address", required=True)
    parser.add_argument("--proxy", help="where requests are sent to")
    parser.add_argument("--suite", default="AES_CM_128_HMAC_SHA1_80", help="taken from an offer")
    options = parser.parse_args()
    options.proxy = (options.proxy, 5060) if options.proxy else None
    loop = asyncio.get_running_loop()
    _, agent = await loop.create_datagram_endpoint(
        lambda: Agent(options), local_addr=(options.address, 5060))

    async def ready():
        return {}

    await control.serve({
        "ready": ready, "place": agent.place, "talk": agent.talk, "hang up": lambda call: agent.hang_up(call),
        "report": agent.report,
    })


asyncio.run(main())
