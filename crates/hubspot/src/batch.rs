//! Isolating the bad rows of a batch that HubSpot refuses as a whole: halves, then halves of halves.

use crate::error::Error;
use crate::limits::REFUSED_CALLS_PER_BATCH;

/// The parts of a batch that are still to be sent. Each part that [`Self::next`] gives is answered with [`Self::accepted`]
/// or [`Self::refused`].
pub(crate) struct Parts<'a, T> {
    /// The next part is the last of these.
    pending: Vec<Part<'a, T>>,
    /// Whether the part being sent is the first half of a refused one; its sister is next in line.
    sent_first_half: bool,
    refusals_left: u32,
}

struct Part<'a, T> {
    rows: &'a [T],
    is_first_half: bool,
    /// It holds a bad row: the whole was refused, and the other half was taken. To send it whole would be wasted.
    is_known_bad: bool,
}

impl<'a, T> Parts<'a, T> {
    /// The whole as one part; nothing to send when it is empty.
    pub(crate) fn new(whole: &'a [T]) -> Self {
        let mut parts = Self {
            pending: Vec::new(),
            sent_first_half: false,
            refusals_left: REFUSED_CALLS_PER_BATCH,
        };
        if !whole.is_empty() {
            parts.pending.push(Part {
                rows: whole,
                is_first_half: false,
                is_known_bad: false,
            });
        }
        parts
    }

    /// The next part to send.
    pub(crate) fn next(&mut self) -> Option<&'a [T]> {
        loop {
            let part = self.pending.pop()?;
            if part.is_known_bad && part.rows.len() > 1 {
                self.halve(part.rows);
                continue;
            }
            self.sent_first_half = part.is_first_half;
            return Some(part.rows);
        }
    }

    /// The part was taken; `wholly` when not even a single row of it was refused.
    pub(crate) fn accepted(&mut self, wholly: bool) {
        if wholly
            && self.sent_first_half
            && let Some(sister) = self.pending.last_mut()
        {
            sister.is_known_bad = true;
        }
    }

    /// `part` was refused. Answers with the rows to be reported as refused: none while it is halved and sent again, the
    /// row itself when it is alone, and all of the part when isolating has cost enough calls.
    pub(crate) fn refused(&mut self, part: &'a [T]) -> &'a [T] {
        self.refusals_left = self.refusals_left.saturating_sub(1);
        if part.len() <= 1 || self.refusals_left == 0 {
            return part;
        }
        self.halve(part);
        &[]
    }

    fn halve(&mut self, rows: &'a [T]) {
        let (first, second) = rows.split_at(rows.len() / 2);
        for (rows, is_first_half) in [(second, false), (first, true)] {
            self.pending.push(Part {
                rows,
                is_first_half,
                is_known_bad: false,
            });
        }
    }
}

/// Whether a smaller batch may fare better than the one that ended so.
pub(crate) fn is_about_rows(error: &Error) -> bool {
    match error {
        Error::Rejected(refusal) => refusal.status == 400,
        Error::Conflict(_) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::properties::config;

    /// Sends everything; parts that contain a bad number are refused. Calls made, rows taken, rows reported.
    fn send(rows: &[u32], bad: &[u32]) -> (u32, Vec<u32>, Vec<u32>) {
        let mut parts = Parts::new(rows);
        let (mut calls, mut taken, mut refused) = (0, Vec::new(), Vec::new());
        while let Some(part) = parts.next() {
            calls += 1;
            if part.iter().any(|row| bad.contains(row)) {
                refused.extend_from_slice(parts.refused(part));
            } else {
                parts.accepted(true);
                taken.extend_from_slice(part);
            }
        }
        taken.sort_unstable();
        refused.sort_unstable();
        (calls, taken, refused)
    }

    #[test]
    fn a_bad_row_costs_at_most_twice_the_logarithm_of_its_batch_wherever_it_stands() {
        let rows: Vec<u32> = (0..100).collect();
        let bound = 2.0 * 100_f64.log2();
        for bad in 0..100 {
            let (calls, taken, refused) = send(&rows, &[bad]);
            assert_eq!(refused, [bad]);
            assert_eq!(taken.len(), 99);
            assert!(f64::from(calls - 1) <= bound, "{bad}: {calls} calls");
        }
    }

    #[test]
    fn several_bad_rows_cost_no_more_than_as_many_single_ones() {
        let rows: Vec<u32> = (0..100).collect();
        for step in 1..50 {
            let bad: Vec<u32> = [3, 3 + step, 3 + 2 * step % 97].into();
            let mut distinct = bad.clone();
            distinct.sort_unstable();
            distinct.dedup();
            let (calls, taken, refused) = send(&rows, &bad);
            assert_eq!(refused, distinct);
            assert_eq!(taken.len(), 100 - distinct.len());
            let bound = 2.0 * 100_f64.log2() * f64::from(u32::try_from(distinct.len()).unwrap());
            assert!(f64::from(calls - 1) <= bound, "{bad:?}: {calls} calls");
        }
    }

    #[test]
    fn good_rows_never_starve_behind_bad_ones() {
        let rows: Vec<u32> = (0..100).collect();
        let bad: Vec<u32> = rows.iter().copied().filter(|row| row % 4 != 3).collect();
        let (_, taken, refused) = send(&rows, &bad);
        assert_eq!((taken.len(), refused), (25, bad));
    }

    #[test]
    fn each_row_of_a_bad_batch_is_refused_alone() {
        let rows: Vec<u32> = (0..100).collect();
        let (calls, taken, refused) = send(&rows, &rows);
        assert_eq!((taken.len(), refused), (0, rows));
        assert_eq!(calls, 199);
    }

    #[test]
    fn isolating_ends_when_every_row_is_bad_and_no_row_is_forgotten() {
        let rows: Vec<u32> = (0..2_000).collect();
        let (calls, taken, refused) = send(&rows, &rows);
        assert_eq!((taken.len(), refused), (0, rows));
        assert!(calls <= 2 * REFUSED_CALLS_PER_BATCH + 1, "{calls}");
    }

    #[test]
    fn nothing_is_sent_for_nothing() {
        assert_eq!(send(&[], &[]).0, 0);
    }

    proptest! {
        #![proptest_config(config())]

        #[test]
        fn each_row_is_taken_or_reported_once_whatever_hubspot_answers(
            count in 0..24_usize,
            answers in vec(0..4_u8, 1..32),
        ) {
            let rows: Vec<usize> = (0..count).collect();
            let mut parts = Parts::new(&rows);
            let mut answers = answers.iter().cycle();
            let (mut calls, mut ended) = (0, Vec::new());
            while let Some(part) = parts.next() {
                calls += 1;
                match answers.next() {
                    Some(0) => {
                        parts.accepted(false);
                        ended.extend_from_slice(part);
                    }
                    Some(1) => {
                        parts.accepted(true);
                        ended.extend_from_slice(part);
                    }
                    _ => ended.extend_from_slice(parts.refused(part)),
                }
            }
            ended.sort_unstable();
            prop_assert_eq!(ended, rows);
            prop_assert!(calls <= 2 * count);
        }

        #[test]
        fn exactly_the_bad_rows_are_reported(is_bad in vec(any::<bool>(), 0..48)) {
            let rows: Vec<u32> = (0..).take(is_bad.len()).collect();
            let (bad, good): (Vec<u32>, Vec<u32>) = rows.iter().partition(|row| is_bad[**row as usize]);
            let (_, taken, refused) = send(&rows, &bad);
            prop_assert_eq!((taken, refused), (good, bad));
        }
    }
}
