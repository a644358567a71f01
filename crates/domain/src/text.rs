//! What may stand in a text of ours: rules for characters and lengths, and how e-mail addresses compare.

/// The longest text a HubSpot string property takes, in characters (facts/hubspot.md §4.4).
pub const MAX_CHARS: usize = 65_536;

/// Drops NUL and the C0 controls other than tab and newline, and cuts at [`MAX_CHARS`], the last character then being `…`.
pub fn clean(text: &str) -> String {
    let allowed = |c: &char| *c >= ' ' || *c == '\t' || *c == '\n';
    let mut kept: String = text.chars().filter(allowed).take(MAX_CHARS + 1).collect();
    if kept.chars().count() > MAX_CHARS {
        let cut = kept
            .char_indices()
            .nth(MAX_CHARS - 1)
            .map_or(kept.len(), |(at, _)| at);
        kept.truncate(cut);
        kept.push('…');
    }
    kept
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
    use super::*;

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
