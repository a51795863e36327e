//! The supervisor: creates the container, then one epoll loop until it has ended and is cleared away.

mod clients;
mod ending;
mod health;
mod input;
mod network;
mod output;
mod restart;
mod streams;
mod warden;

use std::cell::Cell;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use sys::Context;
use sys::process::{self, ExitStatus, Pid};

use crate::forwarding::Forwarding;
use crate::guardian::{ContainerEnds, END_OF_INPUT, Holdings, Stranger, Successor, chain, read_job, succeed};
use crate::job::Job;
use crate::protocol::{FailureReport, Phase, Reply};
use crate::resolver::Resolver;
use crate::status::{self, State, Status};
use crate::teardown;
use clients::{Clients, Wish};
use ending::{clear_away, finish_never_started, forget_sockets, give_up, record_end, record_run};
use health::Monitor;
use input::Input;
use output::Outputs;
use restart::AGAIN;
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

/// Everything that can wake the supervisor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// The guardian reaped a child, or is gone.
    Exits,
    /// The container's first process has ended.
    Process,
    Stdout,
    Stderr,
    /// The container reads its input again.
    Stdin,
    Listener,
    /// Somebody asks for a name, or answers.
    Resolver,
    /// A published port that is passed on has something to do.
    Forwarding,
    /// The care for what all containers share.
    Warden(warden::Event),
    /// The checks of the container's health.
    Health(health::Event),
    /// A client, by its place.
    Client(usize),
}

impl Source {
    fn data(self) -> EventData {
        EventData::new_u64(match self {
            Self::Exits => 0,
            Self::Process => 1,
            Self::Stdout => 2,
            Self::Stderr => 3,
            Self::Stdin => 4,
            Self::Listener => 5,
            Self::Resolver => 6,
            Self::Forwarding => 7,
            Self::Warden(warden::Event::Time) => 8,
            Self::Warden(warden::Event::Ended) => 9,
            Self::Warden(warden::Event::Changed) => 10,
            Self::Health(health::Event::Time) => 11,
            Self::Health(health::Event::Ended) => 12,
            Self::Client(place) => 16 + place as u64,
        })
    }

