//! `bench network`: what a container's network costs to make, how names are answered, what it carries.
//!
//! Everything happens in a network namespace of the bench's own: the engines' bridges and firewalls never touch the host's.

use std::net::{Ipv4Addr, UdpSocket};
use std::path::Path;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::Options;
use super::contest::{
    Coracle, Docker, Engine, answer, complain, extract_busybox, install, install_peers, time,
};
use super::floor::Client;
use super::race::Race;
use super::report::Report;
use super::sample::Sample;
use super::traffic;
use super::turns::{Once, take_turns};
use crate::images;

/// The parts of the bench, in their order; `--only` picks one.
const PARTS: &[&str] = &["start", "parallel", "ports", "names", "throughput", "http", "database"];

/// The network that each engine is given.
const NETWORK: &str = "bench";

/// Measures and returns the tables as Markdown.
pub(super) fn run(options: &Options) -> Result<String> {
    options.check(PARTS)?;
    let base = super::directory()?;
    install(&[("ip", "iproute2"), ("iperf3", "iperf3"), ("wrk", "wrk"), ("iptables", "iptables")])?;
    // All that comes from elsewhere is here before the way there is cut.
    if !options.no_peers {
        install_peers()?;
    }
    images::ensure("services")?;
    images::ensure("busybox")?;
    sys::process::unshare(sys::process::NEWNET).context("cannot make a network namespace for the bench")?;
    sys::loopback::bring_up()?;
    let coracle = Coracle::prepare(base.path())?;
    answer(coracle.command(&["network", "create", NETWORK]))?;
    let docker = match options.no_peers {
        true => None,
        false => {
            let docker = Docker::prepare_networked(base.path())?;
            answer(docker.command(&["network", "create", NETWORK]))?;
            Some(docker)
        }
    };
    let mut report = Report::new();
    for part in PARTS.iter().filter(|part| options.wants(part)) {
        complain(&format!("measuring: {part}"));
        let docker = docker.as_ref();
        match *part {
            "start" => starts(options, base.path(), &coracle, docker, &mut report)?,
            "parallel" => parallel(options, &coracle, docker, &mut report),
            "ports" => ports(options, &coracle, docker, &mut report)?,
            "names" => names(options, &coracle, docker, &mut report)?,
            "throughput" => traffic::throughput(options, &coracle, docker, &mut report)?,
            "http" => traffic::http(options, &coracle, docker, &mut report)?,
            _ => traffic::database(options, base.path(), &coracle, docker, &mut report)?,
        }
    }
    Ok(report.finish())
}

fn start_on(engine: &dyn Engine, flags: &[&str]) -> Result<Duration> {
    time(engine.command(&[&["run", "--rm"], flags, &["busybox", "true"]].concat()))
}

fn starts(
    options: &Options,
    base: &Path,
    coracle: &Coracle,
    docker: Option<&Docker>,
    report: &mut Report,
) -> Result<()> {
    extract_busybox(&base.join("store/layer"))?;
    let mut floor = Client::start(base)?;
    let user = ["--network", NETWORK];
    let none = ["--network", "none"];
    let mut contestants: Vec<(&str, Once<'_>)> = vec![
        ("floor: the bare system calls, no network", Box::new(move || floor.once())),
        ("`coracle run --rm --network none`", Box::new(|| start_on(coracle, &none))),
        ("`coracle run --rm`, default network", Box::new(|| start_on(coracle, &[]))),
        ("`coracle run --rm`, user-defined network", Box::new(|| start_on(coracle, &user))),
        ("`coracle run --rm --publish 80`", Box::new(|| start_on(coracle, &["--publish", "80"]))),
    ];
    if let Some(docker) = docker {
        contestants.push(("`docker run --rm`, default network", Box::new(|| start_on(docker, &[]))));
        contestants.push(("`docker run --rm`, user-defined network", Box::new(|| start_on(docker, &user))));
    }
    let rows = take_turns(options.iterations(), &mut contestants)?;
    report.contest("`true` in a new container with a network", rows);
    Ok(())
}

fn parallel(options: &Options, coracle: &Coracle, docker: Option<&Docker>, report: &mut Report) {
    let (callers, starts) = (16, options.many());
    for (name, flags) in [("default", &[][..]), ("user-defined", &["--network", NETWORK])] {
        let race = Race::run(callers, starts, || start_on(coracle, flags));
        race.report(
            &format!("`coracle`: {starts} starts by {callers} callers on the {name} network"),
            report,
        );
    }
    if let Some(docker) = docker {
        let (callers, starts) = (8, 32);
        let race = Race::run(callers, starts, || start_on(docker, &[]));
        race.report(
            &format!("`docker`: {starts} starts by {callers} callers on the default network"),
            report,
        );
    }
}

