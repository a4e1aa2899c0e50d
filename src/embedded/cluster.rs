//! The files of the cluster: where they are, how they come to be, what Postgres is told.

use std::{
    fs::{self, DirBuilder, File},
    io,
    os::unix::{
        fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _, chown},
        process::CommandExt as _,
    },
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};

use super::{
    access,
    account::{self, Account},
    binaries::Binaries,
    orphan,
    passwords::{Passwords, SUPERUSER},
};
use crate::config::{Domain, PostgresPrograms};

/// The longest path of a unix socket: `sun_path` holds 108 bytes on Linux and 104 on macOS, the
/// closing zero among them.
const SOCKET_PATH_BYTES_MAX: usize = if cfg!(target_os = "macos") { 103 } else { 107 };

/// The number in the socket's name. There is no TCP port.
pub(super) const PORT: u16 = 5432;

/// What Postgres is told on its command line, where no configuration file can overrule it.
/// Errors of statements are not logged: their text may hold health data. What remains is the
/// server's own life, so the log stays small.
const SETTINGS: &[(&str, &str)] = &[
    ("listen_addresses", ""),
    ("unix_socket_permissions", "0700"),
    ("fsync", "on"),
    ("synchronous_commit", "on"),
    ("full_page_writes", "on"),
    ("shared_buffers", "64MB"),
    ("max_connections", "200"),
    ("wal_level", "minimal"),
    ("max_wal_senders", "0"),
    ("max_wal_size", "512MB"),
    ("max_parallel_workers_per_gather", "0"),
    ("max_logical_replication_workers", "0"),
    ("jit", "off"),
    ("timezone", "UTC"),
    ("log_timezone", "UTC"),
    ("log_destination", "stderr"),
    ("logging_collector", "off"),
    ("log_min_messages", "log"),
    ("log_min_error_statement", "panic"),
    ("log_error_verbosity", "terse"),
    ("log_checkpoints", "off"),
];

/// A cluster on disk.
pub(super) struct Cluster {
    /// What Postgres calls its data directory.
    pub(super) data: PathBuf,
    /// Where the server's own log goes.
    pub(super) log: PathBuf,
    /// The programs, of the version that made the data.
    pub(super) binaries: Binaries,
    /// Where the socket is, and whether that is outside the data directory.
    pub(super) socket_directory: PathBuf,
    /// The passwords of its roles.
    pub(super) passwords: Passwords,
    library_variables: Vec<(&'static str, String)>,
    account: Option<Account>,
}

impl Cluster {
    /// Finds or creates the cluster below a data directory. Blocks.
    pub(super) fn prepare(
        data_dir: &Path,
        account: Option<Account>,
        programs: &PostgresPrograms,
    ) -> Result<Self> {
        let root = data_dir.join("postgres");
        let data = root.join("data");
        let binaries = Binaries::find(programs, major_of(&data)?)?;
        if let Some(account) = &account {
            account::check_reach(account, data_dir)?;
        }
        private_directory(&root, account.as_ref())?;
        let cluster = Self {
            socket_directory: socket_directory(data_dir)?,
            passwords: Passwords::load_or_make(data_dir)?,
            library_variables: programs.library_variables.clone(),
            log: data_dir.join("postgres.log"),
            data,
            binaries,
            account,
        };
        if !cluster.data.exists() {
            cluster.create(&root)?;
        }
        Ok(cluster)
    }

    /// Clears away what a killed server left: a live orphan, its sockets, a misleading pid file,
    /// and rules of access that are not ours. Blocks.
    pub(super) fn clear_leftovers(&self) -> Result<()> {
        orphan::stop(&self.data)?;
        self.write_access_rules()?;
        private_directory(&self.socket_directory, self.account.as_ref())?;
        for entry in fs::read_dir(&self.socket_directory)? {
            let path = entry?.path();
            fs::remove_file(&path)
                .with_context(|| format!("{} cannot be removed", path.display()))?;
        }
        Ok(())
    }

    /// The server's command line.
    pub(super) fn server_arguments(&self) -> Vec<String> {
        self.arguments_over(&self.data)
    }

    /// The command line of a server over files that may not be in their place yet. The path of the
    /// socket's directory is quoted, since the setting is a list with commas.
    pub(super) fn arguments_over(&self, data: &Path) -> Vec<String> {
        let socket_directory = self.socket_directory.display().to_string().replace('"', "\"\"");
        let mut arguments = vec!["-D".to_owned(), data.display().to_string()];
        let own = [
            ("hba_file", access::rules_of(data).display().to_string()),
            ("unix_socket_directories", format!("\"{socket_directory}\"")),
            ("port", PORT.to_string()),
        ];
        let settings = SETTINGS.iter().map(|(name, value)| (*name, (*value).to_owned()));
        for (name, value) in settings.chain(own) {
            arguments.extend(["-c".to_owned(), format!("{name}={value}")]);
        }
        arguments
    }

    /// A command that runs as the right user with an environment of its own, so that neither our
    /// secrets nor somebody's PG* variables reach Postgres, and in a process group of its own, so
    /// that Ctrl-C in a terminal reaches this process alone and what is half made is finished.
    pub(super) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.env_clear().env("LC_ALL", "C").env("TZ", "UTC").env("PATH", "/usr/bin:/bin");
        command.envs(self.library_variables.iter().cloned());
        command
            .process_group(0)
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        if let Some(account) = &self.account {
            command.uid(account.uid).gid(account.gid);
        }
        command
    }

