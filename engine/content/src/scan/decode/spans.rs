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
    at: u32,
    /// Where it begins in the original.
    from: u32,
    /// Where it ends in the original.
    to: u32,
    /// Byte for byte the same.
    same: bool,
}

impl Segment {
    /// No message is as large as 4 GiB.
    fn new(at: usize, original: Range<usize>, same: bool) -> Self {
        Self { at: at as u32, from: original.start as u32, to: original.end as u32, same }
    }
}

impl Spans {
    /// All of the decoded text comes from `run` as a whole.
    pub(super) fn whole(run: Range<usize>) -> Self {
        Self { segments: vec![Segment::new(0, run, false)] }
    }

    /// The decoded text has its bytes where the original has them.
    pub(super) fn same(length: usize) -> Self {
        Self { segments: vec![Segment::new(0, 0..length, true)] }
    }

    /// The next bytes of the decoded text, from `at` on, are those of `original`.
    pub(super) fn copy(&mut self, at: usize, original: Range<usize>) {
        if !original.is_empty() {
            self.segments.push(Segment::new(at, original, true));
        }
    }

    /// The next bytes of the decoded text, from `at` on, were written as `original`.
    pub(super) fn decoded(&mut self, at: usize, original: Range<usize>) {
        self.segments.push(Segment::new(at, original, false));
    }

    /// True if every part of the decoded text comes from the same part of the original.
    pub(in crate::scan) fn is_whole(&self) -> bool {
        matches!(self.segments.as_slice(), [one] if !one.same)
    }

    /// The least range of the original that all of `range` comes from.
    pub(in crate::scan) fn original(&self, range: Range<usize>) -> Range<usize> {
        let start = self.segment(range.start).map_or(0, |segment| {
            let from = segment.from as usize;
            if segment.same { from + (range.start - segment.at as usize) } else { from }
        });
        let end = self.segment(range.end.saturating_sub(1).max(range.start)).map_or(start, |segment| {
            let to = segment.to as usize;
            if segment.same { (segment.from as usize + (range.end - segment.at as usize)).min(to) } else { to }
        });
        start..end.max(start)
    }

    /// The segment of a byte of the decoded text; of several that begin there the last, for the others are empty.
    fn segment(&self, at: usize) -> Option<&Segment> {
        let behind = self.segments.partition_point(|segment| segment.at as usize <= at);
        self.segments.get(behind.checked_sub(1)?)
    }
}
