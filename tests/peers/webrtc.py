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

    def __init__(self, kind, clock_rate):
        self.kind = kind
        super().__init__()
        self.queue = asyncio.Queue()
        self.clock_rate, self.timestamp = clock_rate, 0

    async def recv(self):
        packet = av.Packet(await self.queue.get())
        packet.pts, packet.time_base = self.timestamp, fractions.Fraction(1, self.clock_rate)
        self.timestamp += self.clock_rate // 50
        return packet


class Party:
    def __init__(self):
        self.peer, self.track, self.video, self.channel = None, None, None, None
        self.heard, self.seen, self.messages = asyncio.Queue(), asyncio.Queue(), asyncio.Queue()

    def open(self):
        self.peer = aiortc.RTCPeerConnection(aiortc.RTCConfiguration(iceServers=[]))
        self.track, self.video = Payloads("audio", 8000), Payloads("video", 90000)
        self.peer.on("datachannel", self.take_channel)

    def take_channel(self, channel):
        self.channel = channel
        channel.on("message", self.messages.put_nowait)

    def add_tracks(self, video):
        self.peer.addTrack(self.track)
        if video:
            self.peer.addTrack(self.video)
        for transceiver in self.peer.getTransceivers():
            wanted = {"audio": "audio/PCMU", "video": "video/VP8"}[transceiver.kind]
            codecs = aiortc.RTCRtpSender.getCapabilities(transceiver.kind).codecs
            transceiver.setCodecPreferences([codec for codec in codecs if codec.mimeType == wanted])

    async def offer(self, data=False, video=False):
        if self.peer is None:
            self.open()
            self.add_tracks(video)
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
            self.add_tracks("m=video" in sdp)
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

    async def show(self, payloads):
        for payload in payloads:
            self.video.queue.put_nowait(bytes.fromhex(payload))

    async def see(self, count):
        """The next payloads of video, each behind a descriptor of VP8 (RFC 7741 section 4.2)."""
        async with asyncio.timeout(PATIENCE):
            return {"payloads": [(await self.seen.get()).hex() for _ in range(count)]}

    async def hear(self, count):
        """The next payloads, as they came out of SRTP."""
        async with asyncio.timeout(PATIENCE):
            return {"payloads": [(await self.heard.get()).hex() for _ in range(count)]}

    async def drain(self):
        """Forgets what was heard so far; tells how much that was."""
        packets = 0
        for queue in (self.heard, self.seen):
            while not queue.empty():
                queue.get_nowait()
                packets += 1
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
        (party.heard if receiver.track.kind == "audio" else party.seen).put_nowait(packet.payload)
        await handle(receiver, packet, arrival_time_ms)

    RTCRtpReceiver._handle_rtp_packet = note

    async def ready():
        return {}

    names = ("offer", "answered", "answer", "connected", "send", "hear", "show", "see", "drain", "say", "listen", "hang_up")
    await control.serve({"ready": ready, **{name.replace("_", " "): getattr(party, name) for name in names}})


asyncio.run(main())
