//! What an operator sees of the service from outside: log lines, figures, and traces. Each library for it is named here and
//! nowhere else; the other crates say what happened.
//!
//! Read in this order: [`measure`] (what can be told, one function each), `catalogue` (the list of figures), [`figures`] (what
//! a scrape gets), [`origin`] (which request something came from), [`lines`] (how it is all set up at the start).
//!
//! Nothing here may carry a person's data or a secret, and no figure has a label without a known end: no portal, no run, no path.

mod catalogue;
mod counted;
pub mod figures;
mod json;
pub mod lines;
pub mod measure;
pub mod origin;
mod traces;

pub use figures::{Figures, Installation};
pub use lines::Lines;
pub use origin::Origin;
