//! What a failure looks like from outside: the only place that knows status codes. A page says what happened and what to
//! do in plain sentences, with a request id; the cause goes to the log.

mod installing;

use app::notices::{EmailsFault, TargetFault};
use app::{connect, events, install, runs, trace};
use axum::Extension;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::traffic::Refused;

/// When a stream that found no place may be asked for again: pages come and go within seconds.
const STREAM_AGAIN_SECS: u64 = 10;

/// Why a request was not answered as it asked.
#[derive(Debug)]
pub enum Error {
    /// Nothing is at this address, or it belongs to another portal.
    NotFound,
    /// Nobody is signed in, and the answer is for a script.
    SignInNeeded,
    /// The form's token or its origin is not this session's.
    ForeignForm,
    /// Another site's link leads to a file of the portal's data.
    ForeignLink,
    /// Only an owner may do this.
    OwnerNeeded,
    /// More requests than there may be.
    TooMany(Refused),
    /// The session has as many streams open as it may.
    TooManyStreams,
    /// The form is larger than a form is.
    TooLarge,
    /// The form did not arrive in the time that one has.
    TooSlow,
    /// The address is longer than an address is.
    AddressTooLong,
    /// A delivery holds more events than HubSpot sends at a time.
    TooManyEvents,
    /// `from` or `to` is not a day, or they are the wrong way round.
    NotDays,
    /// A filter of the list of gifts is not one.
    NotAFilter,
    /// The address or the form names failures that cannot be.
    NotFailures,
    /// The day from which to read again cannot be; why.
    NotSince(&'static str),
    /// The person said no on HubSpot's consent page.
    ConsentRefused,
    /// An install or sign-in did not work.
    Install(install::Error),
    /// A run was not possible.
    Run(runs::Error),
    /// A remedy for a gift was not possible.
    Remedy(trace::Error),
    /// What was entered as a rule, or as a contact, cannot be one; why.
    NotRules(&'static str),
    /// What was entered for notices cannot be; why.
    NotNotices(String),
    /// A test was asked for, and there is nobody to tell.
    NobodyToTell,
    /// A test was asked for a moment ago.
    TestedJustNow,
    /// The portal would have no owner.
    LastOwner,
    /// The form says nothing that can become of a person.
    NotAChange,
    /// What was typed is not the portal that is to be disconnected.
    NotConfirmed,
    /// A delivery of events was not taken.
    Event(events::Error),
    /// Something inside failed.
    Internal(app::Error),
    /// A handler panicked.
    Panicked,
    /// The database does not answer.
    NotReady,
}

/// An answer that says what happened and what to do; `answer` turns it into a page or into JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Status code.
    pub status: StatusCode,
    /// For scripts.
    pub code: &'static str,
    /// What happened.
    pub title: String,
    /// What it means.
    pub detail: String,
    /// What to do.
    pub remedies: Vec<String>,
    /// Where to go on: address and label.
    pub action: Option<(&'static str, &'static str)>,
}

impl Problem {
    fn new(status: StatusCode, code: &'static str, title: &str, detail: impl Into<String>) -> Self {
        Self {
            status,
            code,
            title: title.to_owned(),
            detail: detail.into(),
            remedies: Vec::new(),
            action: None,
        }
    }

    fn remedied_by(mut self, remedies: &[&str]) -> Self {
        self.remedies = remedies.iter().map(|&remedy| remedy.to_owned()).collect();
        self
    }

    fn then(mut self, href: &'static str, label: &'static str) -> Self {
        self.action = Some((href, label));
        self
    }

    /// The problem that a bare status code from the framework means.
    pub fn of_status(status: StatusCode) -> Self {
        match status {
            StatusCode::NOT_FOUND => Error::NotFound.problem(),
            StatusCode::METHOD_NOT_ALLOWED => Self::new(
                status,
                "method_not_allowed",
                "This address works another way",
                "What was asked for is not possible at this address.",
            )
            .then("/portals", "To your portals"),
            StatusCode::PAYLOAD_TOO_LARGE => Error::TooLarge.problem(),
            StatusCode::REQUEST_TIMEOUT | StatusCode::SERVICE_UNAVAILABLE => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "busy",
                "This took too long",
                "The answer was not ready in time. Nothing is lost.",
            )
            .remedied_by(&["Try again in a moment."]),
            status if status.is_client_error() => Self::new(
                status,
                "bad_request",
                "This request cannot be read",
                "Something in the address or the form is not as it should be.",
            )
            .then("/portals", "To your portals"),
            _ => Error::Panicked.problem(),
        }
    }
}

