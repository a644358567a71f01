//! Notices: whom to tell (`settings`), what there is to say and to whom (`outbox`), and the way out, over all portals
//! by the board and within one by leases (`delivering`).

mod delivering;
mod outbox;
mod settings;

pub use delivering::{Leased, Outcome, lease, plan, save_outcome, take_due};
pub use outbox::{Delivery, DeliveryState, Target, insert, list_latest, was_tested_after};
pub use settings::{Settings, find_settings, save_secret, save_settings};

use domain::notice::{Channel, NoticeKind};

use crate::Error;

fn kind_from(stored: &str) -> Result<NoticeKind, Error> {
    NoticeKind::from_stored(stored).ok_or(Error::Corrupt {
        table: "notices",
        column: "kind",
    })
}

fn channel_from(stored: &str) -> Result<Channel, Error> {
    Channel::from_stored(stored).ok_or(Error::Corrupt {
        table: "notice_deliveries",
        column: "channel",
    })
}
