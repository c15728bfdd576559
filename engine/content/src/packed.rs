//! Unpacks what `build.rs` packs, weights of the learned tier and rules, to little more than half of their size: it is done
//! once at the start, and every byte of the module counts.

/// The bytes that were packed as a canonical Huffman code; `None` if there are fewer than it says.
///
/// The format: the number of bytes (four bytes, little-endian), the number of codes of each length (two bytes each), the
/// number of values less one, the values in the order of their codes, then the codes, highest bit first.
pub(crate) fn unpack(packed: &[u8]) -> Option<Vec<u8>> {
    let (count, packed) = packed.split_first_chunk()?;
    let count = u32::from_le_bytes(*count) as usize;
    let (lengths, rest) = packed.split_at_checked(2 * LONGEST)?;
    let (last, rest) = rest.split_first()?;
    let (values, codes) = rest.split_at_checked(usize::from(*last) + 1)?;
    let mut bits = codes.iter().flat_map(|byte| (0..8).rev().map(move |bit| u32::from(byte >> bit & 1)));
    let mut out = Vec::with_capacity(count.min(8 * codes.len()));
    while out.len() < count {
        // Codes of one length are consecutive numbers. `code` counts from the first of its length, whose value is `first`.
        let (mut code, mut first) = (0, 0);
        let mut lengths = lengths.chunks_exact(2);
        let value = loop {
            code = code << 1 | bits.next()?;
            let of_length = u32::from(u16::from_le_bytes(lengths.next()?.try_into().ok()?));
            if code < of_length {
                break values.get((first + code) as usize)?;
            }
            code -= of_length;
            first += of_length;
        };
        out.push(*value);
    }
    Some(out)
}

/// The text that was folded, then packed: what `build.rs` says of `fold`, the other way round.
pub(crate) fn expand(packed: &[u8]) -> Option<Vec<u8>> {
    let folded = unpack(packed)?;
    let mut rest = folded.as_slice();
    let mut out = Vec::new();
    while let Some((sign, behind)) = rest.split_first() {
        if let Some(length) = sign.checked_sub(128) {
            let (back, behind) = behind.split_first_chunk()?;
            let from = out.len().checked_sub(usize::from(u16::from_le_bytes(*back)))?;
            for at in from..from + usize::from(length) + SHORTEST {
                out.push(*out.get(at)?);
            }
            rest = behind;
        } else {
            let (plain, behind) = behind.split_at_checked(usize::from(*sign) + 1)?;
            out.extend_from_slice(plain);
            rest = behind;
        }
    }
    Some(out)
}

/// The shortest piece that is told by its place.
const SHORTEST: usize = 4;

/// The longest code, in bits.
const LONGEST: usize = 24;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_codes_of_several_lengths() {
        // a: 0, b: 10, c: 11.
        let mut packed = vec![0; 4 + 2 * LONGEST];
        (packed[0], packed[4], packed[6]) = (5, 1, 2);
        packed.extend([2, b'a', b'b', b'c', 0b0101_1010]);
        assert_eq!(unpack(&packed), Some(b"abcab".to_vec()));
        assert_eq!(unpack(&packed[..10]), None);
        packed[0] = 20;
        assert_eq!(unpack(&packed), None);
    }
}
