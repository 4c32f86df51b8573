//! Whatever comes in whatever order: nothing panics, and nothing is left behind.

use proptest::prelude::*;
use rtpengine_core::{
    codecs::CodecList,
    io::{DtlsEvent, MediaEvent, MediaRule, Reason, RtcpUse, SsrcCounters},
    media::rtcp::{Block, Echo, Reports, SenderInfo},
    ng::{
        AllMode, Command, DropTraffic, Flag, IceLite, IceMode, MediaEcho, Request, RtcpMux, TransportProtocol,
    },
    sdp::security::HashFunction,
};

use crate::{
    dtls_support::{body as tls, identity, keys_of, tell_of},
    keys::{CM_32, CM_80, KEY_A, KEY_A2, KEY_B, crypto, savp},
    pair::{Pair, audio, audio_with, config},
    rtpproxy_and_mediaproxy_place_calls::say,
};

#[derive(Clone, Debug)]
struct Step {
    command: u8,
    call: u8,
    from: u8,
    to: u8,
    branch: u8,
    body: u8,
    flags: u64,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = (0u8..29, 0u8..2, 0u8..5, 0u8..7, 0u8..4, 0u8..32, any::<u64>());
    let step = step.prop_map(|(command, call, from, to, branch, body, flags)| Step {
        command,
        call,
        from,
        to,
        branch,
        body,
        flags,
    });
    proptest::collection::vec(step, 1..60)
}

fn tag(number: u8) -> &'static str {
    ["", "a", "b", "c", "d", "s", "t"][usize::from(number)]
}

const CANDIDATES: &str = "a=candidate:1 1 UDP 2130706431 192.0.2.1 2000 typ host\r\na=candidate:1 2 UDP 2130706430 192.0.2.1 2001 typ host\r\na=candidate:2 1 UDP 5000 192.0.2.88 2000 typ relay raddr 192.0.2.1 rport 2000\r\na=candidate:3 1 UDP 5000 2001:db8::1 2000 typ host\r\n";

fn ice(ufrag: &str) -> String {
    format!("a=ice-ufrag:{ufrag}\r\na=ice-pwd:{ufrag}0123456789012345678901\r\n")
}

/// The rest of a body whose session level is over: a second m-line, and a group as some write it who are late with it.
fn grouped(mids: &str, port: u16) -> String {
    let only = if port == 0 { "a=bundle-only\r\n" } else { "a=rtcp-mux\r\n" };
    format!("m=video {port} RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\na=mid:1\r\n{only}GROUP {mids}")
}

/// Puts the group where it belongs, and gives all m-lines the profile of the first.
fn completed(body: &str) -> String {
    let Some((text, mids)) = body.split_once("GROUP ") else { return body.to_owned() };
    let (mids, rest) = mids.split_at(3);
    let profile = text.split("m=audio ").nth(1).and_then(|line| line.split(' ').nth(1)).unwrap_or("RTP/AVP");
    let text = text.replacen(" RTP/AVP 96", &format!(" {profile} 96"), 1) + rest;
    text.replacen("t=0 0\r\n", &format!("t=0 0\r\na=group:BUNDLE {mids}\r\n"), 1)
}

