//! Accounts, sign-in, profile: `/api/users`.

use contracts::{
    Handle,
    users::{self as domain, CheckUsers, UsersMailbox},
};
use poem_openapi::{Object, OpenApi, payload::Json, types::MaybeUndefined};

use crate::{
    answer::Created,
    auth::Caller,
    body::{Body, patch},
    context::{Context, Device},
    credentials::second_factor,
    document::{Extra, Tag},
    health::{HealthAnswer, Service, health_of},
    parameter::Idempotency,
    scalar::{
        Count, Date, Email, Flag, Id, Instant, Name, NewPassword, Nullable, Password, RecoveryCode,
        Scalar, Text, TotpCode, Username,
    },
};

/// What these operations answer besides what follows from their shape.
pub(crate) const EXTRA: &[Extra] = &[
    Extra { operation: "register", code: "email-taken" },
    Extra { operation: "register", code: "username-taken" },
    Extra { operation: "login", code: "invalid-credentials" },
    Extra { operation: "login", code: "second-factor-required" },
    Extra { operation: "login", code: "throttled" },
];

/// The operations of the users group.
pub(crate) struct UsersApi {
    /// The group.
    pub(crate) users: Handle<UsersMailbox>,
}

#[OpenApi(prefix_path = "/api/users", tag = "Tag::Users")]
impl UsersApi {
    /// Say how the group is
    #[oai(path = "/health", method = "get", operation_id = "getUsersHealth")]
    async fn health(&self, context: Context) -> HealthAnswer {
        health_of(Service::User, &context, &self.users, CheckUsers {}).await
    }

    /// Create an account
    ///
    /// E-mail address and user name are each unique without regard to case.
    #[oai(path = "/register", method = "post", operation_id = "register")]
    async fn register(
        &self,
        context: Context,
        #[oai(name = "Idempotency-Key")] key: Idempotency,
        body: Body<Register>,
    ) -> poem::Result<Created<Registered>> {
        let user = context.write(&self.users, key.0, domain::Register::from(body.0)).await?;
        let message = Scalar("User registered successfully".to_owned());
        Ok(Created(Registered { message, user: user.into() }))
    }

    /// Sign in
    ///
    /// An unknown address and a wrong password answer alike. An account with a second factor is asked
    /// for it once the password is right. Whoever fails again and again has to wait, longer each time
    /// and never for good.
    #[oai(path = "/login", method = "post", operation_id = "login")]
    async fn login(
        &self,
        context: Context,
        device: Device,
        body: Body<Login>,
    ) -> poem::Result<Json<LoggedIn>> {
        let Login { email: Scalar(email), password: Scalar(password), totp, recovery_code } =
            body.0;
        let password = domain::Password::new(password);
        let second_factor = second_factor(totp, recovery_code)?;
        let request = domain::Login { email, password, device: device.0, second_factor };
        let session = context.ask(&self.users, request).await?;
        Ok(Json(LoggedIn::of(session, "Login successful")))
    }

    /// Read one's own profile
    #[oai(path = "/profile", method = "get", operation_id = "getProfile")]
    async fn profile(&self, caller: Caller) -> poem::Result<Json<User>> {
        let request = domain::GetProfile { user_id: caller.user_id };
        Ok(Json(caller.ask(&self.users, request).await?.into()))
    }

    /// Change one's own profile
    ///
    /// A member that is left out stays as it is; null clears it.
    #[oai(path = "/profile", method = "put", operation_id = "updateProfile")]
    async fn update_profile(
        &self,
        caller: Caller,
        #[oai(name = "Idempotency-Key")] key: Idempotency,
        body: Body<UpdateProfile>,
    ) -> poem::Result<Json<ProfileUpdated>> {
        let UpdateProfile { first_name, last_name, date_of_birth } = body.0;
        let request = domain::UpdateProfile {
            user_id: caller.user_id,
            first_name: patch(first_name),
            last_name: patch(last_name),
            date_of_birth: patch(date_of_birth),
        };
        let user = caller.write(&self.users, key.0, request).await?;
        let message = Scalar("Profile updated successfully".to_owned());
        Ok(Json(ProfileUpdated { message, user: user.into() }))
    }
}

