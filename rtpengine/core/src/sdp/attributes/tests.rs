use super::*;

#[test]
fn a_pattern_is_a_name_a_name_with_its_first_word_or_everything() {
    let attribute = b"foo:bar baz quuz";
    for pattern in ["foo", "foo:", "foo:bar", "foo:bar baz quuz"] {
        assert!(matches(pattern.as_bytes(), attribute), "{pattern}");
    }
    for pattern in ["fo", "foo:b", "foo:bar ", "foo:bar baz", "foo:bar baz quu", "bar", "oo", "Foo"] {
        assert!(!matches(pattern.as_bytes(), attribute), "{pattern}");
    }
    assert!(matches(b"sendrecv", b"sendrecv") && !matches(b"send", b"sendrecv"));
    assert!(matches(b"x y", b"x y") && !matches(b"x y", b"x y z"));
}

#[test]
fn what_would_be_more_than_a_line_is_refused() {
    let mut changes = AttributeChanges::default();
    let add = |text: &str| Change::Add(text.to_owned());
    assert_eq!(changes.push(Scope::Session, add(" ")), Err(ChangeError::Empty));
    assert_eq!(changes.push(Scope::Session, add("x\r\nm=audio 1 RTP/AVP 0")), Err(ChangeError::NotALine));
    assert_eq!(changes.push(Scope::Session, add(&"x".repeat(1025))), Err(ChangeError::NotALine));
    let long = Change::Substitute("x".to_owned(), "y\n".to_owned());
    assert_eq!(changes.push(Scope::Session, long), Err(ChangeError::NotALine));
    assert!(changes.is_empty());
    for _ in 0..AttributeChanges::MAX_CHANGES {
        changes.push(Scope::Session, add("x")).unwrap();
    }
    assert_eq!(changes.push(Scope::Session, add("x")), Err(ChangeError::TooMany));
}

#[test]
fn line_endings_are_kept_and_the_last_line_may_lack_one() {
    let mut changes = AttributeChanges::default();
    changes.push(Scope::Media("audio"), Change::Add("x".to_owned())).unwrap();
    let finish = Finish { attributes: Some(&changes), ..Finish::default() };
    let apply = |body: &str| String::from_utf8(finish.apply(body.into()).body).unwrap();
    assert_eq!(
        apply("v=0\nm=audio 1 RTP/AVP 0\na=y\n\nm=video 2 RTP/AVP 0"),
        "v=0\nm=audio 1 RTP/AVP 0\na=y\na=x\n\nm=video 2 RTP/AVP 0"
    );
    assert_eq!(apply("v=0\r\nm=audio 1 RTP/AVP 0"), "v=0\r\nm=audio 1 RTP/AVP 0\r\na=x\r\n");
    assert_eq!(apply("v=0\r\nm=audio 1 RTP/AVP 0\r\na=x "), "v=0\r\nm=audio 1 RTP/AVP 0\r\na=x ");
}