fn body(number: u8) -> String {
    let video = "m=video 4000 RTP/AVPF 96\r\na=rtpmap:96 H264/90000\r\n";
    match number {
        0 => audio("192.0.2.1", 2000),
        1 => audio("192.0.2.2", 3000),
        2 => audio_with("192.0.2.1", 2002, video),
        3 => audio_with("0.0.0.0", 2002, ""),
        4 => audio_with("192.0.2.9", 0, video),
        5 => audio_with("2001:db8::1", 2000, "a=rtcp-mux\r\n"),
        6 => audio_with("192.0.2.1", 2000, "a=inactive\r\nm=image 5000 udptl t38\r\n"),
        7 => audio_with("192.0.2.1", 2000, "a=rtcp-mux\r\nm=message 9 TCP/MSRP *\r\na=path:msrp://x\r\n"),
        8 => "garbage".to_owned(),
        9 => "v=0\r\no=- 1 1 IN IP4 1.2.3.4\r\ns=-\r\nt=0 0\r\n".to_owned(),
        10 => audio_with("192.0.2.1", 65535, "a=rtcp:0\r\n"),
        11 => savp("192.0.2.1", 2000, &crypto(1, CM_80, KEY_A)),
        12 => savp("192.0.2.2", 3000, &(crypto(2, CM_32, KEY_B) + &crypto(9, CM_80, KEY_A2))),
        13 => audio_with("192.0.2.2", 3000, &(crypto(1, CM_80, KEY_B) + "a=rtcp-mux\r\n" + video)),
        16 => audio_with("192.0.2.1", 2000, &(ice("aaaa") + CANDIDATES)),
        17 => {
            audio_with("192.0.2.2", 3000, &(ice("bbbb") + "a=rtcp-mux\r\na=ice-options:trickle\r\n" + video))
        }
        18 => audio_with("192.0.2.2", 3000, &(ice("cccc") + "a=ice-lite\r\n" + CANDIDATES)),
        19 => ice("bbbb") + "m=audio 9 RTP/AVP 0\r\n" + CANDIDATES + "a=end-of-candidates\r\n",
        14 => savp("192.0.2.1", 2000, "a=crypto:1 ROT13 inline:AAAA\r\n"),
        20 => tls("UDP/TLS/RTP/SAVPF", "192.0.2.1", 2000, 1, "a=setup:actpass\r\na=rtcp-mux\r\n"),
        21 => tls(
            "UDP/TLS/RTP/SAVP",
            "192.0.2.2",
            3000,
            2,
            "a=setup:active\r\na=tls-id:abcdefghijklmnopqrstu\r\n",
        ),
        22 => tls(
            "RTP/SAVP",
            "192.0.2.2",
            3000,
            3,
            &("a=setup:passive\r\n".to_owned() + &crypto(1, CM_80, KEY_B)),
        ),
        23 => tls(
            "UDP/TLS/RTP/SAVPF",
            "192.0.2.9",
            4000,
            4,
            "a=rtcp-mux\r\na=ice-ufrag:abcd\r\na=connection:new\r\n",
        ),
        25 => tls(
            "UDP/TLS/RTP/SAVPF",
            "192.0.2.1",
            2000,
            1,
            &("a=setup:actpass\r\n".to_owned() + &ice("aaaa") + CANDIDATES),
        ),
        26 => {
            audio_with("192.0.2.1", 2000, &("a=rtcp-mux\r\na=mid:0\r\n".to_owned() + &grouped("0 1", 2002)))
        }
        27 => audio_with("192.0.2.2", 3000, &("a=rtcp-mux\r\na=mid:0\r\n".to_owned() + &grouped("1 0", 0))),
        28 => tls(
            "UDP/TLS/RTP/SAVPF",
            "192.0.2.1",
            2000,
            1,
            &("a=setup:actpass\r\na=rtcp-mux\r\na=mid:0\r\n".to_owned()
                + &ice("aaaa")
                + CANDIDATES
                + &grouped("0 1", 0)),
        ),
        29 => tls(
            "UDP/TLS/RTP/SAVPF",
            "192.0.2.2",
            3000,
            2,
            &("a=setup:active\r\na=rtcp-mux\r\na=mid:0\r\n".to_owned()
                + &ice("bbbb")
                + &grouped("0 1", 3000)),
        ),
        30 => savp(
            "192.0.2.1",
            2000,
            &(crypto(1, CM_80, KEY_A)
                + "a=rtcp-mux\r\na=mid:0\r\n"
                + &grouped("0 1", 2002)
                + &crypto(1, CM_80, KEY_B)),
        ),
        24 => tls("RTP/AVP", "2001:db8::1", 2000, 5, "a=setup:holdconn\r\n"),
        _ => audio_with("host.example.com", 2000, "a=group:BUNDLE 0\r\na=bundle-only\r\n"),
    }
}

