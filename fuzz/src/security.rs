//! Attributes of secure media, one `name:value` a line.

use rtpengine_core::sdp::security::{
    Candidate, Crypto, Fingerprint, IceOptions, MAX_KEY_LEN, MAX_REMOTE_CANDIDATES, Mki, RemoteCandidate,
    Setup, TlsId, media_security, osrtp, remote_candidates,
};
use rtpengine_core::sdp::{ParseOptions, parse};

/// Reading never panics, what is written reads back the same, and the lines make a media section whose view is bounded.
pub fn check(bytes: &[u8]) {
    for line in String::from_utf8_lossy(bytes).lines().take(64) {
        if let Some((name, value)) = line.split_once(':') {
            attribute(name, value.trim());
        }
    }
    section(bytes);
}

fn attribute(name: &str, value: &str) {
    match name {
        "crypto" => {
            let Some(crypto) = Crypto::parse(value) else { return };
            for key in &crypto.keys {
                let secret = key.decode().map(|secret| secret.0.len());
                assert!(secret.is_some_and(|len| len <= MAX_KEY_LEN), "an accepted key cannot be decoded");
                if let Some(mki) = &key.mki {
                    assert_eq!(Mki::parse(&mki.to_string()).as_ref(), Some(mki));
                }
            }
        }
        "fingerprint" => {
            if let Some(fingerprint) = Fingerprint::parse(value) {
                assert_eq!(Fingerprint::parse(&fingerprint.to_string()), Some(fingerprint));
            }
        }
        "candidate" => {
            if let Some(candidate) = Candidate::parse(value) {
                let written = candidate.to_string();
                assert_eq!(Candidate::parse(&written).as_ref(), Some(&candidate));
            }
        }
        "remote-candidates" => {
            if let Some(found) = remote_candidates(value, MAX_REMOTE_CANDIDATES) {
                let written: Vec<String> = found.iter().map(RemoteCandidate::to_string).collect();
                assert_eq!(remote_candidates(&written.join(" "), MAX_REMOTE_CANDIDATES), Some(found));
            }
        }
        "setup" => {
            assert!(Setup::parse(value).is_none_or(|setup| setup.as_str().eq_ignore_ascii_case(value)))
        }
        "tls-id" => assert!(TlsId::parse(value).is_none_or(|id| id.as_str() == value)),
        "ice-options" => IceOptions::default().add(value),
        _ => {}
    }
}

/// The same lines as attributes of a media section.
fn section(bytes: &[u8]) {
    let mut body = b"v=0\r\nm=audio 4000 RTP/SAVP 0\r\n".to_vec();
    for line in bytes.split(|byte| *byte == b'\n') {
        body.extend_from_slice(b"a=");
        body.extend_from_slice(line);
        body.push(b'\n');
    }
    let Ok(session) = parse(&body, ParseOptions::default()) else { return };
    for media in &session.medias {
        let security = media_security(&session, media);
        let _ = (osrtp(&session, media), security.ice.credentials(), format!("{security:?}"));
    }
}
