//! The form of the portal's rules for linking.

use app::portals::PortalSummary;
use app::session::FormToken;
use app::trial::Trial;
use askama::Template;
use domain::matching::{Companies, DealLabel, Deals, Rules, Several};
use domain::portal::PortalStatus;

use super::sections::{Part, SectionLink, sections};
use super::shell::{Shell, Viewer};
use super::tabs::{Place, Tab, tabs};
use super::trial::TrialView;
use crate::assets;

/// `templates/rules/show.html`.
#[derive(Template)]
#[template(path = "rules/show.html")]
#[expect(
    clippy::struct_excessive_bools,
    reason = "templates hold no logic: each is a condition of its own"
)]
pub struct RulesPage {
    /// The frame.
    pub shell: Shell,
    /// The portal's path, `/portals/{hub_id}`.
    pub path: String,
    /// Hidden field of the form.
    pub csrf_token: FormToken,
    /// Whether this person may change anything.
    pub is_owner: bool,
    /// The portal's pages.
    pub tabs: Vec<Tab>,
    /// The settings' sections.
    pub sections: Vec<SectionLink>,
    /// Whether the rules have just been stored.
    pub is_saved: bool,
    /// What they would do, when that was asked.
    pub trial: Option<TrialView>,
    /// The property for addresses, as it stands or as it was entered.
    pub email_property: String,
    /// What is wrong with it.
    pub email_property_error: Option<&'static str>,
    /// Whether numbers are matched.
    pub phone: bool,
    /// Which of several contacts.
    pub several: Vec<Choice>,
    /// Which companies.
    pub companies: Vec<Choice>,
    /// Which deals.
    pub deals: Vec<Choice>,
    /// Labels of deals to choose from.
    pub labels: Vec<Choice>,
    /// Whether HubSpot told which there are.
    pub has_labels: bool,
}

/// Something to choose.
#[derive(Debug, Clone)]
pub struct Choice {
    /// The value in the form.
    pub value: String,
    /// What people read.
    pub label: String,
    /// What it means.
    pub hint: &'static str,
    /// Whether it is chosen.
    pub chosen: bool,
}

/// A label of deals as the form writes it: category, number, label.
pub fn label_value(label: &DealLabel) -> String {
    format!("{}:{}:{}", label.category, label.type_id, label.label)
}

/// The label that a form means; `None` for what the form does not write.
pub fn label_from(value: &str) -> Option<DealLabel> {
    let mut parts = value.splitn(3, ':');
    let (category, type_id, label) = (parts.next()?, parts.next()?, parts.next()?);
    Some(DealLabel {
        category: category.to_owned(),
        type_id: type_id.parse().ok()?,
        label: label.to_owned(),
    })
}

fn choice(value: &str, label: &str, hint: &'static str, chosen: bool) -> Choice {
    Choice {
        value: value.to_owned(),
        label: label.to_owned(),
        hint,
        chosen,
    }
}

impl RulesPage {
    /// The page of `rules`, for `viewer`. `labels` are HubSpot's; `refused` is a property as it was entered, and what is wrong.
    pub fn new(
        portal: &PortalSummary,
        status: &PortalStatus,
        rules: &Rules,
        labels: Option<Vec<DealLabel>>,
        refused: Option<(String, &'static str)>,
        is_saved: bool,
        viewer: Viewer,
    ) -> Self {
        let path = format!("/portals/{}", portal.hub_id);
        let (csrf_token, is_owner) = (viewer.csrf_token.clone(), viewer.is_owner);
        let mut shell = Shell::new("Settings", Some(viewer));
        shell.scripts = vec![assets::url("live.js")];
        let several = |it| rules.several == it;
        let companies = |it| rules.companies == it;
        let deals = |it| rules.deals == it;
        let has_labels = labels.is_some();
        // What is chosen is shown also where HubSpot does not list it, or does not answer.
        let mut known = labels.unwrap_or_default();
        for chosen in &rules.deal_labels {
            if !known.iter().any(|one| same(one, chosen)) {
                known.push(chosen.clone());
            }
        }
        Self {
            shell,
            csrf_token,
            is_owner,
            tabs: tabs(&path, Place::Settings, status),
            sections: sections(&path, Part::Linking),
            is_saved,
            trial: None,
            email_property_error: refused.as_ref().map(|(_, sentence)| *sentence),
            email_property: refused.map_or_else(
                || rules.email_property.clone().unwrap_or_default(),
                |(entered, _)| entered,
            ),
            phone: rules.phone,
            several: vec![
                choice(
                    "oldest",
                    "The oldest",
                    "The contact that was created first.",
                    several(Several::Oldest),
                ),
                choice(
                    "newest",
                    "The newest",
                    "The contact that was created last.",
                    several(Several::Newest),
                ),
                choice(
                    "most_recently_active",
                    "The most recently active",
                    "The contact with the latest activity in HubSpot.",
                    several(Several::MostRecentlyActive),
                ),
                choice(
                    "nobody",
                    "None",
                    "The gift stays an orphan until somebody chooses.",
                    several(Several::Nobody),
                ),
            ],
            companies: vec![
                choice(
                    "primary",
                    "The primary one",
                    "The contact’s primary company.",
                    companies(Companies::Primary),
                ),
                choice(
                    "all",
                    "All",
                    "Every company of the contact.",
                    companies(Companies::All),
                ),
            ],
            deals: vec![
                choice(
                    "open",
                    "Every open one",
                    "In any pipeline, at the moment of linking.",
                    deals(Deals::Open),
                ),
                choice(
                    "newest",
                    "The newest open one",
                    "The open deal that was created last.",
                    deals(Deals::Newest),
                ),
                choice(
                    "off",
                    "None",
                    "Gifts are not linked to deals.",
                    deals(Deals::Off),
                ),
            ],
            labels: known
                .iter()
                .map(|label| {
                    let chosen = rules.deal_labels.iter().any(|one| same(one, label));
                    choice(&label_value(label), &label.label, "", chosen)
                })
                .collect(),
            has_labels,
            path,
        }
    }

    /// The same with what the rules would do.
    #[must_use]
    pub fn with_trial(mut self, trial: &Trial) -> Self {
        self.trial = Some(TrialView::new(trial, &self.path));
        self
    }
}

fn same(a: &DealLabel, b: &DealLabel) -> bool {
    (&a.category, a.type_id) == (&b.category, b.type_id)
}
