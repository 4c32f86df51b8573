//! `--graphite`: figures in lines, none of them lost while the server is down.

use std::io::{BufRead as _, BufReader};
use std::net::{TcpListener, TcpStream};

use rtpengine_tests::daemon::Table;
use rtpengine_tests::engine::Engine;
use rtpengine_tests::require::{NAMESPACES, available};
use rtpengine_tests::topology::{CALLEE, CALLER};

use crate::WAIT;

const SERVER: &str = "127.0.0.1:2003";
/// Last of the lines of one interval that are looked at.
const LAST: &str = "edge.relayed_packets ";

fn accept(listener: &TcpListener) -> BufReader<TcpStream> {
    let (stream, _) = listener.accept().unwrap();
    stream.set_read_timeout(Some(WAIT)).unwrap();
    BufReader::new(stream)
}

/// The lines of one interval without prefix and time.
fn interval(lines: &mut BufReader<TcpStream>) -> Vec<(String, f64)> {
    let mut all = Vec::new();
    loop {
        let mut line = String::new();
        lines.read_line(&mut line).unwrap();
        let mut words = line.split_whitespace();
        let name = words.next().unwrap().strip_prefix("edge.").unwrap().to_owned();
        let value = words.next().unwrap().parse().unwrap();
        let time: u64 = words.next().unwrap().parse().unwrap();
        assert!(time > 1_700_000_000 && words.next().is_none(), "{line}");
        all.push((name, value));
        if line.starts_with(LAST) {
            return all;
        }
    }
}

fn figure(lines: &[(String, f64)], name: &str) -> f64 {
    lines.iter().find(|(found, _)| found == name).unwrap_or_else(|| panic!("no {name} in {lines:?}")).1
}

#[test]
fn also_those_of_the_time_when_it_was_down() {
    if !available(NAMESPACES) {
        return;
    }
    let graphite = format!("--graphite={SERVER}");
    let options = [
        graphite.as_str(),
        "--graphite-interval=1",
        "--graphite-prefix=edge.",
        "--graphite-timeout=2",
        "--delete-delay=0",
    ];
    let mut engine = Engine::start(Table::Off, &options).unwrap();
    // Nobody listens yet, and the call does not mind.
    let mut call = engine.call(CALLER, CALLEE).unwrap();
    call.talk(50).unwrap();
    call.hang_up(&mut engine.ng).unwrap();
    let listener = engine.trio.engine.run(|| TcpListener::bind(SERVER).unwrap()).unwrap();
    let mut lines = accept(&listener);
    let first = interval(&mut lines);
    for (name, wanted) in [
        ("relayed_packets", 100.0),
        ("relayed_packets_user", 100.0),
        ("relayed_packets_kernel", 0.0),
        ("managed_sess", 1.0),
        ("regular_term_sess", 1.0),
        ("current_sessions_total", 0.0),
        ("offer_count", 1.0),
        ("answer_count", 1.0),
        ("delete_count", 1.0),
    ] {
        assert_eq!(figure(&first, name), wanted, "{name}");
    }
    assert!(figure(&first, "offer_time_max") > 0.0 && figure(&first, "average_call_dur") > 0.0);
    // What has arrived is not sent again, over this connection or the next.
    assert_eq!(figure(&interval(&mut lines), "relayed_packets"), 0.0);
    drop(lines);
    let mut lines = accept(&listener);
    let next = interval(&mut lines);
    assert_eq!((figure(&next, "managed_sess"), figure(&next, "offer_count")), (0.0, 0.0));
    engine.daemon.stop().unwrap();
}
