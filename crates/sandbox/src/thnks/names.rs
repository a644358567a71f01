//! Names of people and companies in several scripts, with an ASCII form for e-mail addresses.

use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;

type Name = (&'static str, &'static str);

/// One way of naming people: first names, last names, whether the last name comes first, and how often it is used.
struct Script {
    first: &'static [Name],
    last: &'static [Name],
    family_first: bool,
    weight: u32,
}

const ENGLISH: Script = Script {
    first: &[
        ("Sam", "sam"),
        ("Dana", "dana"),
        ("Avery", "avery"),
        ("Jordan", "jordan"),
        ("Priya", "priya"),
        ("Marcus", "marcus"),
        ("Elena", "elena"),
        ("Grace", "grace"),
        ("Omar", "omar"),
        ("Lucy", "lucy"),
        ("Theo", "theo"),
        ("Naomi", "naomi"),
        ("Isaac", "isaac"),
        ("Ruth", "ruth"),
        ("Caleb", "caleb"),
        ("Fatima", "fatima"),
    ],
    last: &[
        ("Okafor", "okafor"),
        ("Reyes", "reyes"),
        ("Whitfield", "whitfield"),
        ("Nguyen", "nguyen"),
        ("Patel", "patel"),
        ("Sullivan", "sullivan"),
        ("Brooks", "brooks"),
        ("Castillo", "castillo"),
        ("Hughes", "hughes"),
        ("Mbeki", "mbeki"),
        ("O'Neill", "oneill"),
        ("Smith-Jones", "smith-jones"),
        ("Park", "park"),
        ("Wójcik", "wojcik"),
        ("Abbott", "abbott"),
        ("Carver", "carver"),
    ],
    family_first: false,
    weight: 58,
};
const LATIN: Script = Script {
    first: &[
        ("Zoë", "zoe"),
        ("Jürgen", "juergen"),
        ("Søren", "soren"),
        ("Łukasz", "lukasz"),
        ("Inês", "ines"),
        ("Göksel", "goksel"),
        ("Ana Sofía", "anasofia"),
        ("Dvořák", "dvorak"),
    ],
    last: &[
        ("Müller", "mueller"),
        ("Åström", "astrom"),
        ("Núñez", "nunez"),
        ("Žižka", "zizka"),
        ("Gonçalves", "goncalves"),
        ("Çelik", "celik"),
        ("Nguyễn", "nguyen"),
        ("D'Angelo", "dangelo"),
    ],
    family_first: false,
    weight: 18,
};
const CJK: Script = Script {
    first: &[
        ("美咲", "misaki"),
        ("健太", "kenta"),
        ("小明", "xiaoming"),
        ("丽华", "lihua"),
        ("서연", "seoyeon"),
        ("민준", "minjun"),
    ],
    last: &[
        ("佐藤", "sato"),
        ("鈴木", "suzuki"),
        ("王", "wang"),
        ("李", "li"),
        ("김", "kim"),
        ("박", "bak"),
    ],
    family_first: true,
    weight: 9,
};
const ARABIC: Script = Script {
    first: &[
        ("ليلى", "layla"),
        ("يوسف", "youssef"),
        ("نور", "nour"),
        ("خالد", "khaled"),
    ],
    last: &[
        ("حداد", "haddad"),
        ("المصري", "elmasry"),
        ("بن علي", "benali"),
        ("ناصر", "nasser"),
    ],
    family_first: false,
    weight: 5,
};
const CYRILLIC: Script = Script {
    first: &[
        ("Олена", "olena"),
        ("Дмитро", "dmytro"),
        ("Анна", "anna"),
        ("Иван", "ivan"),
    ],
    last: &[
        ("Шевченко", "shevchenko"),
        ("Коваль", "koval"),
        ("Петрова", "petrova"),
        ("Ђорђевић", "djordjevic"),
    ],
    family_first: false,
    weight: 5,
};
const DEVANAGARI: Script = Script {
    first: &[
        ("आरव", "aarav"),
        ("दीया", "diya"),
        ("अनन्या", "ananya"),
        ("रोहन", "rohan"),
    ],
    last: &[
        ("शर्मा", "sharma"),
        ("गुप्ता", "gupta"),
        ("सिंह", "singh"),
        ("देसाई", "desai"),
    ],
    family_first: false,
    weight: 5,
};

