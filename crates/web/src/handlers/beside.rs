//! Where a page of a list begins, as addresses write it: beside a row that is named by its key. A key that no row has leads
//! to an empty page.

/// The key in an address, if any row can be meant: an empty one is none, and the database knows no NUL.
pub fn key(text: Option<String>) -> Option<String> {
    text.filter(|key| !key.is_empty() && !key.contains('\0'))
}

#[cfg(test)]
#[path = "beside_tests.rs"]
mod properties;
