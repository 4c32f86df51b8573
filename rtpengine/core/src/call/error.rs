//! Why a command was refused. The texts reach the SIP proxy as `error-reason`.

use super::{interfaces::InterfaceError, limits::Limit};
use crate::{
    io::{NoRandomness, OpenError},
    sdp::SdpError,
};

/// Why a command was refused.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub(super) enum CallError {
    #[error("No call-id in message")]
    NoCallId,
    #[error("No from-tag in message")]
    NoFromTag,
    #[error("No to-tag in message")]
    NoToTag,
    #[error("No SDP body in message")]
    NoSdp,
    #[error("Failed to parse SDP: {0}")]
    Sdp(#[from] SdpError),
    #[error("Unknown call-id")]
    UnknownCall,
    #[error("Call-ID not found or tags didn't match")]
    NotFound,
    #[error("Unknown tag '{0}': the answer belongs to no offer of this call; send the offer first")]
    NoOffer(String),
    #[error("No call participant has the {0} given")]
    NoParticipant(&'static str),
    #[error("None of the call participants given has media to subscribe to")]
    NoSource,
    #[error(
        "Media of the call participant is passed through with keys that are used end to end: it cannot be copied"
    )]
    Unreadable,
    #[error("The call participants have no codec in common, and nothing is transcoded in this release")]
    NoCommonCodec,
    #[error("No call has the to-call-id given")]
    NoSecondCall,
    #[error("Both calls have a call participant with tag '{0}': they cannot become one call")]
    TagInBoth(String),
    #[error("The offer has no media that can be published")]
    NothingToPublish,
    #[error("Tag '{0}' belongs to a call participant that talks to somebody already; choose another one")]
    TagTaken(String),
    #[error("Nothing was offered to tag '{0}' by 'create'")]
    NotCreated(String),
    #[error("Codec '{0}' cannot be offered: write its name as NAME/RATE[/CHANNELS]")]
    UnknownCodec(String),
    #[error("More than {0} codecs to offer")]
    TooManyCodecs(usize),
    #[error("No source-tag in message")]
    NoSourceTag,
    #[error("Nothing of that source is injected for the call participant with the to-tag given")]
    NotInjected,
    #[error("Call participant '{0}' cannot be made to hear itself: name two")]
    SameParty(String),
    #[error("Call participant '{0}' has no media; wait for its offer or answer")]
    NoMedia(String),
    #[error("Call has {0} injected ways already; stop those that are not needed")]
    TooManyJoins(usize),
    #[error("A mesh takes at least two call participants: name them in 'from-tags', or give 'all'")]
    NoMesh,
    #[error("Nobody sends anything to the call participant '{0}' yet, or nothing that is known by SDP")]
    NothingSent(String),
    #[error("Tag '{0}' belongs to a call participant that is no subscriber")]
    TagInUse(String),
    #[error("Call has {0} subscriptions already; unsubscribe those that are not needed")]
    TooManySubscriptions(usize),
    #[error("The answer does not accept payload type {0}; give 'allow transcoding' to have the rest")]
    CodecRefused(u8),
    #[error("m-line {0} was never offered")]
    NoSuchLine(usize),
    #[error("Command '{0}' is not available in this release")]
    NotBuilt(&'static str),
    #[error(transparent)]
    Limit(#[from] Limit),
    #[error("{0} of more than {1} bytes in message")]
    TooLong(&'static str, usize),
    #[error("Call has {0} dialogues already; delete the branches that failed")]
    TooManyDialogues(usize),
    #[error(transparent)]
    Interface(#[from] InterfaceError),
    #[error(
        "no port of interface '{interface}' ({address}) could be opened: {cause}; see that the address exists and enough file descriptors are allowed"
    )]
    Open { interface: String, address: std::net::IpAddr, cause: OpenError },
    #[error("{0}; the daemon's log says why")]
    Random(#[from] NoRandomness),
}
