use super::*;

fn call() -> TimedOut {
    TimedOut {
        call: "call".into(),
        server: None,
        tags: ["ft", "tt", "t<2\u{1}"].map(str::to_owned).into(),
        dialogues: [("ft", "tt"), ("ft", "t2")].map(|(from, to)| (from.to_owned(), to.to_owned())).into(),
    }
}

fn wanted(name: &str, params: &[&str]) -> String {
    let params: String = params
        .iter()
        .map(|param| format!("<param><value><string>{param}</string></value></param>"))
        .collect();
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n\
         <methodCall><methodName>{name}</methodName><params>{params}</params></methodCall>"
    )
}

#[test]
fn messages_are_those_recorded_of_the_original() {
    assert_eq!(
        Format::Sems.messages(&call()),
        [
            wanted("di", &["sbc", "postControlCmd", "ft", "teardown"]),
            wanted("di", &["sbc", "postControlCmd", "tt", "teardown"]),
            wanted("di", &["sbc", "postControlCmd", "t&lt;2", "teardown"]),
        ]
    );
    assert_eq!(Format::CallId.messages(&call()), [wanted("teardown", &["call"])]);
    assert_eq!(
        Format::Kamailio.messages(&call()),
        [
            wanted("dlg.terminate_dlg", &["call", "ft", "tt"]),
            wanted("dlg.terminate_dlg", &["call", "ft", "t2"])
        ]
    );
}

#[test]
fn the_address_stands_in_the_url() {
    let url = |template: &str, server: Option<&str>| {
        let server = server.map(|server| server.parse().unwrap());
        Destination::new(template).unwrap().url(server).map(|url| url.to_string())
    };
    let of = |text: &str| Some(text.to_owned());
    assert_eq!(url("http://%%:8204/RPC2", Some("192.0.2.1")), of("http://192.0.2.1:8204/RPC2"));
    assert_eq!(url("https://%%:8204", Some("2001:db8::1")), of("https://[2001:db8::1]:8204/"));
    assert_eq!(url("http://[%%]:8204/", Some("2001:db8::1")), of("http://[2001:db8::1]:8204/"));
    assert_eq!(url("http://%%:8204/", None), None);
    assert_eq!(url("http://sip.example.com/x", None), of("http://sip.example.com/x"));
    for template in ["", "%%", "192.0.2.1:80", "ftp://192.0.2.1/", "http://", "http://[%%", "http://a b/"] {
        assert!(Destination::new(template).is_err(), "{template}");
    }
}

#[test]
fn what_does_not_fit_is_dropped_and_counted() {
    let (callback, queue) = Callback::new();
    for _ in 0..QUEUE + 3 {
        callback.report(call());
    }
    assert_eq!(callback.statistics(), Statistics { dropped: 3, ..Statistics::default() });
    drop(queue);
    Callback::default().report(call());
    assert_eq!(Callback::default().statistics(), Statistics::default());
}
