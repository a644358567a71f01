//! How records are linked: which rows wait for it, what became of them, and what HubSpot or a person changed afterwards.

mod due;
mod following;
mod showing;

pub use due::{
    Decided, Due, count_due, insert_deal_facts, list_due, list_linked, mark_due, mark_orphans_due,
    mark_recipients_due, save,
};
pub use following::{
    Followed, drop_contacts, drop_links, list_by_contact, list_by_record, list_linked_contacts,
    move_contact, note_survivor, save_hand,
};
pub use showing::{
    Lookable, Orphan, Trace, count_lookable, count_orphans, find_trace, has_orphans,
    list_orphan_phones, list_orphan_recipients, list_orphans,
};
