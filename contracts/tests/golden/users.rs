//! The users group.

use contracts::{
    Patch, Secret,
    users::{
        CheckUsers, GetPerson, GetProfile, GetSigningKeys, ListUsersChanged, Login, Password,
        Person, Register, Session, SigningKeys, UpdateProfile, User, UsersMailbox,
    },
};
use serde_json::json;

use super::support::{USER, VERSION, assert_group, changed, date, exchange, health, time};
use super::{credentials, erasures, exports, sessions};

#[test]
fn users() {
    let user = User {
        id: USER,
        email: "ada@example.org".to_owned(),
        username: "ada".to_owned(),
        first_name: Some("Ada".to_owned()),
        last_name: None,
        date_of_birth: Some(date("1990-12-10")),
        created_at: time(),
        is_active: true,
    };
    let register = Register {
        email: "ada@example.org".to_owned(),
        username: "ada".to_owned(),
        password: Password::new("correct horse".to_owned()),
        first_name: Some("Ada".to_owned()),
        last_name: None,
        date_of_birth: Some(date("1990-12-10")),
    };
    let login = Login {
        email: "ada@example.org".to_owned(),
        password: Password::new("correct horse".to_owned()),
        device: Some("curl/8.5.0".to_owned()),
        second_factor: None,
    };
    let session = Session {
        access_token: "a.b.c".to_owned(),
        expires_in_seconds: 900,
        refresh_token: Secret::from_random(Secret::REFRESH_TOKEN, &[7; 32]),
        user: user.clone(),
    };
    let update = UpdateProfile {
        user_id: USER,
        first_name: Patch::Keep,
        last_name: Patch::Clear,
        date_of_birth: Patch::Set(date("1990-12-10")),
    };
    let person =
        Person { user_id: USER, version: VERSION, date_of_birth: Some(date("1990-12-10")) };
    let (changed_since, changed_page) = changed();
    let keys = SigningKeys {
        jwks: json!({"keys": []}),
        issuer: "lunation".to_owned(),
        audience: "lunation-api".to_owned(),
    };
    // In the order of the mailbox.
    let exchanges = [
        vec![exchange(GetProfile { user_id: USER }, &user), exchange(update, &user)],
        sessions::people(),
        credentials::people(),
        erasures::people(),
        exports::account(&user),
        vec![
            exchange(GetPerson { user_id: USER }, &person),
            exchange(ListUsersChanged(changed_since), &changed_page),
        ],
        erasures::services(),
        vec![exchange(register, &user), exchange(login, &session)],
        sessions::open(&session),
        credentials::open(),
        erasures::open(),
        vec![exchange(GetSigningKeys {}, &keys), exchange(CheckUsers {}, &health())],
    ];
    assert_group::<UsersMailbox>(include_str!("users.json"), exchanges.concat());
}
