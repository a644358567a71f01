//! The calls that make and remove links, in parts as large as HubSpot takes; what it refuses is named link by link.

use std::collections::HashMap;

use domain::RecordId;
use futures::TryStreamExt;
use hubspot::limits::{ASSOCIATIONS_PER_ARCHIVE, ASSOCIATIONS_PER_CREATE};
use hubspot::{AssociateAnswer, RefusedLink};
use store::portals::AssociationType;

use super::associate::RefusedLinks;
use super::{Run, Stop, Target, a_few_at_a_time};
use crate::setup::from_stored;

/// Makes the links from records to records of one kind; returns those that HubSpot refused, with its words.
pub(super) async fn link(
    run: &Run,
    target: &Target,
    to: &str,
    association_type: Option<&AssociationType>,
    pairs: &[(RecordId, RecordId)],
) -> Result<RefusedLinks, Stop> {
    let mut refused = HashMap::new();
    let Some(association_type) = association_type else {
        refused.extend(pairs.iter().map(|pair| {
            let refusal = RefusedLink {
                from: Some(pair.0),
                to: Some(pair.1),
                category: "NOT_ASSOCIABLE".to_owned(),
                message: format!("the Thnks object cannot be associated with {to}"),
            };
            (*pair, refusal)
        }));
        return Ok(refused);
    };
    let association_type = from_stored(association_type);
    let object_type_id = target.object_type_id.as_str();
    let mut answers = a_few_at_a_time(pairs.chunks(ASSOCIATIONS_PER_CREATE).map(
        |part| async move {
            let portal = &run.portal;
            let answer = portal.associate(object_type_id, to, association_type, part);
            Ok::<_, hubspot::Error>((part, answer.await?))
        },
    ));
    while let Some((part, answer)) = answers.try_next().await? {
        note(&mut refused, part, answer);
    }
    Ok(refused)
}

/// Removes links from records to records of one kind; returns those that HubSpot refused, with its words.
pub(super) async fn unlink(
    run: &Run,
    target: &Target,
    to: &str,
    pairs: &[(RecordId, RecordId)],
) -> Result<RefusedLinks, Stop> {
    let mut refused = HashMap::new();
    let object_type_id = target.object_type_id.as_str();
    for part in pairs.chunks(ASSOCIATIONS_PER_ARCHIVE) {
        let answer = run.portal.dissociate(object_type_id, to, part).await?;
        note(&mut refused, part, answer);
    }
    Ok(refused)
}

fn note(refused: &mut RefusedLinks, part: &[(RecordId, RecordId)], answer: AssociateAnswer) {
    for link in answer.refused {
        // An end that HubSpot does not name may be any: none of these counts as done, all can be tried again.
        let hit = part.iter().filter(|(from, to)| {
            link.from.is_none_or(|named| named == *from) && link.to.is_none_or(|named| named == *to)
        });
        refused.extend(hit.map(|pair| (*pair, link.clone())));
    }
}
