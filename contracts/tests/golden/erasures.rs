//! Erasing an account, of the users group.

use contracts::{
    SessionId,
    events::ChangedPage,
    users::{
        EraseAccount, ErasingGroup, Erasure, FindErasure, GetErasure, ListErased, Password,
        ReportErased, SecondFactorCode,
    },
};
use serde_json::Value;

use super::support::{USER, changed, exchange, time};

const RECEIPT: &str = "0c7b1a55-6a1b-4f0e-9d3c-2f6f1f5c9b3a";

fn receipt() -> GetErasure {
    GetErasure::parse(RECEIPT).expect("a receipt")
}

fn erasure() -> Erasure {
    Erasure {
        receipt: receipt().receipt,
        erased_at: time(),
        cycles_done_at: Some(time()),
        analytics_done_at: None,
        notifications_done_at: None,
        events_done_at: None,
    }
}

pub(super) fn people() -> Vec<Value> {
    let code = Password::new("123456".to_owned());
    let erase = EraseAccount {
        user_id: USER,
        password: Password::new("correct horse".to_owned()),
        second_factor: Some(SecondFactorCode::Totp(code)),
    };
    vec![exchange(erase, &erasure())]
}

pub(super) fn services() -> Vec<Value> {
    let (since, page): (_, ChangedPage) = changed();
    let done = ReportErased { user_id: USER, group: ErasingGroup::Analytics };
    vec![exchange(ListErased(since), &page), exchange(done, &())]
}

pub(super) fn open() -> Vec<Value> {
    let find = FindErasure { user_id: USER, session_id: SessionId::new(receipt().receipt) };
    vec![exchange(receipt(), &erasure()), exchange(find, &erasure())]
}
