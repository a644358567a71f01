//! The gifts of the sandbox's Thnks.

use serde_json::{Value, json};

/// One gift: id, name, type, price, currency.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Gift {
    pub(crate) id: u64,
    pub(crate) name: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) price: &'static str,
    pub(crate) currency: &'static str,
    /// How often it is chosen, relative to the others.
    pub(crate) weight: u32,
}

const fn gift(
    id: u64,
    name: &'static str,
    kind: &'static str,
    price: &'static str,
    currency: &'static str,
    weight: u32,
) -> Gift {
    Gift {
        id,
        name,
        kind,
        price,
        currency,
        weight,
    }
}

/// The catalogue, in order of ids.
pub(crate) const GIFTS: [Gift; 24] = [
    gift(5601, "Coffee on us", "Coffee", "5.00", "USD", 260),
    gift(5602, "Cold brew to go ☕", "Coffee", "6.50", "USD", 90),
    gift(5603, "Coffee for two", "Coffee", "12.00", "USD", 80),
    gift(5604, "Lunch is on me", "Lunch", "25.00", "USD", 150),
    gift(5605, "Taco Tuesday 🌮", "Lunch", "15.00", "USD", 70),
    gift(
        5606,
        "Pizza night for the team",
        "Lunch",
        "60.00",
        "USD",
        25,
    ),
    gift(
        5607,
        "Donation to Feeding America",
        "Donation",
        "20.00",
        "USD",
        60,
    ),
    gift(5608, "Plant five trees 🌳", "Donation", "10.00", "USD", 55),
    gift(5609, "Ocean clean-up", "Donation", "15.00", "USD", 25),
    gift(5610, "Movie night", "Entertainment", "30.00", "USD", 45),
    gift(
        5611,
        "A month of music",
        "Entertainment",
        "11.99",
        "USD",
        30,
    ),
    gift(5612, "A good book", "Books", "18.00", "USD", 40),
    gift(5613, "Ride home", "Rides", "20.00", "USD", 45),
    gift(5614, "Happy hour cocktail", "Drinks", "14.00", "USD", 40),
    gift(5615, "Flowers", "Flowers", "45.00", "USD", 25),
    gift(5616, "Spa hour", "Wellness", "75.00", "USD", 12),
    gift(5617, "Yoga class", "Wellness", "22.50", "USD", 14),
    gift(5618, "Gift card", "Gift card", "50.00", "USD", 30),
    gift(5619, "Espresso & Croissant", "Coffee", "6.00", "EUR", 45),
    gift(5620, "Mittagessen", "Lunch", "20.00", "EUR", 20),
    gift(5621, "Afternoon tea", "Drinks", "18.50", "GBP", 25),
    gift(5622, "Fish & chips", "Lunch", "14.00", "GBP", 10),
    gift(5623, "抹茶セット", "Coffee", "900", "JPY", 16),
    gift(5624, "Round of golf", "Entertainment", "120.00", "USD", 8),
];

impl Gift {
    pub(crate) fn find(id: u64) -> Option<&'static Self> {
        GIFTS.iter().find(|gift| gift.id == id)
    }

    /// The gift as the API shows it.
    pub(crate) fn to_json(self) -> Value {
        json!({
            "id": self.id,
            "name": self.name,
            "type": self.kind,
            "price": self.price,
            "currency": self.currency,
            "image_url": format!("https://cdn.thnks.example/gifts/{}.jpg", self.id),
        })
    }
}
