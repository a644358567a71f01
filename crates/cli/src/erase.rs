//! Erasing people again, after a restore.

use std::fmt;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use app::erase::{self, NO_TOMBSTONES, TombstoneSet};
use app::{App, PortalScope};
use clap::Args;
use domain::{HubId, RecordId};
use serde_json::Value;

use crate::config::Config;
use crate::wiring;

/// The message of the lines that tell of erasures.
const MESSAGE: &str = "a recipient is erased";

/// Whom to erase.
#[derive(Args)]
pub struct Whom {
    /// A log in JSON, `-` for standard input: each line `a recipient is erased` is followed, the others are not looked at
    #[arg(long, value_name = "FILE", conflicts_with_all = ["portal", "contact", "tombstones"], required_unless_present = "portal")]
    log: Option<PathBuf>,
    /// One person's portal
    #[arg(long, value_name = "HUB_ID", requires = "contact")]
    portal: Option<HubId>,
    /// The contact that asked for it: `contact.id` of the line
    #[arg(long, value_name = "CONTACT_ID", requires = "portal")]
    contact: Option<i64>,
    /// `tombstones` of the line, if it has them
    #[arg(long, requires = "portal")]
    tombstones: Option<TombstoneSet>,
}

/// One erasure.
struct Erasure {
    portal: HubId,
    contact: RecordId,
    tombstones: Option<TombstoneSet>,
}

/// Erases; fails when somebody may come back.
#[expect(clippy::print_stdout, reason = "the answer of a command")]
pub async fn run(whom: Whom) -> Result<()> {
    let (mut erasures, unread) = match whom {
        Whom { log: Some(log), .. } => read(&log)?,
        Whom {
            portal: Some(portal),
            contact: Some(contact),
            tombstones,
            ..
        } => {
            let erasure = Erasure {
                portal,
                contact: RecordId(contact),
                tombstones,
            };
            (vec![erasure], 0)
        }
        _ => bail!("name a log, or a portal and a contact"),
    };
    let (app, _) = wiring::checked_app(&Config::from_environment()?).await?;
    // The first erasure of a portal may bring its key, without which none makes another one.
    erasures.sort_by_key(|erasure| erasure.tombstones.is_none());
    let mut left = unread;
    for erasure in &erasures {
        // Nobody's trouble may keep the others.
        let is_done = match follow(&app, erasure).await {
            Ok(is_done) => is_done,
            Err(error) => {
                println!("{erasure}: {error:#}");
                false
            }
        };
        left += usize::from(!is_done);
    }
    println!("{} people", erasures.len());
    if left > 0 {
        bail!("{left} people may come back, as said above: have Thnks forget them");
    }
    Ok(())
}

impl fmt::Display for Erasure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "contact {} of portal {}", self.contact.0, self.portal)
    }
}

/// Erases one person and says what came of it; `false` when they may come back.
#[expect(clippy::print_stdout, reason = "the answer of a command")]
async fn follow(app: &App, erasure: &Erasure) -> Result<bool> {
    let scope = PortalScope::from_operator(erasure.portal);
    let tombstones = erasure.tombstones.as_ref();
    let Some(again) = erase::again(app, scope, erasure.contact, tombstones).await? else {
        println!("{erasure}: there is no such portal yet");
        return Ok(false);
    };
    let is_certain = again.is_remembered || tombstones.is_none();
    let rest = if is_certain {
        ""
    } else {
        "; the tombstones cannot stand in this database, so that gifts which are not in it yet would come with the name"
    };
    println!("{erasure}: {} gifts were wiped{rest}", again.gifts);
    Ok(is_certain)
}

/// The erasures of which a log tells, and how many lines that tell of one cannot be read.
#[expect(clippy::print_stdout, reason = "the answer of a command")]
fn read(log: &Path) -> Result<(Vec<Erasure>, usize)> {
    let name = log.display().to_string();
    let input: Box<dyn Read> = if log == Path::new("-") {
        Box::new(std::io::stdin())
    } else {
        Box::new(std::fs::File::open(log).context(name.clone())?)
    };
    let (mut erasures, mut unread) = (Vec::new(), 0);
    for (number, line) in (1..).zip(BufReader::new(input).split(b'\n')) {
        let line = line.context(name.clone())?;
        // A log may hold anything, half a line at its end too.
        let line = String::from_utf8_lossy(&line);
        if !line.contains(MESSAGE) {
            continue;
        }
        match parse(&line) {
            Ok(erasure) => erasures.extend(erasure),
            Err(error) => {
                println!("line {number} tells of an erasure and cannot be read: {error:#}");
                unread += 1;
            }
        }
    }
    Ok((erasures, unread))
}

/// The erasure of which a line tells; `None` when it tells of something else, or of a contact to whom nothing had gone.
fn parse(line: &str) -> Result<Option<Erasure>> {
    // What collects logs may have put something before it.
    let json = line.find('{').map_or(line, |start| &line[start..]);
    let fields: Value = serde_json::from_str(json).context("it is not JSON")?;
    let Some(fields) = own_fields(fields) else {
        return Ok(None);
    };
    let portal = fields["portal.id"]
        .as_str()
        .context("it has no portal.id")?;
    let contact = fields["contact.id"]
        .as_i64()
        .context("it has no contact.id")?;
    let tombstones = fields["tombstones"].as_str();
    if tombstones == Some(NO_TOMBSTONES) {
        return Ok(None);
    }
    Ok(Some(Erasure {
        portal: portal.parse().context("portal.id")?,
        contact: RecordId(contact),
        tombstones: tombstones.map(str::parse).transpose()?,
    }))
}

/// The fields of a line, whatever collects logs has wrapped them in: an object, or a text within one, as Docker does.
fn own_fields(value: Value) -> Option<Value> {
    match value {
        Value::Object(fields) if fields.get("message").is_some_and(|text| text == MESSAGE) => {
            Some(Value::Object(fields))
        }
        Value::Object(fields) => fields.into_values().find_map(own_fields),
        Value::String(text) if text.contains(MESSAGE) => {
            own_fields(serde_json::from_str(&text).ok()?)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_of_whom_and_others_of_nobody() {
        let line = r#"{"level":"INFO","message":"a recipient is erased","portal.id":"7","contact.id":41,"rows":2}"#;
        let docker = serde_json::json!({"log": format!("{line}\n"), "stream": "stderr"});
        for line in [
            line.to_owned(),
            format!("2026-11-26 worker-1 {line}"),
            docker.to_string(),
            format!(r#"{{"host":"a","event":{line}}}"#),
        ] {
            let erasure = parse(&line).unwrap().unwrap();
            assert_eq!((erasure.portal, erasure.contact), (HubId(7), RecordId(41)));
            assert!(erasure.tombstones.is_none());
        }
        let other = r#"{"message":"a line","error":"a recipient is erased"}"#;
        assert!(parse(other).unwrap().is_none());
        let nobody = r#"{"message":"a recipient is erased","portal.id":"7","contact.id":41,"tombstones":"none"}"#;
        assert!(parse(nobody).unwrap().is_none());
        for bad in [
            "INFO a recipient is erased portal.id=7",
            r#"{"message":"a recipient is erased","contact.id":41}"#,
            r#"{"message":"a recipient is erased","portal.id":"7","contact.id":41,"tombstones":"x"}"#,
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
