//! Runs a program on the same frame again and again although it changes the frame and remembers packets.
//!
//! The kernel feeds each run of a test what the one before left behind. A few instructions of our own put the frame and
//! the state of SRTP streams back, and then call the program as a tail call. What they cost themselves is measured with a
//! program behind them that does nothing.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

/// One instruction: opcode, destination and source register, offset, immediate.
type Instruction = (u8, u8, u8, i16, i32);

const LICENSE: &CStr = c"Dual MIT/GPL";
/// Commands of `bpf(2)`.
mod command {
    pub const MAP_CREATE: libc::c_int = 0;
    pub const MAP_UPDATE_ELEM: libc::c_int = 2;
    pub const PROG_LOAD: libc::c_int = 5;
    pub const PROG_TEST_RUN: libc::c_int = 10;
}
const MAP_TYPE_ARRAY: u32 = 2;
const MAP_TYPE_PROG_ARRAY: u32 = 3;
const PROG_TYPE_XDP: u32 = 6;
/// Tail calls go between programs of one attach type (`BPF_XDP`).
const ATTACH_XDP: u32 = 37;
/// Source register of a 64-bit load that names a map, or the value of a map with one element.
const PSEUDO_MAP_FD: u8 = 1;
const PSEUDO_MAP_VALUE: u8 = 2;
/// Helper functions.
mod helper {
    pub const MAP_LOOKUP_ELEM: i32 = 1;
    pub const TAIL_CALL: i32 = 12;
    pub const XDP_ADJUST_HEAD: i32 = 44;
    pub const XDP_GET_BUFF_LEN: i32 = 188;
    pub const XDP_STORE_BYTES: i32 = 190;
}
/// Offsets of the words of a stream that are put back: all but the SSRC.
const STREAM_WORDS: std::ops::Range<i16> = 1..10;

