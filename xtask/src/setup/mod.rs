//! `setup`: installs what is missing, or says what to install.

mod apt;
mod peers;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

use crate::sh::{self, step};
pub use apt::{install, update};

/// The last release that links with the LLVM of Debian's rustc-web.
const BPF_LINKER: &str = "0.10.3";
/// A rustc with LLVM and the source of `core`, for the BPF target.
const BPF_TOOLCHAIN: [&str; 4] = ["rustc-web", "cargo-web", "rust-web-src", "rust-web-llvm"];
/// Real peers for the behaviour tests and what they need around them: packages, each with a program of it.
const PEERS: [(&str, &str); 8] = [
    ("kamailio", "kamailio"),
    ("sip-tester", "sipp"),
    ("rtpengine-utils", "rtpengine-ng-client"),
    ("nftables", "nft"),
    ("openssl", "openssl"),
    ("chromium", "chromium"),
    ("mosquitto", "mosquitto"),
    ("mosquitto-clients", "mosquitto_sub"),
];

#[derive(clap::Args, Default)]
pub struct Arguments {
    /// Also the peers of the behaviour tests (Kamailio, sipp, aiortc, Chromium), nftables and QEMU
    #[arg(long)]
    pub tests: bool,
}

/// One thing that must be there: how to see it, what to say, how to install it.
struct Item {
    name: &'static str,
    present: bool,
    packages: Vec<&'static str>,
    otherwise: String,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let missing: Vec<Item> = items(arguments).into_iter().filter(|item| !item.present).collect();
    if !missing.is_empty() {
        install_missing(arguments, &missing)?;
    }
    if arguments.tests && !peers::present() {
        step("install aiortc", peers::install)?;
    }
    Ok(())
}

fn install_missing(arguments: &Arguments, missing: &[Item]) -> Result<()> {
    if !(apt::available() && sh::is_root()) {
        let list: Vec<String> =
            missing.iter().map(|item| format!("  {}: {}", item.name, item.otherwise)).collect();
        let why = if apt::available() { "this needs root" } else { "this is not a Debian system" };
        bail!("missing, and {why}. Install:\n{}", list.join("\n"));
    }
    let packages: Vec<&str> = missing.iter().flat_map(|item| item.packages.iter().copied()).collect();
    if !packages.is_empty() {
        step(&format!("install {}", packages.join(" ")), || {
            update()?;
            install(&packages)
        })?;
    }
    if arguments.tests && !has_program(QEMU) {
        step("install QEMU", || install_qemu(&["qemu-system-x86"]))?;
    }
    if !has_program("bpf-linker") {
        step("install bpf-linker", || cargo_install("bpf-linker", Some(BPF_LINKER)))?;
    }
    Ok(())
}

const QEMU: &str = "qemu-system-x86_64";

fn items(arguments: &Arguments) -> Vec<Item> {
    let apt_get = |packages: &[&str]| format!("apt-get install {}", packages.join(" "));
    let mut items = vec![
        Item {
            name: "iproute2",
            present: has_program("ip"),
            packages: vec!["iproute2"],
            otherwise: apt_get(&["iproute2"]),
        },
        Item {
            name: "linker",
            present: has_program("cc"),
            packages: vec!["gcc", "libc6-dev"],
            otherwise: apt_get(&["gcc", "libc6-dev"]),
        },
        Item {
            name: "OpenSSL headers",
            present: Path::new("/usr/include/openssl/ssl.h").exists() && has_program("pkg-config"),
            packages: vec!["libssl-dev", "pkg-config"],
            otherwise: apt_get(&["libssl-dev", "pkg-config"]),
        },
        Item {
            name: "compiler for the BPF target",
            present: has_core_source(),
            packages: BPF_TOOLCHAIN.to_vec(),
            otherwise: format!(
                "{}, or rustup toolchain install nightly --component rust-src",
                apt_get(&BPF_TOOLCHAIN)
            ),
        },
        Item {
            name: "bpf-linker",
            present: has_program("bpf-linker"),
            packages: vec![],
            otherwise: format!("cargo install bpf-linker@{BPF_LINKER} --locked"),
        },
    ];
    if arguments.tests {
        for (name, program) in PEERS {
            items.push(Item {
                name,
                present: has_program(program),
                packages: vec![name],
                otherwise: apt_get(&[name]),
            });
        }
        items.push(Item {
            name: "aioice",
            present: Path::new("/usr/lib/python3/dist-packages/aioice").exists(),
            packages: vec!["python3-aioice"],
            otherwise: apt_get(&["python3-aioice"]),
        });
        items.push(Item {
            name: "Python with venv",
            present: peers::has_venv(),
            packages: vec!["python3-venv"],
            otherwise: apt_get(&["python3-venv"]),
        });
        items.push(Item {
            name: "QEMU",
            present: has_program(QEMU),
            packages: vec![],
            otherwise: apt_get(&["qemu-system-x86"]),
        });
    }
    items
}

/// Whether some toolchain here can build `core` for another target.
fn has_core_source() -> bool {
    const CORE: &str = "lib/rustlib/src/rust/library/core/Cargo.toml";
    if Path::new("/usr").join(CORE).exists() {
        return true;
    }
    let mut rustc = Command::new("rustup");
    rustc.args(["run", "nightly", "rustc", "--print", "sysroot"]);
    sh::output(&mut rustc).is_ok_and(|sysroot| PathBuf::from(sysroot.trim()).join(CORE).exists())
}

/// Whether a program is on the path or among cargo's.
pub fn has_program(name: &str) -> bool {
    let cargo_home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cargo"));
    let cargo_bin = cargo_home.or(home).map(|home| home.join("bin").join(name));
    rtpengine_tests::require::find_program(name).is_some() || cargo_bin.is_some_and(|path| path.is_file())
}

/// `cargo install --locked`, built apart from the workspace's artefacts.
pub fn cargo_install(name: &str, version: Option<&str>) -> Result<()> {
    let mut cargo = sh::cargo();
    cargo.args(["install", "--locked", "--quiet", name]);
    if let Some(version) = version {
        cargo.args(["--version", version]);
    }
    cargo.env("CARGO_TARGET_DIR", std::env::temp_dir().join(format!("cargo-install-{name}")));
    sh::run(&mut cargo)
}

/// QEMU from the release itself, or from its backports where a newer `qemu-utils` stands in the way.
fn install_qemu(packages: &[&str]) -> Result<()> {
    if apt::can_install(packages) {
        return install(packages);
    }
    apt::backports(packages)
}
