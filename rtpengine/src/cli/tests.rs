use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use rtpengine_core::io::{Path, Reason};
use rtpengine_core::ng::Command;
use rtpengine_core::ng::statistics::{
    CommandStatistics, Current, InterfaceStatistics, ProxyStatistics, Sampled, Statistics, Total, Traffic,
    VoipMetrics,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::model::{
    CallDetail, CallSummary, MediaDetail, RuntimeSettings, Selection, Setting, StreamDetail, TagDetail,
    TagType,
};
use super::params::Start;
use super::{Cli, CliBackend};
use crate::config::Config;
use crate::logging::{LogLevels, Subsystem};

/// The state in which the samples were recorded from the original.
struct Fake {
    call: Mutex<Option<CallDetail>>,
    settings: Mutex<RuntimeSettings>,
    debug: Mutex<Vec<(String, bool)>>,
}

impl CliBackend for Arc<Fake> {
    async fn statistics(&self) -> Statistics {
        statistics()
    }

    async fn dtls(&self) -> crate::dtls::Statistics {
        crate::dtls::Statistics { completed: 7, ..crate::dtls::Statistics::default() }
    }

    async fn calls(&self, selection: Selection) -> Vec<CallSummary> {
        let call = self.call.lock().unwrap();
        call.iter().map(|call| call.summary.clone()).filter(|call| selection.contains(call)).collect()
    }

    async fn call(&self, call_id: String) -> Option<CallDetail> {
        self.call.lock().unwrap().clone().filter(|call| call.summary.call_id == call_id)
    }

    async fn terminate(&self, selection: Selection) -> u64 {
        self.call.lock().unwrap().take_if(|call| selection.contains(&call.summary)).map_or(0, |_| 1)
    }

    async fn set_debug(&self, call_id: String, enabled: bool) -> bool {
        let known = self.call(call_id.clone()).await.is_some();
        self.debug.lock().unwrap().push((call_id, enabled));
        known
    }

    async fn settings(&self) -> RuntimeSettings {
        *self.settings.lock().unwrap()
    }

    async fn set(&self, setting: Setting) -> Result<(), String> {
        let mut settings = self.settings.lock().unwrap();
        match setting {
            Setting::Timeout(value) => settings.timeout = value,
            Setting::MaxSessions(value) => settings.max_sessions = value,
            Setting::MaxCpu(value) => settings.max_cpu = value,
            Setting::MaxLoad(value) => settings.max_load = value,
            Setting::MaxBandwidth(value) => settings.max_bandwidth = value,
            Setting::DeleteDelay(value) => settings.delete_delay = value,
            Setting::SilentTimeout(_) | Setting::FinalTimeout(_) | Setting::OfferTimeout(_) => {}
            Setting::ControlTos(_) => return Err("no sockets".to_owned()),
        }
        Ok(())
    }
}

const TRAFFIC: Traffic = Traffic { packets: 50, bytes: 8600, errors: 0 };

fn stream(local: &str, endpoint: &str, ssrc: u32) -> StreamDetail {
    let rtcp = ssrc == 0;
    StreamDetail {
        local: local.parse().unwrap(),
        endpoint: Some(endpoint.parse().unwrap()),
        rtcp,
        ssrc,
        received: if rtcp { Traffic::default() } else { TRAFFIC },
        last_packet: if rtcp { 1_795_384_091 } else { 1_795_384_092 },
        path: if rtcp { Path::Userspace(Reason::RtcpStream) } else { Path::Kernel },
    }
}

fn tag(
    tag: &str,
    other: &str,
    kind: TagType,
    label: &str,
    duration: f64,
    streams: Vec<StreamDetail>,
) -> TagDetail {
    let media = MediaDetail {
        index: 1,
        kind: "audio".to_owned(),
        protocol: "RTP/AVP".to_owned(),
        codec: Some("PCMA/8000".to_owned()),
        streams,
    };
    TagDetail {
        tag: tag.to_owned(),
        kind,
        label: label.to_owned(),
        branch: String::new(),
        duration,
        subscribed_to: vec![other.to_owned()],
        subscribers: vec![other.to_owned()],
        medias: vec![media],
    }
}

fn call() -> CallDetail {
    CallDetail {
        summary: CallSummary {
            call_id: "call1".to_owned(),
            deleting: false,
            created: 1_795_384_091,
            proxy: "127.0.0.1:38921".parse().unwrap(),
            foreign: false,
        },
        tos: 0,
        last_signal: 1_795_384_091,
        tags: vec![
            tag(
                "ft",
                "tt",
                TagType::From,
                "lab",
                1.030_995,
                vec![
                    stream("127.0.0.1:40062", "127.0.0.1:23000", 0x1234),
                    stream("127.0.0.1:40063", "127.0.0.1:23001", 0),
                ],
            ),
            tag(
                "tt",
                "ft",
                TagType::To,
                "",
                1.030_269,
                vec![
                    stream("127.0.0.2:40022", "127.0.0.1:23002", 0x9999),
                    stream("127.0.0.2:40023", "127.0.0.1:23003", 0),
                ],
            ),
        ],
    }
}

fn statistics() -> Statistics {
    let jitter = |samples: u64| VoipMetrics {
        jitter_measured: Sampled {
            sum: 4.0 * samples as f64,
            sum_of_squares: 16.0 * samples as f64,
            samples,
        },
        ..VoipMetrics::default()
    };
    let interface = |name: &str, address: &str| InterfaceStatistics {
        name: name.to_owned(),
        address: address.parse().unwrap(),
        port_min: 40000,
        port_max: 40100,
        ports_used: 2,
        packets_lost: 0,
        duplicates: 0,
        voip: jitter(1),
        ingress: TRAFFIC,
        egress: TRAFFIC,
    };
    let mut proxy = ProxyStatistics::new("127.0.0.1".parse().unwrap());
    for command in
        [Command::Ping, Command::Offer, Command::Answer, Command::Query, Command::List, Command::Statistics]
    {
        proxy.commands[command.index()] = CommandStatistics { count: 1, duration: 0.0 };
    }
    Statistics {
        current: Current {
            sessions_own: 1,
            sessions_ipv4: 1,
            rate_user: Traffic { packets: 47, bytes: 8255, errors: 0 },
            media_userspace: 2,
            ..Current::default()
        },
        total: Total { uptime: 2, relayed_user: TRAFFIC + TRAFFIC, ..Total::default() },
        voip: jitter(2),
        control: vec![proxy],
        interfaces: vec![interface("foo", "127.0.0.1"), interface("bar", "127.0.0.2")],
        ..Statistics::default()
    }
}

fn setup() -> (Arc<Fake>, Cli<Arc<Fake>>, LogLevels) {
    let config =
        Config::load(["rtpengine", "--config-file=none", "--interface=foo/127.0.0.1", "--listen-ng=22230"])
            .unwrap();
    let levels = LogLevels::new(7, &[]);
    let start = Start::new(&config, &levels);
    let fake = Arc::new(Fake {
        call: Mutex::new(Some(call())),
        settings: Mutex::new(start.settings),
        debug: Mutex::default(),
    });
    (Arc::clone(&fake), Cli::new(fake, levels.clone(), start), levels)
}

#[tokio::test]
async fn answers_have_the_bytes_of_the_original() {
    let (_, cli, _) = setup();
    for (command, expected) in [
        ("help", include_str!("samples/help.txt")),
        ("list help", include_str!("samples/list_help.txt")),
        ("set help", include_str!("samples/set_help.txt")),
        ("list numsessions", include_str!("samples/numsessions.txt")),
        ("get numsessions", include_str!("samples/numsessions.txt")),
        ("list sessions all", include_str!("samples/sessions_all.txt")),
        ("list sessions", include_str!("samples/sessions_all.txt")),
        ("list sessions own", include_str!("samples/sessions_all.txt")),
        ("list sessions call1", include_str!("samples/sessions_call1.txt")),
        ("call call1 info", include_str!("samples/sessions_call1.txt")),
        ("list totals", include_str!("samples/totals.txt")),
        ("list counters", include_str!("samples/counters.txt")),
        ("list interfaces", include_str!("samples/interfaces.txt")),
        ("list sessions foreign", "No foreign sessions on this media relay.\n"),
        ("list transcoders", "No stats entries\n"),
        ("list timeout", "TIMEOUT=60\n"),
        ("list silenttimeout", "SILENT_TIMEOUT=3600\n"),
        ("list offertimeout", "OFFER_TIMEOUT=3600\n"),
        ("list finaltimeout", "FINAL_TIMEOUT=0\n"),
        ("list maxsessions", "Maximum sessions configured on rtpengine: -1\n"),
        ("list maxcpu", "Maximum CPU usage configured on rtpengine: 0.0\n"),
        ("list controltos", "0\n"),
        ("terminate nonexist", "\nCall Id not found (nonexist).\n\n"),
        ("foo", "Unknown or incomplete command::foo\n"),
        ("set foo", "Unknown or incomplete command::foo\n"),
        ("list", "More parameters required.\n"),
        ("set", "More parameters required.\n"),
        ("call foo info", "No such call 'foo'\n"),
        ("call call1 tag x info", "No such tag 'x'\n"),
        ("call call1", "Unknown or incomplete command::\n"),
        ("debug call1 1", "Invalid on/off flag ('1') specified\n"),
        ("set timeout 70", "Success setting timeout to 70\n"),
        ("set loglevel 6", "Success setting loglevel to 6\n"),
        ("set maxsessions 100", "Success setting maxsessions to 100\n"),
        ("set deletedelay 5", "Success setting delete-delay to 5\n"),
        ("kslist", "Command not available in this build: kslist\n"),
        ("list redisdisabletime", "Command not available in this build: list redisdisabletime\n"),
        ("set maxcpu 95.5", "Success setting maxcpu to 95.5\n"),
        ("list maxcpu", "Maximum CPU usage configured on rtpengine: 95.5\n"),
        ("set maxload -1", "Fail setting maxload to -1; allowed is 0 for no limit, or a number above\n"),
        ("list maxload", "Maximum load average configured on rtpengine: 0.00\n"),
        ("set maxbw 1000", "Success setting maxbw to 1000\n"),
        ("list maxbw", "Maximum bandwidth configured on rtpengine: 1000\n"),
    ] {
        assert_eq!(cli.run(command).await, expected, "{command}");
    }
    let info = include_str!("samples/call_tag_info.txt").replace("1.044753", "1.030995");
    assert_eq!(cli.run("call call1 tag ft info").await, info);
}

#[tokio::test]
async fn settings_change_show_their_difference_and_revert() {
    let (fake, cli, levels) = setup();
    assert_eq!(cli.run("params diff").await, "");
    cli.run("set timeout 70").await;
    cli.run("set maxsessions 100").await;
    cli.run("set loglevel ice 5").await;
    assert_eq!(cli.run("list timeout").await, "TIMEOUT=70\n");
    assert_eq!(cli.run("list loglevel ice").await, "5\n");
    assert_eq!(
        cli.run("params diff").await,
        "log-level-ice: 7 => 5\nmax-sessions: -1 => 100\ntimeout: 60 => 70\n"
    );
    assert!(cli.run("params current").await.contains("\ntimeout = 70\n"));
    assert!(cli.run("params start").await.contains("\ntimeout = 60\n"));
    assert!(cli.run("params start").await.contains("\ninterface[0] = foo\\127.0.0.1 \n"));
    assert_eq!(cli.run("params revert").await, "");
    assert_eq!(cli.run("params diff").await, "");
    assert_eq!((fake.settings.lock().unwrap().timeout, levels.get(Subsystem::Ice)), (60, 7));
}

#[tokio::test]
async fn senseless_values_change_nothing() {
    let (fake, cli, levels) = setup();
    let before = *fake.settings.lock().unwrap();
    for (command, answer) in [
        ("set timeout abc", "Fail setting timeout to abc; allowed is seconds from 1 to 315360000\n"),
        ("set timeout 0", "Fail setting timeout to 0; allowed is seconds from 1 to 315360000\n"),
        (
            "set timeout 99999999999999999999",
            "Fail setting timeout to 99999999999999999999; allowed is seconds from 1 to 315360000\n",
        ),
        (
            "set maxsessions -2",
            "Fail setting maxsessions to -2; allowed is -1 for no limit, or a number of sessions\n",
        ),
        ("set controltos 256", "Fail setting controltos to 256; allowed is a number from 0 to 255\n"),
        ("set controltos 1", "Fail setting controltos to 1; no sockets\n"),
        ("set timeout", "More parameters required.\n"),
        ("set loglevel foo 3", "Unknown log subsystem 'foo': see `list loglevels`\n"),
        ("set loglevel 99", "Invalid log level '99': allowed is -1 to 8\n"),
    ] {
        assert_eq!(cli.run(command).await, answer, "{command}");
        assert!(super::commands::is_failure(answer), "{command}");
    }
    assert_eq!((before, levels.get(Subsystem::Core)), (*fake.settings.lock().unwrap(), 7));
}

#[tokio::test]
async fn calls_can_be_debugged_and_terminated() {
    let (fake, cli, _) = setup();
    assert_eq!(cli.run("debug call1").await, "Enabled debugging for call 'call1'\n");
    assert_eq!(cli.run("call call1 debug off").await, "Disabled debugging for call 'call1'\n");
    assert_eq!(cli.run("debug foo on").await, "No such call 'foo'\n");
    assert_eq!(fake.debug.lock().unwrap()[..2], [("call1".to_owned(), true), ("call1".to_owned(), false)]);
    assert_eq!(cli.run("terminate foreign").await, "All foreign calls terminated by operator.\n");
    assert_eq!(
        cli.run("terminate call1").await,
        "\nCall Id (call1) successfully terminated by operator.\n\n"
    );
    assert_eq!(cli.run("list sessions all").await, "No sessions on this media relay.\n");
    assert_eq!(cli.run("terminate call1").await, "\nCall Id not found (call1).\n\n");
}

#[tokio::test]
async fn json_answers_are_single_documents() {
    let (_, cli, _) = setup();
    let ask = async |command: &str| -> serde_json::Value {
        let answer = cli.run(command).await;
        assert_eq!(answer.matches('\n').count(), 1, "{answer}");
        serde_json::from_str(&answer).unwrap()
    };
    let sessions = ask("json list sessions").await;
    assert_eq!(sessions[0]["call_id"], "call1");
    let call = ask("json call call1").await;
    assert_eq!(call["tags"][0]["medias"][0]["streams"][0]["path"], "kernel");
    assert_eq!(call["tags"][0]["medias"][0]["streams"][1]["reason"], "RtcpStream");
    assert_eq!(call["tags"][0]["medias"][0]["streams"][0]["received"]["packets"], 50);
    assert_eq!(ask("json list totals").await["currentstatistics"]["sessionsown"], 1);
    assert_eq!(ask("json list interfaces").await[1]["name"], "bar");
    assert_eq!(ask("json list timeout").await["timeout"], 60);
    assert_eq!(ask("json list loglevel").await["ice"], 7);
    assert_eq!(ask("json params current").await[0]["name"], "log-level-core");
    assert_eq!(ask("json set timeout 5").await["text"][0], "Success setting timeout to 5");
    assert_eq!(ask("json foo").await["error"], "Unknown or incomplete command::foo");
    assert_eq!(ask("json call nope").await["error"], "No such call 'nope'");
    assert_eq!(ask("json list sessions nope").await["error"], "No such call 'nope'");
}

#[tokio::test]
async fn the_server_answers_one_line_and_closes() {
    let (_, cli, _) = setup();
    let listeners = super::server::bind(&["127.0.0.1:0".parse::<SocketAddr>().unwrap()]).unwrap();
    let address = listeners[0].local_addr().unwrap();
    let _tasks = super::serve(listeners, &Arc::new(cli)).unwrap();
    for (sent, expected) in [
        (b"list timeout\n".as_slice(), "TIMEOUT=60\n"),
        (b"list timeout\r\nlist silenttimeout\n", "TIMEOUT=60\n"),
        (b"\xff\n", "Unknown or incomplete command::\u{fffd}\n"),
        (b"\n", "Unknown or incomplete command::\n"),
    ] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(sent).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert_eq!(answer, expected);
    }
    let mut stream = TcpStream::connect(address).await.unwrap();
    // The server may close before all of it is sent.
    let _ = stream.write_all(&[b'x'; 100_000]).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    assert_eq!(answer, b"");
}

#[tokio::test]
async fn handshakes_are_counted_for_people_and_programs() {
    let (_fake, cli, _levels) = setup();
    let text = cli.run("list dtls").await;
    assert!(
        text.lines()
            .any(|line| line.trim_start().starts_with("Handshakes completed") && line.ends_with(":7"))
    );
    let json: serde_json::Value = serde_json::from_str(&cli.run("json list dtls").await).unwrap();
    assert_eq!((&json["completed"], &json["failed"]), (&7.into(), &0.into()));
}
