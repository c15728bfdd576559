//! From a decoded text back to the text it was decoded from.

use std::ops::Range;

/// Which range of the original each range of a decoded text comes from.
#[derive(Clone, Debug, Default)]
pub(in crate::scan) struct Spans {
    /// In the order of both texts; a segment ends where the next begins.
    segments: Vec<Segment>,
}

#[derive(Clone, Copy, Debug)]
struct Segment {
    /// Where it begins in the decoded text.
    at: usize,
    /// Where it begins in the original.
    from: usize,
    /// Where it ends in the original.
    to: usize,
    /// Byte for byte the same.
    same: bool,
}

impl Spans {
    /// All of the decoded text comes from `run` as a whole.
    pub(super) fn whole(run: Range<usize>) -> Self {
        Self { segments: vec![Segment { at: 0, from: run.start, to: run.end, same: false }] }
    }

    /// The decoded text has its bytes where the original has them.
    pub(super) fn same(length: usize) -> Self {
        Self { segments: vec![Segment { at: 0, from: 0, to: length, same: true }] }
    }

    /// The next bytes of the decoded text, from `at` on, are those of `original`.
    pub(super) fn copy(&mut self, at: usize, original: Range<usize>) {
        if !original.is_empty() {
            self.segments.push(Segment { at, from: original.start, to: original.end, same: true });
        }
    }

    /// The next bytes of the decoded text, from `at` on, were written as `original`.
    pub(super) fn decoded(&mut self, at: usize, original: Range<usize>) {
        self.segments.push(Segment { at, from: original.start, to: original.end, same: false });
    }

    /// True if every part of the decoded text comes from the same part of the original.
    pub(in crate::scan) fn is_whole(&self) -> bool {
        matches!(self.segments.as_slice(), [one] if !one.same)
    }

    /// The least range of the original that all of `range` comes from.
    pub(in crate::scan) fn original(&self, range: Range<usize>) -> Range<usize> {
        let start = self
            .segment(range.start)
            .map_or(0, |segment| if segment.same { segment.from + (range.start - segment.at) } else { segment.from });
        let end = self.segment(range.end.saturating_sub(1).max(range.start)).map_or(start, |segment| {
            if segment.same { (segment.from + (range.end - segment.at)).min(segment.to) } else { segment.to }
        });
        start..end.max(start)
    }

    /// The segment of a byte of the decoded text; of several that begin there the last, for the others are empty.
    fn segment(&self, at: usize) -> Option<&Segment> {
        let behind = self.segments.partition_point(|segment| segment.at <= at);
        self.segments.get(behind.checked_sub(1)?)
    }
}