/// Nanoseconds that a run of `program` takes, the best of `rounds` of `repeat` runs. `streams`: the map of streams, and
/// the rows of it that are put back.
///
/// # Errors
/// When the kernel refuses anything, or a run ends with another action than `action`.
pub fn measure(
    program: BorrowedFd<'_>,
    (streams, rows): (BorrowedFd<'_>, &[u32]),
    frame: &[u8],
    action: u32,
    (repeat, rounds): (u32, u32),
) -> Result<Duration> {
    let template = create_map(MAP_TYPE_ARRAY, frame.len() as u32)?;
    update(&template, frame)?;
    let programs = create_map(MAP_TYPE_PROG_ARRAY, 4)?;
    update(&programs, &program.as_raw_fd().to_ne_bytes())?;
    let runner = load(&instructions(&template, &programs, streams, rows, frame.len() as i32))?;
    let mut best = Duration::MAX;
    for _ in 0..rounds {
        let mut attributes = TestRun {
            program: runner.as_raw_fd() as u32,
            data_size_in: frame.len() as u32,
            data_in: frame.as_ptr() as u64,
            repeat,
            ..TestRun::default()
        };
        bpf(command::PROG_TEST_RUN, &mut attributes).context("test run")?;
        ensure!(attributes.result == action, "the program returned {}, not {action}", attributes.result);
        best = best.min(Duration::from_nanos(attributes.duration.into()));
    }
    Ok(best)
}

/// Runs a frame through a program once: the action, and the length of what is in `out` then.
///
/// # Errors
/// When the kernel refuses the test run.
pub fn run(program: BorrowedFd<'_>, frame: &[u8], out: &mut [u8]) -> Result<(u32, usize)> {
    let mut attributes = TestRun {
        program: program.as_raw_fd() as u32,
        data_size_in: frame.len() as u32,
        data_size_out: out.len() as u32,
        data_in: frame.as_ptr() as u64,
        data_out: out.as_mut_ptr() as u64,
        ..TestRun::default()
    };
    bpf(command::PROG_TEST_RUN, &mut attributes).context("test run")?;
    Ok((attributes.result, attributes.data_size_out as usize))
}

fn instructions(
    template: &OwnedFd,
    programs: &OwnedFd,
    streams: BorrowedFd<'_>,
    rows: &[u32],
    len: i32,
) -> Vec<Instruction> {
    let load_map = |register, kind, map: i32| [(0x18, register, kind, 0, map), (0, 0, 0, 0, 0)];
    let call = |function| (0x85, 0, 0, 0, function);
    let context = (0xbf, 1, 6, 0, 0);
    let mut code = vec![
        (0xbf, 6, 1, 0, 0), // r6 = r1
        call(helper::XDP_GET_BUFF_LEN),
        (0x17, 0, 0, 0, len), // r0 -= len
        context,
        (0xbf, 2, 0, 0, 0), // r2 = r0
        call(helper::XDP_ADJUST_HEAD),
        context,
        (0xb7, 2, 0, 0, 0), // r2 = 0
    ];
    code.extend(load_map(3, PSEUDO_MAP_VALUE, template.as_raw_fd()));
    code.extend([(0xb7, 4, 0, 0, len), call(helper::XDP_STORE_BYTES)]);
    for row in rows {
        code.push((0x62, 10, 0, -4, *row as i32)); // *(u32 *)(r10 - 4) = row
        code.extend(load_map(1, PSEUDO_MAP_FD, streams.as_raw_fd()));
        code.extend([(0xbf, 2, 10, 0, 0), (0x07, 2, 0, 0, -4), call(helper::MAP_LOOKUP_ELEM)]);
        code.push((0x15, 0, 0, STREAM_WORDS.len() as i16, 0)); // if r0 == 0, over the stores
        code.extend(STREAM_WORDS.map(|word| (0x7a, 0, 0, 8 * word, 0))); // *(u64 *)(r0 + ..) = 0
    }
    code.push(context);
    code.extend(load_map(2, PSEUDO_MAP_FD, programs.as_raw_fd()));
    code.extend([(0xb7, 3, 0, 0, 0), call(helper::TAIL_CALL), (0xb7, 0, 0, 0, 0), (0x95, 0, 0, 0, 0)]);
    code
}

fn load(code: &[Instruction]) -> Result<OwnedFd> {
    let code: Vec<[u8; 8]> = code
        .iter()
        .map(|(opcode, destination, source, offset, immediate)| {
            let ([low, high], [a, b, c, d]) = (offset.to_le_bytes(), immediate.to_le_bytes());
            [*opcode, destination | source << 4, low, high, a, b, c, d]
        })
        .collect();
    let mut attributes = ProgramLoad {
        kind: PROG_TYPE_XDP,
        instructions: code.len() as u32,
        code: code.as_ptr() as u64,
        license: LICENSE.as_ptr() as u64,
        attach_type: ATTACH_XDP,
        ..ProgramLoad::default()
    };
    owned(bpf(command::PROG_LOAD, &mut attributes).context("load the runner")?)
}

fn create_map(kind: u32, value_size: u32) -> Result<OwnedFd> {
    let mut attributes = MapCreate { kind, key_size: 4, value_size, entries: 1 };
    owned(bpf(command::MAP_CREATE, &mut attributes).context("create a map")?)
}

/// Sets the only element of a map.
fn update(map: &OwnedFd, value: &[u8]) -> Result<()> {
    let key = 0_u32;
    let mut attributes = MapUpdate {
        map: map.as_raw_fd() as u32,
        pad: 0,
        key: &raw const key as u64,
        value: value.as_ptr() as u64,
        flags: 0,
    };
    bpf(command::MAP_UPDATE_ELEM, &mut attributes).context("fill a map")?;
    Ok(())
}

fn owned(fd: i32) -> Result<OwnedFd> {
    ensure!(fd >= 0, "no descriptor");
    // SAFETY: the kernel has just made it for us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// `bpf(2)`, whose attributes may be cut off where the rest is zero.
fn bpf<T>(command: libc::c_int, attributes: &mut T) -> io::Result<i32> {
    // SAFETY: the attributes are those of the command, and all pointers in them live.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, &raw mut *attributes, size_of::<T>()) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result as i32) }
}

#[repr(C)]
struct MapCreate {
    kind: u32,
    key_size: u32,
    value_size: u32,
    entries: u32,
}

#[repr(C)]
struct MapUpdate {
    map: u32,
    pad: u32,
    key: u64,
    value: u64,
    flags: u64,
}

#[repr(C)]
#[derive(Default)]
struct ProgramLoad {
    kind: u32,
    instructions: u32,
    code: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log: u64,
    kernel_version: u32,
    flags: u32,
    name: [u8; 16],
    ifindex: u32,
    attach_type: u32,
}

#[repr(C)]
#[derive(Default)]
struct TestRun {
    program: u32,
    result: u32,
    data_size_in: u32,
    data_size_out: u32,
    data_in: u64,
    data_out: u64,
    repeat: u32,
    duration: u32,
}
