//! OpenCode on a terminal: its interface is started inside a stage, what it draws is kept as a
//! [`Screen`]. Nothing is typed: what is to be said is said by arguments.

use std::fs::File;
use std::io::{Read, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use sandbox::{Child, Input};

use crate::screen::Screen;
use crate::stage::{Error, Stage};

/// The size of the terminal: a long answer with code has to stand on it all at once.
const COLUMNS: u16 = 120;
/// Likewise.
const ROWS: u16 = 100;
/// How often is looked whether something is drawn.
const LOOK: Duration = Duration::from_millis(30);
/// How long the interface may take to end after it was asked to.
const STOP_TIME: Duration = Duration::from_secs(3);
/// What OpenCode takes for a terminal with all colours.
const KIND: [(&str, &str); 2] = [("TERM", "xterm-256color"), ("COLORTERM", "truecolor")];

/// An interface that runs. Dropping it leaves it to the end of the stage.
pub struct Terminal {
    child: Arc<Child>,
    screen: Arc<Mutex<Screen>>,
    keys: Option<File>,
}

impl Terminal {
    /// Starts `program` (a path inside) with `arguments` in the project's directory. The terminal
    /// answers none of the questions that the program asks it: OpenCode goes on without
    /// (1.14.34, 1.18.33).
    pub async fn open(
        stage: &Stage,
        program: &str,
        arguments: &[&str],
        env: &[(String, String)],
    ) -> Result<Self, Error> {
        let mut env = env.to_vec();
        env.extend(KIND.map(|(name, value)| (name.to_owned(), value.to_owned())));
        let input = Input::Terminal { columns: COLUMNS, rows: ROWS };
        let command = stage.command(program, arguments, &env).input(input);
        let sandbox = stage.sandbox().clone();
        let started = tokio::task::spawn_blocking(move || sandbox.spawn(&command));
        let mut child = started.await.map_err(|_| Error::Worker)??;
        let screen = Arc::new(Mutex::new(Screen::new(COLUMNS, ROWS)));
        let terminal = child.terminal.take();
        // Without a second handle nothing can be typed, which is seen by what does not happen then.
        let keys = terminal.as_ref().and_then(|terminal| terminal.try_clone().ok());
        if let Some(terminal) = terminal {
            follow(terminal, screen.clone());
        }
        Ok(Self { child: Arc::new(child), screen, keys })
    }

    /// Waits until what is drawn is as `wanted`; `false` where it never was within `limit`, or
    /// the program has ended.
    pub async fn wait(&self, limit: Duration, wanted: impl Fn(&Screen) -> bool) -> Result<bool, Error> {
        let start = Instant::now();
        loop {
            // Asked first: what it drew before it ended is on the screen by then, or a look later.
            let ended = self.child.wait(Duration::ZERO)?.is_some();
            if wanted(&self.screen.lock().unwrap_or_else(PoisonError::into_inner)) {
                return Ok(true);
            }
            if ended || start.elapsed() >= limit {
                return Ok(false);
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Presses Enter. A terminal that takes no more keys is left to who waits for what they do.
    pub fn enter(&self) -> bool {
        self.keys.as_ref().is_some_and(|mut keys| keys.write_all(b"\r").is_ok())
    }

    /// What stands on the screen.
    pub fn text(&self) -> String {
        self.screen.lock().unwrap_or_else(PoisonError::into_inner).text()
    }

    /// Ends it: TERM, and KILL where that is not enough.
    pub async fn close(self) -> Result<(), Error> {
        const TERM: i32 = 15;
        let child = self.child.clone();
        let stopped = tokio::task::spawn_blocking(move || {
            child.signal(TERM)?;
            if child.wait(STOP_TIME)?.is_none() {
                child.kill()?;
            }
            Ok::<_, sandbox::Error>(())
        });
        Ok(stopped.await.map_err(|_| Error::Worker)??)
    }
}

/// Draws what is written until nobody holds the terminal any more.
fn follow(mut terminal: File, screen: Arc<Mutex<Screen>>) {
    std::thread::spawn(move || {
        let mut some = [0; 16 * 1024];
        while let Ok(read @ 1..) = terminal.read(&mut some) {
            screen.lock().unwrap_or_else(PoisonError::into_inner).draw(&some[..read]);
        }
    });
}
