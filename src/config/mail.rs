//! Mail to the owners of accounts, and where its links lead.

use std::net::IpAddr;

use secrecy::{ExposeSecret as _, SecretString};

use super::{Domain, Groups, Profile, keys::Key, reader::Reader};

/// The key whose value may hold a password.
pub(super) const SMTP_URL: &str = "mail.smtp_url";

pub(super) const KEYS: &[Key] = &[
    Key {
        name: "public_url",
        default: None,
        flag: None,
        alias: None,
        secret: false,
        about: "where people reach this service or its web page, such as `https://lunation.example`: links \
                in mails lead there, and never to what a request calls the host",
    },
    Key {
        name: SMTP_URL,
        default: None,
        flag: None,
        alias: None,
        secret: true,
        about: "the SMTP server for mails to the owners of accounts, such as \
                `smtps://user:password@mail.example` or `smtp://user:password@mail.example:587?tls=required`; \
                for the users group alone; without one no mail is sent",
    },
    Key {
        name: "mail.from",
        default: None,
        flag: None,
        alias: None,
        secret: false,
        about: "in whose name mails are sent, such as `Lunation <no-reply@lunation.example>`",
    },
];

/// Mail.
pub(crate) struct Mail {
    /// Where links lead.
    pub(crate) public_url: Option<String>,
    /// The SMTP server.
    smtp_url: Option<SecretString>,
    /// In whose name.
    from: Option<String>,
}

impl Mail {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let smtp_url = reader.optional_text(SMTP_URL);
        if let Some(url) = &smtp_url {
            reader.show(SMTP_URL, &shown(url));
        }
        Self {
            public_url: reader.optional_text("public_url"),
            smtp_url: smtp_url.map(Into::into),
            from: reader.optional_text("mail.from"),
        }
    }

    pub(super) fn validate(&self, reader: &mut Reader, profile: Profile, groups: &Groups) {
        if let Some(url) = &self.public_url {
            reader.require(
                is_web(url),
                "public_url",
                "must be as https://lunation.example: http or https, a host, perhaps a path, and no \
                 more",
            );
            reader.require(
                profile == Profile::Development || url.starts_with("https://"),
                "public_url",
                "must begin with https:// in the production profile: links in mails hold secrets",
            );
        }
        let Some(smtp_url) = &self.smtp_url else { return };
        if !groups.has_domain(Domain::Users) {
            reader.problem(SMTP_URL, "belongs to the users group alone; leave it out here");
            return;
        }
        reader.require(
            self.public_url.is_some(),
            "public_url",
            "must be set where mails are sent: their links lead there",
        );
        reader.require(self.from.is_some(), "mail.from", "must be set where mails are sent");
        reader.require(
            profile == Profile::Development || is_private(smtp_url.expose_secret()),
            SMTP_URL,
            "would be sent in clear: begin it with smtps://, or end it with ?tls=required",
        );
        match self.mailer() {
            Err(users::InvalidMailer::From) => {
                reader.problem("mail.from", users::InvalidMailer::From.to_string());
            }
            Err(error) => reader.problem(SMTP_URL, error.to_string()),
            Ok(_) => {}
        }
    }

    /// What sends mail, if there is a server for it.
    ///
    /// # Errors
    /// The settings are none.
    pub(crate) fn mailer(&self) -> Result<Option<users::Mailer>, users::InvalidMailer> {
        let Self { public_url, smtp_url, from } = self;
        let Some(smtp_url) = smtp_url else { return Ok(None) };
        let from = from.as_deref().unwrap_or_default();
        let public_url = public_url.clone().unwrap_or_default();
        users::Mailer::new(smtp_url, from, public_url).map(Some)
    }
}

/// Scheme, host and port: a password may hold what a URL may not, so nothing before the last `@` is
/// shown, whatever it is.
fn shown(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return "***".to_owned() };
    match rest.rsplit_once('@') {
        Some((_, place)) => format!("{scheme}://***@{place}"),
        None => url.to_owned(),
    }
}

fn is_web(url: &str) -> bool {
    let place = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    place.is_some_and(|place| {
        let plain = |c: char| {
            c.is_ascii_graphic() && !matches!(c, '?' | '#' | '@' | '\\' | '"' | '<' | '>')
        };
        !place.is_empty() && !place.starts_with('/') && place.chars().all(plain)
    })
}