/// Most of the time subscriptions are spoken of by their own tags, with bodies that can be understood.
fn likely(step: &Step) -> Step {
    let mut step = step.clone();
    if (14..19).contains(&step.command) && step.flags >> 40 & 7 != 0 {
        step.to = 5 + step.to % 2;
        step.from = 1 + step.from % 2;
        step.body %= 3;
    }
    step
}

fn run(pair: &mut Pair, step: &Step) {
    let step = &likely(step);
    let command = match step.command {
        0..=2 => Command::Offer,
        3 | 4 => Command::Answer,
        5 => Command::Delete,
        6 => Command::Query,
        7 => {
            let streams: Vec<_> = pair.plane.open.keys().copied().collect();
            if let Some(&stream) = streams.get(step.flags as usize % streams.len().max(1)) {
                let local = pair.plane.open[&stream].local;
                let endpoint = if local.is_ipv4() { "192.0.2.77:7000" } else { "[2001:db8::7]:7000" };
                let endpoint = endpoint.parse().unwrap();
                let epoch = pair.plane.relay[&stream].epoch;
                pair.engine.event(pair.now, MediaEvent::EndpointSettled { stream, endpoint, epoch });
                pair.flush();
            }
            return;
        }
        8 => return stun(pair, step),
        9 => {
            // Checks fail, consent is lost.
            pair.now.mono_us += 20_000_000;
            return pair.wait(1);
        }
        10 | 11 => return handshake(pair, step.flags),
        13 => Command::Publish,
        14 | 15 => Command::SubscribeRequest,
        16 | 17 => Command::SubscribeAnswer,
        18 => Command::Unsubscribe,
        19 => [Command::BlockMedia, Command::UnblockMedia][(step.flags & 1) as usize],
        20 => [Command::SilenceMedia, Command::UnsilenceMedia][(step.flags & 1) as usize],
        22 => Command::Connect,
        27 => [Command::Create, Command::CreateAnswer][(step.flags & 1) as usize],
        21 => [Command::BlockDtmf, Command::UnblockDtmf][(step.flags & 1) as usize],
        23 => return talk(pair, step.flags),
        24 | 25 => return legacy(pair, step),
        26 => [Command::Mesh, Command::InjectStart, Command::InjectStop, Command::InjectStart]
            [(step.flags >> 3 & 3) as usize],
        _ => return pair.wait(1),
    };
    let request =
        Pair::request(command, tag(step.from), tag(step.to), &completed(&body(step.body)), |request| {
            request.call_id = Some(format!("call{}", step.call));
            control(request, step);
            request.via_branch = (step.branch > 0).then(|| format!("branch{}", step.branch));
            let bit = |number: u64| step.flags >> number & 1 == 1;
            let bits = step.flags.wrapping_mul(0x9e37_79b1) >> 8;
            request.ice = [
                None,
                Some(IceMode::Force),
                Some(IceMode::Remove),
                Some(IceMode::Optional),
                Some(IceMode::ForceRelay),
                Some(IceMode::Default),
                None,
                Some(IceMode::Force),
            ][(bits & 7) as usize];
            request.ice_lite = [
                None,
                None,
                None,
                None,
                Some(IceLite::Forward),
                Some(IceLite::Backward),
                Some(IceLite::Both),
                Some(IceLite::Off),
            ][(bits >> 3 & 7) as usize];
            if step.command == 26 {
                request.source_tag = Some(tag(step.from)).filter(|tag| !tag.is_empty()).map(str::to_owned);
                request.from_tags = [1, 2, 1 + step.to % 4].map(tag).map(str::to_owned).to_vec();
            }
            request.to_call_id = (step.command == 22 && bit(2)).then(|| format!("call{}", 1 - step.call));
            if bit(39) && bit(40) && bit(41) {
                request.edits.removed_media.add(b"video");
            }
            if step.body == 19 || bits >> 6 & 15 == 15 {
                request.flags.insert(Flag::Fragment);
            }
            if bits >> 10 & 7 == 7 {
                request.flags.insert(Flag::RejectIce);
            }
            let interfaces = ["foo", "both", "lb", "nowhere"];
            request.to_interface = bit(0).then(|| interfaces[(step.flags >> 1 & 3) as usize].to_owned());
            for (number, flag) in
                [(3, RtcpMux::Offer), (4, RtcpMux::Require), (5, RtcpMux::Demux), (6, RtcpMux::Reject)]
            {
                if bit(number) {
                    request.rtcp_mux.insert(flag);
                }
            }
            for (number, flag) in [(7, Flag::NoPortLatching), (8, Flag::Asymmetric), (9, Flag::StrictSource)]
            {
                if bit(number) {
                    request.flags.insert(flag);
                }
            }
            request.generate_rtcp = [None, None, Some(true), Some(false)][(bits >> 13 & 3) as usize];
            request.delete_delay = bit(10).then_some(2);
            let handled = step.flags.wrapping_mul(0xd6e8_feb8_6659_fd93) >> 40;
            for (number, flag) in
                [Flag::NatWait, Flag::PierceNat, Flag::BlockShort, Flag::LoopProtect].into_iter().enumerate()
            {
                if handled >> number & 1 == 1 {
                    request.flags.insert(flag);
                }
            }
            request.media_echo = [MediaEcho::Blackhole, MediaEcho::Both, MediaEcho::Forward]
                .get((handled >> 4 & 7) as usize)
                .copied();
            request.drop_traffic =
                [DropTraffic::Start, DropTraffic::Stop].get((handled >> 7 & 7) as usize).copied();
            let bundles: [&[u8]; 4] = [b"accept", b"offer", b"require", b"strip"];
            for (number, name) in (10..).zip(bundles) {
                if handled >> number & 1 == 1 && (step.body >= 26 || handled >> 14 & 1 == 1) {
                    request.bundle.apply(name);
                }
            }
            let transports = [
                TransportProtocol::RtpAvp,
                TransportProtocol::RtpSavp,
                TransportProtocol::Accept,
                TransportProtocol::DtlsSavpf,
            ];
            request.transport_protocol = transports.get((step.flags >> 21 & 7) as usize).cloned();
            request.dtls.off = bit(24) && bit(25);
            request.dtls.passive = bit(26).then(|| bit(27));
            request.dtls.reverse_passive = bit(28).then(|| bit(29));
            request.dtls.fingerprint = bit(30).then_some(HashFunction::Sha1);
            if bit(31) {
                pair.plane.identity = Some(identity((step.flags >> 32 & 7) + 1));
            }
            let members =
                ["off", "nonew", "static", "only-AES_CM_128_HMAC_SHA1_32", "pad", "unencrypted_srtcp"];
            for (number, member) in (13..).zip(members) {
                if bit(number) {
                    request.sdes.apply(member.as_bytes());
                }
            }
            (request.osrtp.offer_rfc, request.osrtp.accept_rfc) = (bit(19), bit(20));
            let lists =
                [(33, CodecList::Strip, "PCMU"), (34, CodecList::Strip, "all"), (35, CodecList::Offer, "0")];
            for (_, list, codec) in lists.into_iter().filter(|(number, ..)| bit(*number)) {
                request.codecs.add(list, codec);
            }
            for (number, flag) in
                [(36, Flag::AllowNoCodecMedia), (37, Flag::StaticCodecs), (38, Flag::ReuseCodecs)]
            {
                if bit(number) {
                    request.flags.insert(flag);
                }
            }
            (request.osrtp.offer_legacy, request.osrtp.accept_legacy) = (bit(21), bit(22));
        });
    pair.send(&request);
    no_plaintext_meets_ciphertext(pair);
}

