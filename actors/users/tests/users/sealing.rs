//! The group's own key follows a rotation of the sealing keys while the group runs.

use std::fs;

use actor_runtime::seal::{KeyId, fresh_key};

use crate::support::{PASSWORD, TestUsers, eventually, login};

/// The id of the key that the group's own key is wrapped under.
async fn wrapped_under(users: &TestUsers) -> Option<KeyId> {
    let row =
        sqlx::query_scalar!(r#"SELECT substring(wrapped FROM 2 FOR 8) AS "id!" FROM data_key"#);
    KeyId::from_bytes(&row.fetch_optional(&users.pool).await.unwrap()?)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_key_is_used_without_a_restart() {
    let users = TestUsers::start().await;
    users.somebody("ada").await;
    let file = users.sealing_keys();
    let former = fs::read_to_string(&file).unwrap();
    assert_eq!(wrapped_under(&users).await, KeyId::of_text(&former));
    for _ in 0..2 {
        let fresh = fresh_key();
        let all = format!("{}\n{}", *fresh, fs::read_to_string(&file).unwrap());
        fs::write(&file, all).unwrap();
        let expected = KeyId::of_text(&fresh);
        assert!(expected.is_some());
        eventually("it is wrapped under the new one", async || {
            wrapped_under(&users).await == expected
        })
        .await;
        users.ask(login("ada@test.com", PASSWORD)).await.unwrap();
    }
    // The former ones are needed by nobody any more.
    let newest = fs::read_to_string(&file).unwrap().lines().next().unwrap().to_owned();
    fs::write(&file, newest).unwrap();
    let other = users.another_group().await;
    other.ask(&crate::support::call(), login("ada@test.com", PASSWORD)).await.unwrap();
    users.stop().await;
}
