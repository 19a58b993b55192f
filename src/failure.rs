//! Failures as a person and a script meet them: one heading, the chain of causes, a hint, a
//! stable code, a fixed exit status. The only place that turns an error into text.

use std::error::Error;
use std::process::ExitCode;

/// What went wrong, seen from the outside. The kind fixes the exit status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The answer to the question asked is no (exit 1).
    No,
    /// A file that the user wrote or handed over is not usable (exit 3).
    Input,
    /// The network, the disk, the kernel (exit 4).
    Outside,
    /// A bug in this program (exit 70).
    Bug,
}

impl Kind {
    fn exit(self) -> u8 {
        match self {
            Self::No => 1,
            Self::Input => 3,
            Self::Outside => 4,
            Self::Bug => 70,
        }
    }
}

impl From<builder::Kind> for Kind {
    fn from(kind: builder::Kind) -> Self {
        match kind {
            builder::Kind::No => Self::No,
            builder::Kind::Input => Self::Input,
            builder::Kind::Outside => Self::Outside,
            _ => Self::Bug,
        }
    }
}

/// One failure on its way to the terminal.
#[derive(Debug)]
pub struct Failure {
    kind: Kind,
    code: String,
    lines: Vec<String>,
    hint: Option<String>,
}

impl Failure {
    /// A failure of the command line's own making.
    pub fn new(kind: Kind, code: &str, message: impl Into<String>) -> Self {
        Self { kind, code: code.into(), lines: vec![message.into()], hint: None }
    }

    /// Adds the next step.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Prints the failure to stderr and gives the exit status.
    pub fn report(&self, ui: &crate::ui::Ui) -> ExitCode {
        ui.talk(&self.render());
        ExitCode::from(self.kind.exit())
    }

    fn render(&self) -> String {
        let mut text = format!("error[{}]: {}", self.code, self.lines.join("\n  caused by: "));
        if let Some(hint) = &self.hint {
            text.push_str("\n  next step: ");
            text.push_str(hint);
        }
        text
    }
}

impl From<report::Error> for Failure {
    fn from(error: report::Error) -> Self {
        let kind = if error.is_input() { Kind::Input } else { Kind::Outside };
        Self { kind, code: error.code().into(), lines: lines(&error), hint: error.hint() }
    }
}

impl From<builder::Error> for Failure {
    fn from(error: builder::Error) -> Self {
        Self {
            kind: error.kind().into(),
            code: error.code().into(),
            lines: lines(&error),
            hint: error.hint(),
        }
    }
}

impl From<install::Error> for Failure {
    fn from(error: install::Error) -> Self {
        let kind = match error.kind() {
            install::Kind::No => Kind::No,
            install::Kind::Input => Kind::Input,
            install::Kind::Outside => Kind::Outside,
        };
        Self { kind, code: error.code().into(), lines: lines(&error), hint: error.hint() }
    }
}

/// An error and its causes.
fn lines(error: &dyn Error) -> Vec<String> {
    let mut lines = vec![error.to_string()];
    let mut source = error.source();
    while let Some(cause) = source {
        let text = cause.to_string();
        // A transparent wrapper repeats its cause; a person reads it once.
        if lines.last() != Some(&text) {
            lines.push(text);
        }
        source = cause.source();
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_reads_as_thing_cause_and_next_step() {
        let failure = Failure {
            kind: Kind::Input,
            code: "lock-syntax".into(),
            lines: vec!["read a.json".into(), "1:2: expected a value".into()],
            hint: Some("run `opencode-cache lock`".into()),
        };
        assert_eq!(
            failure.render(),
            "error[lock-syntax]: read a.json\n  caused by: 1:2: expected a value\n  next step: run `opencode-cache lock`"
        );
    }
}