    fn of(data: EventData) -> Self {
        match data.u64() {
            0 => Self::Exits,
            1 => Self::Process,
            2 => Self::Stdout,
            3 => Self::Stderr,
            4 => Self::Stdin,
            5 => Self::Listener,
            6 => Self::Resolver,
            7 => Self::Forwarding,
            8 => Self::Warden(warden::Event::Time),
            9 => Self::Warden(warden::Event::Ended),
            10 => Self::Warden(warden::Event::Changed),
            11 => Self::Health(health::Event::Time),
            12 => Self::Health(health::Event::Ended),
            place => Self::Client(place as usize - 16),
        }
    }
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

/// Why a container is started.
#[derive(Debug)]
enum Launch {
    /// Somebody has asked for it, and is told.
    First(OwnedFd),
    /// It has ended before. With those who have come meanwhile.
    Again(Box<Status>, Clients),
}

/// Starts a container anew that has ended, when it is time.
fn start_again(assignment: &Assignment<'_>, holdings: &mut Option<Holdings>) -> sys::Result<i32> {
    let mut job = read_job(assignment.job)?;
    let Some(mut status) = restart::waiting(&job) else { return Ok(0) };
    (status.guardian, status.supervisor) = (assignment.guardian, std::process::id() as Pid);
    status.save(&job.run_dir)?;
    let paused = restart::pause(&status, &assignment.holdings.listener);
    let mut clients = Clients::default();
    for (socket, streams) in paused.clients {
        clients.add_launcher(socket, streams, streams.stdin && job.stdin_once);
    }
    if !paused.given_up && !restart::is_joinable(&status) {
        // Its plan is of another process, and of that one's ids.
        let why = "the container whose namespaces it shares has ended since it was started";
        status.error = Some(why.to_owned());
    }
    if paused.given_up || status.error.is_some() {
        clear_away(assignment, &job, status, &mut clients, None);
        return Ok(0);
    }
    if let Some(network) = &mut job.network {
        network::look_up(&job.id, network);
    }
    restart::look_up_limits(&mut job)?;
    let (renewed, ends) = streams::renew(assignment.with(holdings.as_ref()).holdings, &job)?;
    if renewed.is_some() {
        *holdings = renewed;
    }
    // What runs next is the child of who is our parent now; if that is no guardian, we notice.
    let assignment = Assignment { process: None, ..assignment.with(holdings.as_ref()) };
    Ok(start(&assignment, job, ends, Launch::Again(Box::new(status), clients)))
}

fn start(assignment: &Assignment<'_>, mut job: Job, ends: ContainerEnds, launch: Launch) -> i32 {
    let (launcher, before, mut clients) = match launch {
        Launch::First(client) => (Some(client), None, Clients::default()),
        Launch::Again(status, clients) => (None, Some(*status), clients),
    };
    let client = launcher.as_ref();
    let mark = |phase| mark(&job, phase, client);
    mark(Phase::Guardian);
    let group = match create_group(&job, assignment.holdings) {
        Ok(group) => group,
        Err(error) => return give_up(assignment, &job, None, (client, before), &mut clients, &error),
    };
    let (group, warnings) = group;
    mark(Phase::Cgroup);
    let created = create(assignment, &job, &ends, group.as_ref());
    drop(ends);
    let (created, resolver) = match created {
        Ok(created) => created,
        Err(error) => {
            return give_up(assignment, &job, group.as_ref(), (client, before), &mut clients, &error);
        }
    };
    mark(Phase::Created);
    let mut status = running_status(assignment, &job, created.pid, before.as_ref());
    status.resolver_port = resolver.as_ref().map(Resolver::port);
    status.warnings = warnings.into_iter().chain(created.warnings).collect();
    if let Err(error) = status.save(&job.run_dir) {
        let _ = process::signal(created.pidfd.as_fd(), libc::SIGKILL);
        drop(resolver);
        return give_up(assignment, &job, group.as_ref(), (client, before), &mut clients, &error);
    }
    if let Some(path) = &job.teardown.last_run {
        let _ = record_run(path, &status, store::Durability::Volatile);
    }
    job.events.started(&status, job.network.as_ref().map_or(&[], |network| &network.endpoints));
    if let Some(client) = client {
        for warning in &status.warnings {
            clients::send_now(client, &Reply::Warning(warning));
        }
        clients::send_now(client, &Reply::Started { pid: created.pid });
    }
    if let Some(client) = launcher {
        clients.add_launcher(client, job.attach, job.stdin_once);
    }
    clients.stdin_once = job.stdin_once;
    // The plan was the greater part of the job and has served.
    job.plan.build = Vec::new();
    job.plan.init = Vec::new();
    let input = Input::new(assignment.holdings);
    Supervisor::new(assignment, job, status, group, created.pidfd, clients, input)
        .map(|supervisor| Supervisor { resolver, ..supervisor })
        .and_then(Supervisor::run)
        .unwrap_or(NOT_STARTED)
}

/// Tells the launching client that a phase has ended, if it wants to know.
fn mark(job: &Job, phase: Phase, client: Option<&OwnedFd>) {
    if let Some(client) = client.filter(|_| job.timing) {
        clients::send_now(client, &Reply::Mark(phase, status::monotonic()));
    }
}

/// Goes on after the predecessor was killed. A client is told when that is done.
fn adopt(assignment: &Assignment<'_>, job: Job, client: Option<OwnedFd>) -> i32 {
    let Ok(Some(mut status)) = Status::load(&job.run_dir) else {
        // Killed before anything ran: clear away what it had made. Without its directory it ran, and all is done.
        if assignment.process.is_none() && sys::fs::exists(&job.run_dir) {
            let group = open_group(&job, assignment.holdings);
            finish_never_started(assignment, &job, group.as_ref());
        }
        return 0;
    };
    if status.state == State::Restarting {
        // Killed while it waited or created the container.
        if let Some(group) = open_group(&job, assignment.holdings) {
            let _ = group.kill(rustix::process::Signal::KILL);
            let _ = group.destroy();
        }
        network::unplug(&job);
        return AGAIN;
    }
    if status.state == State::Exited {
        // Killed while it cleared away, or with nothing left but slow readers. As long as nobody else starts the
        // container, what it has claimed is of this run.
        let again = rustix::fs::FlockOperation::NonBlockingLockExclusive;
        if assignment.lock.is_some_and(|lock| rustix::fs::flock(lock, again).is_ok()) {
            forget_sockets(&job);
            network::disconnect_again(&job, &assignment.holdings.ports);
            let _ = teardown::run(&job.teardown, &job.id);
        }
        return 0;
    }
    let known = assignment.process.and_then(|process| process.of_run(&status));
    let assignment = &Assignment { process: assignment.process.filter(|_| known.is_some()), ..*assignment };
    let known = known.and_then(|pidfd| pidfd.try_clone().ok());
    // Another process may have the number by now.
    let ours = || process::open_pidfd(status.pid).ok().filter(|_| status.is_there());
    let Some(pidfd) = known.or_else(ours) else {
        return Supervisor::without_process(assignment, job, status);
    };
    if job.health.is_none() {
        // Found running, and checked before.
        status.health = None;
    }
    status.supervisor = std::process::id() as Pid;
    status.guardian = assignment.guardian;
    // Who reads that there is a successor may ask it for names.
    let resolver = network::resume(&job, &status, pidfd.as_fd());
    let _ = status.save(&job.run_dir);
    let group = open_group(&job, assignment.holdings);
    let input = Input::new(assignment.holdings);
    let mut clients = Clients::default();
    clients.stdin_once = job.stdin_once;
    if let Some(client) = client {
        clients::send_now(&client, &Reply::Started { pid: status.pid });
        clients.add_launcher(client, job.attach, false);
    }
    Supervisor::new(assignment, job, status, group, pidfd, clients, input)
        .map(|supervisor| Supervisor { resolver, ..supervisor })
        .and_then(Supervisor::run)
        .unwrap_or(NOT_STARTED)
}

fn open_group(job: &Job, holdings: &Holdings) -> Option<cgroup::Group> {
    let path = cgroup::CgroupPath::parse(job.cgroup.as_ref()?).ok()?;
    cgroup::Group::open(holdings.hierarchies.as_ref()?, &path).ok()
}

type GroupAndWarnings = (Option<cgroup::Group>, Vec<String>);

/// Makes the container's cgroup with all limits but that of processes, which the builder would
/// count against.
fn create_group(job: &Job, holdings: &Holdings) -> Result<GroupAndWarnings, LimitError> {
    let Some(path) = &job.cgroup else { return Ok((None, Vec::new())) };
    let hierarchies = match &holdings.hierarchies {
        Some(known) => known.clone(),
        None => cgroup::Hierarchies::detect()?,
    };
    let group = cgroup::Group::create(&hierarchies, &cgroup::CgroupPath::parse(path)?)?;
    if let Some(warning) = group.unavailable() {
        return Ok((None, vec![warning.to_string()]));
    }
    match limit(&group, &job.resources) {
        Ok(warnings) => {
            let warnings = warnings.iter().map(ToString::to_string).collect();
            Ok((Some(group), warnings))
        }
        Err(error) => {
            let _ = group.destroy();
            Err(error)
        }
    }
}

/// Writes the limits, and on v2 the device filter.
fn limit(
    group: &cgroup::Group,
    resources: &oci::runtime::Resources,
) -> Result<Vec<cgroup::Warning>, LimitError> {
    let warnings = group.apply_except_pids(resources)?;
    if !resources.devices.is_empty()
        && group.needs_device_program()
        && let Some(directory) = group.v2_fd()
    {
        let program = sys::bpf::load_cgroup_device(&cgroup::device_program(&resources.devices)?)?;
        sys::bpf::attach_cgroup_device(program.as_fd(), directory, None)?;
    }
    Ok(warnings)
}

/// Why limits could not be set.
#[derive(Debug, thiserror::Error)]
enum LimitError {
    #[error(transparent)]
    Cgroup(#[from] cgroup::Error),
    #[error("cannot restrict the container's devices")]
    Devices(#[from] sys::Error),
}

fn create(
    assignment: &Assignment<'_>,
    job: &Job,
    ends: &ContainerEnds,
    group: Option<&cgroup::Group>,
) -> runtime::Result<(runtime::Created, Option<Resolver>)> {
    let resolver = Cell::new(None);
    let connect = |pidfd: BorrowedFd<'_>| {
        let Some(network) = &job.network else { return Ok(()) };
        network::connect(network, pidfd).map(|opened| resolver.set(opened))
    };
    let created = runtime::create(&runtime::CreateInput {
        plan: &job.plan,
        staging: &job.run_dir,
        stdio: [ends.stdin.as_fd(), ends.stdout.as_fd(), ends.stderr.as_fd()],
        console: assignment.holdings.console.as_ref(),
        group,
        pids_limit: job.pids_limit,
        parent: runtime::Parent::CallersParent,
        gate: &runtime::Gate::Open,
        preserve_fds: 0,
        state: None,
        network: job.network.as_ref().map(|_| runtime::NetworkSetup(&connect)),
    })?;
    Ok((created, resolver.take()))
}

fn running_status(assignment: &Assignment<'_>, job: &Job, pid: Pid, before: Option<&Status>) -> Status {
    Status {
        version: status::VERSION,
        id: job.id.clone(),
        summary: before.map_or(&job.summary, |before| &before.summary).clone(),
        state: State::Running,
        pid,
        start_ticks: status::process_facts(pid).map_or(0, |facts| facts.start_ticks),
        boot_id: status::boot_id().to_owned(),
        guardian: assignment.guardian,
        supervisor: std::process::id() as Pid,
        started: status::now(),
        finished: 0,
        exit_code: 0,
        oom_killed: false,
        error: None,
        warnings: Vec::new(),
        cgroup: job.cgroup.clone(),
        resolver_port: None,
        dropped: status::Dropped::default(),
        health: health::begin(job),
        restarts: before.map_or(0, |before| before.restarts),
        pause_millis: before.map_or(0, |before| before.pause_millis),
        joined: before.map_or_else(|| restart::joined(job), |before| before.joined.clone()),
        next_start: 0,
    }
}

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
    /// The ends of the guardian's children.
    exits: OwnedFd,
    /// What was dropped before our time.
    before: status::Dropped,
    /// The guardian in the place of one that was killed, if that was in our time.
    successor: Option<Successor>,
}

impl<'a> Supervisor<'a> {
    fn new(
        assignment: &'a Assignment<'a>,
        mut job: Job,
        status: Status,
        group: Option<cgroup::Group>,
        pidfd: OwnedFd,
        mut clients: Clients,
        input: Input,
    ) -> sys::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC).context(|| "cannot make an event queue".into())?;
        clients.bytes_max = job.log.as_ref().and_then(|log| log.client_bytes_max);
        let exits = assignment.exits.try_clone().context(|| "cannot keep a pipe".into())?;
        let outputs = Outputs::new(assignment.holdings, job.log.take());
        let forwarding = job
            .network
            .as_ref()
            .and_then(|network| Forwarding::start(&network.ports, &assignment.holdings.ports).ok().flatten());
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
            forwarding,
            warden,
            monitor,
            epoll,
            ended: None,
            before,
            exits,
            successor: None,
        };
        supervisor.watch(supervisor.exits.as_fd(), Source::Exits, EventFlags::IN)?;
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
            Source::Exits => self.read_exits()?,
            Source::Process => self.ended = self.end_without_guardian(),
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
            self.tell_of_ended_input();
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

    /// Lets go of the input's writing end wherever it is held.
    fn tell_of_ended_input(&self) {
        if let Some(stdin) = &self.assignment.holdings.stdin {
            sys::signals::empty_now(stdin.as_fd());
        }
        let own = self.successor.as_ref().map(|successor| &successor.pidfd);
        if let Some(guardian) = own.or(self.assignment.guardian_fd) {
            let _ = process::signal(guardian.as_fd(), END_OF_INPUT);
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

    /// Reads which children the guardian reaped; at its death, makes another.
    fn read_exits(&mut self) -> sys::Result<()> {
        let mut notice = [0u8; 8];
        match rustix::io::read(&self.exits, &mut notice) {
            Ok(8) => {
                let [a, b, c, d, e, f, g, h] = notice;
                if i32::from_le_bytes([a, b, c, d]) == self.status.pid {
                    self.ended = Some(ExitStatus::from_wait(i32::from_le_bytes([e, f, g, h])));
                }
            }
            Ok(_) => self.replace_guardian()?,
            Err(_) => {}
        }
        Ok(())
    }

    /// Has a new guardian, and turns to the pidfd for the end. Without one the container goes on too.
    fn replace_guardian(&mut self) -> sys::Result<()> {
        let _ = epoll::delete(&self.epoll, &self.exits);
        if self.assignment.process.is_none() && self.successor.is_none() {
            self.watch(self.pidfd.as_fd(), Source::Process, EventFlags::IN)?;
        }
        // Reaped before another takes its place.
        self.successor = None;
        let Ok(mut successor) = succeed(self.assignment, self.pidfd.as_fd(), &self.status) else {
            return Ok(());
        };
        std::mem::swap(&mut self.exits, &mut successor.exits);
        self.watch(self.exits.as_fd(), Source::Exits, EventFlags::IN)?;
        self.status.guardian = successor.pid;
        self.status.save(&self.job.run_dir)?;
        self.successor = Some(successor);
        Ok(())
    }

    /// Finds how the process ended when its guardian was killed: the zombie's own word (field 52 of
    /// `/proc/PID/stat`), else what the kernel keeps behind the pidfd after reaping (Linux 6.15).
    fn end_without_guardian(&self) -> Option<ExitStatus> {
        let raw = status::process_facts(self.status.pid)
            .filter(|facts| facts.dead && facts.start_ticks == self.status.start_ticks)
            .and_then(|facts| facts.exit_status)
            .or_else(|| process::exit_status_of(self.pidfd.as_fd()));
        Some(raw.map_or(ExitStatus::Code(255), ExitStatus::from_wait))
    }

    /// Records the end of a container whose process was gone when this supervisor began.
    fn without_process(assignment: &Assignment<'_>, job: Job, status: Status) -> i32 {
        let mut ended = None;
        let mut notice = [0u8; 8];
        while let Ok(8) = rustix::io::read(assignment.exits, &mut notice) {
            let [a, b, c, d, e, f, g, h] = notice;
            if i32::from_le_bytes([a, b, c, d]) == status.pid {
                ended = Some(ExitStatus::from_wait(i32::from_le_bytes([e, f, g, h])));
                break;
            }
        }
        let group = open_group(&job, assignment.holdings);
        let mut clients = Clients::default();
        let end = ended.unwrap_or(ExitStatus::Code(255));
        record_end(assignment, &job, status, group.as_ref(), end, &mut clients)
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
