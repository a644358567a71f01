//! Verifying the chains over what was done: acts of people and of this service, and every attempt to write to HubSpot.
//!
//! The database chains each line to the one before (migration `…28000003`); here the hashes are made again, by other code.
//! Whoever owns the database can make a whole chain anew: that shows only by an end that was noted elsewhere, such as
//! those in the log ([`Head`]).

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest::{Context, SHA256};
use domain::HubId;
use futures::TryStreamExt;
use futures::stream::BoxStream;
use store::chains::{self, Act, Write};

use crate::{App, Error, PortalScope};

/// The end of a chain: `NUMBER:HASH`, the hash in hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Head {
    /// The number of its last line or batch; 0 of an empty chain.
    pub number: i64,
    /// Its hash.
    pub hash: Vec<u8>,
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.number)?;
        self.hash
            .iter()
            .try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// What was given is no end of a chain.
#[derive(Debug, thiserror::Error)]
#[error("an end of a chain is NUMBER:HASH, as `audit verify` and the log print it")]
pub struct HeadError;

impl FromStr for Head {
    type Err = HeadError;

    fn from_str(text: &str) -> Result<Self, HeadError> {
        let (number, hash) = text.split_once(':').ok_or(HeadError)?;
        let byte = |pair: &[u8]| {
            let pair = std::str::from_utf8(pair).ok()?;
            u8::from_str_radix(pair, 16).ok()
        };
        let hash: Option<Vec<u8>> = hash.as_bytes().chunks(2).map(byte).collect();
        Ok(Self {
            number: number
                .parse()
                .ok()
                .filter(|number| *number > 0)
                .ok_or(HeadError)?,
            hash: hash.filter(|hash| hash.len() == 32).ok_or(HeadError)?,
        })
    }
}

/// Where a chain is broken first.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Break {
    /// The line is not what it was, or it was put in.
    #[error("{0} is not what was written")]
    Changed(i64),
    /// The line is gone.
    #[error("{0} is missing")]
    Missing(i64),
    /// The lines after the last are gone: the chain is known to be longer.
    #[error("those after {0} are missing")]
    Cut(i64),
    /// A noted end is not in the chain: it was made anew from there on, or before.
    #[error("{0} is not the one that was noted: the chain was made anew")]
    Replaced(i64),
}

/// A chain that was looked through.
#[derive(Debug, Clone, Default)]
pub struct Chain {
    /// Its lines that are sound, from the first on: acts, or attempts to write.
    pub lines: u64,
    /// Its end.
    pub head: Head,
    /// Where it is broken first.
    pub broken: Option<Break>,
}

/// A portal's chains.
#[derive(Debug, Clone)]
pub struct Verdict {
    /// The portal.
    pub hub_id: HubId,
    /// Its acts.
    pub acts: Chain,
    /// Its attempts to write, in batches.
    pub writes: Chain,
}

impl Verdict {
    /// Whether both are whole.
    pub fn is_whole(&self) -> bool {
        self.acts.broken.is_none() && self.writes.broken.is_none()
    }
}

/// All portals, in order.
pub async fn portals(app: &App) -> Result<Vec<PortalScope>, Error> {
    let mut conn = app.db.unscoped().await?;
    Ok(chains::list_portals(&mut conn).await?)
}

/// Looks through a portal's chains. `noted` is an end of its chain of acts that was noted elsewhere.
pub async fn verify(app: &App, scope: PortalScope, noted: Option<&Head>) -> Result<Verdict, Error> {
    let mut tx = app.db.begin(scope).await?;
    // All is read as of one moment: runs go on meanwhile.
    store::freeze(&mut tx).await?;
    let (of_acts, of_writes) = heads(&mut tx, scope).await?;
    let hub_id = scope.hub_id();
    let first = hub_id.to_string();
    let acts = verify_acts(chains::acts(&mut tx, scope), Some(&first), noted).await?;
    let portal = store::portals::find(&mut tx, scope).await?;
    let portal = portal.ok_or(Error::NotConnected)?;
    let writes = if portal.erasing_at.is_some() {
        // They are going, table by table; the last act tells where they ended.
        Chain::default()
    } else {
        let writes = verify_writes(chains::writes(&mut tx, scope), &first).await?;
        ends_at(writes, &of_writes)
    };
    Ok(Verdict {
        hub_id,
        acts: ends_at(acts, &of_acts),
        writes,
    })
}

/// Looks through the operator's acts that concern no single portal.
pub async fn verify_operator(app: &App) -> Result<Chain, Error> {
    let mut conn = app.db.unscoped().await?;
    verify_acts(chains::operator_acts(&mut conn), None, None).await
}

