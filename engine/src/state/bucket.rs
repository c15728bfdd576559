//! The bytes of one bucket: entries one after the other, each as key (16 bytes), expiry
//! (microseconds since the Unix epoch, 8 bytes), length (4 bytes), value. Numbers are little-endian.

use super::Unavailable;

/// Fingerprint of an entry's key.
pub(super) type Key = [u8; 16];

/// The value under `key`, unless it has expired.
///
/// # Errors
/// [`Unavailable`] if the bytes are no bucket: something else wrote there.
pub(super) fn find<'b>(bucket: &'b [u8], key: &Key, now_us: u64) -> Result<Option<&'b [u8]>, Unavailable> {
    for entry in Entries(bucket) {
        let entry = entry?;
        if entry.key == key && entry.expires_us > now_us {
            return Ok(Some(entry.value));
        }
    }
    Ok(None)
}

/// The bucket with `value` under `key` (`None`: without it), and without what has expired.
///
/// # Errors
/// [`Unavailable`] if the bytes are no bucket, or the new one would exceed [`MAX_BUCKET_BYTES`].
pub(super) fn replace(
    bucket: &[u8],
    key: &Key,
    value: Option<(&[u8], u64)>,
    now_us: u64,
) -> Result<Vec<u8>, Unavailable> {
    let mut out = Vec::with_capacity(bucket.len() + value.map_or(0, |(value, _)| HEAD + value.len()));
    for entry in Entries(bucket) {
        let entry = entry?;
        if entry.key != key && entry.expires_us > now_us {
            write(&mut out, entry.key, entry.expires_us, entry.value)?;
        }
    }
    if let Some((value, expires_us)) = value {
        write(&mut out, key, expires_us, value)?;
    }
    if out.len() > MAX_BUCKET_BYTES { Err(Unavailable) } else { Ok(out) }
}

fn write(out: &mut Vec<u8>, key: &Key, expires_us: u64, value: &[u8]) -> Result<(), Unavailable> {
    let length = u32::try_from(value.len()).map_err(|_| Unavailable)?;
    out.extend_from_slice(key);
    out.extend_from_slice(&expires_us.to_le_bytes());
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(value);
    Ok(())
}

struct Entry<'b> {
    key: &'b Key,
    expires_us: u64,
    value: &'b [u8],
}

struct Entries<'b>(&'b [u8]);

impl<'b> Iterator for Entries<'b> {
    type Item = Result<Entry<'b>, Unavailable>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let entry = read(self.0);
        match &entry {
            Some((_, rest)) => self.0 = rest,
            None => self.0 = &[],
        }
        Some(entry.map(|(entry, _)| entry).ok_or(Unavailable))
    }
}

fn read(bytes: &[u8]) -> Option<(Entry<'_>, &[u8])> {
    let (key, rest) = bytes.split_first_chunk::<16>()?;
    let (expires, rest) = rest.split_first_chunk::<8>()?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let (value, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    Some((Entry { key, expires_us: u64::from_le_bytes(*expires), value }, rest))
}

/// Bytes of an entry before its value.
const HEAD: usize = 28;

/// Largest bucket: 4 MiB.
pub(super) const MAX_BUCKET_BYTES: usize = 4 << 20;

#[cfg(test)]
mod tests {
    use super::{find, replace};

    const A: [u8; 16] = [1; 16];
    const B: [u8; 16] = [2; 16];

    #[test]
    fn entries_are_kept_replaced_removed_and_expire() {
        let one = replace(&[], &A, Some((b"a", 10)), 0).unwrap();
        let two = replace(&one, &B, Some((b"bb", 20)), 0).unwrap();
        assert_eq!(find(&two, &A, 9), Ok(Some(&b"a"[..])));
        assert_eq!(find(&two, &B, 9), Ok(Some(&b"bb"[..])));
        assert_eq!(find(&two, &A, 10), Ok(None));
        let newer = replace(&two, &B, Some((b"ccc", 30)), 10).unwrap();
        assert_eq!(newer.len(), 28 + 3);
        assert_eq!(find(&newer, &B, 10), Ok(Some(&b"ccc"[..])));
        assert!(replace(&newer, &B, None, 10).unwrap().is_empty());
    }

    #[test]
    fn what_is_no_bucket_is_refused() {
        assert!(find(b"something else", &A, 0).is_err());
        assert!(replace(b"something else", &A, None, 0).is_err());
        let mut cut = replace(&[], &A, Some((b"value", 10)), 0).unwrap();
        cut.pop();
        assert!(find(&cut, &B, 0).is_err());
    }

    #[test]
    fn a_bucket_does_not_grow_without_bound() {
        let large = vec![0; super::MAX_BUCKET_BYTES];
        assert!(replace(&[], &A, Some((&large, 10)), 0).is_err());
    }
}
