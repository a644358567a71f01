//! Types that keep a secret have no way to show it: a log line or an answer that would print one does not compile.

use std::fmt::{Debug, Display};

use app::install::marketplace::Left;
use app::install::{Callback, Completed, Started};
use app::operator::NewOrganization;
use app::session::{FormToken, Session};
use app::{App, KeyRing};
use hubspot::{Grant, Pkce};
use notify::{MailConfig, Secret};
use secrecy::SecretString;
use secrecy::zeroize::ZeroizeOnDrop;
use serde::Serialize;

/// Whether a type implements a trait. Both names stand for a constant of `Of`: its own wins where the type has the trait,
/// and where it has not there is that of the trait below, which every type has.
macro_rules! implements {
    ($kind:ty: $wanted:path) => {{
        struct Of<T: ?Sized>(std::marker::PhantomData<T>);
        #[allow(clippy::allow_attributes, dead_code)]
        trait Otherwise {
            const ANSWER: bool = false;
        }
        impl<T: ?Sized> Otherwise for Of<T> {}
        #[allow(clippy::allow_attributes, dead_code)]
        impl<T: ?Sized + $wanted> Of<T> {
            const ANSWER: bool = true;
        }
        Of::<$kind>::ANSWER
    }};
}

/// The types of a list that implement one of some traits.
macro_rules! guilty {
    ([$($kind:ty),* $(,)?] of $wanted:tt) => {{
        let mut guilty: Vec<String> = Vec::new();
        $(guilty!(@each guilty, $kind, $wanted);)*
        guilty
    }};
    (@each $guilty:ident, $kind:ty, [$($wanted:ident),+]) => {
        $(if implements!($kind: $wanted) {
            $guilty.push(format!("{}: {}", stringify!($kind), stringify!($wanted)));
        })+
    };
}

#[test]
fn no_secret_can_be_formatted_or_serialized_and_what_holds_one_cannot_be_printed() {
    let readable = guilty!(
        [
            SecretString,
            FormToken,
            Session,
            KeyRing,
            Grant,
            Pkce,
            hubspot::Config,
            Secret,
            MailConfig,
            NewOrganization<'static>,
            Started,
            Left,
            Callback<'static>,
            Completed,
            App,
        ] of [Display, Serialize]
    );
    assert!(readable.is_empty(), "{readable:?}");
    let printed = guilty!(
        [
            FormToken,
            Session,
            KeyRing,
            Grant,
            Pkce,
            hubspot::Config,
            Secret,
            MailConfig,
            NewOrganization<'static>,
            Started,
            Left,
            Callback<'static>,
            Completed,
            App,
        ] of [Debug]
    );
    assert!(printed.is_empty(), "{printed:?}");
    // The bare value has to be printed by what an error may hold, and then says nothing.
    let bare = format!("{:?}", SecretString::from("tk_live_1"));
    assert_eq!(bare, "SecretBox<str>([REDACTED])");
}

#[test]
fn a_secret_is_wiped_from_memory_when_it_is_dropped() {
    assert!(implements!(SecretString: ZeroizeOnDrop));
    assert!(!implements!(String: ZeroizeOnDrop));
}

/// What outlives a call or a run: statics and caches.
const KEEPING: [&str; 7] = [
    " static ",
    "OnceLock",
    "OnceCell",
    "LazyLock",
    "LazyCell",
    "thread_local!",
    "moka",
];
/// What is or holds a secret of a portal's, once it is open.
const SECRETS: [&str; 5] = [
    "SecretString",
    "ExposeSecret",
    "PortalKey",
    "Grant",
    "Zeroizing",
];

#[test]
fn no_secret_of_a_portal_is_kept_beyond_what_it_was_opened_for() {
    let crates = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let (mut keeping, mut opening) = (Vec::new(), 0);
    let mut folders: Vec<_> = ["app", "hubspot", "thnks", "web", "worker"]
        .map(|name| crates.join(name).join("src"))
        .into();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let source = std::fs::read_to_string(&path).unwrap();
            let code: Vec<String> = source
                .lines()
                .map(|line| format!(" {}", line.trim_start()))
                .filter(|line| !line.starts_with(" //"))
                .collect();
            let has = |words: &[&str]| {
                let any = |line: &String| words.iter().any(|word| line.contains(word));
                code.iter().any(any)
            };
            let is_word = |c: char| c.is_alphanumeric() || c == '_';
            let opens = code
                .iter()
                .flat_map(|line| line.split(|c| !is_word(c)))
                .any(|word| SECRETS.contains(&word));
            opening += usize::from(opens);
            if opens && has(&KEEPING) {
                keeping.push(path.file_name().unwrap().to_owned());
            }
        }
    }
    assert!(opening > 10, "the sources were looked for elsewhere");
    assert!(keeping.is_empty(), "{keeping:?}");
}

#[test]
fn the_look_at_secrets_sees_what_can_be_read() {
    let seen = guilty!([String, SecretString, FormToken] of [Display, Serialize, Debug]);
    let expected = [
        "String: Display",
        "String: Serialize",
        "String: Debug",
        "SecretString: Debug",
    ];
    assert_eq!(seen, expected);
}
