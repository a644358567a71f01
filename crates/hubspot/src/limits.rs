//! HubSpot's limits and our waiting times, each with its source (sections are those of facts/hubspot.md).

use std::time::Duration;

/// Calls that an account allows a marketplace app in [`RATE_INTERVAL`], search excluded (§6).
pub const RATE_PER_INTERVAL: u32 = 110;
/// The interval of [`RATE_PER_INTERVAL`], a rolling one (§6).
pub const RATE_INTERVAL: Duration = Duration::from_secs(10);
/// Our own window: [`RATE_INTERVAL`] and a quarter of a second more, because two calls may travel for different times and
/// arrive closer together than they left.
pub const BUDGET_WINDOW: Duration = Duration::from_millis(10_250);

/// Calls of one run that are under way at the same time. HubSpot's own client keeps to 6 (§6); with 5 a portal's budget is
/// used up as long as a call takes less than half a second.
pub const IN_FLIGHT: usize = 5;

/// Inputs of one batch of objects: read, create, update, upsert (§4.1).
pub const OBJECTS_PER_BATCH: usize = 100;
/// Inputs of one batch read of associations (§5).
pub const ASSOCIATIONS_PER_READ: usize = 1_000;
/// Inputs of one batch create of associations (§5).
pub const ASSOCIATIONS_PER_CREATE: usize = 2_000;
/// Links of one batch archive: HubSpot names no limit of its own, so that of a batch create's smaller sibling holds (§5).
pub const ASSOCIATIONS_PER_ARCHIVE: usize = 1_000;
/// Results of one page of a search (§4.5).
pub const SEARCH_PAGE: usize = 200;
/// The furthest result that paging a search reaches (§4.5).
pub const SEARCH_REACH: usize = 10_000 - SEARCH_PAGE;
/// Values of one filter `IN`. HubSpot names no number; a body of 3,000 characters holds no more of an address' length.
pub const SEARCH_VALUES: usize = 100;
/// Characters of a search's values: of the 3,000 of the whole body (§4.5), the rest is left for the frame around them.
pub const SEARCH_VALUE_CHARS: usize = 2_300;
/// Between two searches: 5 a second are allowed to an account (§6).
pub const SEARCH_SPACING: Duration = Duration::from_millis(250);
/// Pages followed inside one row of associations; HubSpot's largest documented row has 50,000 entries (§5).
pub(crate) const ASSOCIATION_PAGES: usize = 200;

/// Time to connect: HubSpot's edge is near everywhere.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The longest that one call takes, from its first byte to its last. A worker renews its lease on the portal meanwhile; one that
/// cannot drops the call before another worker takes over.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(15);
/// Bytes of an answer after decompression; the largest expected, all schemas of an account, stays under 2 MiB.
pub const MAX_BODY_BYTES: usize = 8 * 1024 * 1024;
/// Bytes of a refused call's body that are kept with the error.
pub const KEPT_BODY_BYTES: usize = 4 * 1024;

/// The first step of the backoff; doubles with every failure (HubSpot's Node client starts at 0.2 s, §6).
pub(crate) const BACKOFF_BASE: Duration = Duration::from_millis(250);
/// The backoff's ceiling.
pub(crate) const BACKOFF_MAX: Duration = Duration::from_secs(8);
/// The least wait after 423 Locked; HubSpot unlocks after about 2 s (§9).
pub(crate) const LOCKED_WAIT: Duration = Duration::from_secs(2);
/// The wait after a 429 about one second's limit without `Retry-After` (§6).
pub(crate) const SECONDLY_WAIT: Duration = Duration::from_secs(1);
/// The wait after a 429 about a day's limit: it ends at midnight in the account's zone, which we do not track (§6).
pub(crate) const DAILY_WAIT: Duration = Duration::from_mins(15);
/// The longest wait that we believe: an account that moves between data centres says up to 24 h (§9, 477).
pub(crate) const LONGEST_WAIT: Duration = Duration::from_hours(24);

/// Refused calls that one batch may cost while its bad rows are isolated: one more than a batch of 100 needs when all its
/// rows are bad (199), so that the good rows behind bad ones never starve. Errors have to stay under 5 % of all calls
/// (§6), which they do: whole-batch refusals are rare, since every input carries a trace id, and two bad rows of 100 need
/// about 14.
pub(crate) const REFUSED_CALLS_PER_BATCH: u32 = 200;

/// The longest that one call waits for its turn, or for a pause that HubSpot asks for. A run that has to wait longer gives
/// its worker's slot back and comes again; a full [`BUDGET_WINDOW`] is always waited out.
pub const LONGEST_PATIENCE: Duration = Duration::from_secs(15);
/// The same for a call that a person waits for: little more than a full [`BUDGET_WINDOW`].
pub const INTERACTIVE_PATIENCE: Duration = Duration::from_secs(12);

/// How far a webhook's timestamp may lie back (§7.4).
pub const SIGNATURE_MAX_AGE: Duration = Duration::from_mins(5);
/// How far a webhook's timestamp may lie ahead: clocks differ.
pub const SIGNATURE_MAX_SKEW: Duration = Duration::from_mins(1);