impl Error {
    /// What stands on the page of people when the last owner would go.
    pub const LAST_OWNER: &'static str =
        "A portal always has an owner. Make somebody else an owner first.";
    /// What stands beside the field when something else was typed.
    pub const NOT_CONFIRMED: &'static str = "This is not this portal. Nothing was disconnected.";

    /// What people see of it.
    pub fn problem(&self) -> Problem {
        match self {
            Self::NotFound => Problem::new(
                StatusCode::NOT_FOUND,
                "not_found",
                "Nothing is here",
                "The address is wrong, or it belongs to a portal you are not signed in to.",
            )
            .then("/portals", "To your portals"),
            Self::SignInNeeded => Problem::new(
                StatusCode::UNAUTHORIZED,
                "sign_in_needed",
                "You are not signed in",
                "Your session is over, or there was none.",
            )
            .then("/login", "Sign in with HubSpot"),
            Self::ForeignForm => Problem::new(
                StatusCode::FORBIDDEN,
                "foreign_form",
                "This form is no longer valid",
                "It belongs to another session, or it did not come from our page. Nothing was changed.",
            )
            .remedied_by(&["Go back, load the page again and repeat what you did."])
            .then("/portals", "To your portals"),
            Self::ForeignLink => Problem::new(
                StatusCode::FORBIDDEN,
                "foreign_link",
                "This file is only given out on our own pages",
                "Another site’s link led here. Nothing was downloaded.",
            )
            .remedied_by(&["Open the page that shows these rows and download the file there."])
            .then("/portals", "To your portals"),
            Self::OwnerNeeded => Problem::new(
                StatusCode::FORBIDDEN,
                "owner_needed",
                "Only an owner can do this",
                "You can look at everything here; changing it is for the portal’s owners.",
            )
            .remedied_by(&["Ask the person who installed the app in HubSpot."])
            .then("/portals", "To your portals"),
            Self::TooLarge => Problem::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "too_large",
                "That is too much",
                "What was sent is larger than any form here. Nothing was changed.",
            ),
            Self::TooSlow => Problem::new(
                StatusCode::REQUEST_TIMEOUT,
                "too_slow",
                "This took too long to arrive",
                "Not all of the form came in time. Nothing was changed.",
            )
            .remedied_by(&["Try again in a moment."]),
            Self::AddressTooLong => Problem::new(
                StatusCode::URI_TOO_LONG,
                "address_too_long",
                "This address is too long",
                "No address here is as long as this one. Nothing was changed.",
            )
            .then("/portals", "To your portals"),
            Self::TooManyEvents => Problem::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "too_many_events",
                "These are too many events",
                "A delivery holds at most 100 events. None of these was taken.",
            ),
            Self::NotDays => Problem::new(
                StatusCode::BAD_REQUEST,
                "not_days",
                "These are not days",
                "The days in the address must be written like 2026-11-23, the first not after the last.",
            )
            .then("/portals", "To your portals"),
            Self::NotAFilter => Problem::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "not_a_filter",
                "A filter cannot be read",
                "Days are written like 2026-11-23 and amounts like 12.50; the first is not after the last.",
            )
            .then("/portals", "To your portals"),
            Self::NotFailures => Problem::new(
                StatusCode::BAD_REQUEST,
                "not_failures",
                "These are not failures",
                "“stage” is row, record or link; “code”, “field” and “key” are as the failures page writes them.",
            )
            .then("/portals", "To your portals"),
            Self::NotSince(sentence) => Problem::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "invalid_since",
                "“since” is not a day to begin from",
                *sentence,
            )
            .then("/portals", "To your portals"),
            Self::ConsentRefused => Problem::new(
                StatusCode::BAD_REQUEST,
                "consent_refused",
                "HubSpot was not connected",
                "The permissions were declined on HubSpot’s page. Nothing was stored.",
            )
            .remedied_by(&[
                "Start again and choose “Connect app” when HubSpot asks.",
                "If HubSpot says you may not install apps, ask a super admin of the portal to open the link.",
            ])
            .then("/install", "Start again"),
            Self::Install(error) => installing::problem(error),
            Self::Run(runs::Error::NotPossible { .. }) => Problem::new(
                StatusCode::CONFLICT,
                "not_possible_now",
                "Not possible right now",
                "The portal is paused, disconnected or not set up yet, so nothing was started.",
            )
            .then("/portals", "To your portals"),
            Self::NotReady => Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "not_ready",
                "Not ready",
                "The database does not answer.",
            ),
            Self::Remedy(trace::Error::NotFound) => Self::NotFound.problem(),
            Self::Remedy(trace::Error::Run(runs::Error::NotPossible { state })) => {
                Self::Run(runs::Error::NotPossible { state: *state }).problem()
            }
            Self::Remedy(trace::Error::Run(runs::Error::Internal(_))) => Self::Panicked.problem(),
            Self::Remedy(error) => Problem::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "invalid_remedy",
                "This cannot be done for the gift",
                of_remedy(error),
            )
            .then("/portals", "To your portals"),
            Self::NotRules(sentence) => Problem::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "invalid_rules",
                "This cannot be a rule",
                *sentence,
            )
            .then("/portals", "To your portals"),
            Self::NotNotices(sentence) => Problem::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "invalid_notices",
                "Nobody can be told this way",
                sentence.as_str(),
            )
            .then("/portals", "To your portals"),
            Self::TooMany(_) => Problem::new(
                StatusCode::TOO_MANY_REQUESTS,
                "too_many_requests",
                "That was a lot at once",
                "More requests came from you or from your portal than we take. Nothing was changed by this one.",
            )
            .remedied_by(&["Wait a moment and try again."])
            .then("/portals", "To your portals"),
            Self::TooManyStreams => Problem::new(
                StatusCode::TOO_MANY_REQUESTS,
                "too_many_streams",
                "Too many pages are listening",
                "One session may have eight streams open at a time. One that ends makes room.",
            ),
            Self::NobodyToTell => Problem::new(
                StatusCode::CONFLICT,
                "nobody_to_tell",
                "There is nobody to tell yet",
                "A test needs an address or a webhook, and a mail server for addresses.",
            )
            .then("/portals", "To your portals"),
            Self::TestedJustNow => Problem::new(
                StatusCode::TOO_MANY_REQUESTS,
                "tested_just_now",
                "A test was sent a moment ago",
                "Another one can follow in a minute.",
            )
            .then("/portals", "To your portals"),
            Self::LastOwner => Problem::new(
                StatusCode::CONFLICT,
                "last_owner",
                "This is the last owner",
                Self::LAST_OWNER,
            )
            .then("/portals", "To your portals"),
            Self::NotAChange => Problem::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "invalid_change",
                "Nothing to change",
                "“role” is owner or member, or “remove” is 1.",
            )
            .then("/portals", "To your portals"),
            Self::NotConfirmed => Problem::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "not_confirmed",
                "Not confirmed",
                "“confirm” must be the portal’s number or its domain. Nothing was disconnected.",
            )
            .then("/portals", "To your portals"),
            Self::Event(events::Error::Unsigned(error)) => Problem::new(
                StatusCode::UNAUTHORIZED,
                "bad_signature",
                "This is not signed by HubSpot",
                format!("Only HubSpot delivers here: {error}."),
            )
            .remedied_by(&[
                "Deliveries carry X-HubSpot-Signature-v3 and X-HubSpot-Request-Timestamp; older versions are not accepted.",
                "If HubSpot is the sender, compare PUBLIC_URL and HUBSPOT_CLIENT_SECRET with the app’s settings.",
            ]),
            Self::Event(events::Error::Unreadable) => Problem::new(
                StatusCode::BAD_REQUEST,
                "not_events",
                "These are not events",
                "The body must be a JSON list of events.",
            ),
            Self::Event(events::Error::Internal(_)) => Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "not_stored",
                "These events could not be stored",
                "Nothing of this delivery was taken. HubSpot repeats it by itself.",
            ),
            Self::Run(runs::Error::Internal(_))
            | Self::Internal(_)
            | Self::Panicked => Problem::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "internal",
                "Something went wrong on our side",
                "It was recorded. What was stored before is safe.",
            )
            .remedied_by(&["Try again in a moment.", "If it happens again, send us the reference below."]),
        }
    }

    /// The cause as a chain, for the log; `None` for what people cause.
    fn cause(&self) -> Option<String> {
        let error: &dyn std::error::Error = match self {
            Self::Install(
                error @ (install::Error::Internal(_) | install::Error::HubSpotUnavailable(_)),
            ) => error,
            Self::Run(error @ runs::Error::Internal(_))
            | Self::Remedy(trace::Error::Run(error @ runs::Error::Internal(_))) => error,
            Self::Event(error @ events::Error::Internal(_)) => error,
            Self::Internal(error) => error,
            _ => return None,
        };
        let mut chain = error.to_string();
        let mut source = error.source();
        while let Some(error) = source {
            chain.push_str(": ");
            chain.push_str(&error.to_string());
            source = error.source();
        }
        Some(chain)
    }
}

