//! From a decoded text back to the text it was decoded from.

use std::ops::Range;

/// Which range of the original each range of a decoded text comes from.
#[derive(Clone, Debug, Default)]
pub(in crate::scan) struct Spans {
    /// In the order of both texts; a segment ends where the next begins.
    segments: Vec<Segment>,
    /// Where the original ends.
    end: u32,
}

/// Something that was written otherwise, and what stands behind it, byte for byte the same.
#[derive(Clone, Copy, Debug)]
struct Segment {
    /// Where it begins in the decoded text.
    at: u32,
    /// How much of the decoded text was written otherwise.
    length: u32,
    /// Where that begins in the original.
    from: u32,
    /// Where it ends there, and what is the same begins.
    to: u32,
}

impl Spans {
    /// All of the decoded text comes from `run` as a whole.
    pub(super) fn whole(run: Range<usize>) -> Self {
        let mut spans = Self::default();
        spans.decoded(0, ALL, run);
        spans
    }

    /// The decoded text has its bytes where the original has them.
    pub(super) fn same(length: usize) -> Self {
        let mut spans = Self::default();
        spans.ends(length);
        spans
    }

    /// The next `length` bytes of the decoded text, from `at` on, were written as `original`; those behind them, up to
    /// the next, are those of the original.
    pub(super) fn decoded(&mut self, at: usize, length: usize, original: Range<usize>) {
        // No message is as large as 4 GiB.
        let segment =
            Segment { at: at as u32, length: length as u32, from: original.start as u32, to: original.end as u32 };
        self.segments.push(segment);
        self.ends(original.end);
    }

    /// The original ends at `end`.
    pub(super) fn ends(&mut self, end: usize) {
        self.end = end as u32;
    }

    /// True if every part of the decoded text comes from the same part of the original.
    pub(in crate::scan) fn is_whole(&self) -> bool {
        matches!(self.segments.as_slice(), [one] if one.length == ALL as u32)
    }

    /// The least range of the original that all of `range` comes from.
    pub(in crate::scan) fn original(&self, range: Range<usize>) -> Range<usize> {
        let place = |at: usize, of: usize| {
            let none = Segment { at: 0, length: 0, from: 0, to: 0 };
            let segment = self.segment(of).copied().unwrap_or(none);
            let behind = (segment.at as usize).saturating_add(segment.length as usize);
            if of < behind {
                return Err((segment.from as usize, segment.to as usize));
            }
            Ok(segment.to as usize + (at - behind))
        };
        let start = place(range.start, range.start).unwrap_or_else(|(from, _)| from);
        let last = range.end.saturating_sub(1).max(range.start);
        let end = place(range.end.max(last), last).map_or_else(|(_, to)| to, |end| end.min(self.end as usize));
        start..end.max(start)
    }

    /// The segment of a byte of the decoded text; of several that begin there the last, for the others are empty.
    fn segment(&self, at: usize) -> Option<&Segment> {
        let behind = self.segments.partition_point(|segment| segment.at as usize <= at);
        self.segments.get(behind.checked_sub(1)?)
    }
}

/// The length of what was written otherwise from the first byte to the last.
const ALL: usize = u32::MAX as usize;
