//! Where a program was started: its environment and working directory. Owns how variables are read; decides
//! nothing by them.

use std::ffi::{CString, OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use builder::opencode::reads;
use wrapper::environment::Environment;

/// The environment, the working directory and the machine of a start.
#[derive(Debug, Clone)]
pub struct Surroundings {
    variables: Vec<CString>,
    directory: PathBuf,
    processor: Option<Vec<u8>>,
}

/// The most that is read of `/proc/cpuinfo`, in bytes: the first processor is enough.
const PROCESSOR: usize = 16 << 10;

impl Surroundings {
    /// Those of this process.
    ///
    /// # Errors
    /// Where there is no working directory.
    pub fn of_this_process() -> std::io::Result<Self> {
        let mut surroundings = Self::new(std::env::vars_os(), std::env::current_dir()?);
        surroundings.processor = first_bytes(Path::new("/proc/cpuinfo"), PROCESSOR).ok();
        Ok(surroundings)
    }

    /// Given ones, of a machine whose processor is not known.
    pub fn new(variables: impl IntoIterator<Item = (OsString, OsString)>, directory: PathBuf) -> Self {
        let string = |(name, value): (OsString, OsString)| {
            CString::new([name.as_bytes(), b"=", value.as_bytes()].concat()).ok()
        };
        let given: Vec<CString> = variables.into_iter().filter_map(string).collect();
        // An OpenCode that has not taken back yet what its wrapper lent it may have started us.
        let mut environment = Environment::new(given.iter().map(CString::as_c_str));
        environment.undo_outer_wrapper();
        let variables = environment.variables().map(Into::into).collect();
        Self { variables, directory, processor: None }
    }

    /// The same with a processor, as `/proc/cpuinfo` describes it.
    #[must_use]
    pub fn with_processor(mut self, description: &str) -> Self {
        self.processor = Some(description.into());
        self
    }

    /// As the wrapper takes them.
    pub(crate) fn strings(&self) -> Vec<&std::ffi::CStr> {
        self.variables.iter().map(CString::as_c_str).collect()
    }

    /// A variable's value.
    pub(crate) fn get(&self, name: &str) -> Option<&OsStr> {
        let value = |variable: &'_ CString| -> Option<usize> {
            variable.as_bytes().strip_prefix(name.as_bytes())?.strip_prefix(b"=").map(<[u8]>::len)
        };
        self.variables.iter().find_map(|variable| {
            let bytes = variable.as_bytes();
            Some(OsStr::from_bytes(bytes.get(bytes.len() - value(variable)?..)?))
        })
    }

    /// A variable's value where it is not empty.
    pub(crate) fn filled(&self, name: &str) -> Option<&OsStr> {
        self.get(name).filter(|value| !value.is_empty())
    }

    /// A variable's value where it is an absolute path.
    pub(crate) fn absolute(&self, name: &str) -> Option<&Path> {
        self.get(name).map(Path::new).filter(|path| path.is_absolute())
    }

    /// The home directory, as the wrapper and OpenCode find it.
    pub(crate) fn home(&self) -> Option<PathBuf> {
        let environment = Environment::new(self.variables.iter().map(CString::as_c_str));
        wrapper::home::of(&environment).map(|home| path_of(&home))
    }

    /// Whether a switch of OpenCode's is on.
    pub(crate) fn is_on(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| reads::is_on(value.as_bytes()))
    }

    /// The working directory.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// The processor's description.
    pub(crate) fn processor(&self) -> Option<&[u8]> {
        self.processor.as_deref()
    }

    /// The directories of PATH.
    pub(crate) fn path(&self) -> Vec<PathBuf> {
        let path = self.get("PATH").unwrap_or_default();
        // An empty one is the working directory.
        std::env::split_paths(path).map(|directory| self.directory.join(directory)).collect()
    }

    /// The file that would be executed for `program`.
    pub(crate) fn program(&self, program: &str) -> Option<PathBuf> {
        if program.contains('/') {
            return Some(self.directory.join(program)).filter(|path| is_program(path));
        }
        self.path().into_iter().map(|directory| directory.join(program)).find(|path| is_program(path))
    }
}

/// Whether a file can be executed.
pub(crate) fn is_program(path: &Path) -> bool {
    path.is_file() && rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok()
}

/// A path of the wrapper's.
pub(crate) fn path_of(bytes: &[u8]) -> PathBuf {
    PathBuf::from(OsString::from_vec(bytes.to_vec()))
}

/// The beginning of a file whose size is not known.
fn first_bytes(path: &Path, most: usize) -> std::io::Result<Vec<u8>> {
    use std::io::Read;
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(most as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}
