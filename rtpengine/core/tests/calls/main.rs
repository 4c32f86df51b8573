//! Whole calls over the core, with a simulated media plane and a virtual clock.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on fails here"
)]

mod addresses_and_interfaces_follow_the_flags;
mod adoption_rebuilds_calls_from_kernel_flows;
mod an_m_line_keeps_its_mid;
mod codecs;
mod commands_take_their_flags;
mod dtls_follows_ice;
mod dtls_srtp_is_negotiated;
mod dtls_support;
mod errors_change_nothing;
mod established_streams_are_offloaded_and_withdrawn;
mod forks_keep_every_branch_apart;
mod hold_and_media_lines;
mod ice_finds_the_way_of_media;
mod ice_in_the_body_follows_its_flags;
mod keys;
mod legacy_osrtp_is_one_m_line;
mod m_lines_are_kept_from_a_party;
mod m_lines_share_a_port;
mod manipulation;
mod media_are_blocked_where_asked;
mod media_are_published_and_subscribed_to;
mod no_order_of_commands_leaks;
mod opensips_speaks_its_own_dialect;
mod pair;
mod parties_are_connected_without_sdp;
mod parties_are_offered_media_by_us;
mod parties_hear_others_besides;
mod phone;
mod ports_run_out_and_come_back;
mod quality_follows_the_parties_reports;
mod reoffers_keep_their_ports;
mod replace_flags_rewrite_what_they_name;
mod reports_of_our_own_are_sent;
mod rtcp_mux_in_every_combination;
mod rtp_and_srtp_are_bridged;
mod rtpproxy_and_mediaproxy_place_calls;
#[path = "../../../../tests/src/scenario/mod.rs"]
mod scenario;
mod scenarios;
mod sdes_and_osrtp_follow_their_flags;
mod the_recorded_call_is_reproduced;
mod timeouts_end_calls;
mod what_a_party_is_sent_is_subscribed_to;
