//! What there is: in our database, at HubSpot and at Thnks. And what an admin does in HubSpot's settings.

use domain::HubId;
use domain::portal::{NeedCode, PortalStatus};
use sandbox::Verdict;
use secrecy::ExposeSecret;
use serde_json::Value;

use super::{HUB, World, scope};

impl World {
    pub async fn status(&self) -> PortalStatus {
        app::status::load(&self.app, &scope()).await.unwrap()
    }

    pub async fn needs(&self) -> Vec<NeedCode> {
        let status = self.status().await;
        status.needs.iter().map(|need| need.code).collect()
    }

    pub fn verdict(&self) -> Verdict {
        self.control.verify(HUB, None).unwrap()
    }

    /// The sandbox finds nothing wrong, and our own numbers are the sandbox's.
    pub async fn assert_good(&self) -> Verdict {
        let (verdict, status) = (self.verdict(), self.status().await);
        assert!(verdict.ok, "{verdict:#?}");
        assert_eq!(usize::try_from(status.synced).unwrap(), verdict.records);
        assert_eq!(usize::try_from(status.orphans).unwrap(), verdict.orphans);
        verdict
    }

    /// Calls of one endpoint that HubSpot has had from the portal.
    pub fn calls(&self, kind: &str) -> u64 {
        let counters = self.control.counters(Some(HUB));
        counters.by_kind.get(kind).copied().unwrap_or(0)
    }

    /// Whether HubSpot lists the app in a portal.
    pub fn is_installed(&self, hub_id: i64) -> bool {
        let all = self.control.portals();
        let mut portals = all["portals"].as_array().unwrap().iter();
        portals.any(|portal| portal["hub_id"] == hub_id && portal["installed"] == true)
    }

    /// Tries to refresh a token, refused ones included: those belong to no portal.
    pub fn refreshes(&self) -> u64 {
        let nobodys = self.control.counters(None).by_kind;
        self.calls("oauth.refresh") + nobodys.get("oauth.refresh").copied().unwrap_or(0)
    }

    /// All calls that HubSpot has had from the portal, those about tokens left out.
    pub fn all_calls(&self) -> u64 {
        let counters = self.control.counters(Some(HUB));
        let kinds = counters.by_kind.iter();
        kinds
            .filter(|(kind, _)| !kind.starts_with("oauth."))
            .map(|(_, count)| count)
            .sum()
    }

    /// The portal's rows of a table.
    pub async fn rows(&self, table: &str) -> Vec<Value> {
        self.scratch.rows(table, scope()).await
    }

    /// Runs, oldest first.
    pub async fn runs(&self) -> Vec<Value> {
        let mut runs = self.rows("runs").await;
        runs.sort_by_key(|run| run["run_id"].to_string());
        runs
    }

    /// The ledger's row of a transaction.
    pub async fn row(&self, id: &str) -> Value {
        let rows = self.rows("transactions").await;
        let found = rows.into_iter().find(|row| row["transaction_id"] == id);
        found.unwrap_or_else(|| panic!("{id} is not in the ledger"))
    }

    /// What HubSpot answers to a GET with the portal's own token.
    pub async fn hubspot(&self, path: &str) -> Value {
        self.hubspot_call("GET", path, &Value::Null).await
    }