/// The ends of the portal's chains as they are stored: of acts, and of writes.
pub(crate) async fn heads(
    tx: &mut store::Tx,
    scope: PortalScope,
) -> Result<(Head, Head), store::Error> {
    let of_stored = |head: chains::Head| Head {
        number: head.number,
        hash: head.hash,
    };
    let (acts, writes) = chains::find_heads(tx, scope).await?;
    Ok((
        acts.map(of_stored).unwrap_or_default(),
        writes.map(of_stored).unwrap_or_default(),
    ))
}

/// The chain ends where the database says that it does.
fn ends_at(mut chain: Chain, stored: &Head) -> Chain {
    if chain.broken.is_none() && *stored != chain.head {
        chain.broken = Some(if stored.number > chain.head.number {
            Break::Cut(chain.head.number)
        } else {
            Break::Changed(stored.number.max(1))
        });
    }
    chain
}

/// `portal` begins each line; the operator's have none, and no number of the table either.
async fn verify_acts(
    mut acts: BoxStream<'_, Result<Act, store::Error>>,
    portal: Option<&str>,
    noted: Option<&Head>,
) -> Result<Chain, Error> {
    let mut chain = Chain::default();
    while let Some(act) = acts.try_next().await? {
        if act.number > chain.head.number + 1 {
            chain.broken = Some(Break::Missing(chain.head.number + 1));
            return Ok(chain);
        }
        let mut line = Line::after(&chain.head);
        if let Some(portal) = portal {
            line.add(portal);
        }
        line.add(&act.number.to_string());
        if portal.is_some() {
            line.add(&act.seq.to_string());
        }
        line.add(&act.at.to_string());
        if let Some(actor) = &act.actor {
            line.add(actor);
        }
        line.add(&act.action);
        line.add(&act.detail);
        if line.hash() != act.hash {
            chain.broken = Some(Break::Changed(act.number));
            return Ok(chain);
        }
        if noted.is_some_and(|noted| noted.number == act.number && noted.hash != act.hash) {
            chain.broken = Some(Break::Replaced(act.number));
            return Ok(chain);
        }
        chain.lines += 1;
        chain.head = Head {
            number: act.number,
            hash: act.hash,
        };
    }
    if noted.is_some_and(|noted| noted.number > chain.head.number) {
        chain.broken = Some(Break::Cut(chain.head.number));
    }
    Ok(chain)
}

async fn verify_writes(
    mut writes: BoxStream<'_, Result<Write, store::Error>>,
    portal: &str,
) -> Result<Chain, Error> {
    let mut chain = Chain::default();
    let mut next = writes.try_next().await?;
    while let Some(first) = next.take() {
        let number = first.batch;
        if number > chain.head.number + 1 {
            chain.broken = Some(Break::Missing(chain.head.number + 1));
            return Ok(chain);
        }
        let of_batch = first.of_batch.clone();
        let Some((attempts, hash)) = of_batch.filter(|_| first.attempt.is_some()) else {
            chain.broken = Some(Break::Changed(number));
            return Ok(chain);
        };
        let mut line = Line::after(&chain.head);
        line.add(portal);
        line.add(&number.to_string());
        line.add(&attempts.to_string());
        let mut lines = 0;
        let mut write = Some(first);
        while let Some(Write {
            attempt: Some(attempt),
            ..
        }) = write.take()
        {
            lines += 1;
            line.add(&attempt.seq.to_string());
            line.add(&attempt.transaction_id);
            line.add(&attempt.at.to_string());
            line.add(&attempt.run_id);
            line.add(&attempt.what);
            line.add(&attempt.outcome);
            line.add_or_none(attempt.code.as_deref());
            line.add_or_none(attempt.field.as_deref());
            match writes.try_next().await? {
                Some(same) if same.batch == number => write = Some(same),
                other => next = other,
            }
        }
        if line.hash() != hash {
            chain.broken = Some(Break::Changed(number));
            return Ok(chain);
        }
        chain.lines += lines;
        chain.head = Head { number, hash };
    }
    Ok(chain)
}

/// The text of a line, hashed as it comes: the hash before it, then each part with its length.
struct Line(Context);

impl Line {
    fn after(head: &Head) -> Self {
        let mut context = Context::new(&SHA256);
        context.update(&head.hash);
        Self(context)
    }

    fn add(&mut self, part: &str) {
        self.0.update(part.len().to_string().as_bytes());
        self.0.update(b":");
        self.0.update(part.as_bytes());
        self.0.update(b",");
    }

    fn add_or_none(&mut self, part: Option<&str>) {
        match part {
            Some(part) => self.add(part),
            None => self.0.update(b"-,"),
        }
    }

    fn hash(self) -> Vec<u8> {
        self.0.finish().as_ref().to_vec()
    }
}
