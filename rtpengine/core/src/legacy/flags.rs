//! The modifiers behind the letter of an rtpproxy command: `UIE6`, `Uz20c8,0`.

use crate::ng::{AddressFamily, Flag, Request};

/// Names of the interfaces that `i` and `e` stand for. Where none is called so, they mean IPv4 and IPv6, as in the key
/// `direction` of *ng*.
const INTERNAL: &str = "internal";
const EXTERNAL: &str = "external";

/// Reads the modifiers into a request. Those that change nothing here are passed over, with their values.
///
/// - `i`, `e`: interface towards the sender, then that towards the receiver; further ones are ignored.
/// - `6`: IPv6 towards the receiver.
/// - `a`: the sender is asymmetric, its packets do not show where it receives.
/// - `s`, `w`: it is symmetric, which is the default.
/// - `c`, `z`, `t`, `l`, `r` with a value: codecs, packetization, ports, addresses; not ours to choose.
pub(super) fn apply(modifiers: &str, request: &mut Request) {
    let mut rest = modifiers.chars();
    while let Some(modifier) = rest.next() {
        match modifier.to_ascii_lowercase() {
            'i' => direction(request, INTERNAL),
            'e' => direction(request, EXTERNAL),
            '6' => request.address_family = Some(AddressFamily::Ip6),
            'a' => request.flags.insert(Flag::Asymmetric),
            's' | 'w' => request.flags.insert(Flag::Symmetric),
            'c' | 'z' | 't' | 'l' | 'r' => {
                rest = rest.as_str().trim_start_matches(|c: char| !c.is_ascii_alphabetic()).chars();
            }
            _ => {}
        }
    }
}

fn direction(request: &mut Request, name: &str) {
    let place = match (&request.from_interface, &request.to_interface) {
        (None, _) => &mut request.from_interface,
        (Some(_), None) => &mut request.to_interface,
        (Some(_), Some(_)) => return,
    };
    *place = Some(name.to_owned());
}
