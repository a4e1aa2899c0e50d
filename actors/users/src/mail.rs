//! Mail that people asked for, or should know of. It holds no health data and no password.

use std::time::Duration;

use actor_runtime::clock::Ids;
use contracts::Secret;
use lettre::{
    Address, AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor,
    message::{Mailbox, header::ContentType},
    transport::smtp,
};
use secrecy::{ExposeSecret, SecretString};
use tokio::time;

/// How long the server may take for one step.
const STEP_PATIENCE: Duration = Duration::from_secs(10);
/// Pauses before a mail is tried again that the server could not take yet.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(10)];

/// Sends mail by SMTP.
#[derive(Clone)]
pub struct Mailer {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    public_url: String,
}

/// What is wrong with the settings of mail. Nothing of them is repeated: one of them holds a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidMailer {
    /// The server's.
    #[error(
        "the SMTP server is none: write smtps://user:password@host or smtp://host?tls=required"
    )]
    Url,
    /// The sender's.
    #[error("the sender is no address: write Lunation <no-reply@example.org>")]
    From,
}

/// Why a mail was not sent, in a word: what the server said may hold an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MailFailure {
    /// There is no such mailbox, or none that can be written to.
    #[error("the address cannot be written to")]
    Address,
    /// The server refuses, and will refuse again.
    #[error("the SMTP server refuses")]
    Refused,
    /// The server cannot now.
    #[error("the SMTP server cannot be reached, or takes nothing at the moment")]
    Away,
    /// The connection is not secure.
    #[error("the SMTP server's TLS is not to be trusted")]
    Tls,
}

/// A mail to the owner of an account.
pub(crate) enum Mail {
    /// A link by which a new password can be set.
    Reset { token: Secret },
    /// The password is another one.
    PasswordChanged,
    /// From now on a second factor is asked for.
    SecondFactorAdded,
    /// And no longer.
    SecondFactorRemoved,
}

impl Mailer {
    /// By the server of a URL, in the name of `from`; links lead to `public_url`, and never to what
    /// a request calls the host.
    ///
    /// # Errors
    ///
    /// One of them is none.
    pub fn new(url: &SecretString, from: &str, public_url: String) -> Result<Self, InvalidMailer> {
        let url = url.expose_secret();
        let transport = AsyncSmtpTransport::<Tokio1Executor>::from_url(url);
        let transport = transport.map_err(|_| InvalidMailer::Url)?;
        let from = from.parse().map_err(|_| InvalidMailer::From)?;
        let transport = transport.timeout(Some(STEP_PATIENCE)).build();
        Ok(Self { transport, from, public_url })
    }

    /// Whether the server lets us in.
    ///
    /// # Errors
    ///
    /// It does not.
    pub async fn test(&self) -> Result<(), MailFailure> {
        match self.transport.test_connection().await {
            Ok(true) => Ok(()),
            Ok(false) => Err(MailFailure::Away),
            Err(error) => Err(failure(&error)),
        }
    }

    /// Sends a mail, again if the server cannot take it at once. What became of it is logged without
    /// a word on whom it was for.
    pub(crate) async fn send(&self, to: &str, mail: &Mail) {
        match self.try_to_send(to, mail).await {
            Ok(()) => tracing::info!(mail = mail.name(), "a mail was handed to the SMTP server"),
            Err(error) => tracing::warn!(mail = mail.name(), %error, "a mail could not be sent"),
        }
    }

    async fn try_to_send(&self, to: &str, mail: &Mail) -> Result<(), MailFailure> {
        let message = self.message(to, mail)?;
        for pause in PAUSES {
            match self.send_once(message.clone()).await {
                Err(MailFailure::Away) => time::sleep(pause).await,
                done => return done,
            }
        }
        self.send_once(message).await
    }

    async fn send_once(&self, message: Message) -> Result<(), MailFailure> {
        self.transport.send(message).await.map(|_| ()).map_err(|error| failure(&error))
    }

    fn message(&self, to: &str, mail: &Mail) -> Result<Message, MailFailure> {
        let to: Address = to.parse().map_err(|_| MailFailure::Address)?;
        // The library's own ids would tell the machine's name.
        let id = format!("<{}@{}>", Ids.event_id().simple(), self.from.email.domain());
        Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            .subject(mail.subject())
            .message_id(Some(id))
            .header(ContentType::TEXT_PLAIN)
            .body(mail.text(&self.public_url))
            .map_err(|_| MailFailure::Address)
    }
}

