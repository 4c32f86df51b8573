//! Direction attributes; more about them is in the scenarios.

use super::{HEAD, offer, shown};
use crate::pair::Pair;

#[test]
fn early_media_without_a_player_is_nothing_to_warn_of() {
    let request = super::request("offer", r#""from-tag":"ft""#, r#""flags":["early media"]"#, "");
    assert_eq!((request.warnings().len(), request.unknown.len()), (0, 0));
    let with =
        offer(&mut Pair::new(), r#""flags":["early media"]"#, &format!("{HEAD} / m=audio 2000 RTP/AVP 0"));
    let without = offer(&mut Pair::new(), "", &format!("{HEAD} / m=audio 2000 RTP/AVP 0"));
    assert_eq!(shown(&with), shown(&without));
}