/// Keys and flags of the commands that name parties and what of their media they are about.
fn control(request: &mut Request, step: &Step) {
    let bits = step.flags.wrapping_mul(0x85eb_ca6b) >> 16;
    request.all = [
        AllMode::None,
        AllMode::None,
        AllMode::None,
        AllMode::All,
        AllMode::OfferAnswer,
        AllMode::ExceptOfferAnswer,
        AllMode::Flows,
        AllMode::None,
    ][(bits & 7) as usize];
    let flags = [
        Flag::Inactive,
        Flag::Siprec,
        Flag::RtcpMirror,
        Flag::AllowTranscoding,
        Flag::Egress,
        Flag::Directional,
        Flag::BlockDtmf,
    ];
    for (number, flag) in (3..).zip(flags) {
        if bits >> number & 1 == 1 {
            request.flags.insert(flag);
        }
    }
    if bits >> 10 & 7 == 7 {
        request.from_tags = ["a", "b", "c"].map(str::to_owned).to_vec();
        request.from_tags.truncate((bits >> 13 & 3) as usize);
    }
    let labels = ["one", "two"];
    request.set_label = (bits >> 15 & 3 == 3).then(|| labels[(bits >> 17 & 1) as usize].to_owned());
    request.label = (bits >> 18 & 7 == 7).then(|| labels[(bits >> 20 & 1) as usize].to_owned());
    request.to_label = (bits >> 21 & 7 == 7).then(|| labels[(bits >> 24 & 1) as usize].to_owned());
    request.address = (bits >> 25 & 7 == 7).then(|| "192.0.2.1".parse().unwrap());
    (request.is_unread, request.dtmf_security_off) = (bits >> 28 & 3 == 3, bits >> 30 & 7 == 7);
}

