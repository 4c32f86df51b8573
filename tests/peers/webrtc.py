"""A WebRTC party made of aiortc, whose G.711 payloads are chosen and compared by the test."""

import asyncio
import fractions

import aiortc
import av
import control
from aiortc.rtcrtpreceiver import RTCRtpReceiver

PATIENCE = 20


class Payloads(aiortc.MediaStreamTrack):
    """Gives aiortc payloads that are encoded already, when it is told to."""

    kind = "audio"

    def __init__(self):
        super().__init__()
        self.queue = asyncio.Queue()
        self.timestamp = 0

    async def recv(self):
        packet = av.Packet(await self.queue.get())
        packet.pts, packet.time_base = self.timestamp, fractions.Fraction(1, 8000)
        self.timestamp += 160
        return packet


class Party:
    def __init__(self):
        self.peer, self.track, self.channel = None, None, None
        self.heard, self.messages = asyncio.Queue(), asyncio.Queue()

    def open(self):
        self.peer = aiortc.RTCPeerConnection(aiortc.RTCConfiguration(iceServers=[]))
        self.track = Payloads()
        self.peer.on("datachannel", self.take_channel)

    def take_channel(self, channel):
        self.channel = channel
        channel.on("message", self.messages.put_nowait)

    def add_track(self):
        self.peer.addTrack(self.track)
        pcmu = [
            codec for codec in aiortc.RTCRtpSender.getCapabilities("audio").codecs if codec.mimeType == "audio/PCMU"
        ]
        for transceiver in self.peer.getTransceivers():
            transceiver.setCodecPreferences(pcmu)

    async def offer(self, data=False):
        if self.peer is None:
            self.open()
            self.add_track()
            if data:
                self.take_channel(self.peer.createDataChannel("test"))
        await self.peer.setLocalDescription(await self.peer.createOffer())
        return {"sdp": self.peer.localDescription.sdp}

    async def answered(self, sdp):
        await self.peer.setRemoteDescription(aiortc.RTCSessionDescription(sdp, "answer"))

    async def answer(self, sdp):
        first = self.peer is None
        if first:
            self.open()
        await self.peer.setRemoteDescription(aiortc.RTCSessionDescription(sdp, "offer"))
        if first:
            self.add_track()
        await self.peer.setLocalDescription(await self.peer.createAnswer())
        return {"sdp": self.peer.localDescription.sdp}

    async def connected(self):
        """Waits for ICE and DTLS; tells who began the handshake."""
        async with asyncio.timeout(PATIENCE):
            while self.peer.connectionState not in ("connected", "failed", "closed"):
                await asyncio.sleep(0.01)
        if self.peer.connectionState != "connected":
            raise RuntimeError(f"the connection is {self.peer.connectionState}")
        transport = self.peer.getTransceivers()[0].sender.transport
        return {"role": transport._role, "ice": self.peer.iceConnectionState}

    async def send(self, payloads):
        for payload in payloads:
            self.track.queue.put_nowait(bytes.fromhex(payload))

    async def hear(self, count):
        """The next payloads, as they came out of SRTP."""
        async with asyncio.timeout(PATIENCE):
            return {"payloads": [(await self.heard.get()).hex() for _ in range(count)]}

    async def drain(self):
        """Forgets what was heard so far; tells how much that was."""
        packets = self.heard.qsize()
        for _ in range(packets):
            self.heard.get_nowait()
        return {"packets": packets}

    async def say(self, text):
        self.channel.send(text)

    async def listen(self):
        return {"text": await asyncio.wait_for(self.messages.get(), PATIENCE)}

    async def hang_up(self):
        await self.peer.close()
        self.peer = None


async def main():
    party = Party()
    handle = RTCRtpReceiver._handle_rtp_packet

    async def note(receiver, packet, arrival_time_ms):
        party.heard.put_nowait(packet.payload)
        await handle(receiver, packet, arrival_time_ms)

    RTCRtpReceiver._handle_rtp_packet = note

    async def ready():
        return {}

    names = ("offer", "answered", "answer", "connected", "send", "hear", "drain", "say", "listen", "hang_up")
    await control.serve({"ready": ready, **{name.replace("_", " "): getattr(party, name) for name in names}})


asyncio.run(main())
