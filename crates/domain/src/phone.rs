//! Telephone numbers: how they are written so that they can be compared.

use phonenumber::{Mode, PhoneNumber};

/// A number as it is compared: E.164, such as `+15550100`. Only one that names its country has such a form; `00` in
/// front is taken for `+`.
pub fn key(text: &str) -> Option<String> {
    let number = international(text)?;
    Some(number.format().mode(Mode::E164).to_string())
}

/// Whether a text that a person typed means the number `key`. Without a country it is read as one of the number's own.
pub fn is_same(key: &str, text: &str) -> bool {
    if let Some(number) = international(text) {
        return number.format().mode(Mode::E164).to_string() == key;
    }
    let Some(wanted) = international(key) else {
        return false;
    };
    let local = phonenumber::parse(wanted.country().id(), text).ok();
    let digits = digits(text);
    local.is_some_and(|number| number.format().mode(Mode::E164).to_string() == key)
        || !digits.is_empty() && digits == national(&wanted)
}

/// The last seven digits: what two ways to write one number have in common, and few other numbers. To look for numbers that
/// may be the same, before [`is_same`] decides.
pub fn tail(text: &str) -> String {
    let digits = digits(text);
    digits[digits.len().saturating_sub(7)..].to_owned()
}

/// Area code and local number of a key in digits: what HubSpot's search compares.
pub fn national_digits(key: &str) -> Option<String> {
    international(key).map(|number| national(&number))
}

/// A number that names its country.
fn international(text: &str) -> Option<PhoneNumber> {
    let text = text.trim();
    let plus = match text.strip_prefix("00") {
        Some(rest) => format!("+{rest}"),
        None => text.to_owned(),
    };
    let digits = digits(&plus);
    // E.164: at most 15 digits. Less than 7 are a short number or a slip.
    if !plus.starts_with('+') || !(7..=15).contains(&digits.len()) {
        return None;
    }
    phonenumber::parse(None, plus).ok()
}

fn national(number: &PhoneNumber) -> String {
    number.national().to_string()
}

fn digits(text: &str) -> String {
    text.chars().filter(char::is_ascii_digit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_compares_however_it_is_written() {
        for text in [
            "+44 20 7946 0018",
            "+44 (0)20 7946 0018",
            "0044 20 7946 0018",
            " +442079460018 ",
        ] {
            assert_eq!(key(text).as_deref(), Some("+442079460018"), "{text}");
        }
        assert_eq!(key("+1 555 0100").as_deref(), Some("+15550100"));
        for text in [
            "",
            "020 7946 0018",
            "+",
            "+12",
            "hello",
            "+1234567890123456",
        ] {
            assert_eq!(key(text), None, "{text}");
        }
    }

    #[test]
    fn what_a_person_typed_is_read_in_the_country_of_the_number() {
        let london = "+442079460018";
        for text in [
            "020 7946 0018",
            "+44 20 7946 0018",
            "(020) 7946-0018",
            "2079460018",
        ] {
            assert!(is_same(london, text), "{text}");
        }
        for text in ["+1 207 946 0018", "020 7946 0019", "", "7946 0018"] {
            assert!(!is_same(london, text), "{text}");
        }
        assert!(is_same("+12025550123", "(202) 555-0123"));
        assert!(is_same("+12025550123", "1-202-555-0123"));
    }

    #[test]
    fn the_national_part_is_what_hubspot_searches_by() {
        assert_eq!(
            national_digits("+442079460018").as_deref(),
            Some("2079460018")
        );
        assert_eq!(
            national_digits("+12025550123").as_deref(),
            Some("2025550123")
        );
    }
}
