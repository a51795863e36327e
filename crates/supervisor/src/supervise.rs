//! The supervisor: creates the container, or goes on with one; then one epoll loop until it has ended and is cleared away.

mod beginning;
mod clients;
mod companion;
mod ending;
mod group;
mod health;
mod input;
mod network;
mod output;
mod restart;
mod source;
mod streams;
mod warden;

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::epoll::{self, CreateFlags, EventFlags};
use sys::Context;
use sys::process::{self, ExitStatus, Pid};

use crate::forwarding::Forwarding;
use crate::guardian::{ContainerEnds, Holdings, Stranger, chain, read_job};
use crate::job::Job;
use crate::protocol::{FailureReport, Reply};
use crate::resolver::Resolver;
use crate::status::{self, Status};
use beginning::{Launch, adopt, start, start_again};
use clients::{Clients, Wish};
use companion::{Companion, Notice};
use ending::record_end;
use health::Monitor;
use input::Input;
use output::Outputs;
use restart::AGAIN;
use source::Source;
use warden::Warden;

/// What a supervisor is born with.
#[derive(Debug)]
pub(crate) struct Assignment<'a> {
    pub(crate) job: &'a OwnedFd,
    pub(crate) guardian: Pid,
    /// The guardian's pidfd, where it has to be told of things.
    pub(crate) guardian_fd: Option<&'a OwnedFd>,
    pub(crate) holdings: &'a Holdings,
    /// The ends of all children of the guardian, as (pid, wait status) pairs; its end of file is that of the guardian.
    pub(crate) exits: &'a OwnedFd,
    /// The first process of the run that the guardian has found, where it is not the guardian's child.
    pub(crate) process: Option<&'a Stranger>,
    /// Keeps others from starting or removing the container.
    pub(crate) lock: Option<&'a OwnedFd>,
}

/// What the first supervisor of a guardian has beside.
#[derive(Debug)]
pub(crate) struct First {
    /// Absent where the container runs already.
    pub(crate) ends: Option<ContainerEnds>,
    pub(crate) client: OwnedFd,
}

/// The exit code of a supervisor that could not start its container.
const NOT_STARTED: i32 = 1;

/// Runs a supervisor to its end. The first one of a container creates it; a later one, whose
/// predecessor was killed, goes on with what the guardian kept.
pub(crate) fn main(assignment: Assignment<'_>, first: Option<First>) -> i32 {
    let _ = process::set_name(c"coracle-super");
    sys::failpoint::enter(sys::failpoint::Role::Supervisor);
    let Ok(job) = read_job(assignment.job) else { return NOT_STARTED };
    let mut holdings = streams::of_run(assignment.holdings);
    let mut code = match first {
        Some(First { ends: Some(ends), client }) => start(&assignment, job, ends, Launch::First(client)),
        Some(First { ends: None, client }) => adopt(&assignment, job, Some(client)),
        None => adopt(&assignment.with(holdings.as_ref()), job, None),
    };
    while code == AGAIN {
        code = start_again(&assignment, &mut holdings).unwrap_or_else(|_| {
            // What is lacking may be there then.
            std::thread::sleep(std::time::Duration::from_millis(100));
            AGAIN
        });
    }
    code
}

impl<'a> Assignment<'a> {
    /// The same with the holdings of a later run, if there are such.
    fn with(&self, holdings: Option<&'a Holdings>) -> Self {
        Self { holdings: holdings.unwrap_or(self.holdings), ..*self }
    }
}
/// One run of a container, from when its program runs until it is cleared away.
struct Supervisor<'a> {
    assignment: &'a Assignment<'a>,
    job: Job,
    status: Status,
    group: Option<cgroup::Group>,
    pidfd: OwnedFd,
    clients: Clients,
    input: Input,
    outputs: Outputs<'a>,
    resolver: Option<Resolver>,
    forwarding: Option<Forwarding<'a>>,
    warden: Option<Warden>,
    monitor: Option<Monitor>,
    epoll: OwnedFd,
    /// How the first process ended, once known.
    ended: Option<ExitStatus>,
    companion: Companion<'a>,
    /// What was dropped before our time.
    before: status::Dropped,
}

