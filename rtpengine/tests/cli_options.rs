//! The real binary's answers to good and bad options and configuration files.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::Write;
use std::process::{Command, Output};

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_rtpengine")).args(arguments).output().unwrap()
}

/// Standard error of a run that must fail with exit status 1 and print nothing else.
fn refusal(arguments: &[&str]) -> String {
    let output = run(arguments);
    assert_eq!(output.status.code(), Some(1), "{arguments:?}");
    assert!(output.stdout.is_empty(), "{arguments:?}");
    String::from_utf8(output.stderr).unwrap()
}

/// The same with a file of this text in place of the default one.
fn file_refusal(text: &str) -> String {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    refusal(&["--config-file", file.path().to_str().unwrap(), "-f"])
}

#[test]
fn help_names_every_group_and_succeeds() {
    for form in ["--help", "-h"] {
        let output = run(&[form]);
        assert_eq!(output.status.code(), Some(0));
        let text = String::from_utf8(output.stdout).unwrap();
        for expected in
            ["--interface", "--log-level-internals", "--config-file", "not available in this release"]
        {
            assert!(text.contains(expected), "{expected}");
        }
    }
}

#[test]
fn version_prints_the_version_and_succeeds() {
    for form in ["--version", "-v"] {
        let output = run(&[form]);
        assert_eq!(output.status.code(), Some(0));
        assert_eq!(output.stdout, format!("rtpengine {}\n", env!("CARGO_PKG_VERSION")).as_bytes());
    }
}

#[test]
fn unknown_options_and_stray_arguments_fail_with_status_1() {
    assert!(refusal(&["--tabel=1"]).contains("--tabel"));
    assert!(refusal(&["stray"]).contains("stray"));
    assert!(refusal(&["--table"]).contains("--table"));
}

#[test]
fn missing_interface_or_listener_fails_with_status_1() {
    assert!(refusal(&["--config-file=none", "-n", "2223"]).contains("--interface"));
    assert!(refusal(&["--config-file=none", "-i", "127.0.0.1"]).contains("--listen-ng"));
}

#[test]
fn bad_values_are_named_on_one_line() {
    let text = refusal(&["--config-file=none", "-i", "127.0.0.1", "-n", "2223", "--port-min=99999"]);
    assert_eq!(
        text,
        "rtpengine: option --port-min on the command line: value '99999' is not valid; allowed: a whole number from 1 to 65535\n"
    );
}

#[test]
fn unavailable_options_are_refused_by_name() {
    assert!(
        refusal(&["--codecs"]).contains("option --codecs on the command line: transcoding is not available")
    );
    let text =
        file_refusal("[rtpengine]\ninterface = 127.0.0.1\nlisten-ng = 2223\nredis = 127.0.0.1:6379/1\n");
    assert!(text.contains("option --redis in ") && text.contains("persistence in Redis"), "{text}");
}

#[test]
fn a_configuration_file_that_was_asked_for_must_exist() {
    let text = refusal(&["--config-file=/nonexistent/rtpengine.conf"]);
    assert!(text.contains("/nonexistent/rtpengine.conf"), "{text}");
}

#[test]
fn mistakes_in_a_file_are_named_with_section_and_key() {
    let text = file_refusal("[rtpengine]\ninterfaces = 127.0.0.1\n");
    assert!(
        text.contains("unknown option 'interfaces' in /") && text.contains("section [rtpengine]"),
        "{text}"
    );
    let text = file_refusal("[kamailio]\ntable = 0\n");
    assert!(text.contains("no section [rtpengine]") && text.contains("[kamailio]"), "{text}");
}

#[test]
fn the_example_file_is_valid_and_so_are_its_examples() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../etc/rtpengine.conf");
    let text = std::fs::read_to_string(path).unwrap();
    rtpengine::config::Config::load(["rtpengine", "--config-file", path]).unwrap();
    // Every commented setting is valid as well, with those right above it.
    let mut arguments: Vec<String> = Vec::new();
    for line in text.lines() {
        let example = line.strip_prefix('#').and_then(|line| line.split_once(" = "));
        let Some((key, value)) = example.filter(|(key, _)| !key.contains(' ')) else {
            arguments.clear();
            continue;
        };
        arguments.push(match value {
            "true" => format!("--{key}"),
            _ => format!("--{key}={}", value.split(';').next().unwrap()),
        });
        let fixed = ["rtpengine", "--config-file", path];
        rtpengine::config::Config::load(fixed.into_iter().chain(arguments.iter().map(String::as_str)))
            .unwrap();
    }
}
