//! Codecs that are stripped, kept, ordered and matched: whole bodies, and anything at all. More is in the scenarios.

mod anything_goes;
mod whole_bodies;