/// A start that publishes a port, when none and when many are published.
fn ports(options: &Options, coracle: &Coracle, docker: Option<&Docker>, report: &mut Report) -> Result<()> {
    let publish = ["--publish", "30000:80"];
    let mut rows = Vec::new();
    let engines: [(&str, Option<&dyn Engine>, u16); 2] = [
        ("coracle", Some(coracle), 999),
        // Each port is a process or two of docker's.
        ("docker", docker.map(|docker| docker as &dyn Engine), 99),
    ];
    for (name, engine, many) in engines {
        let Some(engine) = engine else { continue };
        let rounds = if name == "docker" { options.iterations().div_ceil(5) } else { options.iterations() };
        let some = || (0..rounds).map(|_| start_on(engine, &publish)).collect::<Result<Vec<_>>>();
        some()?;
        rows.extend(Some((format!("`{name}`, none published"), Sample::new(some()?))));
        let range = format!("20001-{}:1-{many}", 20_000 + many);
        let id =
            answer(engine.command(&["run", "--detach", "--publish", &range, "busybox", "sleep", "100000"]))?;
        rows.extend(Some((format!("`{name}`, {many} published"), Sample::new(some()?))));
        engine.remove(&[id])?;
    }
    let rows = rows.into_iter().filter_map(|(name, sample)| Some((name, sample?))).collect();
    report.contest("`run --rm --publish 30000:80` of `true`", rows);
    Ok(())
}

/// Questions for a container's name, one after the other by each of eight programs inside.
fn names(options: &Options, coracle: &Coracle, docker: Option<&Docker>, report: &mut Report) -> Result<()> {
    let engines: [(&str, Option<&dyn Engine>); 2] =
        [("coracle", Some(coracle)), ("docker", docker.map(|docker| docker as &dyn Engine))];
    for (name, engine) in engines {
        let Some(engine) = engine else { continue };
        let run = |name: &str| {
            let words =
                ["run", "--detach", "--network", NETWORK, "--name", name, "busybox", "sleep", "100000"];
            answer(engine.command(&words))
        };
        let ids = [run("asked")?, run("asker")?];
        let pid = answer(engine.command(&["inspect", "--format", "{{.State.Pid}}", "asker"]))?;
        let questions = if options.quick { 200 } else { 2000 };
        let mut taken = ask(pid.parse().context("a pid")?, 8, questions)?;
        engine.remove(&ids)?;
        taken.sort_unstable();
        let at = |part: f64| taken[((taken.len() - 1) as f64 * part) as usize].as_secs_f64() * 1e6;
        let text = format!("p50 {:.0} µs, p99 {:.0} µs, {} answers", at(0.5), at(0.99), taken.len());
        report.fact(&format!("`{name}`: a container's name asked by 8 programs at once"), text);
    }
    Ok(())
}

/// Asks 127.0.0.11 in the network namespace of a process; returns how long each answer took.
fn ask(pid: u32, programs: usize, questions: usize) -> Result<Vec<Duration>> {
    let namespace = std::fs::File::open(format!("/proc/{pid}/ns/net"))?;
    let all = Mutex::new(Vec::new());
    let failures = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for program in 0..programs {
            let (namespace, all, failures) = (&namespace, &all, &failures);
            scope.spawn(move || match ask_some(namespace, program, questions) {
                Ok(taken) => all.lock().expect("nobody panics").extend(taken),
                Err(error) => failures.lock().expect("nobody panics").push(error),
            });
        }
    });
    match failures.into_inner().expect("nobody panics").pop() {
        Some(error) => Err(error),
        None => Ok(all.into_inner().expect("nobody panics")),
    }
}

fn ask_some(namespace: &std::fs::File, program: usize, questions: usize) -> Result<Vec<Duration>> {
    use std::os::fd::AsFd;
    // This thread alone; it ends there.
    sys::process::join_namespaces(namespace.as_fd(), sys::process::NEWNET)?;
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    socket.connect((Ipv4Addr::new(127, 0, 0, 11), 53))?;
    socket.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut taken = Vec::with_capacity(questions);
    for number in 0..questions {
        let id = (program * questions + number) as u16;
        let mut question = Vec::from(id.to_be_bytes());
        // Recursion desired, one question: `asked`, A, IN (RFC 1035, section 4).
        question.extend(b"\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x05asked\x00\x00\x01\x00\x01");
        let begin = Instant::now();
        socket.send(&question)?;
        let mut answer = [0; 512];
        let length = socket.recv(&mut answer).context("no answer to a question for a name")?;
        taken.push(begin.elapsed());
        ensure!(
            length > 12 && answer[..2] == id.to_be_bytes() && answer[7] == 1,
            "not an answer with one address"
        );
    }
    Ok(taken)
}

/// Makes sure that an engine has the image with servers in it.
pub(super) fn import_services(engine: &dyn Engine) -> Result<()> {
    if answer(engine.command(&["image", "inspect", "services"])).is_ok() {
        return Ok(());
    }
    let tar = images::ensure("services")?.join("services.tar");
    let mut import = engine.command(&["import"]);
    import.arg(tar).arg("services:latest");
    answer(import).map(drop)
}
