//! Sending letters by SMTP.

use std::net::IpAddr;
use std::time::Duration;

use lettre::message::Mailbox;
use lettre::transport::smtp;
use lettre::transport::smtp::extension::ClientId;
use lettre::{AsyncSmtpTransport, AsyncTransport, Tokio1Executor};
use secrecy::{ExposeSecret, SecretString};
use tokio::time;
use url::{Host, Url};

use crate::error::{ConfigError, Error};
use crate::letter::Letter;

/// The longest wait for one answer of the mail server.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// The longest that one letter may take, from the connection to the last answer.
const LETTER_TIMEOUT: Duration = Duration::from_secs(30);
/// Answers that mean that the address will not take letters (RFC 5321, 4.2.3). Others of 5xx may be about our side, such as a
/// password that was changed, and are tried again.
const ADDRESS_REFUSED: [u16; 3] = [550, 551, 553];

/// How mail is sent.
#[derive(Clone)]
pub struct MailConfig {
    /// `smtps://user:password@host`, or `smtp://…?tls=required`.
    pub smtp_url: SecretString,
    /// `Name <address>`, or an address.
    pub from: String,
}

/// A mail server, and who writes.
pub(crate) struct Mailer {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
}

impl Mailer {
    /// Reads the operator's settings. Nothing is connected yet.
    pub(crate) fn new(config: &MailConfig) -> Result<Self, ConfigError> {
        let from: Mailbox = config
            .from
            .parse()
            .map_err(|error| ConfigError::From(format!("{error}")))?;
        let address = config.smtp_url.expose_secret();
        check(address).map_err(|reason| ConfigError::Smtp(reason.into()))?;
        let hello = ClientId::Domain(from.email.domain().to_owned());
        let transport = AsyncSmtpTransport::<Tokio1Executor>::from_url(address)
            // The parser's words may repeat the address, and with it the password.
            .map_err(|_| ConfigError::Smtp(FORM.into()))?
            .hello_name(hello)
            .timeout(Some(ANSWER_TIMEOUT))
            .build();
        Ok(Self { transport, from })
    }

    /// Sends one letter over a connection of its own.
    pub(crate) async fn send(&self, letter: &Letter) -> Result<(), Error> {
        let message = letter.to_message(&self.from)?;
        match time::timeout(LETTER_TIMEOUT, self.transport.send(message)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(of_smtp(&error)),
            Err(_) => Err(Error::Unavailable(
                "the mail server took too long".to_owned(),
            )),
        }
    }
}

const FORM: &str = "must be smtps://user:password@host or smtp://user:password@host?tls=required";

/// Refuses what would send letters, or the password, in the clear over a network.
fn check(address: &str) -> Result<(), &'static str> {
    let url: Url = address.parse().map_err(|_| FORM)?;
    let tls = url
        .query_pairs()
        .find(|(name, _)| name == "tls")
        .map(|(_, value)| value.into_owned());
    // For this scheme a number is read as a name.
    let is_local = match url.host() {
        Some(Host::Domain(name)) => {
            name == "localhost" || name.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
        }
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => return Err(FORM),
    };
    match (url.scheme(), tls.as_deref()) {
        ("smtps", _) | ("smtp", Some("required" | "opportunistic")) => Ok(()),
        ("smtp", None) if is_local => Ok(()),
        ("smtp", None) => Err(
            "would send mail in the clear: use smtps://…, or smtp://…?tls=required (?tls=opportunistic for a relay without TLS)",
        ),
        _ => Err(FORM),
    }
}

fn of_smtp(error: &smtp::Error) -> Error {
    match error.status().map(u16::from) {
        Some(code) if ADDRESS_REFUSED.contains(&code) => {
            Error::Refused(format!("the mail server refuses the address ({code})"))
        }
        Some(code) => Error::Unavailable(format!("the mail server answered {code}")),
        None if error.is_timeout() => {
            Error::Unavailable("the mail server took too long".to_owned())
        }
        None if error.is_tls() => {
            Error::Unavailable("no safe connection to the mail server".to_owned())
        }
        None => Error::Unavailable("the mail server could not be reached".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mailer(smtp_url: &str, from: &str) -> Result<(), ConfigError> {
        let config = MailConfig {
            smtp_url: smtp_url.to_owned().into(),
            from: from.to_owned(),
        };
        Mailer::new(&config).map(|_| ())
    }

    #[test]
    fn safe_and_local_servers_are_taken() {
        for url in [
            "smtps://user:p%40ss@mail.example",
            "smtps://user:pass@mail.example:2465",
            "smtp://user:pass@mail.example?tls=required",
            "smtp://relay.internal:25?tls=opportunistic",
            "smtp://127.0.0.1:1025",
            "smtp://[::1]:1025",
            "smtp://localhost:1025",
        ] {
            let read = mailer(url, "Thnks for HubSpot <no-reply@gifts.example>");
            assert_eq!(read, Ok(()), "{url}");
        }
    }

    #[test]
    fn what_is_malformed_or_in_the_clear_is_refused_and_not_repeated() {
        for url in [
            "mail.example",
            "http://mail.example",
            "smtp://user:hunter2@mail.example",
            "smtp://user:hunter2@mail.example?tls=maybe",
            "smtp://:25",
        ] {
            let Err(ConfigError::Smtp(reason)) = mailer(url, "no-reply@gifts.example") else {
                panic!("{url} was taken");
            };
            assert!(!reason.contains("hunter2"), "{reason}");
        }
        let refused = mailer("smtp://localhost", "nobody");
        assert!(matches!(refused, Err(ConfigError::From(_))));
    }
}