/// A command of rtpproxy's protocol.
fn legacy(pair: &mut Pair, step: &Step) {
    let (call, number, flags) = (step.call, step.flags >> 8 & 3, step.flags);
    let address = ["192.0.2.1", "192.0.2.2", "0.0.0.0", "2001:db8::1"][(flags >> 2 & 3) as usize];
    let port = [2000, 3000, 0, 65535][(flags >> 4 & 3) as usize];
    let modifiers = ["", "ie", "ei6", "aw", "z20c8,0", "6", "i", "s"][(flags >> 10 & 7) as usize];
    let branch = [String::new(), format!(";branch{}", step.branch)][usize::from(step.branch > 0)].clone();
    let (from, to) = (tag(step.from), tag(step.to));
    let number = number + 1;
    let to = if to.is_empty() { String::new() } else { format!("{to};{number}") };
    let command = match flags & 3 {
        0 | 1 => format!("U{modifiers} call{call}{branch} {address} {port} {from};{number} {to}"),
        2 => format!("L{modifiers} call{call}{branch} {address} {port} {from};{number} {to}"),
        _ => format!("{} call{call}{branch} {from}", if flags >> 13 & 3 == 0 { "D" } else { "Q" }),
    };
    say(pair, &command);
    no_plaintext_meets_ciphertext(pair);
}

/// The agent of some socket finds a way, as far as it can be found without its password: any request is as good.
fn stun(pair: &mut Pair, step: &Step) {
    let streams: Vec<_> = pair.plane.open.keys().copied().collect();
    let Some(&stream) = streams.get(step.flags as usize % streams.len().max(1)) else { return };
    let sent = std::mem::take(&mut pair.plane.sent);
    let bytes = sent.last().map_or_else(Vec::new, |(_, _, bytes)| bytes.clone());
    let source = sent.last().map_or("192.0.2.66:6".parse().unwrap(), |(_, to, _)| *to);
    pair.engine.event(pair.now, MediaEvent::Stun { stream, source, bytes });
    pair.flush();
}

/// A party sends media for a while, and reports on what it gets: somebody's, or nobody's.
fn talk(pair: &mut Pair, random: u64) {
    let streams: Vec<_> = pair.plane.open.keys().copied().collect();
    let Some(&stream) = streams.get(random as usize % streams.len().max(1)) else { return };
    let ssrc = (random >> 8 & 15) as u32;
    let counters = pair.plane.counters.entry(stream).or_default();
    counters.packets += 50;
    let known = SsrcCounters { ssrc, packets: counters.packets, payload_type: 8, ..SsrcCounters::default() };
    counters.ssrcs = [SsrcCounters { highest_seq: random as u32, lost: random as i64 >> 20, ..known }].into();
    let echo =
        Echo { ssrc: (random >> 12 & 15) as u32, last: (random >> 16 & 3) as u32, delay: random as u32 };
    let block = Block { echo, fraction: random as u8, lost: random as i32 >> 8, highest_seq: 7, jitter: 80 };
    let sender = SenderInfo { ntp: random >> 1 & 3 << 16, ..SenderInfo::default() };
    let blocks = [block].into_iter().collect();
    let reports = Reports { reporter: ssrc, sender: Some(sender), blocks, ..Reports::default() };
    pair.engine.event(pair.now, MediaEvent::Rtcp { stream, arrived: pair.now, reports });
    pair.flush();
    pair.wait(random >> 40 & 7);
}

