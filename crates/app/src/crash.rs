//! Crash points: named places at which a process of a test build dies as if its machine had gone, so that every gap between
//! two things that belong together is struck, and not only those that chance finds.
//!
//! `CRASH_AT=NAME:N` in the environment kills the process at its N-th passing of that place: by SIGKILL, so nothing is
//! unwound, dropped or flushed. Only builds with the feature `crash-points` do that, and only tests of `cli` ask for it; in
//! every other build [`at`] is empty. docs/reliability.md says what has happened at each place and what goes on from there.

macro_rules! points {
    ($($(#[doc = $words:literal])+ $point:ident = $name:literal,)+) => {
        /// A place between two steps of which the process may die.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Point {
            $($(#[doc = $words])+ $point,)+
        }

        #[cfg(feature = "crash-points")]
        impl Point {
            /// All of them, in the order in which docs/reliability.md tells of them.
            pub const ALL: &[Self] = &[$(Self::$point,)+];

            /// What it is called in `CRASH_AT`.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$point => $name,)+
                }
            }
        }
    };
}

points! {
    /// A run and its portal are claimed; nothing is done yet.
    RunClaimed = "run_claimed",
    /// The object is found or made at HubSpot; where it is, is not stored.
    ObjectReady = "object_ready",
    /// A page of Thnks is read and not stored.
    PageRead = "page_read",
    /// A page is stored with the cursor behind it.
    PageStored = "page_stored",
    /// Rows are taken to be written; nothing is sent.
    RecordsUnsent = "records_unsent",
    /// HubSpot has answered a batch; the answer is not stored.
    RecordsAnswered = "records_answered",
    /// A call that brought no answer is noted.
    RecordsUnanswered = "records_unanswered",
    /// What became of a batch is stored.
    RecordsNoted = "records_noted",
    /// Recipients are looked up; no link is made.
    ContactsFound = "contacts_found",
    /// Links are made at HubSpot and not stored.
    LinksMade = "links_made",
    /// Links are stored.
    LinksNoted = "links_noted",
    /// A lease was renewed during a long call.
    LeaseRenewed = "lease_renewed",
    /// All is done, and the run still open.
    RunEnding = "run_ending",
    /// The run has ended.
    RunEnded = "run_ended",
    /// HubSpot's events have asked for a run.
    EventsAsked = "events_asked",
    /// What events tell of is asked for and not stored.
    EventsRead = "events_read",
    /// What events led to is stored, and they are gone.
    EventsNoted = "events_noted",
    /// The right to refresh tokens is ours; HubSpot is not asked yet.
    TokenLeased = "token_leased",
    /// HubSpot has given new tokens; they are not stored.
    TokenAnswered = "token_answered",
    /// New tokens are stored.
    TokenStored = "token_stored",
    /// Due runs are noted as rung for; Redis has not heard of them.
    RingNoted = "ring_noted",
    /// A ring is in Redis.
    RingPushed = "ring_pushed",
    /// An attempt to tell of something is leased; nothing is sent.
    NoticeTaken = "notice_taken",
    /// A notice has arrived; that is not stored.
    NoticeSent = "notice_sent",
    /// A recipient is erased in a transaction that is not committed.
    RecipientErasing = "recipient_erasing",
    /// A recipient is erased here, and HubSpot's record is due.
    RecipientErased = "recipient_erased",
    /// HubSpot has heard of a disconnect; the tokens are still here.
    UninstallTold = "uninstall_told",
    /// A grant is revoked at HubSpot; its connection is still here.
    GrantRevoked = "grant_revoked",
    /// One portal of many has moved to the first key.
    KeyRotated = "key_rotated",
    /// Some of a disconnected portal's data is erased.
    PortalErasing = "portal_erasing",
}

/// Passes the place: nothing.
#[cfg(not(feature = "crash-points"))]
#[inline]
pub fn at(_: Point) {}

#[cfg(feature = "crash-points")]
pub use armed::at;

#[cfg(feature = "crash-points")]
mod armed {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU32, Ordering};

    use rustix::process::{Signal, getpid, kill_process};

    use super::Point;

    /// What the environment asks for.
    struct Order {
        point: Point,
        passing: u32,
        passed: AtomicU32,
    }

    /// Passes the place, or dies there.
    pub fn at(point: Point) {
        static ORDER: OnceLock<Option<Order>> = OnceLock::new();
        let order = ORDER.get_or_init(read).as_ref();
        if let Some(order) = order.filter(|order| order.point == point)
            && order.passed.fetch_add(1, Ordering::SeqCst) + 1 == order.passing
        {
            die();
        }
    }

    fn die() -> ! {
        kill_process(getpid(), Signal::KILL).expect("a process may kill itself");
        // The signal ends every thread, this one within moments.
        loop {
            std::thread::park();
        }
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "no setting: it is known to test builds alone"
    )]
    fn read() -> Option<Order> {
        let text = std::env::var("CRASH_AT").ok()?;
        let order = parse(&text);
        if order.is_none() {
            // A test that asks for something else must not pass because nobody died.
            tracing::error!(crash.at = text, "CRASH_AT names no crash point");
            std::process::exit(2);
        }
        order
    }

    fn parse(text: &str) -> Option<Order> {
        let (name, passing) = text.split_once(':')?;
        let point = Point::ALL.iter().find(|point| point.name() == name)?;
        Some(Order {
            point: *point,
            passing: passing.parse().ok().filter(|passing| *passing > 0)?,
            passed: AtomicU32::new(0),
        })
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn an_order_names_a_point_and_a_passing_from_one_on() {
            let order = parse("page_read:3").unwrap();
            assert_eq!((order.point, order.passing), (Point::PageRead, 3));
            for text in ["page_read", "page_read:0", "page_read:x", "nowhere:1", ""] {
                assert!(parse(text).is_none(), "{text}");
            }
        }
    }
}
