//! Access tokens and password hashing.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use super::{Domain, Groups, Profile, keys::Key, reader::Reader, secret_file};

pub(super) const KEYS: &[Key] = &[
    Key {
        name: "auth.issuer",
        default: Some("lunation"),
        flag: None,
        alias: None,
        secret: false,
        about: "`iss` of access tokens",
    },
    Key {
        name: "auth.audience",
        default: Some("lunation"),
        flag: None,
        alias: None,
        secret: false,
        about: "`aud` of access tokens",
    },
    Key {
        name: "auth.access_token_ttl_seconds",
        default: Some("600"),
        flag: None,
        alias: None,
        secret: false,
        about: "how long an access token is valid, in seconds; at most 600",
    },
    Key {
        name: "auth.signing_key_file",
        default: None,
        flag: None,
        alias: None,
        secret: false,
        about: "PEM file of the Ed25519 key that signs access tokens, for the users group alone; \
                generated in the data directory in the development profile; beside it lie the keys \
                that `lunation keys rotate` makes",
    },
    Key {
        name: "auth.audit_days",
        default: Some("180"),
        flag: None,
        alias: None,
        secret: false,
        about: "how long the audit log of an account is kept, in days: 1 to 3650",
    },
    Key {
        name: "argon2.memory_kib",
        default: Some("19456"),
        flag: None,
        alias: None,
        secret: false,
        about: "memory of one password hash, in KiB; at least 19456",
    },
    Key {
        name: "argon2.iterations",
        default: Some("2"),
        flag: None,
        alias: None,
        secret: false,
        about: "passes of one password hash; at least 2",
    },
    Key {
        name: "argon2.parallelism",
        default: Some("1"),
        flag: None,
        alias: None,
        secret: false,
        about: "lanes of one password hash; at least 1",
    },
];

/// The name of the generated key in the data directory.
const GENERATED_KEY_FILE: &str = "signing-key.pem";

/// Access tokens.
#[derive(Clone, Debug)]
pub(crate) struct Auth {
    /// `iss`.
    pub(crate) issuer: String,
    /// `aud`.
    pub(crate) audience: String,
    /// How long a token is valid.
    pub(crate) access_token_ttl: Duration,
    /// For how many days the audit log of an account is kept.
    pub(crate) audit_days: u16,
    /// The signing key, unless it is generated.
    pub(crate) signing_key_file: Option<PathBuf>,
}

impl Auth {
    /// Where the signing key is: the given file, or the generated one in the data directory.
    pub(crate) fn signing_key_path(&self, data_dir: &Path) -> PathBuf {
        self.signing_key_file.clone().unwrap_or_else(|| data_dir.join(GENERATED_KEY_FILE))
    }

    pub(super) fn read(reader: &mut Reader) -> Self {
        Self {
            issuer: reader.text("auth.issuer"),
            audience: reader.text("auth.audience"),
            access_token_ttl: reader.seconds("auth.access_token_ttl_seconds"),
            audit_days: reader.number("auth.audit_days"),
            signing_key_file: reader.optional_text("auth.signing_key_file").map(PathBuf::from),
        }
    }

    pub(super) fn validate(
        &self,
        reader: &mut Reader,
        profile: Profile,
        groups: &Groups,
        data_dir: &Path,
    ) {
        reader.require(
            (60..=600).contains(&self.access_token_ttl.as_secs()),
            "auth.access_token_ttl_seconds",
            "must be between 60 and 600: a session goes on by refresh tokens",
        );
        reader.require(
            (1..=3_650).contains(&self.audit_days),
            "auth.audit_days",
            "must be between 1 and 3650",
        );
        for (name, value) in [("auth.issuer", &self.issuer), ("auth.audience", &self.audience)] {
            reader.require(!value.is_empty(), name, "must not be empty");
        }
        let name = "auth.signing_key_file";
        if !groups.has_domain(Domain::Users) {
            // Who can read it can be everybody: the fewer processes know where it is, the better.
            reader.require(
                self.signing_key_file.is_none(),
                name,
                "belongs to the users group alone; leave it out here",
            );
            return;
        }
        if let Some(path) = &self.signing_key_file
            && let Err(problem) = secret_file::check(path)
        {
            reader.problem(name, problem);
        }
        if profile == Profile::Production {
            let given = self.signing_key_file.as_deref();
            reader.require(
                given.is_some(),
                name,
                "must be set in the production profile; make one with \
                 `openssl genpkey -algorithm ed25519 -out signing-key.pem`",
            );
            reader.require(
                given != Some(&data_dir.join(GENERATED_KEY_FILE)),
                name,
                "is the key that the development profile generated; production needs its own",
            );
        }
    }
}

/// Password hashing: argon2id, with the floor of OWASP's password storage cheat sheet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Argon2 {
    /// Memory, in KiB.
    pub(crate) memory_kib: u32,
    /// Passes.
    pub(crate) iterations: u32,
    /// Lanes.
    pub(crate) parallelism: u32,
}

impl Argon2 {
    pub(super) fn read(reader: &mut Reader) -> Self {
        Self {
            memory_kib: reader.number("argon2.memory_kib"),
            iterations: reader.number("argon2.iterations"),
            parallelism: reader.number("argon2.parallelism"),
        }
    }

    pub(super) fn validate(self, reader: &mut Reader) {
        for (name, value, allowed) in [
            ("argon2.memory_kib", self.memory_kib, 19_456..=1_048_576),
            ("argon2.iterations", self.iterations, 2..=16),
            ("argon2.parallelism", self.parallelism, 1..=16),
        ] {
            reader.require(
                allowed.contains(&value),
                name,
                format!("must be between {} and {}", allowed.start(), allowed.end()),
            );
        }
    }
}
