//! What the command line and the file together make.

use std::path::Path;

use super::*;

const ARGUMENTS: [&str; 4] = ["rtpengine", "--config-file=none", "--interface=127.0.0.1", "--listen-ng=2223"];

fn from_arguments(more: &[&str]) -> Result<Config, ConfigError> {
    Config::load(ARGUMENTS.iter().chain(more))
}

fn refusal(more: &[&str]) -> String {
    from_arguments(more).unwrap_err().to_string()
}

/// The command line over a file with this text.
fn with_file(text: &str, arguments: &[&str]) -> Result<Config, ConfigError> {
    let all = ["rtpengine", "--config-file=/c/r.conf"];
    let line = command_line::parse(all.iter().chain(arguments))?;
    let mut settings = line.settings;
    file::parse(text, Path::new("/c/r.conf"), &line.section, &mut settings)?;
    let system = interfaces::SystemAddresses::default();
    Config::build(&settings, &system, &|_| Err(std::io::Error::other("no resolver here")))
}

fn file_refusal(text: &str) -> String {
    with_file(text, &["-i", "10.0.0.1", "-n", "2223"]).unwrap_err().to_string()
}

#[test]
fn the_defaults_are_the_manuals() {
    let config = from_arguments(&[]).unwrap();
    assert_eq!(config.table, Some(0));
    assert!(!config.no_fallback && !config.foreground && !config.sip_source);
    assert_eq!((config.port_min, config.port_max), (30000, 40000));
    assert_eq!((config.timeout, config.silent_timeout), (60, 3600));
    assert_eq!((config.final_timeout, config.offer_timeout, config.delete_delay), (0, 3600, 30));
    assert_eq!((config.tos, config.control_tos, config.control_pmtu), (None, None, None));
    assert_eq!(config.endpoint_learning, Learning::Delayed);
    assert_eq!(config.max_sessions, -1);
    assert!(config.num_threads >= 4);
    assert_eq!(config.thread_stack, Some(2048 * 1024));
    assert_eq!(config.logging.level, 6);
    assert_eq!(config.logging.levels, [(Subsystem::Internals, -1)]);
    assert_eq!(config.logging.facility, Facility(3));
    assert_eq!(config.logging.name, "rtpengine");
    assert_eq!(config.listen_ng.len(), 2);
    assert!(config.software_id.starts_with("rtpengine-"));
    assert!(config.software_id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-'));
    assert!(config.dtls == DtlsOptions::default() && !config.dtls_passive);
    let (interfaces, software_id) = (config.interfaces.clone(), config.software_id.clone());
    assert_eq!(config.core(), CoreConfig { interfaces, software_id, ..CoreConfig::default() });
}

#[test]
fn options_of_dtls_are_checked() {
    let config = from_arguments(&[
        "--dtls-passive",
        "--dtls-cert-cipher=rsa",
        "--dtls-rsa-key-size=3072",
        "--dtls-signature=sha-1",
        "--dtls-ciphers=HIGH",
        "--dtls-mtu=1400",
        "--dtls-cert-lifetime=86400",
    ])
    .unwrap();
    assert!(config.core().dtls_passive);
    let (cipher, signature) = (CertCipher::Rsa, CertSignature::Sha1);
    let certificate = CertificateOptions { cipher, signature, rsa_bits: 3072, lifetime: 86_400 };
    assert_eq!(config.dtls, DtlsOptions { certificate, ciphers: "HIGH".to_owned(), mtu: 1400 });
    assert!(refusal(&["--dtls-mtu=575"]).contains("a whole number from 576 to 65535"));
    assert!(refusal(&["--dtls-cert-lifetime=7"]).contains("from 8 to"));
    assert!(refusal(&["--dtls-cert-cipher=DSA"]).contains("prime256v1, RSA"));
    assert!(refusal(&["--dtls-rsa-key-size=512"]).contains("from 1024 to 16384"));
}

#[test]
fn every_option_reaches_its_field() {
    let config = from_arguments(&[
        "-t7",
        "-F",
        "-S",
        "-c",
        "127.0.0.1:9900",
        "--listen-tcp-ng",
        "[::1]:2223",
        "-T",
        "184",
        "--control-tos=96",
        "--control-pmtu=dont",
        "-o",
        "30",
        "-s",
        "31",
        "-a",
        "32",
        "--offer-timeout=33",
        "-p",
        "/run/x.pid",
        "-f",
        "-m",
        "1024",
        "-M",
        "65535",
        "-L",
        "4",
        "--log-level-control=7",
        "--log-facilty=local3",
        "--log-facility-rtcp=local4",
        "--log-facilty-cdr=local5",
        "--log-format=parsable",
        "-E",
        "--split-logs",
        "--max-log-line-length=-1",
        "--no-log-timestamps",
        "--log-name=n",
        "--log-mark-prefix=<",
        "--log-mark-suffix=>",
        "--num-threads=2",
        "--thread-stack=-1",
        "--sip-source",
        "-d",
        "0",
        "--max-sessions=0",
        "--max-load=7.5",
        "--max-cpu=90",
        "--max-bandwidth=1000000",
        "--endpoint-learning=heuristic",
        "--reject-invalid-sdp",
        "--software-id=my box!",
        "--listen-http=127.0.0.1:8080",
        "--listen-https=[::1]:8443",
        "--https-cert=/etc/cert.pem",
        "--https-key=/etc/key.pem",
        "--http-threads=3",
        "--mos=lq",
        "--measure-rtp",
    ])
    .unwrap();
    assert_eq!(config.table, Some(7));
    assert!(config.no_fallback && config.save_interface_ports && config.foreground && config.sip_source);
    assert_eq!(config.listen_cli, ["127.0.0.1:9900".parse().unwrap()]);
    assert_eq!(config.listen_tcp_ng, ["[::1]:2223".parse().unwrap()]);
    assert_eq!((config.tos, config.control_tos), (Some(184), Some(96)));
    assert_eq!(config.control_pmtu, Some(ControlPmtu::Dont));
    assert_eq!((config.timeout, config.silent_timeout), (30, 31));
    assert_eq!((config.final_timeout, config.offer_timeout, config.delete_delay), (32, 33, 0));
    assert_eq!(config.pidfile.as_deref(), Some(Path::new("/run/x.pid")));
    assert_eq!((config.port_min, config.port_max), (1024, 65535));
    assert_eq!((config.num_threads, config.thread_stack), (2, None));
    assert_eq!(config.max_sessions, 0);
    assert_eq!((config.max_load, config.max_cpu, config.max_bandwidth), (7.5, 90.0, 1_000_000));
    assert_eq!(config.endpoint_learning, Learning::Heuristic);
    assert!(config.reject_invalid_sdp);
    assert_eq!(config.software_id, "my-box-");
    let http = HttpOptions {
        listen: vec!["127.0.0.1:8080".parse().unwrap()],
        listen_tls: vec!["[::1]:8443".parse().unwrap()],
        identity: Some(("/etc/cert.pem".into(), "/etc/key.pem".into())),
        threads: 3,
    };
    assert_eq!(config.http, http);
    assert_eq!((config.core().mos, config.core().measure_rtp), (MosFormula::Listening, true));
    let expected = logging::Settings {
        level: 4,
        levels: vec![(Subsystem::Internals, -1), (Subsystem::Control, 7)],
        stderr: true,
        foreground: true,
        facility: Facility(19),
        rtcp_facility: Some(Facility(20)),
        cdr_facility: Some(Facility(21)),
        format: Format::Parsable,
        split: true,
        line_length: logging::LineLength::Unlimited,
        timestamps: false,
        name: "n".to_owned(),
        mark_prefix: "<".to_owned(),
        mark_suffix: ">".to_owned(),
    };
    assert_eq!(config.logging, expected);
}

#[test]
fn a_negative_table_means_userspace_only() {
    for form in [&["--table=-1"][..], &["--table", "-1"], &["-t", "-1"], &["-t-5"]] {
        let config = from_arguments(form).unwrap();
        assert_eq!(config.table, None, "{form:?}");
        assert!(!config.core().offload);
    }
}

#[test]
fn of_a_repeated_single_option_the_last_one_counts() {
    assert_eq!(from_arguments(&["--timeout=5", "-o", "6", "-f", "-f"]).unwrap().timeout, 6);
}

#[test]
fn values_out_of_bounds_name_option_value_and_what_is_allowed() {
    for (argument, allowed) in [
        ("--table=64", "to 63"),
        ("--table=x", "whole number"),
        ("--tos=256", "from 0 to 255"),
        ("--port-min=0", "from 1 to 65535"),
        ("--port-max=30000", "above --port-min, which is 30000"),
        ("--log-level=9", "from -1 to 8"),
        ("--log-level-core=high", "from -1 to 8"),
        ("--log-facility=local8", "local7"),
        ("--log-format=json", "default, parsable"),
        ("--mos=RQ", "CQ, LQ"),
        ("--control-pmtu=maybe", "want, dont"),
        ("--endpoint-learning=on", "delayed, immediate, off, heuristic"),
        ("--num-threads=0", "from 1 to 1024"),
        ("--thread-stack=16", "256"),
        ("--timeout=0", "from 1"),
        ("--timeout=", "from 1"),
        ("--max-sessions=-2", "at least -1"),
        ("--listen-ng=localhost", "HOSTNAME:PORT"),
        ("--pidfile=/", "name of a file"),
    ] {
        let message = refusal(&[argument]);
        let (option, value) = argument.split_once('=').unwrap();
        assert!(
            message.starts_with(&format!("option {option} on the command line: value '{value}'")),
            "{message}"
        );
        assert!(message.contains(allowed), "{message}");
        assert!(!message.contains('\n'), "{message}");
    }
}

#[test]
fn every_unavailable_option_is_refused_by_name() {
    for (_, spec) in unavailable::all() {
        for name in std::iter::once(&spec.name).chain(spec.aliases) {
            let argument = match spec.kind {
                options::Kind::Flag => format!("--{name}"),
                options::Kind::Value | options::Kind::List => format!("--{name}=1"),
            };
            let message = refusal(&[&argument]);
            assert!(message.starts_with(&format!("option --{} on the command line", spec.name)), "{message}");
            let value = if spec.kind == options::Kind::Flag { "true" } else { "1" };
            let message = file_refusal(&format!("[rtpengine]\n{name} = {value}\n"));
            assert!(message.contains("not available in this release"), "{message}");
        }
    }
}

#[test]
fn an_unavailable_flag_that_is_off_does_no_harm() {
    with_file("[rtpengine]\ndtls-passive = false\n", &["-i", "10.0.0.1", "-n", "2223"]).unwrap();
}

#[test]
fn a_file_sets_everything_and_the_command_line_overrides_it() {
    let text = "# comment\n[other]\ntable = 9\n[rtpengine]\ninterface = a/10.0.0.1;b/10.0.0.2 ;\nlisten-ng = 127.0.0.1:2223\n\
                table = 3\nno-fallback = true\nsip-source = no\nlog-name = C:\\x \"y\" 100%% # z\nlog-level-ice = 7\n";
    let config = with_file(text, &[]).unwrap();
    assert_eq!(config.interfaces.iter().map(|i| i.name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(config.table, Some(3));
    assert!(config.no_fallback && !config.sip_source);
    assert_eq!(config.logging.name, "C:\\x \"y\" 100%% # z");
    assert!(config.logging.levels.contains(&(Subsystem::Ice, 7)));

    let config = with_file(text, &["-i", "c/10.0.0.3", "--table=4"]).unwrap();
    assert_eq!(config.interfaces.iter().map(|i| i.name.as_str()).collect::<Vec<_>>(), ["c"]);
    assert_eq!(config.table, Some(4));
    assert_eq!(config.listen_ng, ["127.0.0.1:2223".parse().unwrap()]);
    assert_eq!(
        with_file(text, &["--config-section=other", "-i", "10.0.0.1", "-n", "1"]).unwrap().table,
        Some(9)
    );
}

#[test]
fn mistakes_in_a_file_name_file_section_and_key() {
    for (text, expected) in [
        ("[rtpengine]\ntabel = 1\n", "unknown option 'tabel' in /c/r.conf, section [rtpengine]"),
        ("[rtpengine]\nt = 1\n", "unknown option 't' in"),
        (
            "[rtpengine]\ntable = one\n",
            "option --table in /c/r.conf, section [rtpengine]: value 'one' is not valid",
        ),
        ("[rtpengine]\nforeground = maybe\n", "allowed: true or false"),
        ("[rtpengine]\ntable = 1\ntable = 2\n", "given more than once"),
        ("[rtpengine]\nconfig-file = x\n", "allowed on the command line only"),
        (
            "[rtpengine]\nno-fallback\ntable = 1\n",
            "option 'no-fallback' in /c/r.conf, section [rtpengine]: the line has no '='",
        ),
        ("[rtp]\n[b]\ntable = 1\n", "there is no section [rtpengine]; sections found: [rtp], [b]"),
        ("", "sections found: none"),
        ("[rtpengine]\nno-fallback", "configuration file /c/r.conf, line 2"),
    ] {
        let message = file_refusal(text);
        assert!(message.contains(expected), "{text:?}: {message}");
    }
}

#[test]
fn interface_and_listener_are_mandatory() {
    let load = |arguments: &[&str]| Config::load(["rtpengine", "--config-file=none"].iter().chain(arguments));
    assert!(load(&["-n", "2223"]).unwrap_err().to_string().contains("--interface"));
    assert!(load(&["-i", "127.0.0.1"]).unwrap_err().to_string().contains("--listen-ng"));
    assert!(load(&["-i", "127.0.0.1", "--listen-https=1"]).unwrap_err().to_string().contains("--https-cert"));
    assert_eq!(load(&["-i", "127.0.0.1", "--listen-http=1"]).unwrap().http.listen.len(), 2);
    assert!(load(&["-i", "127.0.0.1", "-c", "9900"]).unwrap_err().to_string().contains("--listen-ng"));
    load(&["-i", "127.0.0.1", "-N", "2223"]).unwrap();
}

#[test]
fn logging_to_stderr_needs_the_foreground() {
    let config = from_arguments(&["-E"]).unwrap();
    assert!(!config.logging.stderr);
    assert!(config.warnings.iter().any(|warning| warning.contains("--foreground")));
}

#[test]
fn blanks_separate_interfaces_too_as_in_one_example_of_the_manual() {
    let text =
        "[rtpengine]\r\ninterface = pub:1/10.0.0.1 pub:1/2001:db8::1 pub:2/10.0.0.2\r\nlisten-ng=2223\r\n";
    let config = with_file(text, &[]).unwrap();
    assert_eq!(config.interfaces.iter().map(|i| i.name.as_str()).collect::<Vec<_>>(), ["pub:1", "pub:2"]);
    assert_eq!(config.listen_ng.len(), 2);
}

#[test]
fn indented_lines_and_comments_are_understood() {
    let text = "\u{feff}; comment\n[rtpengine]\n  table = 5\n\n#x = 1\n  # indented\n\t;\n\ttimeout=61\n";
    let config = with_file(text, &["-i", "10.0.0.1", "-n", "2223"]).unwrap();
    assert_eq!((config.table, config.timeout), (Some(5), 61));
}

proptest::proptest! {
    #[test]
    fn no_text_makes_the_file_parser_panic(text in "[\\[\\]=:;#\\\\\\n\"' a-z0-9./!-]{0,80}") {
        let mut settings = Settings::default();
        let _any_answer = file::parse(&format!("[rtpengine]\n{text}"), Path::new("/c"), "rtpengine", &mut settings);
    }

    #[test]
    fn no_value_makes_interfaces_or_listeners_panic(value in "\\PC{0,40}|[0-9a-f.:!/%\\[\\]]{0,30}") {
        let mut settings = Settings::default();
        for name in ["interface", "listen-ng"] {
            settings.insert_below(name, settings::Given::Values(vec![value.clone()]), Origin::CommandLine);
        }
        let system = interfaces::SystemAddresses::default();
        let _any_answer = interfaces::interfaces(&settings, &system, &|_| Ok(Vec::new()));
        // Names would be looked up on the network.
        if !value.bytes().any(|byte| byte.is_ascii_alphabetic()) {
            let _any_answer = listeners::listeners(&settings, "listen-ng");
        }
    }
}

#[test]
fn templates_come_from_a_section_of_their_own() {
    let text = "[rtpengine]\ninterface = 10.0.0.1\nlisten-ng = 2223\ntemplates = flags\n[flags]\nWebRTC = ICE=force rtcp-mux=[offer require] SDES=off ; x\nstart recording = label=a\n# no\n";
    let config = with_file(text, &[]).unwrap();
    let lines =
        [("WebRTC", "ICE=force rtcp-mux=[offer require] SDES=off ; x"), ("start recording", "label=a")];
    assert_eq!(
        config.templates,
        Templates::new(lines.map(|(name, text)| (name.to_owned(), text.to_owned())))
    );
    assert_eq!(config.warnings.iter().filter(|warning| warning.starts_with("template 'WebRTC'")).count(), 2);
    assert_eq!(
        with_file(&text.replace("templates = flags", ""), &[]).unwrap().templates,
        Templates::default()
    );
    assert_eq!(
        with_file(&text.replace("templates = flags", ""), &["--templates=flags"]).unwrap().templates,
        config.templates
    );
    let missing = with_file(text, &["--templates=other"]).unwrap_err().to_string();
    assert_eq!(missing, "configuration file /c/r.conf: there is no section [other], which --templates names");
    assert!(refusal(&["--templates=flags"]).contains("none was read"));
    let twice = with_file(&text.replace("# no", "WebRTC = x"), &[]).unwrap_err().to_string();
    assert!(twice.contains("WebRTC") && twice.contains("[flags]"), "{twice}");
}
