//! Properties of tables: what is written is what a strict reader of RFC 4180 reads, and no text of it is a formula.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::properties::{any_text, config};

/// The rows of `text` by the grammar of RFC 4180 section 2, to the letter: every row ends with CR LF, a plain cell has
/// neither quote nor comma nor CR nor LF. `None` for what is no CSV.
fn parse(text: &str) -> Option<Vec<Vec<String>>> {
    let mut rows = Vec::new();
    let mut row = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let mut cell = String::new();
        if let Some(quoted) = rest.strip_prefix('"') {
            rest = quoted;
            loop {
                let end = rest.find('"')?;
                cell.push_str(&rest[..end]);
                rest = &rest[end + 1..];
                match rest.strip_prefix('"') {
                    Some(after) => {
                        cell.push('"');
                        rest = after;
                    }
                    None => break,
                }
            }
        } else {
            let end = rest.find(['"', ',', '\r', '\n'])?;
            cell.push_str(&rest[..end]);
            rest = &rest[end..];
        }
        row.push(cell);
        if let Some(after) = rest.strip_prefix(',') {
            rest = after;
        } else {
            rest = rest.strip_prefix("\r\n")?;
            rows.push(std::mem::take(&mut row));
        }
    }
    row.is_empty().then_some(rows)
}

/// What a spreadsheet may take for a formula: after space of any kind one of the signs, or such a space itself that some
/// of them leave out.
fn looks_like_a_formula(text: &str) -> bool {
    let signs = [
        '=', '+', '-', '@', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}',
    ];
    let first = text.chars().next();
    first.is_some_and(|first| "\t\r\n".contains(first))
        || text
            .chars()
            .find(|letter| !letter.is_whitespace())
            .is_some_and(|letter| signs.contains(&letter))
}

#[derive(Debug, Clone)]
enum Written {
    Text(String),
    Plain(String),
    Empty,
}

impl Written {
    fn cell(&self) -> Cell<'_> {
        match self {
            Self::Text(text) => Cell::Text(text),
            Self::Plain(text) => Cell::plain(text),
            Self::Empty => Cell::Empty,
        }
    }
}

/// A text of what CSV and spreadsheets treat as special, and of anything else.
fn text() -> impl Strategy<Value = String> {
    let special = select(
        "=+-@\t\r\n＝＋－＠,;\"' \u{a0}\u{feff}\0a1"
            .chars()
            .collect::<Vec<_>>(),
    );
    prop_oneof![
        3 => vec(special, 0..6).prop_map(String::from_iter),
        1 => any_text(),
    ]
}

fn written() -> impl Strategy<Value = Written> {
    prop_oneof![
        4 => text().prop_map(Written::Text),
        1 => text().prop_map(Written::Plain),
        1 => Just(Written::Empty),
    ]
}

fn table() -> impl Strategy<Value = (Vec<String>, Vec<Vec<Written>>)> {
    (1..4_usize).prop_flat_map(|width| {
        let head = vec(text(), width);
        (head, vec(vec(written(), width), 0..4))
    })
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn what_is_written_is_read_again_and_no_text_is_a_formula(
        (head, rows) in table(),
        parts in vec(any::<bool>(), 4),
    ) {
        let names: Vec<&str> = head.iter().map(String::as_str).collect();
        let mut table = Table::new(&names);
        let mut bytes = Vec::new();
        // A table is taken in parts, wherever they end.
        for (row, is_end) in rows.iter().zip(parts) {
            let cells: Vec<Cell<'_>> = row.iter().map(Written::cell).collect();
            table.push(&cells);
            if is_end {
                bytes.extend(table.take());
            }
        }
        bytes.extend(table.take());
        let text = String::from_utf8(bytes).unwrap();
        let read = parse(text.strip_prefix('\u{feff}').unwrap());
        let Some(read) = read else {
            return Err(TestCaseError::fail(format!("no CSV: {text:?}")));
        };
        prop_assert_eq!(read.len(), rows.len() + 1);
        prop_assert_eq!(&read[0], &head);
        for (read, row) in read[1..].iter().zip(&rows) {
            prop_assert_eq!(read.len(), row.len());
            for (read, cell) in read.iter().zip(row) {
                match cell {
                    Written::Text(text) if looks_like_a_formula(text) => {
                        prop_assert_eq!(read, &format!("'{text}"));
                    }
                    Written::Text(text) | Written::Plain(text) => prop_assert_eq!(read, text),
                    Written::Empty => prop_assert_eq!(read, ""),
                }
                if let Written::Text(_) = cell {
                    prop_assert!(!read.starts_with(['=', '+', '-', '@', '\t', '\r']), "{read:?}");
                }
            }
        }
    }
}

/// Reads lists of tables, as JSON, and answers with their rows.
const PYTHON: &str = "
import csv, io, json, sys
tables = json.load(sys.stdin)
json.dump([list(csv.reader(io.StringIO(table, newline=''), strict=True)) for table in tables], sys.stdout)
";

#[test]
fn another_languages_reader_reads_the_same() {
    use std::io::Write;
    use std::process::{Command, Stdio};

    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;

    let mut runner = TestRunner::deterministic();
    let (mut files, mut expected) = (Vec::new(), Vec::new());
    for _ in 0..2_000 {
        let (head, rows) = table().new_tree(&mut runner).unwrap().current();
        let names: Vec<&str> = head.iter().map(String::as_str).collect();
        let mut written = Table::new(&names);
        let mut read = vec![head.clone()];
        for row in &rows {
            let cells: Vec<Cell<'_>> = row.iter().map(Written::cell).collect();
            written.push(&cells);
            read.push(
                cells
                    .iter()
                    .map(|cell| cell.written().into_owned())
                    .collect(),
            );
        }
        let file = String::from_utf8(written.take().to_vec()).unwrap();
        files.push(file.strip_prefix('\u{feff}').unwrap().to_owned());
        expected.push(read);
    }
    let mut python = Command::new("python3")
        .args(["-c", PYTHON])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let asked = serde_json::to_vec(&files).unwrap();
    let mut stdin = python.stdin.take().unwrap();
    let writing = std::thread::spawn(move || stdin.write_all(&asked));
    let answer = python.wait_with_output().unwrap();
    writing.join().unwrap().unwrap();
    assert!(answer.status.success());
    let read: Vec<Vec<Vec<String>>> = serde_json::from_slice(&answer.stdout).unwrap();
    for ((file, read), expected) in files.iter().zip(&read).zip(&expected) {
        assert_eq!(read, expected, "{file:?}");
    }
    assert_eq!(read.len(), files.len());
}
