//! RFC 1624 updates against RFC 1071 sums computed from scratch.

use proptest::prelude::*;
use rtpengine_common::checksum::Difference;

/// The Internet checksum of `bytes`, an even number of them, straight from RFC 1071.
fn full(bytes: &[u8]) -> u16 {
    let mut sum: u32 = bytes.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
    while sum >> 16 != 0 {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

/// Zero and all ones are the same number in one's complement.
fn same(a: u16, b: u16) -> bool {
    a == b || (a == 0 && b == 0xffff) || (a == 0xffff && b == 0)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn after_replacing_words_anywhere(
        mut data in prop::collection::vec(any::<u8>(), 40..400),
        at in 0_usize..18,
        two in any::<[u8; 2]>(),
        four in any::<[u8; 4]>(),
        sixteen in any::<[u8; 16]>(),
    ) {
        data.truncate(data.len() & !1);
        let before = full(&data);
        let at = at & !1;
        let old = data.clone();
        data[at..at + 2].copy_from_slice(&two);
        data[at + 2..at + 6].copy_from_slice(&four);
        data[at + 6..at + 22].copy_from_slice(&sixteen);
        let difference = Difference::NONE
            .replace2(old[at..at + 2].try_into().unwrap(), two)
            .replace4(old[at + 2..at + 6].try_into().unwrap(), four)
            .replace16(old[at + 6..at + 22].try_into().unwrap(), sixteen);
        let updated = u16::from_be_bytes(difference.apply(before.to_be_bytes()));
        prop_assert!(same(updated, full(&data)), "{updated:04x} is not {:04x}", full(&data));
        prop_assert_ne!(difference.apply_udp(before.to_be_bytes()), [0; 2], "zero would mean no checksum");
    }

    #[test]
    fn of_inserted_bytes_alone(sixteen in any::<[u8; 16]>(), four in any::<[u8; 4]>(), two in any::<[u8; 2]>()) {
        let bytes = [&sixteen[..], &four, &two].concat();
        let sum = Difference::NONE.insert16(sixteen).insert4(four).insert2(two).finish();
        prop_assert_eq!(u16::from_be_bytes(sum), full(&bytes));
    }

    #[test]
    fn removing_and_inserting_the_same_changes_nothing(checksum in any::<u16>(), bytes in any::<[u8; 16]>()) {
        let unchanged = Difference::NONE.remove16(bytes).insert16(bytes).apply(checksum.to_be_bytes());
        prop_assert!(same(u16::from_be_bytes(unchanged), checksum));
    }
}