/// What stands beside the field of a remedy.
pub fn of_remedy(error: &trace::Error) -> &'static str {
    match error {
        trace::Error::NotAnAddress => "Enter an e-mail address, like sam@client.example.",
        trace::Error::SameAddress => {
            "The gift has this address already. Enter the one that the contact has in HubSpot."
        }
        trace::Error::NotAContact => {
            "Enter the contact’s record ID: the number at the end of its address in HubSpot."
        }
        trace::Error::NoRecipient => {
            "Nothing is known of this gift’s recipient, neither an address nor a number. Link the contact in HubSpot by hand; we leave it as it is."
        }
        trace::Error::NotFound | trace::Error::Run(_) => "Nothing was changed.",
    }
}

/// What stands beside the addresses of people to tell.
pub fn of_emails(fault: &EmailsFault) -> String {
    match fault {
        EmailsFault::NotAnAddress(text) => format!("“{text}” is no e-mail address."),
        EmailsFault::TooMany => {
            "These are more than ten addresses. Use a mailing list of your own.".to_owned()
        }
    }
}

/// What stands beside the address of a webhook.
pub fn of_webhook(fault: TargetFault) -> &'static str {
    match fault {
        TargetFault::Malformed => "Enter a whole address, like https://hooks.example.com/thnks.",
        TargetFault::NotHttps => "Enter an address that begins with https://.",
        TargetFault::HasUser => {
            "Enter the address without a user’s name or a password; calls are signed instead."
        }
        TargetFault::NotPublic => "The address must be on the public internet.",
    }
}

