//! How people find a gift by words: which words it is kept under, and which ones a search asks for. Case and accents do not
//! count.

use std::collections::BTreeSet;
use std::ops::Bound;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use crate::Transaction;
use crate::transaction::Person;

/// The longest word, in characters: what is longer is found by its beginning.
const WORD_CHARS: usize = 64;
/// The most words of one gift.
const GIFT_WORDS: usize = 24;
/// The most words of one search.
const TERMS: usize = 6;

/// The words under which a gift is kept, each once: the names of sender and recipient, their addresses whole and in parts.
/// What another word begins with is left out: a search asks for beginnings, and finds the longer one. Storing them is the
/// costliest part of bringing a gift in.
pub fn words(transaction: &Transaction) -> Vec<String> {
    let people = [&transaction.recipient, &transaction.sender];
    let names = people.into_iter().flat_map(names);
    // Where there are too many, the addresses stay.
    let mut words = BTreeSet::new();
    for word in people.into_iter().flat_map(addresses).chain(names) {
        if !word.is_empty() && !is_beginning(&word, &words) {
            words.retain(|known: &String| !word.starts_with(known.as_str()));
            if words.len() < GIFT_WORDS {
                words.insert(word);
            }
        }
    }
    words.into_iter().collect()
}

/// Whether one of `words` is `word` or begins with it: in their order, that would be the next one.
fn is_beginning(word: &str, words: &BTreeSet<String>) -> bool {
    let at = (Bound::Included(word), Bound::Unbounded);
    let next = words.range::<str, _>(at).next();
    next.is_some_and(|next| next.starts_with(word))
}

/// An address whole, its domain whole, and its parts.
fn addresses(person: &Person) -> Vec<String> {
    let email = plain(person.email.as_deref().unwrap_or_default());
    let email = email.trim();
    let mut words = Vec::new();
    if email.contains('@') {
        words.push(cut(email));
        words.extend(email.rsplit('@').next().map(cut));
    }
    words.extend(parts(email));
    words
}

fn names(person: &Person) -> Vec<String> {
    parts(&plain(person.name.as_deref().unwrap_or_default())).collect()
}

/// The words a search asks for: each must be the beginning of one of a gift's words. Empty where the text has none.
pub fn terms(text: &str) -> Vec<String> {
    let mut terms = Vec::new();
    for token in plain(text).split_whitespace() {
        if token.contains('@') {
            terms.push(cut(token.trim_start_matches('@')));
        } else {
            terms.extend(parts(token));
        }
    }
    terms.retain(|term| !term.is_empty());
    terms.dedup();
    terms.truncate(TERMS);
    terms
}

/// Without case, accents and the differences of compatible characters.
fn plain(text: &str) -> String {
    text.nfkd()
        .filter(|c| !is_combining_mark(*c))
        .flat_map(char::to_lowercase)
        .collect()
}

fn parts(text: &str) -> impl Iterator<Item = String> + '_ {
    text.split(|c: char| !c.is_alphanumeric()).map(cut)
}

fn cut(word: &str) -> String {
    word.chars().take(WORD_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transaction::sample;

    fn finds(text: &str, transaction: &Transaction) -> bool {
        let words = words(transaction);
        let terms = terms(text);
        !terms.is_empty()
            && terms
                .iter()
                .all(|term| words.iter().any(|word| word.starts_with(term)))
    }

    #[test]
    fn a_gift_is_found_by_names_and_addresses_and_their_beginnings() {
        let mut gift = sample("txn_1");
        gift.recipient.name = Some("José Núñez-O’Brien".into());
        gift.recipient.email = Some(" Jose.Nunez@Client.Example".into());
        for text in [
            "jose",
            "NUÑ",
            "brien josé",
            "jose.nunez@client.example",
            "client.example",
            "@client.example",
            "dana reyes",
            "dana@acme.example",
        ] {
            assert!(finds(text, &gift), "{text}: {:?}", terms(text));
        }
        for text in [
            "",
            " -- ",
            "ose",
            "jose smith",
            "jose.nun@",
            "other@client.example",
        ] {
            assert!(!finds(text, &gift), "{text}");
        }
    }

    #[test]
    fn what_another_word_begins_with_is_not_kept_and_found_all_the_same() {
        let mut gift = sample("txn_1");
        gift.recipient.name = Some("Sam O’Sam, Samuel".into());
        gift.recipient.email = Some("sam.oak@client.example".into());
        gift.sender.name = Some("Dana Reyes".into());
        gift.sender.email = Some("dana@acme.example".into());
        let kept = [
            "acme.example",
            "client.example",
            "dana@acme.example",
            "example",
            "oak",
            "reyes",
            "sam.oak@client.example",
            "samuel",
        ];
        assert_eq!(words(&gift), kept);
        for text in ["sam", "dana", "acme", "client", "o", "oak sam", "samu"] {
            assert!(finds(text, &gift), "{text}");
        }
    }

    #[test]
    fn words_are_bounded() {
        let mut gift = sample("txn_1");
        gift.recipient.name = Some("a b c d e f g h i j k l m n o p q r s t u v w x y z".repeat(9));
        gift.sender.name = Some("y".repeat(300));
        let words = words(&gift);
        assert!(words.contains(&"sam@client.example".to_owned()));
        assert_eq!(words.len(), GIFT_WORDS);
        assert!(words.iter().all(|word| word.chars().count() <= WORD_CHARS));
        assert_eq!(terms(&"x ".repeat(99)), ["x"]);
    }

    #[test]
    fn scripts_without_spaces_and_case_are_kept() {
        let mut gift = sample("txn_1");
        gift.recipient.name = Some("山田太郎 Straße ﬁne".into());
        assert!(finds("山田", &gift) && finds("STRASSE", &gift) == finds("strasse", &gift));
        assert!(finds("fine", &gift));
    }
}
