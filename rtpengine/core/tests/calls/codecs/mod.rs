//! Codecs that are stripped, kept, ordered and matched: scenarios, whole bodies, and anything at all.

mod anything_goes;
mod script;
mod whole_bodies;

#[test]
fn codecs_are_filtered_and_ordered() {
    assert_eq!(script::play_all(include_str!("filtering.txt")), 54);
}

#[test]
fn companions_stay_in_step() {
    assert_eq!(script::play_all(include_str!("companions.txt")), 27);
}

#[test]
fn what_asks_for_transcoding_is_named() {
    assert_eq!(script::play_all(include_str!("transcoding.txt")), 31);
}

#[test]
fn answers_have_what_was_offered() {
    assert_eq!(script::play_all(include_str!("answers.txt")), 38);
}

#[test]
fn reoffers_remember_what_was_agreed_on() {
    assert_eq!(script::play_all(include_str!("reoffers.txt")), 29);
}

#[test]
fn profiles_are_bridged() {
    assert_eq!(script::play_all(include_str!("profiles.txt")), 16);
}