/// What the DTLS thread may say of any socket at any time, now and then of an association that is gone.
fn handshake(pair: &mut Pair, random: u64) {
    let known: Vec<_> = pair.plane.dtls.iter().map(|(stream, known)| (*stream, known.clone())).collect();
    let Some((stream, known)) = known.get(random as usize % known.len().max(1)) else { return };
    let event = match random >> 8 & 7 {
        0 => DtlsEvent::Closed,
        1 => DtlsEvent::RoleConflict,
        2 => {
            let (peer, timed_out) = ("192.0.2.1:2000".parse().unwrap(), random >> 11 & 1 == 0);
            DtlsEvent::Failed { peer, timed_out, reason: "no".to_owned() }
        }
        // Never the same keys twice.
        _ if !known.fingerprints.is_empty() => {
            pair.plane.random += 1;
            let peer = if random >> 11 & 1 == 0 { "192.0.2.1:2000" } else { "[2001:db8::9]:9" };
            keys_of((pair.plane.random & 0x7f) as u8, peer)
        }
        _ => return,
    };
    let epoch = if random >> 12 & 3 == 0 { known.epoch.wrapping_sub(1) } else { known.epoch };
    tell_of(pair, *stream, epoch, event);
    no_plaintext_meets_ciphertext(pair);
}

/// Where one socket's packets are decrypted or encrypted, so are those of the sockets it forwards to, or they are in the
/// clear; and never does anything leave under the key it came with unless it was not touched at all.
fn no_plaintext_meets_ciphertext(pair: &Pair) {
    for (stream, known) in &pair.plane.dtls {
        assert!(
            known.sockets.first() == Some(stream)
                && known.remote.is_none_or(|remote| known.sockets.contains(&remote.socket))
        );
        assert!(known.sockets.iter().all(|socket| pair.plane.open.contains_key(socket)), "closed: {known:?}");
    }
    for (stream, relay) in &pair.plane.relay {
        assert_eq!(relay.receive_crypto.is_some(), relay.transmit_crypto.is_some(), "{relay:?}");
        assert!(
            !relay.awaits_keys || (relay.discard == Some(Reason::NoKeys) && relay.receive_crypto.is_none())
        );
        let associated = pair.plane.dtls.values().any(|known| known.sockets.contains(stream));
        // A further socket that only an earlier branch has waits in vain: its component is that of the latest branch.
        let first = relay.keyring == *stream;
        assert!(!(relay.awaits_keys && first) || associated, "waits for nothing: {relay:?}");
        assert!(!(relay.passes_dtls && associated && !relay.sinks.is_empty()));
        if relay.discard == Some(Reason::NoKeys) {
            assert!(relay.sinks.is_empty() && relay.rtcp_sinks.is_empty(), "{relay:?}");
        }
        assert!(!relay.awaits_keys || relay.rtcp == RtcpUse::Unread, "{relay:?}");
        let lines = relay.bundle.iter().flat_map(|bundle| &bundle.lines);
        let filters = lines.clone().map(|line| (&line.filter, &line.sinks));
        for (filter, sinks) in filters.chain([(&relay.filter, &relay.sinks)]) {
            let Some(filter) = filter else { continue };
            assert_eq!(filter.rules.len(), sinks.len(), "{relay:?}");
            let silenced: Vec<bool> =
                filter.rules.iter().map(|rule| rule.media == MediaRule::Silence).collect();
            assert!(silenced.is_sorted(), "{relay:?}");
        }
        assert!(relay.bundle.is_none() || (relay.sinks.is_empty() && relay.discard.is_none()), "{relay:?}");
        for line in lines.clone() {
            assert!(line.rtcp_sinks.iter().all(|sink| relay.rtcp_sinks.contains(sink)), "{relay:?}");
            assert!(
                line.discard != Some(Reason::NoKeys) || line.sinks.len() + line.rtcp_sinks.len() == 0,
                "{relay:?}"
            );
        }
        let copies = lines.map(|line| (&line.copies, &line.sinks)).chain([(&relay.copies, &relay.sinks)]);
        for (copies, sinks) in copies {
            let Some(copies) = copies else { continue };
            assert!(relay.receive_crypto.is_none() && relay.discard != Some(Reason::NoKeys), "{relay:?}");
            assert!(!pair.plane.flows.contains_key(stream), "{relay:?}");
            for sink in copies.sinks.iter().chain(&copies.rtcp_sinks) {
                assert!(!sinks.contains(sink), "sent twice: {relay:?}");
                assert_ne!(pair.plane.relay[sink].transmit_crypto.as_ref(), Some(&copies.keys));
            }
        }
        let mut sinks = relay.sinks.to_vec();
        sinks.sort_unstable();
        sinks.dedup();
        assert_eq!(sinks.len(), relay.sinks.len(), "sent twice: {relay:?}");
        for sink in relay.all_sinks().chain(relay.rtcp_sinks.iter().copied()) {
            let sink = &pair.plane.relay[&sink];
            assert!(
                relay.receive_crypto.is_none() || relay.receive_crypto != sink.transmit_crypto,
                "{relay:?}"
            );
        }
        if let Some(flow) = pair.plane.flows.get(stream) {
            assert_eq!(flow.crypto, relay.receive_crypto);
            for output in &flow.outputs {
                assert_eq!(output.crypto, pair.plane.relay[&output.stream].transmit_crypto);
            }
        }
    }
}

