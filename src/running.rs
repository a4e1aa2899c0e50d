//! `running.json` in the data directory: where the instance that runs now is found.

use std::{
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

/// The name of the file.
pub(crate) const FILE: &str = "running.json";

/// Where an instance is found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Running {
    /// The process.
    pub(crate) pid: u32,
    /// The API.
    pub(crate) listen: SocketAddr,
    /// Health and metrics, unless turned off.
    pub(crate) admin_listen: Option<SocketAddr>,
    /// The directory of the embedded database's socket.
    pub(crate) postgres_socket_dir: Option<PathBuf>,
    /// The NATS server that this instance started, without credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) nats_url: Option<String>,
    /// The process of that server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) nats_pid: Option<u32>,
    /// The processes that this instance started, one entry each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) processes: Vec<RunningProcess>,
}

/// A process of a split instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RunningProcess {
    /// Its group, with a number where there are several.
    pub(crate) name: String,
    /// The process.
    pub(crate) pid: u32,
    /// Its HTTP.
    pub(crate) listen: SocketAddr,
    /// Its health and metrics, unless turned off.
    pub(crate) admin_listen: Option<SocketAddr>,
}

/// Reads where the instance of a data directory is found; none if none says so.
///
/// # Errors
/// The file cannot be read or is none of ours.
pub(crate) fn read(data_dir: &Path) -> io::Result<Option<Running>> {
    match fs::read(data_dir.join(FILE)) {
        Ok(text) => Ok(Some(serde_json::from_slice(&text)?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The file, while it is so.
pub(crate) struct Announcement(Option<PathBuf>);

impl Announcement {
    /// Written beside and renamed: a reader sees all of it or none. An instance that keeps
    /// nothing on this machine has no directory to write it to.
    ///
    /// # Errors
    /// The directory cannot be written.
    pub(crate) fn write(data_dir: &Path, running: &Running) -> io::Result<Self> {
        if !data_dir.is_dir() {
            return Ok(Self(None));
        }
        let path = data_dir.join(FILE);
        replace(&path, running)?;
        Ok(Self(Some(path)))
    }

    /// Says something else from now on.
    ///
    /// # Errors
    /// The directory cannot be written.
    pub(crate) fn update(&self, running: &Running) -> io::Result<()> {
        self.0.as_ref().map_or(Ok(()), |path| replace(path, running))
    }
}

fn replace(path: &Path, running: &Running) -> io::Result<()> {
    let beside = path.with_extension("json.new");
    fs::write(&beside, serde_json::to_vec(running)?)?;
    fs::rename(beside, path)
}

impl Drop for Announcement {
    fn drop(&mut self) {
        // Two processes may share a directory: only one's own word is taken back.
        let own = |path: &PathBuf| {
            let here = path.parent().map(read).and_then(Result::ok).flatten();
            here.is_some_and(|running| running.pid == std::process::id())
        };
        if let Some(path) = self.0.as_ref().filter(|path| own(path))
            && let Err(error) = fs::remove_file(path)
        {
            tracing::debug!(%error, "running.json could not be removed");
        }
    }
}
