//! Records of contacts, companies, deals and a portal's own types.

pub(crate) mod batch_read;
pub(crate) mod batch_write;
pub(crate) mod merge;
pub(crate) mod search;
pub(crate) mod shape;
pub(crate) mod single;
pub(crate) mod upsert;