    /// What HubSpot answers to a call with the portal's own token.
    pub async fn hubspot_call(&self, method: &str, path: &str, body: &Value) -> Value {
        let token = app::access::tokens(&self.app)
            .current(HubId(HUB))
            .await
            .unwrap();
        let url = self
            .sandbox
            .as_ref()
            .unwrap()
            .hubspot_url()
            .join(path)
            .unwrap();
        let http = hubspot::http_client().build().unwrap();
        let request = match method {
            "GET" => http.get(url),
            "DELETE" => http.delete(url),
            "PATCH" => http.patch(url).json(body),
            "PUT" => http.put(url),
            _ => http.post(url).json(body),
        };
        let answer = request
            .bearer_auth(token.expose_secret())
            .send()
            .await
            .unwrap();
        let (status, text) = (answer.status(), answer.text().await.unwrap());
        assert!(status.is_success(), "{method} {path}: {status} {text}");
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// Does as an admin does in HubSpot's settings, who may change definitions whatever our app may.
    pub async fn by_hand(&self, method: &str, path: &str, body: &Value) -> Value {
        let (rules, granted) = (self.control.rules(), self.granted().await);
        let all = sandbox::App::default();
        let own = vec!["crm.schemas.contacts.write".to_owned()];
        let scopes = [all.required_scopes, all.optional_scopes, own].concat();
        self.control.set_scopes(HUB, &scopes).unwrap();
        self.control
            .merge_rules(&serde_json::json!({"schema_write_approved": true}))
            .unwrap();
        let answer = self.hubspot_call(method, path, body).await;
        self.control.set_rules(rules);
        self.control.set_scopes(HUB, &granted).unwrap();
        answer
    }

    /// The scopes that our connection has stored.
    async fn granted(&self) -> Vec<String> {
        let rows = self.rows("connections").await;
        serde_json::from_value(rows[0]["scopes"].clone()).unwrap()
    }

    /// The records of a kind that a transaction's record is linked to at HubSpot.
    pub async fn links(&self, transaction_id: &str, kind: &str) -> Vec<u64> {
        let record_id = self.row(transaction_id).await["record_id"].to_string();
        let path = format!(
            "/crm/objects/2026-09/{}/{record_id}/associations/{kind}",
            self.object().await
        );
        let answer = self.hubspot(&path).await;
        let results = answer["results"].as_array().unwrap().iter();
        let mut ids: Vec<u64> = results
            .map(|link| link["toObjectId"].as_u64().unwrap())
            .collect();
        ids.sort_unstable();
        ids
    }

    /// The id of a transaction's record.
    pub async fn record_id(&self, transaction_id: &str) -> u64 {
        self.row(transaction_id).await["record_id"]
            .as_u64()
            .unwrap()
    }

    /// How the last search for a contact ended, by the ledger.
    pub async fn outcome(&self, transaction_id: &str) -> String {
        let row = self.row(transaction_id).await;
        row["association_outcome"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    /// The object's definition at HubSpot.
    pub async fn schema(&self) -> Option<Value> {
        let all = self.hubspot("/crm-object-schemas/2026-09/schemas").await;
        let found = all["results"].as_array().unwrap().iter();
        found
            .clone()
            .find(|schema| schema["name"] == "thnks")
            .cloned()
    }

    /// The object's number in HubSpot's paths.
    pub async fn object(&self) -> String {
        let schema = self.schema().await.unwrap();
        schema["objectTypeId"].as_str().unwrap().to_owned()
    }

    /// A record's values at HubSpot.
    pub async fn record(&self, transaction_id: &str) -> Value {
        let record_id = self.row(transaction_id).await["record_id"].to_string();
        let names: Vec<&str> = domain::record::PROPERTIES.iter().map(|p| p.name).collect();
        let path = format!(
            "/crm/objects/2026-09/{}/{record_id}?properties={}",
            self.object().await,
            names.join(",")
        );
        self.hubspot(&path).await["properties"].clone()
    }

    /// All rows that Thnks gives, good and bad.
    pub async fn gifts(&self) -> Vec<Value> {
        let http = hubspot::http_client().build().unwrap();
        let base = self.sandbox.as_ref().unwrap().thnks_url();
        let (mut gifts, mut cursor) = (Vec::new(), None::<String>);
        loop {
            let mut url = base.join("/api/v1/transactions?limit=500").unwrap();
            if let Some(cursor) = &cursor {
                url.query_pairs_mut().append_pair("cursor", cursor);
            }
            let request = http
                .get(url)
                .header("authorization", sandbox::THNKS_API_KEY);
            let page: Value = request.send().await.unwrap().json().await.unwrap();
            gifts.extend(page["transactions"].as_array().unwrap().iter().cloned());
            match page["next_cursor"].as_str() {
                Some(next) => cursor = Some(next.to_owned()),
                None => return gifts,
            }
        }
    }
}
