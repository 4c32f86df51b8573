//! Calls through the real daemon, one behaviour a file: in network namespaces, with real sockets and real packets.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail the test")]

mod a_caller_behind_nat_is_heard;
mod a_debugged_call_logs_its_packets;
mod a_killed_daemon_is_succeeded;
mod a_start_that_cannot_work_fails_clearly;
mod an_orderly_stop_leaves_nothing;
mod codecs_are_filtered;
mod debians_client_understands_the_daemon;
mod dtls_meets_rtp;
mod ended_calls_leave_a_record;
mod forked_branches_are_kept_apart;
mod hold_is_silent_and_ends;
mod ice_finds_a_way;
mod interfaces_are_chosen_by_name;
mod media_are_blocked_and_silenced;
mod media_are_forwarded_by_the_kernel;
mod media_are_relayed_in_userspace;
mod media_is_echoed_dropped_and_held;
mod neighbours_and_links_are_followed;
mod nothing_is_lost_between_kernel_and_userspace;
mod packets_in_the_kernel_keep_a_call_alive;
mod parties_are_connected_without_sdp;
mod parties_hear_others_besides;
mod reinvites_are_followed;
mod rtcp_goes_both_ways;
mod rtcp_is_understood;
mod rtpproxy_and_mediaproxy_place_calls;
mod sip_servers_are_told_of_timeouts;
mod srtp_is_translated_by_the_kernel;
mod srtp_meets_rtp;
mod strangers_hear_nothing;
mod subscribers_hear_a_copy;
mod templates_go_for_requests;
mod two_daemons_share_the_devices;