/// Whether a server is spoken to by TLS, or is on this machine.
fn is_private(url: &str) -> bool {
    let place = url.split_once("://").map_or(url, |(_, rest)| rest);
    let place = place.rsplit_once('@').map_or(place, |(_, place)| place);
    let host = place.split(['/', '?']).next().unwrap_or_default();
    let host = host.rsplit_once(':').map_or(host, |(host, _)| host).trim_matches(['[', ']']);
    let is_here = host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
    is_here || url.starts_with("smtps://") || url.ends_with("?tls=required")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Sources};

    const FROM: (&str, &str) = ("LUNATION_MAIL_FROM", "Lunation <no-reply@lunation.example>");
    const PUBLIC: (&str, &str) = ("LUNATION_PUBLIC_URL", "https://lunation.example");

    fn load(settings: &[(&str, &str)]) -> Result<Config, String> {
        let home = [("HOME", "/home/ada"), ("NATS_URL", "nats://h")];
        let environment = home.iter().chain(settings);
        let environment = environment.map(|(name, value)| ((*name).into(), (*value).into()));
        let sources = Sources { environment: environment.collect(), ..Sources::default() };
        Config::load(&sources).map_err(|problems| problems.to_string())
    }

    #[test]
    fn what_a_server_needs_beside_itself_is_asked_for() {
        let url = ("LUNATION_MAIL_SMTP_URL", "smtps://user:se,cr@et@mail.example");
        let config = load(&[url, FROM, PUBLIC]).unwrap();
        assert!(config.mail.mailer().unwrap().is_some());
        let mut shown = Vec::new();
        crate::config::print::settings(&config, &mut shown).unwrap();
        let shown = String::from_utf8(shown).unwrap();
        assert!(shown.contains("smtps://***@mail.example"), "{shown}");
        assert!(!shown.contains("se,cr") && !shown.contains("cr@et"), "{shown}");
        assert!(load(&[]).unwrap().mail.mailer().unwrap().is_none());
        let elsewhere = ("LUNATION_GROUPS", "api");
        for (settings, expected) in [
            (&[url, FROM][..], "public_url (default): must be set"),
            (&[url, PUBLIC], "mail.from (default): must be set"),
            (&[url, FROM, PUBLIC, elsewhere], "mail.smtp_url (LUNATION_MAIL_SMTP_URL): belongs"),
            (&[("LUNATION_MAIL_SMTP_URL", "mail"), FROM, PUBLIC], "the SMTP server is none"),
            (&[url, ("LUNATION_MAIL_FROM", "nobody"), PUBLIC], "the sender is no address"),
            (&[("LUNATION_PUBLIC_URL", "app.example")], "must be as https://"),
        ] {
            let problem = load(settings).err().unwrap();
            assert!(problem.contains(expected), "{problem} does not contain {expected}");
            assert!(!problem.contains("cr@et"), "{problem}");
        }
    }

    #[test]
    fn production_sends_nothing_in_clear() {
        let production = ("LUNATION_PROFILE", "production");
        let clear = ("LUNATION_MAIL_SMTP_URL", "smtp://mail.example");
        let problem = load(&[production, clear, FROM, PUBLIC]).err().unwrap();
        assert!(problem.contains("would be sent in clear"), "{problem}");
        let plain = ("LUNATION_PUBLIC_URL", "http://lunation.example");
        let problem = load(&[production, plain]).err().unwrap();
        assert!(problem.contains("must begin with https://"), "{problem}");
    }

    #[test]
    fn no_part_of_a_password_is_shown() {
        for (url, expected) in [
            ("smtps://user:secret@mail.example", "smtps://***@mail.example"),
            ("smtps://user:se,cr@et@mail.example:465", "smtps://***@mail.example:465"),
            ("smtp://localhost:2525", "smtp://localhost:2525"),
            ("user:secret", "***"),
        ] {
            assert_eq!(shown(url), expected);
        }
    }

    #[test]
    fn a_server_elsewhere_is_spoken_to_by_tls() {
        for (url, holds) in [
            ("smtps://user:secret@mail.example", true),
            ("smtp://user:secret@mail.example:587?tls=required", true),
            ("smtp://user:secret@mail.example:587?tls=opportunistic", false),
            ("smtp://mail.example", false),
            ("smtp://user:smtps@mail.example", false),
            ("smtp://localhost:2525", true),
            ("smtp://127.0.0.1:2525", true),
            ("smtp://[::1]:2525", true),
            ("smtp://localhost.example", false),
        ] {
            assert_eq!(is_private(url), holds, "{url}");
        }
    }

    #[test]
    fn links_lead_to_a_host() {
        for (url, holds) in [
            ("https://lunation.example", true),
            ("http://127.0.0.1:8080/app", true),
            ("lunation.example", false),
            ("https://", false),
            ("https:///path", false),
            ("https://user@lunation.example", false),
            ("https://lunation.example?x=1", false),
            ("https://lunation.example#x", false),
            ("https://lunation.example/\r\nBcc: x", false),
        ] {
            assert_eq!(is_web(url), holds, "{url}");
        }
    }
}
