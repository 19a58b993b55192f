//! The first process of a sandbox: builds it, then serves the caller's orders one after the other. The end of the conversation is
//! its end, and with it that of everything inside. Never runs a program itself.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use super::spawner::{Job, Spawner};
use super::table::Shared;
use super::{OrFail, network, root};
use crate::wire::{Channel, Failure, Order, Plan, Reply, Step};

/// How long a connection on loopback may take: only a server with a full queue lets one wait.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);

/// Builds the sandbox and serves it to its end.
pub fn run(plan: &Plan, nice: i32, control: Channel, events: Channel) -> io::Result<()> {
    let built = build(plan, &control);
    let ready = built.and_then(|()| seal(plan, nice, &control, events));
    match ready {
        Ok((spawner, shared)) => {
            let served = serve(&control, &spawner, &shared);
            if plan.direct {
                shared.kill_all()?;
            }
            served
        }
        Err(failure) => control.send(&Reply::Failed(failure), &[]),
    }
}

fn build(plan: &Plan, control: &Channel) -> Result<(), Failure> {
    let sockets = network::build(plan)?;
    let mut fds: Vec<OwnedFd> = Vec::new();
    if !plan.direct {
        root::build(plan)?;
        fds.push(root::open()?);
    }
    let dns = sockets.dns.is_some();
    fds.extend(sockets.listeners.into_iter().map(OwnedFd::from));
    fds.extend(sockets.dns.map(OwnedFd::from));
    let borrowed: Vec<BorrowedFd<'_>> = fds.iter().map(AsFd::as_fd).collect();
    control.send(&Reply::Built { dns }, &borrowed).or_fail("answer", None)
}

fn seal(plan: &Plan, nice: i32, control: &Channel, events: Channel) -> Result<(Spawner, Shared), Failure> {
    let order = control.receive().or_fail("read an order", None)?;
    let Some((Order::Seal, _)) = order else {
        return Err(io::Error::from(io::ErrorKind::InvalidData)).or_fail("read an order", None);
    };
    if !plan.direct {
        root::seal()?;
    }
    // Before the first thread is started: each inherits it.
    rustix::thread::set_no_new_privs(true).or_fail("give up new privileges", None)?;
    let (spawner, listener) = Spawner::new(plan, nice)?;
    let shared = Shared::new(plan, events).or_fail("read", Some("/proc/self".as_ref()))?;
    let fds: Vec<BorrowedFd<'_>> = listener.iter().map(AsFd::as_fd).collect();
    control.send(&Reply::Sealed, &fds).or_fail("answer", None)?;
    Ok((spawner, shared))
}

fn serve(control: &Channel, spawner: &Spawner, shared: &Shared) -> io::Result<()> {
    while let Some((order, _)) = control.receive()? {
        let (reply, fds) = match obey(order, spawner, shared) {
            Ok(done) => done,
            Err(failure) => (Reply::Failed(failure), Vec::new()),
        };
        let borrowed: Vec<BorrowedFd<'_>> = fds.iter().map(AsFd::as_fd).collect();
        control.send(&reply, &borrowed)?;
    }
    Ok(())
}

fn obey(order: Order, spawner: &Spawner, shared: &Shared) -> Result<(Reply, Vec<OwnedFd>), Failure> {
    let fail = |verb: &'static str| move |error: io::Error| Failure::new(Step::Other, verb, None, &error);
    match order {
        Order::Start { child, argv, env, cwd, stdout, input } => {
            // Held over the start: an end is noted only after its beginning.
            let mut table = shared.lock();
            let started = spawner.start(Job { argv, env, cwd, stdout, input })?;
            shared.note(&mut table, started.pid, child);
            Ok((Reply::Started { pid: started.pid }, started.pipes))
        }
        Order::Signal { child, signal, group } => {
            shared.signal(child, signal, group).map_err(fail("signal a program"))?;
            Ok((Reply::Done, Vec::new()))
        }
        Order::Connect { port } => {
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            let stream = TcpStream::connect_timeout(&address, CONNECT_WITHIN)
                .map_err(fail("connect to a server inside"))?;
            Ok((Reply::Done, vec![stream.into()]))
        }
        Order::KillAll => {
            shared.kill_all().map_err(fail("kill all programs"))?;
            Ok((Reply::Done, Vec::new()))
        }
        Order::Build(_) | Order::Seal => {
            Err(fail("build a sandbox twice")(io::Error::from(io::ErrorKind::InvalidInput)))
        }
    }
}