    /// The user whom the files belong to, if that is not the one of this process.
    pub(super) fn owner(&self) -> Option<u32> {
        self.account.as_ref().map(|account| account.uid)
    }

    /// The address of a domain's database, for its own role.
    pub(super) fn database_url(&self, domain: Domain) -> SecretString {
        socket_url(&self.socket_directory, domain, self.passwords.of(domain))
    }

    /// Removes the directory of the socket if it is outside the data directory.
    pub(super) fn remove_temporary_socket_directory(&self) {
        let inside = self.data.with_file_name("run");
        if self.socket_directory != inside
            && let Err(error) = fs::remove_dir_all(&self.socket_directory)
        {
            tracing::warn!(%error, "the temporary directory of the socket could not be removed");
        }
    }

    /// Runs `initdb` beside the final place, closes the superuser's role with its password and
    /// renames the result, so that a half-made cluster is never taken for a whole one.
    fn create(&self, root: &Path) -> Result<()> {
        let unfinished = root.join("data.new");
        remove_if_there(&unfinished)?;
        tracing::info!(version = %self.binaries.version, "creating the embedded database");
        let mut command = self.command(&self.binaries.program("initdb"));
        command.arg("-D").arg(&unfinished);
        command.args(["-U", SUPERUSER, "-E", "UTF8", "--data-checksums", "--no-instructions"]);
        // Our own rules replace these; at no time may there be some that admit without a password.
        command.args(["--auth-local=scram-sha-256", "--auth-host=reject"]);
        // macOS has no C.UTF-8; C with its UTF-8 character types sorts the same.
        command.args(if cfg!(target_os = "macos") {
            &["--locale=C", "--lc-ctype=UTF-8"][..]
        } else {
            &["--locale=C.UTF-8"]
        });
        let output = command.output().context("initdb could not be started")?;
        if !output.status.success() {
            let complaint = String::from_utf8_lossy(&output.stderr);
            bail!("initdb failed ({}): {}", output.status, complaint.trim());
        }
        self.set_superuser_password(&unfinished)?;
        fs::rename(&unfinished, &self.data)?;
        File::open(root)?.sync_all()?;
        Ok(())
    }
}

/// The major version that made a cluster; none if there is no cluster yet.
pub(crate) fn major_of(data: &Path) -> Result<Option<u32>> {
    let path = data.join("PG_VERSION");
    match fs::read_to_string(&path) {
        Ok(text) => {
            let major = text.trim().parse();
            Ok(Some(major.with_context(|| format!("{} is damaged", path.display()))?))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("{} cannot be read", path.display())),
    }
}

/// A directory that nobody but Postgres (and root) can enter. One that exists must already be
/// theirs: in `/tmp`, somebody else could have made it.
fn private_directory(path: &Path, account: Option<&Account>) -> Result<()> {
    let created = match DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => true,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => false,
        Err(error) => {
            return Err(error).with_context(|| format!("{} cannot be created", path.display()));
        }
    };
    let owner = account.map_or_else(|| rustix::process::geteuid().as_raw(), |account| account.uid);
    if let Some(account) = account.filter(|_| created) {
        chown(path, Some(account.uid), Some(account.gid))?;
    }
    let metadata = fs::symlink_metadata(path)?;
    if !metadata.is_dir() || metadata.uid() != owner {
        bail!("{} must be a directory that belongs to user {owner}", path.display());
    }
    if metadata.mode() & 0o077 != 0 {
        fs::set_permissions(path, fs::Permissions::from_mode(0o700))?;
    }
    Ok(())
}

/// The address of a domain's database on a server that listens in a directory. Our passwords need
/// no escape in a URL.
pub(super) fn socket_url(
    directory: &Path,
    domain: Domain,
    password: &SecretString,
) -> SecretString {
    let directory = percent_encode(&directory.display().to_string());
    let password = password.expose_secret();
    SecretString::from(format!(
        "postgres://{domain}:{password}@localhost:{PORT}/{domain}?host={directory}&sslmode=disable"
    ))
}

/// Where the socket of a cluster is: below the data directory, or, where that path is too long for
/// a socket, in a short directory that is the same at every start and different for every data
/// directory and user.
pub(super) fn socket_directory(data_dir: &Path) -> Result<PathBuf> {
    let root = data_dir.join("postgres");
    let inside = root.join("run");
    if inside.join(format!(".s.PGSQL.{PORT}")).as_os_str().len() <= SOCKET_PATH_BYTES_MAX {
        return Ok(inside);
    }
    let uid = fs::metadata(&root)?.uid();
    let digest = Sha256::digest(data_dir.as_os_str().as_encoded_bytes());
    let key = u64::from_be_bytes(*digest.first_chunk().unwrap_or(&[0; 8]));
    Ok(PathBuf::from(format!("/tmp/lunation-{uid}-{key:016x}")))
}

fn remove_if_there(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

fn percent_encode(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte);
    text.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}