impl<'a> Supervisor<'a> {
    fn new(
        assignment: &'a Assignment<'a>,
        mut job: Job,
        mut status: Status,
        group: Option<cgroup::Group>,
        pidfd: OwnedFd,
        mut clients: Clients,
        input: Input,
    ) -> sys::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC).context(|| "cannot make an event queue".into())?;
        clients.bytes_max = job.log.as_ref().and_then(|log| log.client_bytes_max);
        let companion = Companion::new(assignment)?;
        let outputs = Outputs::new(assignment.holdings, job.log.take());
        let started =
            job.network.as_ref().map(|network| Forwarding::start(&network.ports, &assignment.holdings.ports));
        // The container goes on without, and says so.
        let forwarding = started.transpose().unwrap_or_else(|error| {
            status.warnings.push(format!("published ports are not passed on: {error}"));
            None
        });
        let warden = job.network.as_ref().and_then(|network| Warden::candidate(network, &epoll));
        let before = status.dropped;
        // Without checks the container goes on.
        let monitor = Monitor::new(&mut job, &status, &epoll).ok().flatten();
        let supervisor = Self {
            assignment,
            job,
            status,
            group,
            pidfd,
            clients,
            input,
            outputs,
            resolver: None,
            forwarding: forwarding.flatten(),
            warden,
            monitor,
            epoll,
            ended: None,
            companion,
            before,
        };
        supervisor.watch(supervisor.companion.as_fd(), Source::Exits, EventFlags::IN)?;
        if assignment.process.is_some() {
            supervisor.watch(supervisor.pidfd.as_fd(), Source::Process, EventFlags::IN)?;
        }
        supervisor.watch(assignment.holdings.listener.as_fd(), Source::Listener, EventFlags::IN)?;
        Ok(supervisor)
    }

    fn watch(&self, fd: BorrowedFd<'_>, source: Source, flags: EventFlags) -> sys::Result<()> {
        epoll::add(&self.epoll, fd, source.data(), flags).context(|| format!("cannot watch {source:?}"))
    }

    /// Serves events until the container has ended and its output is drained; then clears away.
    fn run(mut self) -> sys::Result<i32> {
        self.outputs.register(&self.epoll)?;
        self.clients.register(&self.epoll)?;
        if let Some(resolver) = &self.resolver {
            self.watch(resolver.as_fd(), Source::Resolver, EventFlags::IN)?;
        }
        if let Some(forwarding) = &self.forwarding {
            self.watch(forwarding.as_fd(), Source::Forwarding, EventFlags::IN)?;
        }
        let mut events = Vec::with_capacity(16);
        while self.ended.is_none() {
            events.clear();
            match epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut events), None) {
                Ok(_) => {}
                Err(rustix::io::Errno::INTR) => continue,
                Err(error) => return Err(error).context(|| "cannot wait for events".into()),
            }
            let ready: Vec<_> = events.iter().map(|event| (Source::of(event.data), event.flags)).collect();
            for (source, flags) in ready {
                self.handle(source, flags)?;
            }
        }
        Ok(self.finish())
    }

    fn handle(&mut self, source: Source, flags: EventFlags) -> sys::Result<()> {
        match source {
            Source::Exits => self.hear_companion()?,
            Source::Process => {
                self.ended = Some(companion::end_of_stranger(&self.status, self.pidfd.as_fd()))
            }
            Source::Stdout | Source::Stderr => {
                self.outputs.pump(source, &mut self.clients, &self.epoll)?;
                self.tell_dropped();
            }
            Source::Stdin => self.input.flush(&self.epoll, &mut self.clients)?,
            Source::Listener => self.clients.accept(&self.assignment.holdings.listener, &self.epoll)?,
            Source::Resolver => self.resolve(),
            Source::Forwarding => self.forward(),
            Source::Warden(event) => {
                if let Some(warden) = &mut self.warden {
                    warden.handle(event, &self.epoll);
                }
            }
            Source::Health(event) => {
                if let Some(monitor) = &mut self.monitor {
                    let of = (self.assignment.job, &self.job, self.group.as_ref());
                    // One that cannot go on is no reason to leave the container.
                    let _ = monitor.handle(event, of, &mut self.status, &self.epoll);
                }
            }
            Source::Client(place) => {
                let wish = self.clients.handle(place, flags, &self.epoll, &mut self.input)?;
                if wish == Some(Wish::Names) {
                    self.answer_names(place);
                }
                self.outputs.resume(&self.clients, &self.epoll)?;
            }
        }
        if self.input.has_just_ended() {
            self.companion.tell_of_ended_input();
        }
        Ok(())
    }

    /// Writes down what was dropped: at first at once, then each time it has doubled, and at the end.
    fn tell_dropped(&mut self) {
        let dropped = self.dropped();
        let told = &self.status.dropped;
        let more = |now: u64, told: u64| now > 2 * told;
        if more(dropped.log_records, told.log_records) || more(dropped.client_bytes, told.client_bytes) {
            self.status.dropped = dropped;
            let _ = self.status.save(&self.job.run_dir);
        }
    }

    /// What was dropped in this run, before us too.
    fn dropped(&self) -> status::Dropped {
        status::Dropped {
            log_records: self.before.log_records + self.outputs.dropped(),
            client_bytes: self.before.client_bytes + self.clients.dropped,
        }
    }

    /// Begins to answer for names, unless that is done already, and tells the client where.
    fn answer_names(&mut self, place: usize) {
        let port = self.begin_names();
        let failure = |error: &sys::Error| FailureReport { text: chain(error), code: 125 };
        let reply = match &port {
            Ok(port) => Reply::Names { port: *port },
            Err(error) => Reply::Failed(failure(error)),
        };
        self.clients.answer(place, &reply, &self.epoll);
    }

    fn begin_names(&mut self) -> sys::Result<u16> {
        if let Some(resolver) = &self.resolver {
            return Ok(resolver.port());
        }
        let Some(network) = &self.job.network else {
            return Err(sys::Error::new(
                "the container has no network of its own",
                std::io::ErrorKind::Unsupported,
            ));
        };
        let resolver = network::answer(network, self.pidfd.as_fd())?;
        self.watch(resolver.as_fd(), Source::Resolver, EventFlags::IN)?;
        // For a successor, which listens where the container's packets are led.
        self.status.resolver_port = Some(resolver.port());
        self.status.save(&self.job.run_dir)?;
        let port = resolver.port();
        self.resolver = Some(resolver);
        Ok(port)
    }

    /// Serves the resolver. One that cannot go on is given up rather than the container.
    fn resolve(&mut self) {
        if self.resolver.as_mut().is_some_and(|resolver| resolver.ready().is_err()) {
            self.resolver = None;
        }
    }

    /// Passes published ports on, and gives that up rather than the container.
    fn forward(&mut self) {
        if self.forwarding.as_mut().is_some_and(|forwarding| forwarding.ready().is_err()) {
            self.forwarding = None;
        }
    }

    /// Hears of ended children from the guardian; at its death, has another.
    fn hear_companion(&mut self) -> sys::Result<()> {
        match self.companion.hear() {
            Some(Notice::Ended { pid, status }) if pid == self.status.pid => self.ended = Some(status),
            Some(Notice::Ended { .. }) | None => {}
            Some(Notice::Gone) => self.replace_companion()?,
        }
        Ok(())
    }

    /// Has a new guardian, and turns to the pidfd for the end. Without one the container goes on too.
    fn replace_companion(&mut self) -> sys::Result<()> {
        let _ = epoll::delete(&self.epoll, &self.companion);
        if self.companion.is_parent() {
            self.watch(self.pidfd.as_fd(), Source::Process, EventFlags::IN)?;
        }
        if let Some(pid) = self.companion.replace(self.pidfd.as_fd(), &self.status) {
            self.watch(self.companion.as_fd(), Source::Exits, EventFlags::IN)?;
            self.status.guardian = pid;
            self.status.save(&self.job.run_dir)?;
        }
        Ok(())
    }

    fn finish(mut self) -> i32 {
        let status = self.ended.unwrap_or(ExitStatus::Code(255));
        // Processes that share a pid namespace with others outlive the first one; the cgroup knows them.
        if let Some(group) = &self.group
            && group.processes().is_ok_and(|left| !left.is_empty())
        {
            let _ = group.kill(rustix::process::Signal::KILL);
        }
        self.outputs.drain(&mut self.clients, &self.epoll);
        self.status.dropped = self.dropped();
        // Its sockets would keep the network namespace.
        self.resolver = None;
        self.forwarding = None;
        self.warden = None;
        self.monitor = None;
        let (assignment, group) = (self.assignment, self.group.as_ref());
        record_end(assignment, &self.job, self.status, group, status, &mut self.clients)
    }
}
