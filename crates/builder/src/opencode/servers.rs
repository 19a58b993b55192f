//! OpenCode's language servers, by the ids that it gives them: how it comes by each, and what makes it do so (1.18.18; the same
//! in 1.14.34). `opencode debug lsp diagnostics FILE` starts the server of a file, where the configuration says `"lsp": true`.

/// How OpenCode comes by a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// It installs this npm package below `packages/`, and runs its executable with the machine's `node`.
    Npm {
        /// The package; its directory is called so, without a version.
        package: &'static str,
        /// What it looks for on PATH and in `bin` of its cache directory before, and otherwise only where downloads of language
        /// servers are allowed. `None`: it always looks at the package alone.
        executable: Option<&'static str>,
    },
    /// It downloads a release and unpacks it into `bin` of its cache directory (the code of 1.14.34, 1.18.18 and 1.18.33).
    Release(Release),
    /// It cannot be captured, because of this.
    Refused(&'static str),
}

/// A server that is released as an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Release {
    /// The program that it starts then, below `bin`: `{cpu}` is `x64` or `arm64`, and a `*` stands for the release's tag.
    pub program: &'static str,
    /// What has to lie in `bin` so that it is found there once `bin` holds links.
    pub found: Found,
    /// The machine's programs that it unpacks the archive with.
    pub unpackers: &'static [&'static str],
}

/// How a released server is found when nothing is downloaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// Where the release puts it.
    There,
    /// As a link of this name to it.
    Linked(&'static str),
    /// By a script of this name that starts it with these arguments before others: `$kept` is a directory of the user's own
    /// below their cache directory.
    Started(&'static str, &'static [&'static str]),
}

/// A server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Server {
    /// Its id. OpenCode calls `intelephense` `php intelephense`.
    pub id: &'static str,
    /// How OpenCode comes by it.
    pub way: Way,
    /// A project in which it is asked for, path and content: the first file is one of its language.
    pub files: &'static [(&'static str, &'static str)],
}

const INSTALLED_BY_GO: Way = Way::Refused("OpenCode has `go install` build it: put gopls on PATH");
const INSTALLED_BY_DOTNET: Way = Way::Refused("OpenCode has `dotnet tool install` fetch it: put it on PATH");
const OF_THE_MACHINE: Way = Way::Refused("OpenCode never downloads it: put it on PATH");
const OF_THE_PROJECT: Way = Way::Refused("OpenCode starts the project's own: add it to the project");

/// What OpenCode looks for in a project before it comes by these servers.
const TYPESCRIPT: (&str, &str) = ("node_modules/typescript/lib/tsserver.js", "");

const fn npm(
    id: &'static str,
    package: &'static str,
    executable: Option<&'static str>,
    files: &'static [(&'static str, &'static str)],
) -> Server {
    Server { id, way: Way::Npm { package, executable }, files }
}

const fn release(
    id: &'static str,
    program: &'static str,
    unpackers: &'static [&'static str],
    files: &'static [(&'static str, &'static str)],
) -> Server {
    Server { id, way: Way::Release(Release { program, found: Found::There, unpackers }), files }
}

const fn found(as_what: Found, server: Server) -> Server {
    match server.way {
        Way::Release(release) => {
            Server { way: Way::Release(Release { found: as_what, ..release }), ..server }
        }
        _ => server,
    }
}

/// How it unpacks a zip, and a tar.gz.
const ZIP: &[&str] = &["unzip"];
const TAR_GZ: &[&str] = &["tar", "gzip"];

const fn refused(id: &'static str, way: Way) -> Server {
    Server { id, way, files: &[] }
}

