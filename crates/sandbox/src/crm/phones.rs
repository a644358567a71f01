//! Phone numbers as HubSpot's search compares them: area code and local number, digits only.

/// Where each searchable number comes from: the computed property, and the one that people write.
pub(super) const SEARCHABLE: [(&str, &str); 2] = [
    ("hs_searchable_calculated_phone_number", "phone"),
    ("hs_searchable_calculated_mobile_number", "mobilephone"),
];

/// Country codes of one and two digits (ITU-T E.164). No code begins with another, and all others have three digits.
const SHORT_CODES: [&str; 46] = [
    "1", "7", "20", "27", "30", "31", "32", "33", "34", "36", "39", "40", "41", "43", "44", "45",
    "46", "47", "48", "49", "51", "52", "53", "54", "55", "56", "57", "58", "60", "61", "62", "63",
    "64", "65", "66", "81", "82", "84", "86", "90", "91", "92", "93", "94", "95", "98",
];

/// The digits of a number without the country code, which only a number with a `+` has; none are no value.
pub(super) fn searchable(phone: &str) -> Option<String> {
    let digits: String = phone.chars().filter(char::is_ascii_digit).collect();
    let code = if phone.trim_start().starts_with('+') {
        let short = SHORT_CODES.iter().find(|code| digits.starts_with(**code));
        short.map_or(3, |code| code.len())
    } else {
        0
    };
    let local = digits.get(code..).unwrap_or_default();
    (!local.is_empty()).then(|| local.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_country_code_goes_only_after_a_plus() {
        for (phone, local) in [
            ("+1 (555) 100-0000", Some("5551000000")),
            ("+49 151 23456789", Some("15123456789")),
            ("+7 912 345-67-89", Some("9123456789")),
            ("+353 1 234 5678", Some("12345678")),
            ("+420 601 123 456", Some("601123456")),
            ("+886 2 1234 5678", Some("212345678")),
            (" +44 20 7946 0000", Some("2079460000")),
            ("0049 151 1", Some("00491511")),
            ("(0151) 23", Some("015123")),
            ("+49", None),
            ("+35", None),
            ("call me", None),
        ] {
            assert_eq!(searchable(phone).as_deref(), local, "{phone}");
        }
    }
}
