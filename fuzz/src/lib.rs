//! What has to hold for any bytes. The fuzz targets call these, and the ordinary tests do so with
//! every file of the committed corpora.

pub mod legacy;
pub mod ng;
pub mod rtp;
pub mod sdp;
pub mod security;
pub mod stun;