const SCRIPTS: [&Script; 6] = [&ENGLISH, &LATIN, &CJK, &ARABIC, &CYRILLIC, &DEVANAGARI];

/// A person's name with its ASCII forms.
#[derive(Debug, Clone)]
pub(crate) struct Named {
    pub(crate) first: String,
    pub(crate) last: String,
    pub(crate) full: String,
    /// `first.last` in ASCII.
    pub(crate) local: String,
}

/// A random person.
pub(crate) fn person(rng: &mut StdRng) -> Named {
    let total: u32 = SCRIPTS.iter().map(|script| script.weight).sum();
    let mut draw = rng.random_range(0..total);
    let mut script = SCRIPTS[0];
    for candidate in SCRIPTS {
        script = candidate;
        if draw < candidate.weight {
            break;
        }
        draw -= candidate.weight;
    }
    let first = script.first.choose(rng).copied().unwrap_or_default();
    let last = script.last.choose(rng).copied().unwrap_or_default();
    let full = if script.family_first {
        format!("{}{}", last.0, first.0)
    } else {
        format!("{} {}", first.0, last.0)
    };
    Named {
        first: first.0.to_owned(),
        last: last.0.to_owned(),
        full,
        local: format!("{}.{}", first.1, last.1),
    }
}

const WORDS: [&str; 24] = [
    "Blue Harbor",
    "Northwind",
    "Cedar & Pine",
    "Lumen",
    "Granite Peak",
    "Silverline",
    "Osprey",
    "Fieldstone",
    "Bright Anchor",
    "Copperleaf",
    "Ironwood",
    "Meridian",
    "Paper Lantern",
    "Redwood",
    "Saltwater",
    "Tall Oak",
    "Umbra",
    "Vantage",
    "Willow Creek",
    "Zenith",
    "Kitsune",
    "Fjord",
    "Estrela",
    "Aurora",
];
const TRADES: [&str; 14] = [
    "Analytics",
    "Logistics",
    "Foods",
    "Health",
    "Capital",
    "Software",
    "Robotics",
    "Media",
    "Energy",
    "Design",
    "Labs",
    "Partners",
    "Travel",
    "Textiles",
];

/// The `index`th company: name and domain. Names repeat after 336, domains never.
pub(crate) fn company(index: usize) -> (String, String) {
    let word = WORDS[index % WORDS.len()];
    let trade = TRADES[(index / WORDS.len() + index) % TRADES.len()];
    let slug: String = word
        .to_lowercase()
        .chars()
        .filter(char::is_ascii_alphabetic)
        .collect();
    (
        format!("{word} {trade}"),
        format!("{slug}-{}{index}.example.com", trade.to_lowercase()),
    )
}

/// What senders write; a fifth of gifts have no message.
pub(crate) const MESSAGES: [&str; 16] = [
    "Thank you for the call!",
    "Great meeting you today. Enjoy a coffee on me ☕",
    "Congrats on the launch 🎉🚀",
    "Appreciate your patience while we sorted this out.",
    "Thanks for the referral — it means a lot.",
    "Happy birthday! 🎂",
    "Danke für das tolle Gespräch!",
    "¡Gracias por todo! 🙌",
    "ありがとうございます。またお会いしましょう。",
    "شكراً جزيلاً على وقتك",
    "Дякуємо за співпрацю!",
    "आपके समय के लिए धन्यवाद 🙏",
    "Lunch is on us,\nsee you at the conference 👩🏽‍💻👨‍👩‍👧",
    "Thanks for renewing with us & welcome to year two",
    "You went above and beyond <3",
    "谢谢您的支持",
];