/// A new account.
#[derive(Object)]
struct Register {
    /// Where the person can be reached; unique without regard to case.
    email: Email,
    /// What the person is called here; unique without regard to case.
    username: Username,
    /// The password. Outside the development profile at least 15 characters, and none of those that are
    /// guessed first.
    password: NewPassword,
    /// Given name.
    #[oai(nullable)]
    first_name: Option<Name>,
    /// Family name.
    #[oai(nullable)]
    last_name: Option<Name>,
    /// Date of birth.
    #[oai(nullable)]
    date_of_birth: Option<Date>,
}

/// Who one claims to be, and the proof.
#[derive(Object)]
struct Login {
    /// The e-mail address of the account.
    email: Email,
    /// Its password.
    password: Password,
    /// A code of the authenticator app, if the account has a second factor.
    #[oai(nullable)]
    totp: Option<TotpCode>,
    /// Or one of the recovery codes.
    #[oai(nullable)]
    recovery_code: Option<RecoveryCode>,
}

/// Changes to a profile.
#[derive(Object)]
struct UpdateProfile {
    /// Given name; null clears it.
    #[oai(nullable)]
    first_name: MaybeUndefined<Name>,
    /// Family name; null clears it.
    #[oai(nullable)]
    last_name: MaybeUndefined<Name>,
    /// Date of birth; null clears it.
    #[oai(nullable)]
    date_of_birth: MaybeUndefined<Date>,
}

/// An account as its owner sees it.
#[derive(Object)]
struct User {
    /// The account's id.
    id: Id,
    /// Where the person can be reached.
    email: Text,
    /// What the person is called here.
    username: Text,
    /// Given name.
    first_name: Nullable<Text>,
    /// Family name.
    last_name: Nullable<Text>,
    /// Date of birth.
    date_of_birth: Nullable<Date>,
    /// When the account was made.
    created_at: Instant,
    /// Whether the account can be used.
    is_active: Flag,
}

/// The account that was made.
#[derive(Object)]
struct Registered {
    /// `User registered successfully`.
    message: Text,
    /// The account.
    user: User,
}

/// The profile as it now is.
#[derive(Object)]
struct ProfileUpdated {
    /// `Profile updated successfully`.
    message: Text,
    /// The account.
    user: User,
}

/// A session.
#[derive(Object)]
pub(crate) struct LoggedIn {
    /// `Login successful`, or `Session refreshed successfully`.
    message: Text,
    /// The access token: send it as `Authorization: Bearer <token>`.
    token: Text,
    /// `Bearer`.
    token_type: Text,
    /// How long the token is good for, in seconds.
    expires_in: Count,
    /// What the next access token is had with at `POST /api/users/refresh`; good once.
    refresh_token: Text,
    /// Whose it is.
    user: User,
}

impl From<Register> for domain::Register {
    fn from(body: Register) -> Self {
        let Register { email, username, password, first_name, last_name, date_of_birth } = body;
        Self {
            email: email.0,
            username: username.0,
            password: domain::Password::new(password.0),
            first_name: first_name.map(|name| name.0),
            last_name: last_name.map(|name| name.0),
            date_of_birth: date_of_birth.map(|date| date.0),
        }
    }
}

impl From<domain::User> for User {
    fn from(user: domain::User) -> Self {
        let domain::User {
            id,
            email,
            username,
            first_name,
            last_name,
            date_of_birth,
            created_at,
            is_active,
        } = user;
        Self {
            id: Scalar(id.get()),
            email: Scalar(email),
            username: Scalar(username),
            first_name: first_name.into(),
            last_name: last_name.into(),
            date_of_birth: date_of_birth.into(),
            created_at: Scalar(created_at),
            is_active: Scalar(is_active),
        }
    }
}

impl LoggedIn {
    /// A session, and in words how it came about.
    pub(crate) fn of(session: domain::Session, message: &str) -> Self {
        let domain::Session { access_token, expires_in_seconds, refresh_token, user } = session;
        Self {
            message: Scalar(message.to_owned()),
            token: Scalar(access_token),
            token_type: Scalar("Bearer".to_owned()),
            expires_in: Scalar(i64::try_from(expires_in_seconds).unwrap_or(i64::MAX)),
            refresh_token: Scalar(refresh_token.expose().to_owned()),
            user: user.into(),
        }
    }
}
