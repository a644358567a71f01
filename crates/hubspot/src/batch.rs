//! Isolating the bad rows of a batch that HubSpot refuses as a whole: halves, then halves of halves.

use std::collections::VecDeque;

use crate::error::Error;
use crate::limits::REFUSED_CALLS_PER_BATCH;

/// The parts of a batch that are still to be sent.
pub(crate) struct Parts<'a, T> {
    pending: VecDeque<&'a [T]>,
    refusals_left: u32,
}

impl<'a, T> Parts<'a, T> {
    /// The whole as one part; nothing to send when it is empty.
    pub(crate) fn new(whole: &'a [T]) -> Self {
        let mut pending = VecDeque::new();
        if !whole.is_empty() {
            pending.push_back(whole);
        }
        Self {
            pending,
            refusals_left: REFUSED_CALLS_PER_BATCH,
        }
    }

    /// The next part to send.
    pub(crate) fn next(&mut self) -> Option<&'a [T]> {
        self.pending.pop_front()
    }

    /// `part` was refused. Answers with the rows to be reported as refused: none while it is halved and sent again, the
    /// row itself when it is alone, and all of the part when isolating has cost enough calls.
    pub(crate) fn refused(&mut self, part: &'a [T]) -> &'a [T] {
        self.refusals_left = self.refusals_left.saturating_sub(1);
        if part.len() <= 1 || self.refusals_left == 0 {
            return part;
        }
        let (first, second) = part.split_at(part.len() / 2);
        self.pending.push_back(first);
        self.pending.push_back(second);
        &[]
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
    use super::*;

    /// Sends everything; parts that contain a bad number are refused. Calls made, rows taken, rows reported.
    fn send(rows: &[u32], bad: &[u32]) -> (u32, Vec<u32>, Vec<u32>) {
        let mut parts = Parts::new(rows);
        let (mut calls, mut taken, mut refused) = (0, Vec::new(), Vec::new());
        while let Some(part) = parts.next() {
            calls += 1;
            if part.iter().any(|row| bad.contains(row)) {
                refused.extend_from_slice(parts.refused(part));
            } else {
                taken.extend_from_slice(part);
            }
        }
        taken.sort_unstable();
        refused.sort_unstable();
        (calls, taken, refused)
    }

    #[test]
    fn one_bad_row_is_isolated_and_the_others_go() {
        let rows: Vec<u32> = (0..100).collect();
        let (calls, taken, refused) = send(&rows, &[42]);
        assert_eq!(refused, [42]);
        assert_eq!(taken.len(), 99);
        assert!(calls <= 17, "{calls}");
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
}
