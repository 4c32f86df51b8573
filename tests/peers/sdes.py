"""RTP and SRTP over one UDP socket, encrypted by libsrtp with keys from SDES (RFC 4568)."""

import asyncio
import base64
import os
import struct

from pylibsrtp import Policy, Session

PROFILES = {
    "AES_CM_128_HMAC_SHA1_80": (Policy.SRTP_PROFILE_AES128_CM_SHA1_80, 30),
    "AES_CM_128_HMAC_SHA1_32": (Policy.SRTP_PROFILE_AES128_CM_SHA1_32, 30),
    "AEAD_AES_128_GCM": (Policy.SRTP_PROFILE_AEAD_AES_128_GCM, 28),
    "AEAD_AES_256_GCM": (Policy.SRTP_PROFILE_AEAD_AES_256_GCM, 44),
}


def new_key(suite):
    return os.urandom(PROFILES[suite][1])


def crypto_line(tag, suite, key):
    return f"a=crypto:{tag} {suite} inline:{base64.b64encode(key).decode()}"


def crypto_lines(sdp):
    """Tag, suite and key of every line with a suite that libsrtp has."""
    found = []
    for line in sdp.splitlines():
        if line.startswith("a=crypto:"):
            tag, suite, params = line[len("a=crypto:"):].split()[:3]
            text = params.removeprefix("inline:").split("|")[0]
            if suite in PROFILES:
                found.append((int(tag), suite, base64.b64decode(text + "=" * (-len(text) % 4))))
    return found


def session(suite, key, direction):
    ssrc = Policy.SSRC_ANY_INBOUND if direction == "in" else Policy.SSRC_ANY_OUTBOUND
    return Session(policy=Policy(key=key, ssrc_type=ssrc, srtp_profile=PROFILES[suite][0]))


def rtp(ssrc, index, payload):
    """A PCMA packet; sequence numbers wrap after the first fifty."""
    sequence, timestamp = (65486 + index) & 0xFFFF, (index * 160) & 0xFFFFFFFF
    return struct.pack("!BBHII", 0x80, 8, sequence, timestamp, ssrc) + payload


class Media(asyncio.DatagramProtocol):
    """A party's socket. Without keys it speaks RTP."""

    def __init__(self):
        self.remote = None
        self.outgoing = self.incoming = None
        self.received = asyncio.Queue()
        self.refused = 0
        self.echo = False

    @classmethod
    async def open(cls, address):
        _, media = await asyncio.get_running_loop().create_datagram_endpoint(cls, local_addr=(address, 0))
        return media

    def connection_made(self, transport):
        self.transport = transport
        self.port = transport.get_extra_info("sockname")[1]

    def keys(self, suite, ours, suite_in, theirs):
        self.outgoing = session(suite, ours, "out")
        self.incoming = session(suite_in, theirs, "in")

    def send(self, packet):
        if self.outgoing:
            packet = self.outgoing.protect(packet)
        self.transport.sendto(packet, self.remote)

    def datagram_received(self, data, source):
        if source != self.remote:
            self.refused += 1
            return
        if self.incoming:
            try:
                data = self.incoming.unprotect(data)
            except Exception:
                self.refused += 1
                return
        if self.echo:
            self.send(data)
        self.received.put_nowait(data)
