//! `docs/metrics.md` is made from what a scrape is made of: `UPDATE_DOCS=1 cargo test -p rtpengine --test metrics_document`.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fmt::Write;

use rtpengine::metrics::{Source, collect};

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/metrics.md");

const INTRODUCTION: &str = "\
# Metrics

Made from the code; do not edit. `GET /metrics` of `--listen-http` or `--listen-https` shows these figures in the text
format of Prometheus. Names and labels are those of the original; those that begin with `rtpengine_kernel_`,
`rtpengine_ice_`, `rtpengine_dtls_` and `rtpengine_xmlrpc_` are ours. A metric without a sample, as those by `proxy` before the first
request, is not shown. Sums and sums of squares give mean and deviation with the number of samples next to them.

A scrape reads the running calls once, so every 15 s is plenty:

```
scrape_configs:
  - job_name: rtpengine
    scrape_interval: 15s
    static_configs:
      - targets: [\"127.0.0.1:2225\"]
```

| metric | kind | labels | meaning |
| --- | --- | --- | --- |
";

fn document() -> String {
    let mut out = INTRODUCTION.to_owned();
    for family in collect(&Source::default()) {
        let labels: Vec<String> = family.labels.iter().map(|label| format!("`{label}`")).collect();
        writeln!(
            out,
            "| `{}` | {} | {} | {} |",
            family.name,
            family.kind.name(),
            labels.join(", "),
            family.help
        )
        .unwrap();
    }
    out
}

#[test]
fn the_document_lists_the_metrics_as_they_are() {
    let expected = document();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(PATH, &expected).unwrap();
    }
    let found = std::fs::read_to_string(PATH).unwrap_or_default();
    assert!(
        found == expected,
        "docs/metrics.md is out of date: run this test with UPDATE_DOCS=1 and commit the file"
    );
}

/// What `statistics` has of ICE and DTLS is explained to those who bridge browsers, under the same names.
#[test]
fn figures_of_ice_and_dtls_are_explained() {
    let page = include_str!("../../docs/webrtc.md");
    for family in collect(&Source::default()) {
        let group = ["rtpengine_ice_", "rtpengine_dtls_"]
            .into_iter()
            .find_map(|group| family.name.strip_prefix(group));
        if let Some(name) = group.map(|name| name.strip_suffix("_total").unwrap_or(name)) {
            assert!(
                page.contains(&format!("| `{name}` |")),
                "{} is not explained in docs/webrtc.md",
                family.name
            );
        }
    }
}
