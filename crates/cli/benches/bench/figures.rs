//! A table of figures, each with its limit beside it.

/// What a figure must keep to.
#[derive(Clone, Copy)]
pub enum Limit {
    AtMost(f64),
    AtLeast(f64),
    /// For information.
    None,
}

impl Limit {
    fn is_held(self, value: f64) -> bool {
        match self {
            Self::AtMost(limit) => value <= limit,
            Self::AtLeast(limit) => value >= limit,
            Self::None => true,
        }
    }

    fn words(self) -> String {
        match self {
            Self::AtMost(limit) => format!("≤ {limit}"),
            Self::AtLeast(limit) => format!("≥ {limit}"),
            Self::None => String::new(),
        }
    }
}

/// The figures so far.
#[derive(Default)]
pub struct Figures {
    tables: usize,
    missed: usize,
}

impl Figures {
    /// Begins a table.
    pub fn head(&mut self, words: &str) {
        if self.tables > 0 {
            print("");
        }
        self.tables += 1;
        print(words);
    }

    /// Prints one figure, with what it was made from, and keeps in mind whether its limit holds.
    pub fn show(&mut self, name: &str, value: f64, limit: Limit, detail: &str) {
        let held = limit.is_held(value);
        self.missed += usize::from(!held);
        let verdict = match (limit, held) {
            (Limit::None, _) => "",
            (_, true) => "ok",
            (_, false) => "MISSED",
        };
        let shown = if value.fract() == 0.0 {
            format!("{value:.0}")
        } else {
            format!("{value:.2}")
        };
        let line = format!(
            "{name:<46} {shown:>9}  {:<6} {verdict:<6}  {detail}",
            limit.words()
        );
        print(line.trim_end());
    }

    /// Whether no limit was missed.
    pub fn all_held(&self) -> bool {
        self.missed == 0
    }
}

fn print(line: &str) {
    #[expect(clippy::print_stdout, reason = "the answer of a bench")]
    {
        println!("{line}");
    }
}

/// A count as a figure.
pub fn count(count: impl TryInto<u32>) -> f64 {
    f64::from(count.try_into().ok().expect("a count of a bench"))
}

/// The value that `percent` of 100 do not exceed; 0 without any.
pub fn percentile(values: &mut [f64], percent: usize) -> f64 {
    values.sort_by(f64::total_cmp);
    let at = (values.len() * percent).div_ceil(100).saturating_sub(1);
    values.get(at).copied().unwrap_or_default()
}
