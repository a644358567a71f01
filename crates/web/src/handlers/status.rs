//! Status and statistics for scripts, and the stream that tells a page when they change.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use app::App;
use axum::Json;
use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use domain::portal::PortalStatus;
use domain::statistics::Statistics;
use futures::{Stream, StreamExt, stream};
use telemetry::Origin;
use tokio::time::{MissedTickBehavior, interval, sleep};
use tracing::{Instrument, field};

use crate::access::Admitted;
use crate::error::Error;
use crate::handlers::days::DaysAsked;
use crate::places::Places;
use crate::router::Stop;

/// Between two looks at the status.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Looks at the status between two looks at the session: who was removed or has signed out sees no more.
const LOOKS_PER_SESSION_CHECK: u32 = 10;
/// A stream ends after this time; the browser comes back and shows its session again.
const STREAM_LIFETIME: Duration = Duration::from_mins(10);
/// Streams that one session may have open at a time, in one process. A page without one looks for itself, once a minute.
pub const STREAMS: usize = 8;
/// How long the browser waits before it comes back.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// `GET /portals/{hub_id}/status.json`
pub async fn status(
    State(app): State<App>,
    Admitted(session): Admitted,
) -> Result<Json<PortalStatus>, Error> {
    Ok(Json(app::status::load(&app, session.scope()).await?))
}

/// `GET /portals/{hub_id}/statistics.json`
pub async fn statistics(
    State(app): State<App>,
    Admitted(session): Admitted,
    DaysAsked(range): DaysAsked,
) -> Result<Json<Statistics>, Error> {
    Ok(Json(
        app::statistics::load(&app, session.scope(), range).await?,
    ))
}

/// `GET /portals/{hub_id}/events`: a `status` event with `status.json`, at once and whenever it changes.
pub async fn events(
    State(app): State<App>,
    State(stop): State<Stop>,
    State(streams): State<Arc<Places<Vec<u8>>>>,
    Admitted(session): Admitted,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Error> {
    let place = streams.take(session.token_hash().to_vec());
    let place = place.ok_or(Error::TooManyStreams)?;
    let place = (place, telemetry::measure::stream());
    // The stream goes on after the request's span has ended.
    let span =
        tracing::error_span!("stream", portal.id = %session.hub_id, request.id = field::Empty);
    if let Some(id) = Origin::current().request_id {
        span.record("request.id", field::display(id));
    }
    let mut clock = interval(LOOK_EVERY);
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let changes = stream::unfold(
        // The place is given back with the stream, however it ends.
        (app, session, clock, 0, None, place),
        move |(app, session, mut clock, mut looks, last, place)| {
            let look = async move {
                loop {
                    clock.tick().await;
                    looks = (looks + 1) % LOOKS_PER_SESSION_CHECK;
                    if looks == 0 {
                        match app::session::is_open(&app, &session).await {
                            Ok(true) => {}
                            Ok(false) => return None,
                            Err(error) => {
                                tracing::warn!(%error, "a stream ends because its session cannot be read");
                                return None;
                            }
                        }
                    }
                    let status = match app::status::load(&app, session.scope()).await {
                        Ok(status) => status,
                        Err(error) => {
                            tracing::warn!(%error, "a stream ends because the status cannot be read");
                            return None;
                        }
                    };
                    if last.as_ref() != Some(&status) {
                        let event = Event::default()
                            .event("status")
                            .retry(RETRY_AFTER)
                            .json_data(&status)
                            .ok()?;
                        let next = (app, session, clock, looks, Some(status), place);
                        return Some((Ok(event), next));
                    }
                }
            };
            look.instrument(span.clone())
        },
    );
    let end = async move {
        tokio::select! {
            () = stop.closing.cancelled() => {}
            () = sleep(STREAM_LIFETIME) => {}
        }
    };
    Ok(Sse::new(changes.take_until(end)).keep_alive(KeepAlive::default()))
}