/// How many orders are tried: `PROPTEST_CASES`, or 400.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(400)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn everything_is_given_back(steps in steps(), narrow: bool, seed: u8) {
        let mut pair = Pair::with(rtpengine_core::config::CoreConfig {
            // Few enough ports that commands fail half-way.
            port_max: if narrow { 40006 } else { 40099 },
            // Some steps take long.
            timeout: 1_000_000,
            offer_timeout: 1_000_000,
            ..config()
        });
        if seed % 3 == 0 {
            pair.plane.busy = ["10.9.0.1:40001", "10.9.0.1:40002", "10.9.0.2:40004"].map(|a| a.parse().unwrap()).into();
        }
        let mut other = Pair::request(Command::Offer, "x", "", &audio("192.0.2.50", 5000), |_| {});
        other.call_id = Some("other".to_owned());
        pair.send(&other);
        other.command = Command::Answer;
        other.to_tag = Some("y".to_owned());
        pair.send(&other);
        let untouched = pair.open_ports();
        for step in &steps {
            run(&mut pair, step);
            prop_assert_eq!(pair.ports_used() as usize, pair.plane.open.len());
            prop_assert!(pair.plane.relay.values().all(|relay| !relay.ice_chosen || relay.endpoint_settled));
            prop_assert!(untouched.is_subset(&pair.open_ports()), "another call lost a port");
        }
        for call in ["call0", "call1"] {
            let mut delete = Pair::request(Command::Delete, "", "", "", |_| {});
            delete.call_id = Some(call.to_owned());
            pair.send(&delete);
        }
        pair.wait(1);
        prop_assert_eq!(pair.open_ports(), untouched);
        pair.engine.terminate(pair.now, "other", &mut pair.plane);
        pair.flush();
        pair.assert_empty();
        prop_assert_eq!(pair.engine.next_timeout(), None, "an agent was left behind");
    }

    #[test]
    fn time_alone_clears_everything(steps in steps()) {
        let mut pair = Pair::with(rtpengine_core::config::CoreConfig {
            timeout: 3, silent_timeout: 4, offer_timeout: 3, ..config()
        });
        for step in &steps {
            run(&mut pair, step);
        }
        pair.wait(6);
        pair.assert_empty();
    }
}
