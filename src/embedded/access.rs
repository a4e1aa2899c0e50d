//! Who may connect: what has to stand before the server runs, since until then nobody can ask it.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::Stdio,
};

use anyhow::{Context as _, Result, bail};

use super::{cluster::Cluster, passwords::SUPERUSER, scram};
use crate::config::Domain;
use crate::private_file;

impl Cluster {
    /// Writes the rules by which the server admits: each role to its own database, the superuser
    /// to all of them, everybody by password, and nobody else. Blocks.
    pub(super) fn write_access_rules(&self) -> Result<()> {
        let (path, rules) = (rules_of(&self.data), rules());
        if fs::read_to_string(&path).is_ok_and(|found| found == rules) {
            return Ok(());
        }
        private_file::replace(&path, self.owner(), &rules)
    }

    /// Sets the superuser's password in a cluster that does not run: a server of one session,
    /// which asks for no password, and reads its statement from us alone. Blocks.
    pub(super) fn set_superuser_password(&self, data: &Path) -> Result<()> {
        let verifier = scram::verifier(self.passwords.superuser())?;
        let statement = format!("ALTER ROLE {SUPERUSER} PASSWORD '{verifier}'\n");
        let mut command = self.command(&self.binaries.program("postgres"));
        command.arg("--single").args(self.arguments_over(data));
        command.args(["-c", "exit_on_error=on", "postgres"]).stdin(Stdio::piped());
        let mut session = command.spawn().context("postgres --single cannot be started")?;
        let told = session.stdin.take().map(|mut input| input.write_all(statement.as_bytes()));
        let output = session.wait_with_output()?;
        if !output.status.success() {
            let complaint = String::from_utf8_lossy(&output.stderr);
            bail!(
                "the superuser's password cannot be set ({}): {}",
                output.status,
                complaint.trim()
            );
        }
        told.transpose().context("the superuser's password cannot be set")?;
        Ok(())
    }
}

/// The file of the rules: the one that is the cluster's own, so that a server that somebody starts
/// on it by hand admits nobody else either.
pub(super) fn rules_of(data: &Path) -> PathBuf {
    data.join("pg_hba.conf")
}

fn rules() -> String {
    let mut rules = format!(
        "# Written by lunation at its start. What matches no line is refused.\n\
         local all {SUPERUSER} scram-sha-256\n"
    );
    rules.extend(Domain::ALL.map(|domain| format!("local {domain} {domain} scram-sha-256\n")));
    rules
}
