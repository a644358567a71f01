//! Every crash point (`app::crash`): three processes in turn die at it, whatever they were at, and one that lives finishes the
//! work. Then everything is judged as if nobody had died. What is between two points is in docs/reliability.md.

mod commands;
mod dying;
mod people;
mod runs;
mod tokens;

use app::crash::Point;

/// A test for each row, which is the story of one point; and the list of the points that have one.
macro_rules! stories {
    ($($test:ident: $point:ident in $story:path;)+) => {
        $(
            #[tokio::test(flavor = "multi_thread")]
            async fn $test() {
                $story(Point::$point).await;
            }
        )+
        const TRIED: &[Point] = &[$(Point::$point,)+];
    };
}

stories! {
    a_claim_that_kills_is_given_up_shown_and_asked_for_again: RunClaimed in runs::is_given_up;
    an_object_is_made_once: ObjectReady in runs::is_given_up;
    a_page_that_was_not_stored_is_read_again: PageRead in runs::goes_on;
    reading_goes_on_behind_the_last_page: PageStored in runs::goes_on;
    records_that_were_not_sent_are_sent_once: RecordsUnsent in runs::goes_on;
    records_whose_answer_was_lost_are_sent_again_and_stay_one: RecordsAnswered in runs::goes_on;
    records_that_were_never_answered_are_sent_again_and_stay_one: RecordsUnanswered in runs::goes_on_after_silence;
    writing_goes_on_behind_the_last_batch: RecordsNoted in runs::goes_on;
    contacts_are_looked_for_again: ContactsFound in runs::goes_on;
    links_whose_answer_was_lost_are_made_again_and_stay_one: LinksMade in runs::goes_on;
    linking_goes_on_behind_the_last_stride: LinksNoted in runs::links_again;
    a_lease_that_was_renewed_lapses_all_the_same: LeaseRenewed in runs::goes_on_after_long_calls;
    a_run_that_was_done_ends: RunEnding in runs::goes_on;
    a_run_that_has_ended_stays_ended: RunEnded in runs::ends;
    a_ring_that_never_left_is_rung_again: RingNoted in runs::goes_on;
    a_ring_that_redis_lost_is_rung_again: RingPushed in runs::rings_again;
    a_refresh_that_never_began_is_begun_again: TokenLeased in tokens::are_refreshed_again;
    a_refresh_whose_answer_was_lost_is_made_again: TokenAnswered in tokens::are_refreshed_again;
    a_refreshed_token_serves_whoever_comes: TokenStored in tokens::are_refreshed_again;
    events_that_were_asked_for_are_followed: EventsAsked in people::are_followed;
    events_that_kill_are_kept_for_the_next_run: EventsRead in people::are_kept;
    events_that_were_followed_are_gone: EventsNoted in people::are_followed;
    an_erasure_that_was_not_committed_is_done_again: RecipientErasing in people::are_erased;
    what_was_erased_here_is_erased_in_hubspot: RecipientErased in people::are_erased;
    a_notice_that_was_not_sent_arrives_once: NoticeTaken in people::are_told_once;
    a_notice_whose_arrival_was_not_noted_is_sent_again_as_it_was: NoticeSent in people::are_told_again;
    a_portal_that_hubspot_has_let_go_is_disconnected: UninstallTold in commands::disconnects;
    a_revoked_grant_ends_its_connection: GrantRevoked in commands::disconnects_all;
    keys_are_rotated_to_the_end: KeyRotated in commands::rotates;
    a_portals_data_is_erased_to_the_end: PortalErasing in commands::erases;
}

#[test]
fn every_point_has_its_story_and_its_row_in_the_documentation() {
    let names: Vec<&str> = Point::ALL.iter().map(|point| point.name()).collect();
    for point in Point::ALL {
        let stories = TRIED.iter().filter(|tried| *tried == point).count();
        assert_eq!(stories, 1, "{}", point.name());
    }
    let told = include_str!("../../../../../docs/reliability.md");
    let section = told.split("\n## Crash points\n").nth(1).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let rows: Vec<&str> = section
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
        .collect();
    assert_eq!(rows, names, "docs/reliability.md");
}
