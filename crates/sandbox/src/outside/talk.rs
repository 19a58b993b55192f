//! Orders to the sandbox's first process, one at a time, and its news of programs that ended. Never decides what to order.

use std::collections::HashMap;
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::Error;
use crate::command::{Exit, Limit};
use crate::wire::{Channel, Event, Failure, Order, Reply, Step};

/// How long the first process may take for an answer. Building takes about 5 ms; machines under load, or killing a program that
/// holds gigabytes, take seconds.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(60);

/// What is known of the programs.
#[derive(Debug, Default)]
struct News {
    exits: HashMap<u64, Exit>,
    over: Option<Limit>,
    ended: bool,
}

/// The conversation with a sandbox's first process.
pub struct Talk {
    control: Mutex<Channel>,
    /// The same socket, to hang up while an order is under way.
    hang_up: Channel,
    news: Mutex<News>,
    changed: Condvar,
}

impl Talk {
    pub fn new(control: Channel) -> io::Result<Self> {
        use std::os::fd::AsFd;
        let hang_up = Channel::new(control.as_fd().try_clone_to_owned()?);
        rustix::net::sockopt::set_socket_timeout(
            &control,
            rustix::net::sockopt::Timeout::Recv,
            Some(ANSWER_WITHIN),
        )?;
        Ok(Self {
            control: Mutex::new(control),
            hang_up,
            news: Mutex::new(News::default()),
            changed: Condvar::new(),
        })
    }

    /// Gives an order and waits for its answer.
    pub fn ask(&self, order: &Order) -> Result<(Reply, Vec<OwnedFd>), Error> {
        let control = self.control.lock().unwrap_or_else(PoisonError::into_inner);
        if self.news().ended {
            return Err(Error::Gone);
        }
        let answered = control.send(order, &[]).and_then(|()| control.receive::<Reply>());
        self.judge(answered)
    }

    /// Waits for one more answer to the order before.
    pub fn more(&self) -> Result<(Reply, Vec<OwnedFd>), Error> {
        let control = self.control.lock().unwrap_or_else(PoisonError::into_inner);
        self.judge(control.receive::<Reply>())
    }

    fn judge(
        &self,
        answered: io::Result<Option<(Reply, Vec<OwnedFd>)>>,
    ) -> Result<(Reply, Vec<OwnedFd>), Error> {
        match answered {
            Ok(Some((Reply::Failed(failure), _))) => Err(failed(failure)),
            Ok(Some(reply)) => Ok(reply),
            Ok(None) => Err(Error::Gone),
            Err(source) => {
                // An answer that came too late would be taken for the next one's.
                self.hang_up.hang_up();
                match source.kind() {
                    io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => Err(Error::Gone),
                    _ => Err(Error::Talk { verb: "talk to the first process", source }),
                }
            }
        }
    }

    /// Ends the sandbox.
    pub fn hang_up(&self) {
        self.hang_up.hang_up();
    }

    /// Takes down news until the first process ends; runs in a thread of its own.
    pub fn listen(&self, events: &Channel) {
        while let Ok(Some((event, _))) = events.receive::<Event>() {
            let mut news = self.news();
            match event {
                Event::Exited { child, exit } => {
                    news.exits.insert(child, exit);
                }
                Event::Limit(limit) => news.over = Some(limit),
            }
            self.changed.notify_all();
        }
        self.news().ended = true;
        self.changed.notify_all();
    }

    /// Waits for the end of a program; `None` where it still runs after `timeout`.
    pub fn wait(&self, child: u64, timeout: Duration) -> Result<Option<Exit>, Error> {
        let until = Instant::now() + timeout;
        let mut news = self.news();
        loop {
            if let Some(exit) = news.exits.get(&child) {
                return Ok(Some(*exit));
            }
            if news.ended {
                return Err(Error::Gone);
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            news = self.changed.wait_timeout(news, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// The bound that was passed last.
    pub fn over(&self) -> Option<Limit> {
        self.news().over
    }

    fn news(&self) -> MutexGuard<'_, News> {
        self.news.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn failed(failure: Failure) -> Error {
    let source = io::Error::from_raw_os_error(failure.errno);
    let path = failure.path.map(PathBuf::from);
    match failure.step {
        Step::Count => Error::Count { source },
        Step::BlackHole => Error::BlackHole { source },
        Step::Start => Error::Start { program: path.unwrap_or_default().display().to_string(), source },
        Step::Build | Step::Other => Error::Step { verb: failure.verb, path, source },
    }
}
