//! Finds the XDP object that the daemon embeds.

use std::{
    env,
    path::{Path, PathBuf},
    process::exit,
};

/// Set to embed another object; also what the code reads the path from (`env!`).
const OBJECT: &str = "RTPENGINE_XDP_OBJECT";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed={OBJECT}");
    if env::var_os("CARGO_FEATURE_XDP").is_none() {
        return;
    }
    let manifest = env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default();
    let object = env::var_os(OBJECT)
        .map_or_else(|| Path::new(&manifest).join("../target/ebpf/rtpengine-xdp.o"), PathBuf::from);
    println!("cargo::rerun-if-changed={}", object.display());
    match object.canonicalize() {
        Ok(path) => println!("cargo::rustc-env={OBJECT}={}", path.display()),
        Err(error) => {
            println!(
                "cargo::error=the XDP object {} cannot be read: {error}. Build it with `cargo xtask build-ebpf`, or \
                 build the daemon without the kernel path: `--no-default-features`",
                object.display()
            );
            exit(1);
        }
    }
}