/// Every server that OpenCode knows.
pub const SERVERS: &[Server] = &[
    npm("astro", "@astrojs/language-server", Some("astro-ls"), &[("sample.astro", "<p>x</p>\n"), TYPESCRIPT]),
    npm("bash", "bash-language-server", Some("bash-language-server"), &[("sample.sh", "echo\n")]),
    refused("biome", OF_THE_PROJECT),
    // It looks into directories `clangd_…`, and takes a link to one for none.
    found(
        Found::Linked("clangd"),
        release("clangd", "clangd_*/bin/clangd", ZIP, &[("sample.c", "int x;\n")]),
    ),
    refused("clojure-lsp", OF_THE_MACHINE),
    refused("csharp", INSTALLED_BY_DOTNET),
    refused("dart", OF_THE_MACHINE),
    refused("deno", OF_THE_MACHINE),
    npm(
        "dockerfile",
        "dockerfile-language-server-nodejs",
        Some("docker-langserver"),
        &[("sample.dockerfile", "FROM x\n")],
    ),
    refused("elixir-ls", Way::Refused("OpenCode has `mix` build it: put elixir-ls on PATH")),
    refused("eslint", Way::Refused("OpenCode has npm build it from a branch that moves")),
    refused("fsharp", INSTALLED_BY_DOTNET),
    refused("gleam", OF_THE_MACHINE),
    refused("gopls", INSTALLED_BY_GO),
    refused("haskell-language-server", OF_THE_MACHINE),
    npm("intelephense", "intelephense", Some("intelephense"), &[("sample.php", "<?php\n")]),
    refused("jdtls", Way::Refused("it writes into its own directory, and wants a Java of the machine's")),
    refused("julials", OF_THE_MACHINE),
    release("kotlin-ls", "kotlin-ls/kotlin-lsp.sh", ZIP, &[("sample.kt", "val x = 1\n")]),
    // Left to itself it writes beside its program, which lies in an output.
    found(
        Found::Started("lua-language-server", &["--logpath=$kept/log", "--metapath=$kept/meta"]),
        release(
            "lua-ls",
            "lua-language-server-{cpu}-linux/bin/lua-language-server",
            TAR_GZ,
            &[("sample.lua", "x = 1\n")],
        ),
    ),
    refused("nixd", OF_THE_MACHINE),
    refused("ocaml-lsp", OF_THE_MACHINE),
    refused("oxlint", OF_THE_PROJECT),
    refused("prisma", OF_THE_MACHINE),
    npm("pyright", "pyright", Some("pyright-langserver"), &[("sample.py", "x = 1\n")]),
    refused("razor", INSTALLED_BY_DOTNET),
    refused("ruby-lsp", Way::Refused("OpenCode has `gem install` fetch it: put rubocop on PATH")),
    refused("rust", OF_THE_MACHINE),
    refused("sourcekit-lsp", OF_THE_MACHINE),
    npm("svelte", "svelte-language-server", Some("svelteserver"), &[("sample.svelte", "<p>x</p>\n")]),
    release("terraform", "terraform-ls", ZIP, &[("sample.tf", "\n")]),
    release("texlab", "texlab", TAR_GZ, &[("sample.tex", "x\n")]),
    release("tinymist", "tinymist", TAR_GZ, &[("sample.typ", "x\n")]),
    refused("ty", OF_THE_MACHINE),
    npm("typescript", "typescript-language-server", None, &[("sample.ts", "const x = 1\n"), TYPESCRIPT]),
    npm(
        "vue",
        "@vue/language-server",
        Some("vue-language-server"),
        &[("sample.vue", "<template></template>\n")],
    ),
    npm("yaml-ls", "yaml-language-server", Some("yaml-language-server"), &[("sample.yaml", "x: 1\n")]),
    refused("zls", Way::Refused("OpenCode fetches it only where the machine has zig: put zls on PATH too")),
];

/// Why a server cannot be captured.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// OpenCode has no server of that id.
    #[error("language_servers: OpenCode has no server {id:?}")]
    Unknown {
        /// The id.
        id: String,
    },
    /// It comes by it in a way that cannot be replayed.
    #[error("language_servers: {id} cannot be captured: {reason}")]
    Refused {
        /// The id.
        id: String,
        /// Why not, and what to do.
        reason: &'static str,
    },
}

impl Error {
    /// The stable code of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unknown { .. } => "language-server-unknown",
            Self::Refused { .. } => "language-server-refused",
        }
    }

    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        let can = SERVERS.iter().filter(|server| !server.files.is_empty()).map(|server| server.id);
        Some(format!("those that can be captured: {}", can.collect::<Vec<_>>().join(", ")))
    }
}

/// Whether every server of `ids` can be captured.
pub fn check<'a>(ids: impl IntoIterator<Item = &'a String>) -> Result<(), Error> {
    for id in ids {
        match find(id).map(|server| server.way) {
            None => return Err(Error::Unknown { id: id.clone() }),
            Some(Way::Refused(reason)) => return Err(Error::Refused { id: id.clone(), reason }),
            Some(_) => {}
        }
    }
    Ok(())
}

/// The server of an id.
pub fn find(id: &str) -> Option<&'static Server> {
    SERVERS.iter().find(|server| server.id == id)
}

/// Whether OpenCode downloads a server as a release.
pub fn is_released(id: &str) -> bool {
    matches!(find(id).map(|server| server.way), Some(Way::Release(_)))
}

/// OpenCode's arguments that start the server of a file.
pub const ARGUMENTS: [&str; 3] = ["debug", "lsp", "diagnostics"];

/// The variable that keeps OpenCode from coming by servers, and what allows it again.
pub const ALLOWED: (&str, &str) = ("OPENCODE_DISABLE_LSP_DOWNLOAD", "0");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_in_order_and_those_that_can_be_captured_have_a_project() {
        assert!(SERVERS.is_sorted_by_key(|server| server.id));
        for server in SERVERS {
            if let Way::Release(release) = server.way {
                assert!(!release.unpackers.is_empty() && !release.program.is_empty(), "{}", server.id);
            }
            assert_eq!(server.files.is_empty(), matches!(server.way, Way::Refused(_)), "{}", server.id);
        }
        assert!(find("pyright").is_some() && find("pyrigth").is_none());
    }
}
