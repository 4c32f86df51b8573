//! The SOFTWARE attribute (RFC 8489 §14.14), which the checks' library does not write.

use stun_types::{
    attribute::{Attribute as _, AttributeStaticType as _, Fingerprint, MessageIntegrity, Software},
    message::{
        IntegrityAlgorithm, Message, MessageWrite, MessageWriteExt, MessageWriteVec, ShortTermCredentials,
    },
};

/// Longest text, bytes (RFC 8489 §14.14: fewer than 128 characters).
pub const MAX_SOFTWARE: usize = 127;

/// The beginning of `text` that fits.
pub(super) fn clip(text: &str) -> &str {
    text.get(..text.floor_char_boundary(MAX_SOFTWARE)).unwrap_or_default()
}

/// The message with SOFTWARE added, its integrity and fingerprint made anew. `None`: not a message of ours.
pub(super) fn add(message: &[u8], software: &str, password: &str) -> Option<Vec<u8>> {
    let old = Message::from_bytes(message).ok()?;
    let writer = MessageWriteVec::with_capacity(message.len() + 4 + MAX_SOFTWARE + 1);
    let mut new = Message::builder(old.get_type(), old.transaction_id(), writer);
    for (_, attribute) in old.iter_attributes() {
        let kind = attribute.get_type();
        if kind != MessageIntegrity::TYPE && kind != Fingerprint::TYPE {
            new.add_attribute(&attribute).ok()?;
        }
    }
    new.add_attribute(&Software::new(software).ok()?).ok()?;
    let credentials = ShortTermCredentials::new(password.to_owned()).into();
    new.add_message_integrity(&credentials, IntegrityAlgorithm::Sha1).ok()?;
    new.add_fingerprint().ok()?;
    Some(new.finish())
}
