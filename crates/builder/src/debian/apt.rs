//! The machine's apt: asked which packages there are, in folders of its own, so that nothing of the machine changes and nobody has to
//! be root. It uses the machine's own list of mirrors and keys, and verifies signatures as it always does.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::process::Command;

use super::error::Error;
use super::index::Stanza;

/// How long apt may take: an index has some 10 MB a system.
const TIME: Duration = Duration::from_secs(300);

/// The most that is read of what apt says, in bytes; a stanza has 2 kB.
const MAX_WORDS: u64 = 1024 * 1024;

/// An apt whose lists are fresh.
pub(super) struct Apt {
    folder: tempfile::TempDir,
    architectures: Vec<&'static str>,
}

impl Apt {
    /// Reads the lists of the machine's mirrors anew, for these architectures; the machine need not be of one of them.
    pub(super) async fn updated(architectures: impl Iterator<Item = &'static str>) -> Result<Self, Error> {
        let folder = tempfile::tempdir().map_err(|source| Error::Io {
            verb: "create a directory in",
            path: std::env::temp_dir(),
            source,
        })?;
        let apt = Self { folder, architectures: architectures.collect() };
        for name in ["state/lists/partial", "cache/archives/partial"] {
            let path = apt.folder.path().join(name);
            std::fs::create_dir_all(&path).map_err(|source| Error::Io { verb: "create", path, source })?;
        }
        let status = apt.folder.path().join("status");
        std::fs::write(&status, "").map_err(|source| Error::Io { verb: "write", path: status, source })?;
        let mut update = apt.command("apt-get");
        // A mirror that fails is an error, and not a warning beside older lists.
        update.args(["-qq", "-o", "APT::Update::Error-Mode=any", "update"]);
        said("update", update).await?;
        Ok(apt)
    }

    /// What is said of these packages, of each the version that would be installed.
    pub(super) async fn show(
        &self,
        names: &[impl AsRef<str>],
        architecture: &str,
    ) -> Result<Vec<Stanza>, Error> {
        let mut found = Vec::new();
        for name in names {
            let name = name.as_ref();
            let mut show = self.command("apt-cache");
            show.args(["show", "--no-all-versions", &format!("{name}:{architecture}")]);
            let missing = || Error::NoPackage { package: name.into(), architecture: architecture.into() };
            // apt-cache fails where it does not know the name.
            let text = said("show", show).await.map_err(|error| match error {
                Error::Apt { .. } => missing(),
                other => other,
            })?;
            let is_it = |stanza: &Stanza| {
                stanza.name() == name
                    && matches!(stanza.get("Architecture"), Some(found) if found == architecture || found == "all")
            };
            found.push(Stanza::all(&text).into_iter().find(is_it).ok_or_else(missing)?);
        }
        Ok(found)
    }

    fn command(&self, program: &str) -> Command {
        let place = |name: &str| self.folder.path().join(name).display().to_string();
        let mut command = Command::new(program);
        let own = [
            ("Dir::State", place("state")),
            ("Dir::State::status", place("status")),
            ("Dir::Cache", place("cache")),
            ("Acquire::Languages", "none".into()),
            ("Acquire::Retries", "2".into()),
            ("Acquire::http::Timeout", "30".into()),
            ("Acquire::IndexTargets::deb::DEP-11::DefaultEnabled", "false".into()),
            ("Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled", "false".into()),
            ("Debug::NoLocking", "true".into()),
            ("APT::Architecture", self.architectures.first().copied().unwrap_or_default().into()),
        ];
        for (name, value) in own {
            command.arg("-o").arg(format!("{name}={value}"));
        }
        for architecture in &self.architectures {
            command.arg("-o").arg(format!("APT::Architectures::={architecture}"));
        }
        // The user that apt downloads as may not enter other people's folders.
        if rustix::process::geteuid().is_root() {
            command.args(["-o", "APT::Sandbox::User=root"]);
        }
        command
    }
}

/// The roots of the mirrors that the machine's apt is set up with, as apt writes them.
pub(super) async fn roots() -> Result<Vec<String>, Error> {
    let mut command = Command::new("apt-get");
    command.args(["indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"]);
    let mut roots: Vec<String> = Vec::new();
    for line in said("indextargets", command).await?.lines() {
        if !line.is_empty() && !roots.iter().any(|root| root == line) {
            roots.push(line.to_owned());
        }
    }
    Ok(roots)
}

/// What apt prints; its last line where it fails.
async fn said(verb: &'static str, mut command: Command) -> Result<String, Error> {
    let failed = |said: String| Error::Apt { verb, said };
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command.env("LC_ALL", "C").current_dir(Path::new("/"));
    let mut child = command.spawn().map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Error::NoApt { reason: "this machine has no apt" },
        _ => failed(error.to_string()),
    })?;
    let (mut out, mut complaints) = (String::new(), Vec::new());
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let work = async {
        let reading = async {
            match stdout {
                Some(stdout) => stdout.take(MAX_WORDS).read_to_string(&mut out).await.map(drop),
                None => Ok(()),
            }
        };
        let listening = async {
            match stderr {
                Some(stderr) => stderr.take(MAX_WORDS).read_to_end(&mut complaints).await.map(drop),
                None => Ok(()),
            }
        };
        let (read, heard) = tokio::join!(reading, listening);
        read.and(heard)?;
        child.wait().await
    };
    let status = match tokio::time::timeout(TIME, work).await {
        Err(_) => return Err(failed(format!("it took over {} s", TIME.as_secs()))),
        Ok(Err(error)) => return Err(failed(error.to_string())),
        Ok(Ok(status)) => status,
    };
    if status.success() {
        return Ok(out);
    }
    let complaints = String::from_utf8_lossy(&complaints);
    Err(failed(complaints.trim().lines().last().unwrap_or("it said nothing").to_owned()))
}
