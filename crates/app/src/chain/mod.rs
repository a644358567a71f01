//! Verifying the chains over what was done: acts of people and of this service, and every attempt to write to HubSpot.
//!
//! The database chains each line to the one before (migration `…28000003`); here the hashes are made again, by other code.
//! Whoever owns the database can make a whole chain anew: that shows only by an end that was noted elsewhere, such as
//! those in the log ([`End`]).

mod end;

use aws_lc_rs::digest::{Context, SHA256};
use domain::HubId;
use futures::TryStreamExt;
use futures::stream::BoxStream;
use store::chains::{self, Act, Write};

use crate::{App, Error, PortalScope};

pub use end::{End, EndError, Head, Of};

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

impl Chain {
    /// Takes up sound lines with their end; `false` where another end was noted there.
    fn goes_on(&mut self, head: Head, lines: u64, noted: &[&Head]) -> bool {
        let is_replaced = |noted: &&Head| noted.number == head.number && noted.hash != head.hash;
        if noted.iter().any(is_replaced) {
            self.broken = Some(Break::Replaced(head.number));
            return false;
        }
        self.lines += lines;
        self.head = head;
        true
    }

    fn at_least_as_long_as(mut self, noted: &[&Head]) -> Self {
        if noted.iter().any(|noted| noted.number > self.head.number) {
            self.broken = Some(Break::Cut(self.head.number));
        }
        self
    }
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

/// Ends of chains that were noted before, by the chain that each belongs to.
#[derive(Debug, Clone, Default)]
pub struct Noted(Vec<(Of, Head)>);

impl Noted {
    /// Finds out whose ends these are: of `portal`'s chains, or of the operator's. `Err` is the first that none of the keys
    /// in `ENCRYPTION_KEYS` has signed for them.
    pub fn sort(app: &App, portal: Option<HubId>, ends: &[End]) -> Result<Self, End> {
        let chains = match portal {
            Some(hub_id) => vec![Of::Acts(hub_id), Of::Writes(hub_id)],
            None => vec![Of::Operator],
        };
        let sorted = ends.iter().map(|end| {
            let of = chains.iter().find(|of| end.is_of(&app.keys, **of));
            of.map(|of| (*of, end.head.clone())).ok_or(end.clone())
        });
        sorted.collect::<Result<_, _>>().map(Self)
    }

    fn of(&self, of: Of) -> Vec<&Head> {
        let wanted = self.0.iter().filter(|(noted, _)| *noted == of);
        wanted.map(|(_, head)| head).collect()
    }
}

/// Signs the end of a chain, for a note elsewhere.
pub fn sign(app: &App, of: Of, head: Head) -> End {
    End::sign(&app.keys, of, head)
}

/// Looks through a portal's chains.
pub async fn verify(app: &App, scope: PortalScope, noted: &Noted) -> Result<Verdict, Error> {
    let mut tx = app.db.begin(scope).await?;
    // All is read as of one moment: runs go on meanwhile.
    store::freeze(&mut tx).await?;
    let (of_acts, of_writes) = heads(&mut tx, scope).await?;
    let hub_id = scope.hub_id();
    let first = hub_id.to_string();
    let noted_acts = noted.of(Of::Acts(hub_id));
    let acts = verify_acts(chains::acts(&mut tx, scope), Some(&first), &noted_acts).await?;
    let portal = store::portals::find(&mut tx, scope).await?;
    let portal = portal.ok_or(Error::NotConnected)?;
    let writes = if portal.erasing_at.is_some() {
        // They are going, table by table; the last act tells where they ended.
        Chain::default()
    } else {
        let noted_writes = noted.of(Of::Writes(hub_id));
        let writes = chains::writes(&mut tx, scope);
        let writes = verify_writes(writes, &first, &noted_writes).await?;
        ends_at(writes, &of_writes)
    };
    Ok(Verdict {
        hub_id,
        acts: ends_at(acts, &of_acts),
        writes,
    })
}

/// Looks through the operators' own trail.
pub async fn verify_operator(app: &App, noted: &Noted) -> Result<Chain, Error> {
    let mut conn = app.db.unscoped().await?;
    let acts = chains::operator_acts(&mut conn);
    verify_acts(acts, None, &noted.of(Of::Operator)).await
}

/// The signed ends of a portal's chains; of an empty one none.
pub(crate) struct Ends {
    hub_id: HubId,
    /// Of its acts.
    pub acts: Option<End>,
    /// Of its writes to HubSpot.
    pub writes: Option<End>,
}

impl Ends {
    /// As of this transaction.
    pub(crate) async fn find(
        app: &App,
        tx: &mut store::Tx,
        scope: PortalScope,
    ) -> Result<Self, store::Error> {
        let (hub_id, (acts, writes)) = (scope.hub_id(), heads(tx, scope).await?);
        let end = |of, head: Head| (head.number > 0).then(|| sign(app, of, head));
        Ok(Self {
            hub_id,
            acts: end(Of::Acts(hub_id), acts),
            writes: end(Of::Writes(hub_id), writes),
        })
    }

    /// Notes them in the log, where the database's owner cannot change them; once the transaction is committed.
    pub(crate) fn note(&self) {
        let (acts, writes) = (self.acts.as_ref(), self.writes.as_ref());
        tracing::info!(
            portal.id = %self.hub_id,
            audit.end = acts.map(tracing::field::display),
            writes.end = writes.map(tracing::field::display),
            "where the audit trail ends"
        );
    }
}

/// Notes the end of the operator's acts in the log, where the database's owner cannot change it.
pub async fn note_operators(app: &App) -> Result<(), Error> {
    let mut conn = app.db.unscoped().await?;
    if let Some(head) = chains::find_operators_head(&mut conn).await? {
        let end = sign(app, Of::Operator, of_stored(head));
        tracing::info!(operator.end = %end, "where the operator's trail ends");
    }
    Ok(())
}

fn of_stored(head: chains::Head) -> Head {
    Head {
        number: head.number,
        hash: head.hash,
    }
}

/// The ends of the portal's chains as they are stored: of acts, and of writes.
pub(crate) async fn heads(
    tx: &mut store::Tx,
    scope: PortalScope,
) -> Result<(Head, Head), store::Error> {
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
    noted: &[&Head],
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
        let head = Head {
            number: act.number,
            hash: act.hash,
        };
        if !chain.goes_on(head, 1, noted) {
            return Ok(chain);
        }
    }
    Ok(chain.at_least_as_long_as(noted))
}

async fn verify_writes(
    mut writes: BoxStream<'_, Result<Write, store::Error>>,
    portal: &str,
    noted: &[&Head],
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
        if !chain.goes_on(Head { number, hash }, lines, noted) {
            return Ok(chain);
        }
    }
    Ok(chain.at_least_as_long_as(noted))
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
