//! What can be switched: limits, and the answers on which HubSpot's own sources disagree (facts §14).
//!
//! Defaults are what facts/hubspot.md holds most likely; each field says what the other answer is.

use serde::{Deserialize, Serialize};

/// The switches of a sandbox; `POST /sandbox/rules` merges a part of it.
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rules {
    /// Requests per portal in any sliding 10 s, search excluded (110 for OAuth apps); `None` = no limit.
    pub requests_per_10s: Option<usize>,
    /// Searches per portal in any sliding second (5); `None` = no limit.
    pub searches_per_second: Option<usize>,
    /// Life of an access token in seconds (HubSpot: 1800).
    pub access_token_secs: i64,
    /// Life of an authorization code in seconds.
    pub code_secs: i64,
    /// Whether a refresh answers with a new refresh token and ends the old one (a live test says no).
    pub rotate_refresh_tokens: bool,
    /// Whether every refresh token is refused, as HubSpot refuses them to an app that they were not granted to.
    pub refuse_refresh_tokens: bool,
    /// Whether access tokens stop at once when the app is uninstalled (else they live until they expire).
    pub uninstall_stops_access_tokens: bool,
    /// Whether an answer with tokens names the portal, as HubSpot's always should.
    pub tokens_name_portal: bool,
    /// How introspection and revocation want the token named.
    pub introspect_field: IntrospectField,
    /// A portal that introspection names instead of the token's own, as HubSpot never should; `None` = never.
    pub introspection_names: Option<i64>,
    /// How `toObjectId` is written in association answers.
    pub to_object_id: ObjectIdForm,
    /// Status of a definition whose name exists: 409 or 400.
    pub duplicate_schema_status: u16,
    /// Status of an object type in a path that is well formed but unknown: 404 or 400.
    pub unknown_type_status: u16,
    /// Whether a batch upsert whose inputs all have trace ids writes its good rows beside bad ones; else it is refused as
    /// a whole, as some endpoints do.
    pub upsert_partial: bool,
    /// Unique values whose records an upsert refuses, each for its recipient's address: HubSpot knows addresses that it does
    /// not take.
    pub upsert_refuses: Vec<String>,
    /// What an upsert does when the record with that unique value lies in the recycle bin.
    pub upsert_recycled: UpsertRecycled,
    /// Whether a merge makes a third record with a new id (else the primary one survives).
    pub merge_makes_new_record: bool,
    /// Whether the `oauth` scope is enough for association calls, as HubSpot's specification lists it.
    pub oauth_scope_reaches_associations: bool,
    /// Whether HubSpot has granted the app `crm.schemas.custom.write` (it approves this by hand).
    pub schema_write_approved: bool,
    /// How long a written record stays invisible to search, in milliseconds.
    pub search_lag_millis: i64,
    /// Custom object definitions per portal (10 on the pilot page, 20 in a developer test account).
    pub definition_limit: usize,
    /// Unique properties per custom object (10).
    pub unique_property_limit: usize,
    /// Associated records listed per row of a batch read before the row is paged.
    pub association_page: usize,
    /// Whether a page of Thnks' transactions begins with the last row of the page before.
    pub thnks_repeats_rows: bool,
    /// Pages of a walk through Thnks' transactions after which its cursor leads back to the beginning, round and round, as a
    /// broken server's would; `None` = never.
    pub thnks_circle: Option<usize>,
    /// Requests per organization in any sliding second at Thnks; `None` = no limit.
    pub thnks_requests_per_second: Option<usize>,
    /// Deliveries of a webhook that is not answered with 2xx within 5 s (HubSpot: 10 over 24 h, here seconds apart).
    pub webhook_attempts: u32,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            requests_per_10s: Some(110),
            searches_per_second: Some(5),
            access_token_secs: 1800,
            code_secs: 60,
            rotate_refresh_tokens: false,
            refuse_refresh_tokens: false,
            uninstall_stops_access_tokens: true,
            tokens_name_portal: true,
            introspect_field: IntrospectField::Both,
            introspection_names: None,
            to_object_id: ObjectIdForm::Number,
            duplicate_schema_status: 409,
            unknown_type_status: 404,
            upsert_partial: true,
            upsert_refuses: Vec::new(),
            upsert_recycled: UpsertRecycled::CreateNew,
            merge_makes_new_record: false,
            oauth_scope_reaches_associations: false,
            schema_write_approved: true,
            search_lag_millis: 2_000,
            definition_limit: 10,
            unique_property_limit: 10,
            association_page: 500,
            thnks_repeats_rows: false,
            thnks_circle: None,
            thnks_requests_per_second: None,
            webhook_attempts: 3,
        }
    }
}

/// The name of the field that carries the token to introspection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IntrospectField {
    /// Only `token` (HubSpot's specification).
    Token,
    /// Only a field named like the hint, `access_token` or `refresh_token` (HubSpot's guide).
    HintNamed,
    /// Either.
    Both,
}

/// How an id is written in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ObjectIdForm {
    /// As in the guides' examples.
    Number,
    /// As in the specification.
    String,
}

/// What an upsert does with a record in the recycle bin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UpsertRecycled {
    /// A new record is made beside it.
    CreateNew,
    /// It is restored and updated.
    Restore,
    /// The input is refused.
    Refuse,
}
