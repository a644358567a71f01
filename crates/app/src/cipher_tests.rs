//! Properties of sealing: what was sealed opens at its place and nowhere else, and nothing else opens at all.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::*;

/// 100,000 cases, or as many more as the variable `PROPTEST_CASES` says, which proptest reads.
fn config() -> ProptestConfig {
    let asked = ProptestConfig::default();
    ProptestConfig {
        cases: asked.cases.max(100_000),
        failure_persistence: None,
        ..asked
    }
}

/// A ring of keys with these ids; the same id has the same key in every ring.
fn ring(ids: &[&str]) -> KeyRing {
    let entries: Vec<String> = ids
        .iter()
        .map(|id| {
            let key: Vec<u8> = id.bytes().cycle().take(32).collect();
            format!("{id}:{}", STANDARD.encode(key))
        })
        .collect();
    KeyRing::parse(&entries.join(",").into()).unwrap()
}

const IDS: [&str; 3] = ["2026-11", "b", "2026-1"];

/// A place that owns its row.
#[derive(Debug, Clone, PartialEq)]
struct Spot {
    table: &'static str,
    column: &'static str,
    hub_id: i64,
    row: String,
}

impl Spot {
    fn place(&self) -> Place<'_> {
        Place {
            table: self.table,
            column: self.column,
            hub_id: self.hub_id,
            row: &self.row,
        }
    }
}

/// Places that are near to each other: few values of each part, and rows that have what stands between the parts.
fn spot() -> impl Strategy<Value = Spot> {
    let row =
        vec(select("17|-vab\0é".chars().collect::<Vec<_>>()), 0..5).prop_map(String::from_iter);
    (
        select(vec!["connections", "thnks_connections", "sessions"]),
        select(vec!["access_token", "refresh_token", "token"]),
        prop_oneof![0..3_i64, any::<i64>()],
        row,
    )
        .prop_map(|(table, column, hub_id, row)| Spot {
            table,
            column,
            hub_id,
            row,
        })
}

fn a_secret() -> impl Strategy<Value = String> {
    vec(any::<char>(), 0..16).prop_map(String::from_iter)
}

/// One change of sealed bytes.
#[derive(Debug, Clone)]
enum Change {
    Flip(u8),
    Insert(u8),
    Remove,
    Cut,
    Append(Vec<u8>),
    Swap(Index),
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        (0..8_u8).prop_map(|bit| Change::Flip(1 << bit)),
        (1..=255_u8).prop_map(Change::Flip),
        any::<u8>().prop_map(Change::Insert),
        Just(Change::Remove),
        Just(Change::Cut),
        vec(any::<u8>(), 1..20).prop_map(Change::Append),
        any::<Index>().prop_map(Change::Swap),
    ]
}

fn changed(sealed: &[u8], at: Index, change: Change) -> Vec<u8> {
    let mut bytes = sealed.to_vec();
    let at = at.index(bytes.len());
    match change {
        Change::Flip(bits) => bytes[at] ^= bits,
        Change::Insert(byte) => bytes.insert(at, byte),
        Change::Remove => drop(bytes.remove(at)),
        Change::Cut => bytes.truncate(at),
        Change::Append(more) => bytes.extend(more),
        Change::Swap(other) => {
            let other = other.index(bytes.len());
            bytes.swap(at, other);
        }
    }
    bytes
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_sealed_secret_opens_at_its_place_alone(
        spot in spot(),
        other in spot(),
        secret in a_secret(),
        by in 0..IDS.len(),
    ) {
        let sealed = ring(&[IDS[by]]).seal(spot.place(), &secret.as_str().into());
        let all = ring(&IDS);
        let opened = all.open(spot.place(), &sealed).unwrap();
        prop_assert_eq!(opened.expose_secret(), secret.as_str());
        prop_assert_eq!(all.open(other.place(), &sealed).is_ok(), spot == other);
        let without: Vec<&str> = IDS.into_iter().filter(|id| *id != IDS[by]).collect();
        prop_assert!(ring(&without).open(spot.place(), &sealed).is_err());
    }

    #[test]
    fn a_sealed_secret_that_was_changed_anywhere_does_not_open(
        spot in spot(),
        secret in a_secret(),
        at in any::<Index>(),
        change in change(),
    ) {
        let ring = ring(&IDS);
        let sealed = ring.seal(spot.place(), &secret.as_str().into()).0;
        let changed = changed(&sealed, at, change);
        if changed != sealed {
            prop_assert!(ring.open(spot.place(), &Sealed(changed)).is_err());
        }
    }

    #[test]
    fn bytes_that_were_never_sealed_do_not_open(
        spot in spot(),
        version in prop_oneof![Just(1_u8), Just(2_u8), any::<u8>()],
        id_len in option_of_its_own(),
        id in prop_oneof![select(IDS.as_slice()).prop_map(|id| id.as_bytes().to_vec()), vec(any::<u8>(), 0..6)],
        rest in vec(any::<u8>(), 0..48),
        raw in any::<bool>(),
    ) {
        let bytes = if raw {
            rest
        } else {
            let len = id_len.unwrap_or(u8::try_from(id.len()).unwrap());
            [vec![version, len], id, rest].concat()
        };
        prop_assert!(ring(&IDS).open(spot.place(), &Sealed(bytes)).is_err());
    }
}

/// Mostly none: the id's own length.
fn option_of_its_own() -> impl Strategy<Value = Option<u8>> {
    prop_oneof![4 => Just(None), 1 => any::<u8>().prop_map(Some)]
}
