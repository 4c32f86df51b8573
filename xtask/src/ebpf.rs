//! Builds the XDP object.
//!
//! The BPF target has no prebuilt `core`, so a toolchain with the standard library's source is needed: rustup's nightly
//! with `rust-src`, or a distribution's compiler with its source package. Whichever fits is used with its own cargo.

use std::{
    env,
    ffi::OsStr,
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail, ensure};

/// Overrides the search: path of the `rustc` to use (its `cargo` is looked for beside it).
const RUSTC_OVERRIDE: &str = "RTPENGINE_EBPF_RUSTC";
/// The crate, excluded from the workspace.
const CRATE: &str = "rtpengine-ebpf";
/// Name of the object, below `target/ebpf/`.
const OBJECT: &str = "rtpengine-xdp.o";
/// BPF instruction set v3 (32-bit jumps and arithmetic, kernel 5.1). Loads from packets are unaligned anyway, so the
/// compiler may merge byte accesses. BTF is what the loader reads map definitions from.
const RUSTFLAGS: [&str; 4] =
    ["-Ctarget-cpu=v3", "-Ctarget-feature=+allows-misaligned-mem-access", "-Clink-arg=--btf", "-Dwarnings"];
/// What `cargo run` and rustup leave in the environment that would bend the nested build.
const FOREIGN_ENV: [&str; 10] = [
    "RUSTC",
    "RUSTDOC",
    "CARGO",
    "RUSTFLAGS",
    "CARGO_ENCODED_RUSTFLAGS",
    "RUSTC_WRAPPER",
    "RUSTC_WORKSPACE_WRAPPER",
    "RUSTUP_TOOLCHAIN",
    "CARGO_TARGET_DIR",
    "CARGO_BUILD_TARGET",
];

/// A compiler whose sysroot holds the source of `core`.
struct Toolchain {
    rustc: PathBuf,
    cargo: PathBuf,
    sysroot: PathBuf,
    nightly: bool,
}

