//! The operators' own acts, read back.

pub use store::console::OperatorAct;

use crate::{App, Error};

/// Acts of a page.
const PAGE: i64 = 50;

/// A page of the trail.
#[derive(Debug, Clone, Default)]
pub struct Trail {
    /// The newest first.
    pub acts: Vec<OperatorAct>,
    /// Before which act the next page begins, if there is one.
    pub next: Option<i64>,
}

/// A page of the operators' acts, those before the act `before` when it is given.
pub async fn load(app: &App, before: Option<i64>) -> Result<Trail, Error> {
    let mut conn = app.db.unscoped().await?;
    let mut acts = store::console::list_acts(&mut conn, before, PAGE + 1).await?;
    let page = usize::try_from(PAGE).unwrap_or(usize::MAX);
    let has_more = acts.len() > page;
    acts.truncate(page);
    let next = acts.last().filter(|_| has_more).map(|act| act.number);
    Ok(Trail { acts, next })
}
