//! Answers as HubSpot words them (facts §9); each refusal has HubSpot's category and a correlation id.

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Response, StatusCode, header};
use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::crm::values::Invalid;

/// An answer before it becomes HTTP.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Option<Value>,
    pub(crate) headers: Vec<(&'static str, String)>,
    /// What the call wrote, for the log.
    pub(crate) wrote: Option<Box<Wrote>>,
}

/// What a call wrote.
#[derive(Debug, Default)]
pub(crate) struct Wrote {
    pub(crate) inputs: usize,
    pub(crate) ids: Vec<String>,
    pub(crate) trace_ids: Vec<String>,
}

/// `Err` carries a refusal.
pub(crate) type Outcome = Result<Answer, Answer>;

impl Answer {
    pub(crate) fn json(status: u16, body: Value) -> Self {
        Self {
            status,
            body: Some(body),
            headers: Vec::new(),
            wrote: None,
        }
    }

    pub(crate) fn ok(body: Value) -> Self {
        Self::json(200, body)
    }

    pub(crate) fn no_content() -> Self {
        Self {
            status: 204,
            body: None,
            headers: Vec::new(),
            wrote: None,
        }
    }

    pub(crate) fn wrote(mut self, inputs: usize, ids: Vec<String>, trace_ids: Vec<String>) -> Self {
        self.wrote = Some(Box::new(Wrote {
            inputs,
            ids,
            trace_ids,
        }));
        self
    }

    pub(crate) fn header(mut self, name: &'static str, value: &impl ToString) -> Self {
        self.headers.push((name, value.to_string()));
        self
    }

    pub(crate) fn into_response(self) -> Response<Body> {
        let mut response = Response::new(match &self.body {
            Some(body) => Body::from(body.to_string()),
            None => Body::empty(),
        });
        *response.status_mut() =
            StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        if self.body.is_some() {
            let json = HeaderValue::from_static("application/json;charset=utf-8");
            headers.insert(header::CONTENT_TYPE, json);
        }
        for (name, value) in self.headers {
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(HeaderName::from_static(name), value);
            }
        }
        response
    }
}

/// The answer of a batch: 207 with the errors beside the results when there are any.
pub(crate) fn batch(
    now: DateTime<Utc>,
    ok: u16,
    results: Vec<Value>,
    errors: Vec<Value>,
) -> Answer {
    let stamp = now.to_rfc3339_opts(SecondsFormat::Millis, true);
    let mut body = json!({"status": "COMPLETE", "startedAt": stamp, "completedAt": stamp});
    body["results"] = Value::Array(results);
    if errors.is_empty() {
        return Answer::json(ok, body);
    }
    body["numErrors"] = json!(errors.len());
    body["errors"] = Value::Array(errors);
    Answer::json(207, body)
}

pub(crate) fn correlation_id() -> String {
    Uuid::new_v4().to_string()
}

/// HubSpot's error object.
pub(crate) fn error_body(category: &str, message: &str) -> Value {
    json!({
        "status": "error",
        "message": message,
        "correlationId": correlation_id(),
        "category": category,
    })
}

pub(crate) fn refuse(status: u16, category: &str, message: impl AsRef<str>) -> Answer {
    Answer::json(status, error_body(category, message.as_ref()))
}

pub(crate) fn invalid(message: impl AsRef<str>) -> Answer {
    refuse(400, "VALIDATION_ERROR", message)
}

pub(crate) fn not_found(message: impl AsRef<str>) -> Answer {
    refuse(404, "OBJECT_NOT_FOUND", message)
}

/// The body of values that a property does not take.
pub(crate) fn invalid_values(problems: &[Invalid]) -> Value {
    let details: Vec<Value> = problems.iter().map(Invalid::to_json).collect();
    let message = format!("Property values were not valid: {}", Value::Array(details));
    let mut body = error_body("VALIDATION_ERROR", &message);
    body["errors"] = problems
        .iter()
        .map(|problem| {
            json!({
                "message": problem.message,
                "code": problem.code,
                "context": {"propertyName": [problem.name]},
            })
        })
        .collect();
    body
}

/// 403 with the scopes of which one is needed (facts §2.3).
pub(crate) fn missing_scopes(any_of: &[String]) -> Answer {
    let mut body = error_body(
        "MISSING_SCOPES",
        "This app hasn't been granted all required scopes to make this call. Read more about required scopes here: https://developers.hubspot.com/scopes.",
    );
    body["errors"] = json!([{
        "message": "One or more of the following scopes are required.",
        "context": {"requiredGranularScopes": any_of},
    }]);
    body["links"] = json!({"scopes": "https://developers.hubspot.com/scopes"});
    Answer::json(403, body)
}

/// 429 of a policy (facts §6); `Retry-After` only when a fault asks for it.
pub(crate) fn throttled(policy: &str) -> Answer {
    let message = match policy {
        "SECONDLY" => "You have reached your secondly limit.",
        "DAILY" => "You have reached your daily limit.",
        _ => "You have reached your ten_secondly_rolling limit.",
    };
    Answer::json(
        429,
        json!({
            "status": "error",
            "message": message,
            "errorType": "RATE_LIMIT",
            "correlationId": correlation_id(),
            "policyName": policy,
        }),
    )
}