/// Builds `rtpengine-ebpf` below `<workspace>/target/ebpf/build` and returns `target/ebpf/rtpengine-xdp.o`, which is
/// touched only when its content changes, so that the daemon is not rebuilt for nothing.
///
/// # Errors
/// When no toolchain or no `bpf-linker` is found (the text says what to install) or the build fails.
pub fn build(workspace: &Path) -> Result<PathBuf> {
    let toolchain = find_toolchain()?;
    let linker = find_linker()?;
    let out = workspace.join("target/ebpf");
    let build_dir = out.join("build");
    fs::create_dir_all(&build_dir).with_context(|| format!("cannot create {}", build_dir.display()))?;

    let mut cargo = Command::new(&toolchain.cargo);
    for name in FOREIGN_ENV {
        cargo.env_remove(name);
    }
    for (name, _) in env::vars_os() {
        // Set by `cargo run` for the package it runs; build scripts below would take them for their own.
        if name
            .to_str()
            .is_some_and(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_"))
        {
            cargo.env_remove(name);
        }
    }
    let linker_dir = linker.parent().context("bpf-linker has no folder")?;
    let mut path = vec![linker_dir.to_path_buf()];
    path.extend(env::split_paths(&env::var_os("PATH").unwrap_or_default()));
    cargo
        .current_dir(workspace.join(CRATE))
        .args(["build", "--release", "--locked", "--target", "bpfel-unknown-none", "-Z", "build-std=core"])
        .arg("--target-dir")
        .arg(&build_dir)
        .env("RUSTC", &toolchain.rustc)
        .env("CARGO_ENCODED_RUSTFLAGS", RUSTFLAGS.join("\u{1f}"))
        .env("PATH", env::join_paths(path).context("PATH cannot be extended")?);
    if !toolchain.nightly {
        cargo.env("RUSTC_BOOTSTRAP", "1");
    }
    if let Some(llvm) = private_llvm(&toolchain.sysroot, &out.join("llvm"))? {
        let mut path = vec![llvm];
        path.extend(env::split_paths(&env::var_os("LD_LIBRARY_PATH").unwrap_or_default()));
        cargo.env("LD_LIBRARY_PATH", env::join_paths(path).context("LD_LIBRARY_PATH cannot be extended")?);
    }
    let status = cargo.status().with_context(|| format!("cannot run {}", toolchain.cargo.display()))?;
    ensure!(status.success(), "building {CRATE} with {} failed: {status}", toolchain.rustc.display());

    let built = build_dir.join("bpfel-unknown-none/release/rtpengine-xdp");
    let object = out.join(OBJECT);
    copy_if_changed(&built, &object)?;
    Ok(object)
}

fn find_toolchain() -> Result<Toolchain> {
    let mut tried = Vec::new();
    for rustc in candidates() {
        match toolchain(&rustc) {
            Ok(toolchain) => return Ok(toolchain),
            Err(error) => tried.push(format!("  {}: {error:#}", rustc.display())),
        }
    }
    bail!(
        "no Rust toolchain with the source of `core` was found for the BPF build. Install one of these:\n  \
         Debian: apt-get install rustc-web cargo-web rust-web-src rust-web-llvm\n  \
         rustup: rustup toolchain install nightly --component rust-src\n\
         or set {RUSTC_OVERRIDE} to a rustc that has it. Tried:\n{}",
        tried.join("\n")
    )
}

/// In order of preference: the override, rustup's nightly, the distribution's compiler, rustup's default.
fn candidates() -> Vec<PathBuf> {
    if let Some(rustc) = env::var_os(RUSTC_OVERRIDE) {
        return vec![rustc.into()];
    }
    let rustup_rustc = |arguments: &[&str]| {
        let output = clean("rustup").args(["which", "rustc"]).args(arguments).output().ok()?;
        let path = String::from_utf8(output.stdout).ok()?;
        output.status.success().then(|| PathBuf::from(path.trim()))
    };
    [
        rustup_rustc(&["--toolchain", "nightly"]),
        Some(PathBuf::from("/usr/bin/rustc")).filter(|path| path.exists()),
        rustup_rustc(&[]),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn toolchain(rustc: &Path) -> Result<Toolchain> {
    let ask = |arguments: &[&str]| -> Result<String> {
        let output = clean(rustc).args(arguments).output().context("cannot be run")?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr).trim());
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let sysroot = PathBuf::from(ask(&["--print", "sysroot"])?);
    let core = sysroot.join("lib/rustlib/src/rust/library/core/Cargo.toml");
    ensure!(core.exists(), "{} is missing", core.display());
    let cargo = rustc.with_file_name("cargo");
    ensure!(cargo.exists(), "{} is missing", cargo.display());
    let nightly = ask(&["--version"])?.contains("-nightly");
    Ok(Toolchain { rustc: rustc.to_path_buf(), cargo, sysroot, nightly })
}

fn find_linker() -> Result<PathBuf> {
    let home = env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| env::var_os("HOME").map(|home| PathBuf::from(home).join(".cargo")));
    env::split_paths(&env::var_os("PATH").unwrap_or_default())
        .chain(home.map(|home| home.join("bin")))
        .map(|folder| folder.join("bpf-linker"))
        .find(|path| path.is_file())
        .context("bpf-linker was not found; install it with: cargo install bpf-linker@0.10.3 --locked")
}

/// `bpf-linker` loads the first libLLVM of its search path, and distributions keep several major versions in one
/// folder. So it gets a folder that holds nothing but the one its compiler uses. `None`: the toolchain brings its own.
fn private_llvm(sysroot: &Path, folder: &Path) -> Result<Option<PathBuf>> {
    if let Some(own) = newest_llvm(&sysroot.join("lib"))
        && sysroot != Path::new("/usr")
    {
        return Ok(own.parent().map(Path::to_path_buf));
    }
    let multiarch = format!("/usr/lib/{}-linux-gnu", env::consts::ARCH);
    let Some(library) =
        ["/usr/lib64", multiarch.as_str(), "/usr/lib"].iter().find_map(|dir| newest_llvm(Path::new(dir)))
    else {
        return Ok(None);
    };
    let name = library.file_name().context("library without a name")?;
    let link = folder.join(name);
    if fs::read_link(&link).ok().as_deref() != Some(library.as_path()) {
        if folder.exists() {
            fs::remove_dir_all(folder).with_context(|| format!("cannot empty {}", folder.display()))?;
        }
        fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
        symlink(&library, &link).with_context(|| format!("cannot create {}", link.display()))?;
    }
    Ok(Some(folder.to_path_buf()))
}

/// The `libLLVM.so.<major>.<minor>` or `libLLVM-<major>.so…` of the highest version.
fn newest_llvm(folder: &Path) -> Option<PathBuf> {
    fs::read_dir(folder)
        .ok()?
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let version = llvm_version(path.file_name()?)?;
            Some((version, path))
        })
        .max()
        .map(|(_, path)| path)
}

fn llvm_version(name: &OsStr) -> Option<(u32, u32)> {
    let name = name.to_str()?;
    let version = name.strip_prefix("libLLVM.so.").or_else(|| {
        let version = name.strip_prefix("libLLVM-")?;
        Some(version.split_once(".so")?.0)
    })?;
    let mut numbers = version.split(['.', '-']).map_while(|number| number.parse().ok());
    Some((numbers.next()?, numbers.next().unwrap_or(0)))
}

fn copy_if_changed(from: &Path, to: &Path) -> Result<()> {
    let new = fs::read(from).with_context(|| format!("cannot read {}", from.display()))?;
    if fs::read(to).is_ok_and(|old| old == new) {
        return Ok(());
    }
    // Written beside and renamed, so that a build of the daemon never sees half an object.
    let partial = to.with_extension("o.new");
    fs::write(&partial, new).with_context(|| format!("cannot write {}", partial.display()))?;
    fs::rename(&partial, to).with_context(|| format!("cannot replace {}", to.display()))
}

/// A command free of what an outer cargo or rustup has set.
fn clean(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    for name in FOREIGN_ENV {
        command.env_remove(name);
    }
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn llvm_versions_are_read_from_library_names() {
        let version = |name: &str| llvm_version(OsStr::new(name));
        assert_eq!(version("libLLVM.so.22.1"), Some((22, 1)));
        assert_eq!(version("libLLVM-14.so.1"), Some((14, 0)));
        assert_eq!(version("libLLVM.so.22.1-rust-1.96.0-nightly"), Some((22, 1)));
        assert_eq!(version("libLTO.so.22.1"), None);
        assert_eq!(version("libLLVM-22.so"), Some((22, 0)));
    }
}
