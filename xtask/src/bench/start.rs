//! `bench start`: what a container costs in time and memory, from one to a thousand of them.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::Result;

use super::Options;
use super::contest::{
    Coracle, Docker, Engine, Runtime, answer, complain, contestants, extract_busybox, time,
};
use super::floor::Client;
use super::memory::{kernel_bytes, private_bytes};
use super::race::Race;
use super::report::Report;
use super::sample::Sample;
use super::turns::{Once, take_turns};

/// The parts of the bench, in their order; `--only` picks one.
const PARTS: &[&str] = &["start", "exec", "alive", "parallel", "program"];

/// Measures and returns the tables as Markdown.
pub(super) fn run(options: &Options) -> Result<String> {
    options.check(PARTS)?;
    let base = super::directory()?;
    let (coracle, docker) = contestants(options, base.path())?;
    let mut report = Report::new();
    let wanted = |part: &str| options.wants(part);
    let progress = |part: &str| complain(&format!("measuring: {part}"));
    if wanted("start") {
        progress("one start");
        starts(options, base.path(), &coracle, docker.as_ref(), &mut report)?;
    }
    if wanted("exec") {
        progress("exec");
        execs(options, &coracle, docker.as_ref(), &mut report)?;
    }
    if wanted("alive") {
        progress("many alive");
        alive(options, &coracle, &mut report)?;
    }
    if wanted("parallel") {
        progress("many callers");
        parallel(options, &coracle, docker.as_ref(), &mut report)?;
    }
    if wanted("program") {
        progress("the program");
        program(options, &coracle, &mut report)?;
    }
    Ok(report.finish())
}

/// One start of `true`, a few of each contestant in turn, so that a busy minute hits all of them.
fn starts(
    options: &Options,
    base: &Path,
    coracle: &Coracle,
    docker: Option<&Docker>,
    report: &mut Report,
) -> Result<()> {
    extract_busybox(&base.join("store/layer"))?;
    let mut floor = Client::start(base)?;
    let mut contestants: Vec<(&str, Once<'_>)> = vec![
        ("floor: the bare system calls", Box::new(move || floor.once())),
        ("`coracle run --rm`", Box::new(|| coracle.start())),
    ];
    if let Some(docker) = docker {
        let mut own = Runtime::prepare_own(coracle, base, docker)?;
        let mut crun = Runtime::prepare("crun", base, docker)?;
        let mut runc = Runtime::prepare("runc", base, docker)?;
        contestants.push(("`coracle runtime run`, bundle ready", Box::new(move || own.start())));
        contestants.push(("`crun run`, bundle ready", Box::new(move || crun.start())));
        contestants.push(("`runc run`, bundle ready", Box::new(move || runc.start())));
        contestants.push(("`docker run --rm`", Box::new(|| docker.start())));
    }
    let rows = take_turns(options.iterations(), &mut contestants)?;
    report.contest("`true` in a new container, no network", rows);
    Ok(())
}

/// `true` in a container that runs.
fn execs(options: &Options, coracle: &Coracle, docker: Option<&Docker>, report: &mut Report) -> Result<()> {
    let mut engines: Vec<(&str, &dyn Engine)> = vec![("`coracle exec`", coracle)];
    engines.extend(docker.map(|docker| ("`docker exec`", docker as &dyn Engine)));
    let sleepers = engines.iter().map(|(_, engine)| engine.sleeper()).collect::<Result<Vec<_>>>()?;
    let mut durations = vec![Vec::new(); engines.len()];
    for _ in 0..options.iterations() {
        for ((engine, id), durations) in engines.iter().zip(&sleepers).zip(&mut durations) {
            durations.push(time(engine.1.command(&["exec", id, "true"]))?);
        }
    }
    for ((_, engine), id) in engines.iter().zip(sleepers) {
        engine.remove(&[id])?;
    }
    let rows = engines.iter().zip(durations);
    let rows =
        rows.filter_map(|((name, _), taken)| Some(((*name).to_owned(), Sample::new(taken)?))).collect();
    report.contest("`true` in a running container", rows);
    Ok(())
}

/// A start when many are alive, against a start when none is; and what each of the many costs.
fn alive(options: &Options, coracle: &Coracle, report: &mut Report) -> Result<()> {
    let many = options.many() - 1;
    let some = |count: usize| (0..count).map(|_| coracle.start()).collect::<Result<Vec<_>>>();
    some(3)?;
    let before = some(options.iterations())?;
    let kernel = kernel_bytes()?;
    let (own, _) = private_bytes(&coracle.binary)?;
    let ids = (0..many).map(|_| coracle.sleeper()).collect::<Result<Vec<_>>>()?;
    thread::sleep(Duration::from_secs(1));
    let kernel = kernel_bytes()?.saturating_sub(kernel);
    let (private, processes) = private_bytes(&coracle.binary)?;
    let after = some(options.iterations())?;
    let listing = (0..5).map(|_| time(coracle.command(&["ps"]))).collect::<Result<Vec<_>>>()?;
    coracle.remove(&ids)?;
    let rows =
        [("none alive".to_owned(), Sample::new(before)), (format!("{many} alive"), Sample::new(after))];
    report.contest(
        "`coracle run --rm` of `true`",
        rows.into_iter().filter_map(|(n, s)| Some((n, s?))).collect(),
    );
    let each = |bytes: u64| format!("{:.3} MiB", bytes as f64 / many as f64 / f64::from(1 << 20));
    report.fact("private memory of an idle container's engine processes", each(private.saturating_sub(own)));
    report.fact("engine processes a container", format!("{:.2}", processes as f64 / many as f64));
    report.fact("kernel memory of an idle container (the whole machine's growth)", each(kernel));
    if let Some(listing) = Sample::new(listing) {
        report.duration(&format!("`ps` with {many} alive"), &listing);
    }
    Ok(())
}

/// Many callers at once, and whoever looks on meanwhile.
fn parallel(
    options: &Options,
    coracle: &Coracle,
    docker: Option<&Docker>,
    report: &mut Report,
) -> Result<()> {
    let (callers, starts) = (16, options.many());
    let done = AtomicBool::new(false);
    let (race, listing) = thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut taken = Vec::new();
            while !done.load(Ordering::Relaxed) {
                taken.push(time(coracle.command(&["ps", "--all"]))?);
                thread::sleep(Duration::from_millis(20));
            }
            Ok::<_, anyhow::Error>(taken)
        });
        let race = Race::run(callers, starts, || coracle.start());
        done.store(true, Ordering::Relaxed);
        (race, watcher.join().expect("the watcher does not panic"))
    });
    race.report(&format!("`coracle`: {starts} starts by {callers} callers"), report);
    if let Some(listing) = Sample::new(listing?) {
        report.duration("`ps --all` while they start", &listing);
    }
    if let Some(docker) = docker {
        let (callers, starts) = (8, 32);
        Race::run(callers, starts, || docker.start())
            .report(&format!("`docker`: {starts} starts by {callers} callers"), report);
    }
    Ok(())
}

/// The program itself.
fn program(options: &Options, coracle: &Coracle, report: &mut Report) -> Result<()> {
    let version = answer(coracle.command(&["--version"]))?;
    let taken =
        (0..options.iterations()).map(|_| time(coracle.command(&["--version"]))).collect::<Result<_>>()?;
    if let Some(sample) = Sample::new(taken) {
        report.duration(&format!("`coracle --version` ({version})"), &sample);
    }
    let size = std::fs::metadata(&coracle.binary)?.len();
    report.fact("size of the program", format!("{:.2} MiB", size as f64 / f64::from(1 << 20)));
    Ok(())
}
