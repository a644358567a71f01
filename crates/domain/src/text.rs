//! What may stand in a text of ours: rules for characters and lengths, and how e-mail addresses compare.

use unicode_segmentation::GraphemeCursor;

/// The longest text a HubSpot string property takes, in characters (facts/hubspot.md §4.4).
pub const MAX_CHARS: usize = 65_536;

/// Drops NUL and the C0 controls other than tab and newline, and cuts at [`MAX_CHARS`], the last character then being `…`.
/// What people see as one character, a flag or a letter with its accents, is kept or left out as a whole.
pub fn clean(text: &str) -> String {
    cleaned(text, MAX_CHARS)
}

fn cleaned(text: &str, most: usize) -> String {
    let allowed = |c: &char| *c >= ' ' || *c == '\t' || *c == '\n';
    let mut kept: String = text.chars().filter(allowed).take(most + 1).collect();
    if let Some((room, _)) = kept.char_indices().nth(most - 1)
        && kept.chars().nth(most).is_some()
    {
        kept.truncate(boundary(&kept, room));
        kept.push('…');
    }
    kept
}

/// The last place up to `at` between two characters as people see them; `at` itself where one fills all of the text before.
fn boundary(text: &str, at: usize) -> usize {
    let mut cursor = GraphemeCursor::new(at, text.len(), true);
    if cursor.is_boundary(text, 0) == Ok(true) {
        return at;
    }
    match cursor.prev_boundary(text, 0) {
        Ok(Some(before)) if before > 0 => before,
        _ => at,
    }
}

/// The longest text that can be an e-mail address, in bytes: 64 before the `@` and 255 after it (RFC 5321 §4.5.3.1).
const MAX_EMAIL_BYTES: usize = 320;

/// An e-mail address as it is compared: trimmed and in lower case. Empty or over-long text is no address.
pub fn email_key(email: &str) -> Option<String> {
    let key = email.trim().to_lowercase();
    (!key.is_empty() && key.len() <= MAX_EMAIL_BYTES).then_some(key)
}

/// Whether a text can be an e-mail address: something before and after one `@`, no spaces. HubSpot knows the rest.
pub fn is_email(text: &str) -> bool {
    let parts = text.split_once('@');
    let is_part =
        |part: &str| !part.is_empty() && !part.contains(|c: char| c == '@' || c.is_whitespace());
    parts.is_some_and(|(local, domain)| is_part(local) && is_part(domain))
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::select;
    use unicode_segmentation::UnicodeSegmentation;

    use super::*;

    /// Texts of what people see as one character, some of many code points, and of controls.
    fn any_written() -> impl Strategy<Value = String> {
        let one = prop_oneof![
            select(vec![
                "a",
                "ü",
                "e\u{301}",
                "🇩🇪",
                "👩‍👩‍👧‍👦",
                "👍🏽",
                "각",
                "नि",
                "\u{200d}",
                "\u{301}",
                "🎁",
                "{{",
                "}}",
                "\r\n",
            ])
            .prop_map(str::to_owned),
            any::<char>().prop_map(String::from),
            (0_u8..0x20).prop_map(|control| char::from(control).to_string()),
        ];
        vec(one, 0..12).prop_map(|all| all.concat())
    }

    fn config() -> ProptestConfig {
        let asked = ProptestConfig::default();
        ProptestConfig {
            cases: asked.cases.max(100_000),
            failure_persistence: None,
            ..asked
        }
    }

    proptest! {
        #![proptest_config(config())]

        #[test]
        fn a_text_is_whole_or_cut_between_what_people_see_as_characters(
            text in any_written(),
            most in 1_usize..24,
        ) {
            let kept = cleaned(&text, most);
            let whole: String = text
                .chars()
                .filter(|c| !c.is_ascii_control() || matches!(c, '\t' | '\n' | '\u{7f}'))
                .collect();
            prop_assert!(kept.chars().count() <= most, "{kept:?}");
            if whole.chars().count() <= most {
                prop_assert_eq!(kept, whole);
            } else {
                let start = kept.strip_suffix('…').unwrap();
                prop_assert!(whole.starts_with(start), "{start:?} of {whole:?}");
                let mut ends = whole.grapheme_indices(true).map(|(at, _)| at);
                let room = whole.char_indices().nth(most - 1).unwrap().0;
                // The longest that fits; unless the very first alone is too long.
                let expected = ends.by_ref().take_while(|at| *at <= room).last().unwrap();
                prop_assert_eq!(start.len(), if expected == 0 { room } else { expected });
            }
        }
    }

    #[test]
    fn controls_are_dropped_but_tab_and_newline_stay() {
        assert_eq!(clean("a\0b\u{1b}c\td\ne\rf"), "abc\td\nef");
    }

    #[test]
    fn long_text_is_cut_at_a_character_and_says_so() {
        let exact = "ü".repeat(MAX_CHARS);
        assert_eq!(clean(&exact), exact);
        let cut = clean(&"🎁".repeat(MAX_CHARS + 1));
        assert_eq!(cut.chars().count(), MAX_CHARS);
        assert!(cut.ends_with("🎁…"));
    }

    #[test]
    fn email_addresses_compare_without_case_and_space() {
        assert_eq!(
            email_key("  Sam@Client.Example "),
            Some("sam@client.example".into())
        );
        assert_eq!(email_key(" "), None);
        assert_eq!(email_key(&"x".repeat(321)), None);
    }
}
