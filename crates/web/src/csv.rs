//! Tables as CSV (RFC 4180), for people who open them in a spreadsheet: a text that such a program would take for a formula
//! begins with an apostrophe.

use std::borrow::Cow;

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};

/// What spreadsheets take for the beginning of a formula, in their wide forms too, and what they leave out before one.
const FORMULA_STARTS: [char; 11] = ['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'];

/// One cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cell<'a> {
    /// What somebody wrote: a name, a message, an address.
    Text(&'a str),
    /// What this service wrote: a number, a time, a name of its own.
    Plain(Cow<'a, str>),
    /// Nothing.
    Empty,
}

impl<'a> From<&'a str> for Cell<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text)
    }
}

impl<'a> From<&'a Option<String>> for Cell<'a> {
    fn from(text: &'a Option<String>) -> Self {
        text.as_deref().map_or(Self::Empty, Self::Text)
    }
}

impl Cell<'_> {
    /// What this service wrote.
    pub fn plain(value: impl std::fmt::Display) -> Self {
        Self::Plain(Cow::Owned(value.to_string()))
    }

    fn written(&self) -> Cow<'_, str> {
        match self {
            Self::Text(text)
                if text.starts_with(FORMULA_STARTS)
                    || text.trim_start().starts_with(FORMULA_STARTS) =>
            {
                Cow::Owned(format!("'{text}"))
            }
            Self::Text(text) => Cow::Borrowed(text),
            Self::Plain(text) => Cow::Borrowed(text),
            Self::Empty => Cow::Borrowed(""),
        }
    }
}

/// Rows on their way to a file.
#[derive(Debug)]
pub struct Table(csv::Writer<Vec<u8>>);

impl Table {
    /// A table with its head. The mark before it tells spreadsheets that it is UTF-8.
    pub fn new(head: &[&str]) -> Self {
        let mut table = Self(Self::writer("\u{feff}".into()));
        let head: Vec<Cell<'_>> = head.iter().map(Cell::plain).collect();
        table.push(&head);
        table
    }

    fn writer(begun: Vec<u8>) -> csv::Writer<Vec<u8>> {
        csv::WriterBuilder::new()
            .terminator(csv::Terminator::CRLF)
            .from_writer(begun)
    }

    /// Adds a row, of as many cells as the head has.
    pub fn push(&mut self, row: &[Cell<'_>]) {
        let written = self
            .0
            .write_record(row.iter().map(|cell| cell.written().into_owned()));
        debug_assert!(written.is_ok(), "a row is as wide as its head");
    }

    /// What was written since the last time.
    pub fn take(&mut self) -> Bytes {
        let writer = std::mem::replace(&mut self.0, Self::writer(Vec::new()));
        writer.into_inner().unwrap_or_default().into()
    }

    /// The whole table as a download.
    pub fn into_response(mut self, name: &str) -> Response {
        let bytes = self.take();
        attachment(name, Body::from(bytes))
    }
}

/// A download named `name`, which is made of letters, digits, `-` and `.`.
pub fn attachment(name: &str, body: Body) -> Response {
    let disposition = HeaderValue::from_str(&format!("attachment; filename=\"{name}\""))
        .unwrap_or(HeaderValue::from_static("attachment"));
    let headers = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/csv; charset=utf-8; header=present"),
        ),
        (header::CONTENT_DISPOSITION, disposition),
    ];
    (headers, body).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(table: &mut Table) -> String {
        String::from_utf8(table.take().to_vec()).unwrap()
    }

    #[test]
    fn what_looks_like_a_formula_is_text() {
        let mut table = Table::new(&["Name", "Amount"]);
        for name in [
            "=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "  =1", "\u{a0}=1", "＝1",
        ] {
            table.push(&[Cell::Text(name), Cell::plain("-5.00")]);
        }
        let written = text(&mut table);
        for line in written.lines().skip(1) {
            let name = line.trim_start_matches('"');
            assert!(name.starts_with('\'') && line.ends_with(",-5.00"), "{line}");
        }
    }

    #[test]
    fn commas_quotes_and_lines_stay_in_their_cell() {
        let mut table = Table::new(&["Message"]);
        table.push(&["Thanks, \"Sam\"\nsee you".into()]);
        assert_eq!(
            text(&mut table),
            "\u{feff}Message\r\n\"Thanks, \"\"Sam\"\"\nsee you\"\r\n"
        );
        table.push(&[Cell::Empty]);
        assert_eq!(text(&mut table), "\"\"\r\n", "no second mark");
    }
}

#[cfg(test)]
#[path = "csv_tests.rs"]
mod properties;
