//! A caller behind a router that masquerades: it signals its private address, and its packets tell where it is.

use std::io::Write as _;
use std::process::{Command, Stdio};

use rtpengine_tests::daemon::Table;
use rtpengine_tests::engine::Engine;
use rtpengine_tests::netns::Netns;
use rtpengine_tests::require::{NAMESPACES, Need, XDP, available};
use rtpengine_tests::talk::{Call, Place, left_to_right};
use rtpengine_tests::topology::CALLEE;
use serde_json::json;

const PACKETS: u64 = 300;
const PHONE: &str = "192.168.7.2";
const GATEWAY: &str = "192.168.7.1";
/// Address and port change on the way.
const MASQUERADE: &str = "
    table ip nat {
        chain post {
            type nat hook postrouting priority 100
            oifname \"eth0\" meta l4proto udp masquerade to :20000-29999
        }
    }";

/// Makes the caller's namespace a router with a phone behind it.
fn put_a_phone_behind(router: &Netns) -> Netns {
    let phone = Netns::new("phone").unwrap();
    router.veth("lan", &phone, "eth0").unwrap();
    router.ip(&[format!("addr add {GATEWAY}/24 dev lan")]).unwrap();
    phone.ip(&[format!("addr add {PHONE}/24 dev eth0"), format!("route add default via {GATEWAY}")]).unwrap();
    router.sysctl("net/ipv4/ip_forward", "1").unwrap();
    let mut nft = Command::new("nft");
    let mut nft = router.enter(nft.args(["-f", "-"]).stdin(Stdio::piped())).spawn().unwrap();
    nft.stdin.take().unwrap().write_all(MASQUERADE.as_bytes()).unwrap();
    assert!(nft.wait().unwrap().success());
    phone
}

fn call_from_behind_nat(mut engine: Engine) -> (Engine, Call, Netns) {
    let phone = put_a_phone_behind(&engine.trio.caller);
    let caller = Place::within(&phone, PHONE).unwrap();
    let callee = Place::within(&engine.trio.callee, CALLEE).unwrap();
    let mut call = Call::place(&mut engine.ng, caller, callee, &left_to_right(), &json!({})).unwrap();
    // What the callee says before the phone's first packet goes to the private address, into the void.
    call.callee.expect(&call.caller.stream);
    call.caller.send().unwrap();
    assert!(call.callee.receive(std::time::Duration::from_secs(5)).unwrap());
    (engine, call, phone)
}

/// The endpoint behind the phone's stream, as `query` shows it: not the private address it signalled.
fn assert_learned(engine: &mut Engine, call: &Call) {
    let query = engine.ng.query(&call.id).unwrap();
    let stream = &query["tags"][&call.from]["medias"][0]["streams"][0];
    assert_eq!(stream["endpoint"]["address"], rtpengine_tests::topology::CALLER, "{query}");
    let port = stream["endpoint"]["port"].as_u64().unwrap();
    assert!((20_000..30_000).contains(&port), "{query}");
    assert_eq!(stream["advertised endpoint"]["address"], PHONE, "{query}");
}

#[test]
fn in_userspace() {
    if !available(&[NAMESPACES, &[Need::Nftables]].concat()) {
        return;
    }
    let (mut engine, mut call, _phone) = call_from_behind_nat(Engine::start(Table::Off, &[]).unwrap());
    call.talk(PACKETS).unwrap();
    assert_learned(&mut engine, &call);
    engine.finish(call).unwrap();
}

#[test]
fn until_the_kernel_forwards() {
    if !available(&[XDP, &[Need::Nftables]].concat()) {
        return;
    }
    let (mut engine, mut call, _phone) = call_from_behind_nat(Engine::start(Table::Own, &[]).unwrap());
    engine.talk_in_kernel(&mut call, PACKETS).unwrap();
    assert_learned(&mut engine, &call);
    // A re-INVITE that repeats the private address does not take the caller's media away.
    call.renegotiate(&mut engine.ng, &[], &[]).unwrap();
    engine.talk_in_kernel(&mut call, PACKETS).unwrap();
    assert_learned(&mut engine, &call);
    engine.finish(call).unwrap();
}
