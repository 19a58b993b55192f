//! An output as a build makes one, with a program that ends at once in OpenCode's place, and homes to start it in.

use std::error::Error;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use linkmap::{LinkMap, Root};
use tempfile::TempDir;

use crate::stand_ins;

/// Entries of the map: twelve links, two copies, two directories. A real map has at most as many.
pub const ENTRIES: usize = 16;

/// Bytes of the model catalogue, which is copied into the cache: as large as the real one.
const CATALOGUE: usize = 4_000_000;

/// What an interactive shell passes on, in kind and number.
pub const ENVIRONMENT: [(&str, &str); 12] = [
    ("PATH", "/usr/local/bin:/usr/bin:/bin"),
    ("LANG", "en_GB.UTF-8"),
    ("TERM", "xterm-256color"),
    ("COLORTERM", "truecolor"),
    ("SHELL", "/bin/bash"),
    ("EDITOR", "vi"),
    ("USER", "user"),
    ("LOGNAME", "user"),
    ("PWD", "/"),
    ("SHLVL", "1"),
    ("XDG_SESSION_TYPE", "tty"),
    ("XDG_RUNTIME_DIR", "/run/user/1000"),
];

/// Everything that takes part, on a disk, and about as deep in it as a store and a user's home are.
pub struct Scene {
    directory: TempDir,
    memory: Option<TempDir>,
    output: PathBuf,
}

impl Scene {
    /// Makes the output and the target.
    pub fn new() -> Result<Scene, Box<dyn Error>> {
        let temporary = std::env::temp_dir();
        let is_disk = !temporary.to_str().is_some_and(is_memory);
        let directory = if is_disk { TempDir::new()? } else { TempDir::new_in(env!("CARGO_TARGET_TMPDIR"))? };
        let memory = is_memory("/dev/shm").then(|| TempDir::new_in("/dev/shm")).transpose()?;
        let output = directory.path().join(format!("{:0>32}-opencode-cache", 1));
        let scene = Scene { directory, memory, output };
        for directory in ["bin", "lib/opencode/bin"] {
            fs::create_dir_all(scene.output.join(directory))?;
        }
        fs::copy(shipped::PATH, scene.wrapper())?;
        stand_ins::target(&scene)?;
        scene.write_map()?;
        Ok(scene)
    }

    fn write_map(&self) -> Result<(), Box<dyn Error>> {
        let mut map = LinkMap::new("lib/opencode/bin/opencode", "opencode");
        map.restore("lib/opencode/restore.mjs").env("OPENCODE_DISABLE_AUTOUPDATE", "1");
        self.put("lib/opencode/restore.mjs", b"")?;
        for package in 0..11 {
            let place = format!("packages/@ai-sdk/provider-{package}");
            let source = format!("cache/{place}");
            self.put(&format!("{source}/package.json"), b"{}")?;
            map.link(Root::Cache, &place, &source);
        }
        self.put("config/node_modules/x/package.json", b"{}")?;
        map.link(Root::Config, "node_modules", "config/node_modules");
        let (manifest, catalogue) = (b"{}".as_slice(), vec![b' '; CATALOGUE]);
        self.put("config/package.json", manifest)?;
        map.copy(Root::Config, "package.json", "config/package.json", manifest);
        self.put("cache/models.json", &catalogue)?;
        map.copy(Root::Cache, "models.json", "cache/models.json", &catalogue);
        map.keep(Root::Cache, "bin").keep(Root::Data, "bin");
        let text = map.render()?;
        assert_eq!(linkmap::Map::parse(text.as_bytes())?.entries().count(), ENTRIES);
        self.put("linkmap", text.as_bytes())
    }

    fn put(&self, path: &str, content: &[u8]) -> Result<(), Box<dyn Error>> {
        let path = self.output.join(path);
        fs::create_dir_all(path.parent().ok_or("a path without a directory")?)?;
        Ok(fs::write(path, content)?)
    }

    pub fn output(&self) -> &Path {
        &self.output
    }

    pub fn wrapper(&self) -> PathBuf {
        self.output.join("bin/opencode")
    }

    pub fn target(&self) -> PathBuf {
        self.output.join("lib/opencode/bin/opencode")
    }

    /// Where something else may be put.
    pub fn beside(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// A home that stays from start to start.
    pub fn settled_home(&self, name: &str) -> io::Result<Home> {
        let home = self.directory.path().join(format!("home-{name}"));
        fs::create_dir_all(&home)?;
        Ok(Home::Settled(home))
    }

    /// An empty home for each start.
    pub fn new_homes_on_disk(&self) -> io::Result<Home> {
        let homes = self.directory.path().join("new");
        fs::create_dir_all(&homes)?;
        Ok(Home::New(homes))
    }

    /// The same without a disk below, where there is such a file system.
    pub fn new_homes_in_memory(&self) -> Option<Home> {
        self.memory.as_ref().map(|memory| Home::New(memory.path().to_owned()))
    }
}

/// Where a start takes place.
pub enum Home {
    /// In the same home each time.
    Settled(PathBuf),
    /// In one that nobody has been in, below this directory.
    New(PathBuf),
}

/// A home for one start.
pub struct Prepared<'a> {
    path: PathBuf,
    home: &'a Home,
}

impl Home {
    pub fn prepare(&self) -> io::Result<Prepared<'_>> {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let path = match self {
            Home::Settled(path) => path.clone(),
            Home::New(homes) => {
                let path = homes.join(COUNT.fetch_add(1, Ordering::Relaxed).to_string());
                fs::create_dir(&path)?;
                path
            }
        };
        Ok(Prepared { path, home: self })
    }
}

impl Prepared<'_> {
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn put_away(self) -> io::Result<()> {
        match self.home {
            Home::Settled(_) => Ok(()),
            Home::New(_) => fs::remove_dir_all(self.path),
        }
    }
}

/// Whether a directory is on a file system without a disk below.
fn is_memory(path: &str) -> bool {
    let mounts = fs::read_to_string("/proc/mounts").unwrap_or_default();
    let mut mounts = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    mounts.any(|mount| mount.get(1) == Some(&path) && mount.get(2) == Some(&"tmpfs"))
}