/// The link by which a new password can be set. The token stands behind the `#`: it reaches no server
/// that logs it, and no other site that is linked to.
pub fn reset_link(public_url: &str, token: &Secret) -> String {
    format!("{}/reset-password#token={}", public_url.trim_end_matches('/'), token.expose())
}

impl Mail {
    /// What it is, for the log.
    const fn name(&self) -> &'static str {
        match self {
            Self::Reset { .. } => "password reset",
            Self::PasswordChanged => "password changed",
            Self::SecondFactorAdded => "second factor added",
            Self::SecondFactorRemoved => "second factor removed",
        }
    }

    const fn subject(&self) -> &'static str {
        match self {
            Self::Reset { .. } => "Set a new password",
            Self::PasswordChanged => "Your password was changed",
            Self::SecondFactorAdded => "Your account has a second factor now",
            Self::SecondFactorRemoved => "Your account has no second factor any more",
        }
    }

    fn text(&self, public_url: &str) -> String {
        let unexpected = "If it was not you, set a new password at once, and sign out everywhere.";
        match self {
            Self::Reset { token } => {
                let link = reset_link(public_url, token);
                format!(
                    "Somebody, hopefully you, asked for a new password for the account with this \
                     address.\n\nWithin the next 10 minutes you can set one here, once:\n\n{link}\n\n\
                     If it was not you, there is nothing to do: the old password still counts.\n"
                )
            }
            Self::PasswordChanged => {
                format!(
                    "The password of your account was changed, and all other sessions ended.\n\n{unexpected}\n"
                )
            }
            Self::SecondFactorAdded => format!(
                "From now on, signing in asks for a code of your authenticator app.\n\n{unexpected}\n"
            ),
            Self::SecondFactorRemoved => {
                format!("From now on, signing in asks for your password alone.\n\n{unexpected}\n")
            }
        }
    }
}

fn failure(error: &smtp::Error) -> MailFailure {
    if error.is_tls() {
        MailFailure::Tls
    } else if error.is_permanent() {
        MailFailure::Refused
    } else {
        MailFailure::Away
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mailer(url: &str, from: &str) -> Result<Mailer, InvalidMailer> {
        Mailer::new(&url.to_owned().into(), from, "https://app.example/".to_owned())
    }

    #[test]
    fn a_link_leads_where_the_configuration_says() {
        let mailer = mailer("smtp://localhost:2525", "Lunation <no-reply@app.example>").unwrap();
        let token = Secret::from_random(Secret::RESET_TOKEN, &[7; 32]);
        let mail = Mail::Reset { token: token.clone() };
        let message = mailer.message("ada@test.com", &mail).unwrap();
        let text = String::from_utf8(message.formatted()).unwrap();
        let link = format!("https://app.example/reset-password#token={}", token.expose());
        // Long lines are broken by the encoding, not by us.
        assert!(text.replace("=\r\n", "").replace("=3D", "=").contains(&link), "{text}");
        assert!(text.contains("From: Lunation <no-reply@app.example>"), "{text}");
        assert!(text.contains("To: ada@test.com"), "{text}");
        assert!(text.contains("@app.example>\r\n"), "the id names no machine: {text}");
        for mail in [Mail::PasswordChanged, Mail::SecondFactorAdded, Mail::SecondFactorRemoved] {
            assert!(mailer.message("ada@test.com", &mail).is_ok());
        }
        // Nothing gets into the head of a mail by an address.
        for to in ["ada@test.com\r\nBcc: eve@test.com", "ada", ""] {
            assert!(mailer.message(to, &mail).is_err(), "{to:?}");
        }
    }

    #[test]
    fn settings_that_are_none_are_said_without_repeating_them() {
        let from = "no-reply@app.example";
        for url in ["", "localhost", "http://user:secret@host", "smtp://"] {
            let error = mailer(url, from).err().unwrap();
            assert_eq!(error, InvalidMailer::Url, "{url}");
            assert!(!error.to_string().contains("secret"));
        }
        assert_eq!(mailer("smtps://user:secret@host", "nobody").err(), Some(InvalidMailer::From));
    }
}
