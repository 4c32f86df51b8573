//! The largest stack frame of a BPF object, read from its instructions.

use anyhow::{Context as _, Result, ensure};

/// Bytes of stack that the kernel gives a program and all it calls (`MAX_BPF_STACK`).
pub const LIMIT: u32 = 512;
/// ELF section flag of code.
const SHF_EXECINSTR: u64 = 4;
/// The read-only frame pointer.
const FRAME_POINTER: u8 = 10;

/// Deepest offset below the frame pointer that any instruction uses.
pub fn largest_frame(object: &[u8]) -> Result<u32> {
    let mut deepest = 0;
    for section in code_sections(object)? {
        let mut copies = [false; 16];
        for instruction in section.chunks_exact(8) {
            deepest = deepest.max(depth(instruction, &mut copies));
        }
    }
    Ok(deepest)
}

/// Depth one instruction shows; `copies` are registers which hold the frame pointer.
fn depth(instruction: &[u8], copies: &mut [bool; 16]) -> u32 {
    let [code, registers, offset_low, offset_high, immediate @ ..] = instruction else { return 0 };
    let (destination, source) = (registers & 0x0f, registers >> 4);
    let offset = i16::from_le_bytes([*offset_low, *offset_high]);
    let below = |offset: i32| if offset < 0 { offset.unsigned_abs() } else { 0 };
    match code & 0x07 {
        // BPF_LDX reads through the source, BPF_ST and BPF_STX write through the destination.
        1 if source == FRAME_POINTER => below(offset.into()),
        2 | 3 if destination == FRAME_POINTER => below(offset.into()),
        // 64-bit arithmetic: `r = r10`, then `r += immediate`.
        7 => {
            let was_copy = copies.get(usize::from(destination)).copied().unwrap_or_default();
            if let Some(copy) = copies.get_mut(usize::from(destination)) {
                *copy = *code == 0xbf && source == FRAME_POINTER;
            }
            let immediate = <[u8; 4]>::try_from(immediate).map_or(0, i32::from_le_bytes);
            if *code == 0x07 && was_copy { below(immediate) } else { 0 }
        }
        _ => 0,
    }
}

fn code_sections(object: &[u8]) -> Result<Vec<&[u8]>> {
    ensure!(object.starts_with(b"\x7fELF\x02\x01"), "not a little-endian 64-bit ELF file");
    let word = |at: usize| -> Result<u64> {
        let bytes = object.get(at..at + 8).context("truncated ELF file")?;
        Ok(u64::from_le_bytes(<[u8; 8]>::try_from(bytes)?))
    };
    let half = |at: usize| -> Result<usize> {
        let bytes = object.get(at..at + 2).context("truncated ELF file")?;
        Ok(usize::from(u16::from_le_bytes([bytes[0], bytes[1]])))
    };
    let (table, size, count) = (usize::try_from(word(0x28)?)?, half(0x3a)?, half(0x3c)?);
    let mut sections = Vec::new();
    for header in (0..count).map(|index| table + index * size) {
        if word(header + 8)? & SHF_EXECINSTR != 0 {
            let start = usize::try_from(word(header + 0x18)?)?;
            let length = usize::try_from(word(header + 0x20)?)?;
            sections.push(object.get(start..start + length).context("section outside the file")?);
        }
    }
    Ok(sections)
}

#[cfg(test)]
mod tests {
    use super::depth;

    #[test]
    fn stack_use_is_seen_in_stores_and_in_copied_frame_pointers() {
        let mut copies = [false; 16];
        let store = [0x7b, 0x1a, 0xf8, 0xff, 0, 0, 0, 0]; // *(u64 *)(r10 - 8) = r1
        let copy = [0xbf, 0xa2, 0, 0, 0, 0, 0, 0]; // r2 = r10
        let add = [0x07, 0x02, 0, 0, 0xc0, 0xff, 0xff, 0xff]; // r2 += -64
        let depths = [&store, &copy, &add, &add].map(|instruction| depth(instruction, &mut copies));
        assert_eq!(depths, [8, 0, 64, 0]);
    }
}
