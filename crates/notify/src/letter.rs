//! A letter: words for one address, as plain text and as simple HTML, escaped by the template.

use std::time::SystemTime;

use askama::Template;
use chrono::{DateTime, Utc};
use domain::notice::Words;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use lettre::{Address, Message};
use url::Url;
use uuid::Uuid;

use crate::error::Error;

/// A letter before it is sent.
#[derive(Debug, Clone)]
pub struct Letter {
    /// The notice: the same for each of its letters, and each time one is sent, so that mailboxes can tell a double.
    pub id: Uuid,
    /// The one address.
    pub to: String,
    /// When there was something to say.
    pub at: DateTime<Utc>,
    /// What it says.
    pub words: Words,
    /// The portal's name, for people.
    pub portal: String,
    /// Where the link leads.
    pub link: Url,
    /// Where the letters are switched off.
    pub settings: Url,
}

/// Whether a letter can go to it.
pub fn is_address(text: &str) -> bool {
    text.parse::<Address>().is_ok()
}

#[derive(Template)]
#[template(path = "letters/notice.html")]
struct Html<'a> {
    letter: &'a Letter,
}

#[derive(Template)]
#[template(path = "letters/notice.txt")]
struct Text<'a> {
    letter: &'a Letter,
}

/// Programs that answer letters by themselves leave these alone (RFC 3834; the second is Exchange's).
const AUTOMATIC: [(&str, &str); 2] = [
    ("Auto-Submitted", "auto-generated"),
    ("X-Auto-Response-Suppress", "All"),
];

impl Letter {
    /// The message as it goes over the wire.
    pub(crate) fn to_message(&self, from: &Mailbox) -> Result<Message, Error> {
        let to = self
            .to
            .parse()
            .map_err(|_| Error::Refused("this is no e-mail address".into()))?;
        let unwritable =
            |error: &dyn std::fmt::Display| Error::Refused(format!("no letter: {error}"));
        let text = Text { letter: self };
        let html = Html { letter: self };
        let parts = MultiPart::alternative_plain_html(
            text.render().map_err(|error| unwritable(&error))?,
            html.render().map_err(|error| unwritable(&error))?,
        );
        let id = format!("<{}@{}>", self.id, from.email.domain());
        let mut message = Message::builder()
            .from(from.clone())
            .to(Mailbox::new(None, to))
            .subject(&self.words.subject)
            .message_id(Some(id))
            .date(SystemTime::from(self.at));
        for (name, value) in AUTOMATIC {
            let name = HeaderName::new_from_ascii_str(name);
            message = message.raw_header(HeaderValue::new(name, value.to_owned()));
        }
        message.multipart(parts).map_err(|error| unwritable(&error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::HubId;
    use domain::notice::Notice;

    fn letter(to: &str, portal: &str) -> Letter {
        Letter {
            id: Uuid::from_u128(7),
            to: to.to_owned(),
            at: "2026-11-23T10:00:00Z".parse().unwrap(),
            words: Notice::AuthorizationLost.words(HubId(48_151_623), &Utc),
            portal: portal.to_owned(),
            link: "https://gifts.example/portals/48151623".parse().unwrap(),
            settings: "https://gifts.example/portals/48151623/settings/notifications"
                .parse()
                .unwrap(),
        }
    }

    fn wire(letter: &Letter) -> String {
        let from = "Thnks for HubSpot <no-reply@gifts.example>"
            .parse()
            .unwrap();
        String::from_utf8(letter.to_message(&from).unwrap().formatted()).unwrap()
    }

    #[test]
    fn a_letter_carries_what_mailboxes_look_at() {
        // Long lines are folded.
        let text = wire(&letter("ana@northwind.example", "Northwind")).replace("\r\n ", " ");
        for line in [
            "Message-ID: <00000000-0000-0000-0000-000000000007@gifts.example>\r\n",
            "Auto-Submitted: auto-generated\r\n",
            "Date: Mon, 23 Nov 2026 10:00:00 +0000\r\n",
            "To: ana@northwind.example\r\n",
            "Subject: Thnks for HubSpot, portal 48151623: the connection to HubSpot is lost\r\n",
            "Content-Type: multipart/alternative;",
            "https://gifts.example/portals/48151623",
        ] {
            assert!(text.contains(line), "{line} is not in {text}");
        }
    }

    #[test]
    fn a_portals_name_is_text_and_adds_no_headers() {
        let hostile = "<script>alert(1)</script>\r\nBcc: all@example.com\r\n";
        let text = wire(&letter("ana@northwind.example", hostile));
        let (head, _) = text.split_once("\r\n\r\n").unwrap();
        assert!(!head.contains("Bcc"), "{head}");
        let html = text.split("text/html").nth(1).unwrap();
        assert!(!html.contains("<script"), "{html}");
    }

    #[test]
    fn what_is_no_address_gets_no_letter() {
        for address in ["ana", "ana@x\r\nBcc: all@example.com", ""] {
            let from = "no-reply@gifts.example".parse().unwrap();
            let refused = letter(address, "Northwind").to_message(&from);
            assert!(matches!(refused, Err(Error::Refused(_))), "{address}");
        }
    }
}
