//! The parts of which every report is made: one large figure, bars, tables. Widths are percentages as SVG takes them.

use domain::reports::Report;

use crate::view::chart::Line;

/// A report, ready to print.
#[derive(Debug, Clone)]
pub struct Sheet {
    /// Which.
    pub report: Report,
    /// The one number on top.
    pub figure: String,
    /// What the number is.
    pub note: String,
    /// What stands in the place of a report that has nothing to tell: title and hint.
    pub empty: (&'static str, &'static str),
    /// Months as a chart with columns; empty for all reports but one.
    pub months: Vec<Line>,
    /// Bars.
    pub bars: Bars,
    /// The numbers.
    pub tables: Vec<Table>,
}

impl Sheet {
    /// A sheet that has nothing to tell.
    pub fn empty(report: Report, title: &'static str, hint: &'static str) -> Self {
        Self {
            report,
            figure: "–".to_owned(),
            note: String::new(),
            empty: (title, hint),
            months: Vec::new(),
            bars: Bars::default(),
            tables: Vec::new(),
        }
    }

    /// Whether there is anything to tell.
    pub fn is_empty(&self) -> bool {
        self.tables.is_empty()
    }
}

/// Bars in groups, one or two parts each.
#[derive(Debug, Clone, Default)]
pub struct Bars {
    /// How the two parts stand: `within`, `beside`, or `single` where there is one.
    pub kind: &'static str,
    /// The names of the parts.
    pub legend: Vec<&'static str>,
    /// The bars.
    pub groups: Vec<Group>,
}

/// Bars of one scale.
#[derive(Debug, Clone)]
pub struct Group {
    /// What they have in common, where there are several groups.
    pub title: Option<String>,
    /// The bars.
    pub bars: Vec<Bar>,
}

/// A bar with its name and its numbers in words.
#[derive(Debug, Clone)]
pub struct Bar {
    /// What it is of.
    pub name: String,
    /// The number it stands for.
    pub value: String,
    /// A smaller number beside it, or nothing.
    pub note: String,
    /// The first part's width.
    pub first: String,
    /// Where the second part begins.
    pub second_from: String,
    /// The second part's width.
    pub second: String,
}

impl Bar {
    /// A bar of `first` and `second` of `most`; the second stands in the first, or behind it where `is_beside`.
    pub fn new(
        name: String,
        (value, note): (String, String),
        (first, second): (i64, i64),
        most: i64,
        is_beside: bool,
    ) -> Self {
        Self {
            name,
            value,
            note,
            first: width(first, most),
            second_from: width(if is_beside { first } else { 0 }, most),
            second: width(second, most),
        }
    }
}

/// A table with its caption.
#[derive(Debug, Clone)]
pub struct Table {
    /// What it shows.
    pub caption: String,
    /// Whether the caption is shown, because there are several tables.
    pub is_titled: bool,
    /// The columns.
    pub head: Vec<Column>,
    /// The rows.
    pub rows: Vec<Row>,
    /// Sums and rests.
    pub foot: Vec<Vec<String>>,
}

/// A column.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    /// Its name.
    pub label: &'static str,
    /// Whether it holds numbers.
    pub is_number: bool,
}

/// A column of words.
pub fn words(label: &'static str) -> Column {
    Column {
        label,
        is_number: false,
    }
}

/// A column of numbers.
pub fn numbers(label: &'static str) -> Column {
    Column {
        label,
        is_number: true,
    }
}

/// A row; its first cell is its head.
#[derive(Debug, Clone)]
pub struct Row {
    /// The head.
    pub name: String,
    /// A small line under the head.
    pub detail: Option<String>,
    /// The other cells: text, and whether it is a number.
    pub cells: Vec<(String, bool)>,
    /// What the script draws of it.
    pub point: Option<Line>,
}

impl Row {
    /// A row of these cells below `head`.
    pub fn new(head: &[Column], name: String, cells: Vec<String>) -> Self {
        let kinds = head.iter().skip(1).map(|column| column.is_number);
        Self {
            name,
            detail: None,
            cells: cells.into_iter().zip(kinds).collect(),
            point: None,
        }
    }
}

/// The least tenths of a percent in which something can be seen.
const VISIBLE: i128 = 5;

/// `value` of `most` in percent with one decimal; what is not nothing can be seen.
pub fn width(value: i64, most: i64) -> String {
    let mut tenths = i128::from(value.clamp(0, most.max(0))) * 1_000 / i128::from(most.max(1));
    if value > 0 {
        tenths = tenths.max(VISIBLE);
    }
    format!("{}.{}", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths_stay_within_the_bar() {
        assert_eq!(width(0, 0), "0.0");
        assert_eq!(width(1, 3), "33.3");
        assert_eq!(width(5, 3), "100.0");
        assert_eq!(width(-1, 3), "0.0");
        assert_eq!(width(i64::MAX, i64::MAX), "100.0");
        assert_eq!(width(1, 1_000_000), "0.5");
    }
}
