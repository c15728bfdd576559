//! Sorting in little code.
//!
//! The standard library's sorts are a hybrid of four algorithms, and each type and key gets a copy of 3 to 6 KB: two
//! hundred kilobytes of a filter that Envoy compiles at every start. Here the algorithm exists once, over numbers of items;
//! what is copied only compares and swaps. Where many integers are sorted on the path of a message
//! the standard library's sort is still used.

use std::cmp::Ordering;
use std::ops::Range;

/// Stable sorts of slices.
pub trait Arrange<T> {
    /// Sorts as `sort_by` does: stable, at most n·log n comparisons for each of its passes.
    fn arrange_by(&mut self, compare: impl Fn(&T, &T) -> Ordering);

    /// Sorts by a key.
    fn arrange_by_key<K: Ord>(&mut self, key: impl Fn(&T) -> K) {
        self.arrange_by(|a, b| key(a).cmp(&key(b)));
    }

    /// Sorts by the order of the items.
    fn arrange(&mut self)
    where
        T: Ord,
    {
        self.arrange_by(T::cmp);
    }
}

impl<T> Arrange<T> for [T] {
    fn arrange_by(&mut self, compare: impl Fn(&T, &T) -> Ordering) {
        let before = |a: u32, b: u32| match (self.get(a as usize), self.get(b as usize)) {
            (Some(a), Some(b)) => compare(a, b) == Ordering::Less,
            _ => false,
        };
        let mut order = in_order(self.len() as u32, &before);
        // Along each cycle of the permutation: what belongs at `to` is swapped there.
        for start in 0..order.len() {
            let mut to = start;
            while let Some(from) = order.get(to).map(|from| *from as usize) {
                if let Some(done) = order.get_mut(to) {
                    *done = to as u32;
                }
                if from == start {
                    break;
                }
                self.swap(to, from);
                to = from;
            }
        }
    }
}

/// Collects one by one: a tree that is built from an iterator at once sorts it first, which is a sort more for
/// each type.
pub trait Insert: Iterator + Sized {
    /// A collection of all items; of equal keys the last one counts.
    fn insert_all<C: Default + Extend<Self::Item>>(self) -> C {
        let mut all = C::default();
        all.extend(self);
        all
    }
}

impl<I: Iterator> Insert for I {}

/// Which item comes first, second and so on; nothing if they are in order. Merges runs from the bottom up; `before` is a strict order.
fn in_order(count: u32, before: &dyn Fn(u32, u32) -> bool) -> Vec<u32> {
    if (1..count).all(|at| !before(at, at - 1)) {
        return Vec::new();
    }
    let mut order: Vec<u32> = (0..count).collect();
    let mut merged = Vec::with_capacity(order.len());
    // Where the runs end that are in order already: what is nearly so has few.
    let mut ends: Vec<u32> = (1..count).filter(|at| before(*at, at - 1)).chain([count]).collect();
    while ends.len() > 1 {
        merged.clear();
        let mut start = 0;
        let mut next = Vec::with_capacity(ends.len().div_ceil(2));
        for pair in ends.chunks(2) {
            let middle = pair.first().map_or(start, |end| *end as usize);
            let end = pair.last().map_or(start, |end| *end as usize);
            let run = |range: Range<usize>| order.get(range).unwrap_or_default().iter().copied().peekable();
            let (mut left, mut right) = (run(start..middle), run(middle..end));
            while let (Some(a), Some(b)) = (left.peek(), right.peek()) {
                // Only a smaller one overtakes: equal items stay in their order.
                merged.extend(if before(*b, *a) { right.next() } else { left.next() });
            }
            merged.extend(left);
            merged.extend(right);
            next.push(end as u32);
            start = end;
        }
        std::mem::swap(&mut order, &mut merged);
        ends = next;
    }
    order
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn sorts_as_the_standard_library_does(items in proptest::collection::vec((0..20_u8, any::<u8>()), 0..200)) {
            let (mut ours, mut theirs) = (items.clone(), items.clone());
            ours.arrange_by_key(|(key, _)| *key);
            theirs.sort_by_key(|(key, _)| *key);
            prop_assert_eq!(&ours, &theirs);
            ours.arrange();
            theirs.sort_unstable();
            prop_assert_eq!(ours, theirs);
            let map: BTreeMap<u8, u8> = items.iter().copied().insert_all();
            prop_assert_eq!(map, items.into_iter().collect::<BTreeMap<u8, u8>>());
        }
    }

    #[test]
    fn compares_no_more_than_a_merge_has_to() {
        let count = std::cell::Cell::new(0);
        let mut items: Vec<u32> = (0..4096).map(|at: u32| at.wrapping_mul(0x9e37_79b1) >> 7).collect();
        items.arrange_by(|a, b| {
            count.set(count.get() + 1);
            a.cmp(b)
        });
        assert!(items.is_sorted());
        assert!(count.get() <= 4096 * 13 + 4096, "{}", count.get());
    }
}