/// What the connect form says of a refused key, and with which status; `Err` for what no form can mend.
pub fn of_connect(error: connect::Error) -> Result<(StatusCode, &'static str), Error> {
    match error {
        connect::Error::NotConfirmed => Ok((
            StatusCode::UNPROCESSABLE_ENTITY,
            "Confirm that this is the right HubSpot portal.",
        )),
        connect::Error::KeyEmpty => Ok((StatusCode::UNPROCESSABLE_ENTITY, "Enter the API key.")),
        connect::Error::KeyRefused => Ok((
            StatusCode::UNPROCESSABLE_ENTITY,
            "Thnks does not know this key. Copy it again as a whole; a key that was replaced in Thnks no longer works.",
        )),
        connect::Error::IntegrationDisabled => Ok((
            StatusCode::UNPROCESSABLE_ENTITY,
            "The key is right, but your Thnks plan does not include the HubSpot integration. Ask Thnks to switch it on.",
        )),
        connect::Error::OtherOrganization => Ok((
            StatusCode::UNPROCESSABLE_ENTITY,
            "This key belongs to another Thnks organization than the gifts in this portal. Enter a key of the same organization.",
        )),
        connect::Error::ThnksUnavailable => Ok((
            StatusCode::SERVICE_UNAVAILABLE,
            "Thnks does not answer right now, so the key could not be checked. Try again in a moment.",
        )),
        connect::Error::Internal(error) => Err(Error::Internal(error)),
    }
}

impl From<app::Error> for Error {
    fn from(error: app::Error) -> Self {
        match error {
            app::Error::NotConnected => Self::NotFound,
            error => Self::Internal(error),
        }
    }
}

impl From<install::Error> for Error {
    fn from(error: install::Error) -> Self {
        Self::Install(error)
    }
}

impl From<runs::Error> for Error {
    fn from(error: runs::Error) -> Self {
        Self::Run(error)
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        if let Some(cause) = self.cause() {
            tracing::error!(error = cause, "request failed");
        }
        let problem = self.problem();
        let mut answer = (problem.status, Extension(problem)).into_response();
        let secs = match self {
            Self::TooMany(Refused(wait)) => Some(wait.as_secs() + 1),
            Self::TooManyStreams => Some(STREAM_AGAIN_SECS),
            _ => None,
        };
        if let Some(secs) = secs {
            answer
                .headers_mut()
                .insert(header::RETRY_AFTER, secs.into());
        }
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happened_inside_stays_inside() {
        let error = Error::Internal(app::Error::Unsealable {
            table: "connections",
            column: "refresh_token",
        });
        let problem = error.problem();
        assert_eq!(problem.status, StatusCode::INTERNAL_SERVER_ERROR);
        assert!(!format!("{problem:?}").contains("refresh_token"));
        assert!(
            error
                .cause()
                .is_some_and(|cause| cause.contains("refresh_token"))
        );
    }

    #[test]
    fn every_refused_install_says_where_to_go_on() {
        use install::Error as E;
        for error in [
            E::SetupLinkUnknown,
            E::SetupLinkExpired,
            E::SetupLinkUsed,
            E::StateRefused,
            E::ReturnUrlRefused,
            E::CodeRefused,
            E::ScopesMissing {
                missing: vec!["crm.objects.custom.write"],
            },
        ] {
            let problem = installing::problem(&error);
            assert!(problem.status.is_client_error(), "{error}");
            assert!(problem.action.is_some(), "{error}");
        }
    }
}
