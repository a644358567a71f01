//! Account details, limits and uninstalling.

use chrono::Offset;
use serde_json::json;

use super::call::Call;
use super::errors::{Answer, Outcome};
use super::scopes::Need;

/// `GET /account-info/{v}/details`.
pub(crate) fn details(call: &mut Call<'_>) -> Outcome {
    call.reach(Need::Only("oauth"))?;
    let state = &call.state;
    let offset_secs = state.time_zone.parse::<chrono_tz::Tz>().map_or(0, |zone| {
        call.now
            .with_timezone(&zone)
            .offset()
            .fix()
            .local_minus_utc()
    });
    let sign = if offset_secs < 0 { '-' } else { '+' };
    let minutes = offset_secs.abs() / 60;
    Ok(Answer::ok(json!({
        "portalId": state.hub_id,
        "accountType": "STANDARD",
        "timeZone": state.time_zone,
        "companyCurrency": state.currency,
        "additionalCurrencies": ["EUR", "GBP"],
        "utcOffset": format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60),
        "utcOffsetMilliseconds": i64::from(offset_secs) * 1000,
        "uiDomain": "app.hubspot.com",
        "dataHostingLocation": "na1",
    })))
}

/// `GET /crm/limits/{v}/custom-object-types`.
pub(crate) fn custom_object_types(call: &mut Call<'_>) -> Outcome {
    call.reach(Need::ReadSchemas)?;
    let limit = if call.state.enterprise {
        call.rules.definition_limit
    } else {
        0
    };
    let usage = call
        .state
        .definitions
        .values()
        .filter(|d| d.kind.is_custom() && !d.archived)
        .count();
    let percentage = (usage * 100).checked_div(limit).unwrap_or(100);
    Ok(Answer::ok(
        json!({"limit": limit, "usage": usage, "percentage": percentage}),
    ))
}

/// `GET /crm/limits/{v}/records`.
pub(crate) fn records(call: &mut Call<'_>) -> Outcome {
    call.reach(Need::ReadSchemas)?;
    let by_type: Vec<_> = call
        .state
        .definitions
        .values()
        .filter(|d| !d.archived)
        .map(|d| {
            let usage = call
                .state
                .store(d.kind)
                .map_or(0, |store| store.live().count());
            json!({"objectTypeId": d.kind.to_string(), "limit": 1_000_000, "usage": usage})
        })
        .collect();
    Ok(Answer::ok(json!({"results": by_type})))
}

/// `DELETE /appinstalls/{v}/external-install`: the pipeline ends the grant when this answers 204.
pub(crate) fn uninstall(call: &mut Call<'_>) -> Outcome {
    call.reach(Need::Only("oauth"))?;
    Ok(Answer::no_content())
}
