//! Amounts of money: exact decimals, one sum per currency, never added across currencies.

use rust_decimal::{Decimal, RoundingStrategy};

/// How many digits after the point a currency has (ISO 4217); two for a code that the list does not know.
pub fn digits(currency: &str) -> u32 {
    iso_currency::Currency::from_code(currency)
        .and_then(iso_currency::Currency::exponent)
        .map_or(2, u32::from)
}

/// An amount or a total with the currency's digits at least: `"7000.00"`, `"120"` in JPY, `"1.250"` in KWD.
pub fn total_text(total: Decimal, currency: &str) -> String {
    let mut total = total.normalize();
    if total.scale() < digits(currency) {
        total.rescale(digits(currency));
    }
    total.to_string()
}

/// An average with two decimals, half to even. `None` without a count.
pub fn average_text(total: Decimal, count: i64) -> Option<String> {
    let average = total.checked_div(Decimal::from(count))?;
    let mut rounded = average.round_dp_with_strategy(2, RoundingStrategy::MidpointNearestEven);
    rounded.rescale(2);
    Some(rounded.to_string())
}

/// A share of `part` in `whole` with four decimals, half to even; `None` when `whole` is 0.
pub fn rate(part: i64, whole: i64) -> Option<Decimal> {
    let share = Decimal::from(part).checked_div(Decimal::from(whole))?;
    Some(share.round_dp_with_strategy(4, RoundingStrategy::MidpointNearestEven))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_carry_the_currencys_own_digits() {
        assert_eq!(total_text(Decimal::new(70_000, 1), "USD"), "7000.00");
        assert_eq!(total_text(Decimal::new(12_000, 2), "JPY"), "120");
        assert_eq!(total_text(Decimal::new(125, 2), "KWD"), "1.250");
        assert_eq!(total_text(Decimal::new(5_005, 3), "USD"), "5.005");
        assert_eq!(total_text(Decimal::ZERO, "???"), "0.00");
    }

    #[test]
    fn averages_round_half_to_even() {
        assert_eq!(average_text(Decimal::new(25, 2), 2).unwrap(), "0.12");
        assert_eq!(average_text(Decimal::new(27, 2), 2).unwrap(), "0.14");
        assert_eq!(average_text(Decimal::new(100, 0), 8).unwrap(), "12.50");
        assert_eq!(average_text(Decimal::ONE, 0), None);
    }

    #[test]
    fn rates_have_four_decimals() {
        assert_eq!(rate(1, 3).unwrap().to_string(), "0.3333");
        assert_eq!(rate(1, 0), None);
    }
}
