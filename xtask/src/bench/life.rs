//! `bench life`: what containers cost while they are there: their output, looking at many of them, ending them.

mod output;

use std::time::Duration;

use anyhow::Result;

use super::Options;
use super::contest::{Engine, Engines, answer, complain, contestants, engines, time};
use super::race::{Race, gather};
use super::report::Report;
use super::sample::Sample;
use super::turns::{Once, take_turns};

/// The parts of the bench, in their order; `--only` picks one.
const PARTS: &[&str] = &["logs", "attach", "list", "stats", "end", "restart", "pause"];

/// Who makes containers that are then looked at: as many at once as two cores keep busy.
const MAKERS: usize = 8;

/// Ends when it is asked to, with all that it started.
const OBEDIENT: &[&str] = &["sh", "-c", "trap 'exit 0' TERM; sleep 100000 & wait"];

/// Measures and returns the tables as Markdown.
pub(super) fn run(options: &Options) -> Result<String> {
    options.check(PARTS)?;
    let base = super::directory()?;
    let (coracle, docker) = contestants(options, base.path())?;
    let engines = engines(&coracle, docker.as_ref());
    let mut report = Report::new();
    for part in PARTS.iter().filter(|part| options.wants(part)) {
        complain(&format!("measuring: {part}"));
        let report = &mut report;
        match *part {
            "logs" => output::logs(options, base.path(), &engines, report)?,
            "attach" => output::attach(options, base.path(), &engines, report)?,
            "list" => list(options, &engines, report)?,
            "stats" => stats(options, &engines, report)?,
            "end" => end(options, &engines, report)?,
            "restart" => restart(options, &engines, report)?,
            _ => pause(options, &engines, report)?,
        }
    }
    Ok(report.finish())
}

/// Looking at many containers of which one in ten has run, and one in twenty runs.
fn list(options: &Options, engines: &Engines<'_>, report: &mut Report) -> Result<()> {
    let mut rows = Vec::new();
    for &(name, engine) in engines {
        let many = peer_share(name, 2 * options.many());
        let ids = gather(MAKERS, many, |number| match number % 20 {
            0 => engine.sleeper(),
            1 | 2 => ended(engine),
            _ => answer(engine.command(&["create", "--network", "none", "busybox", "true"])),
        })?;
        let some: Vec<&str> = ids.iter().map(String::as_str).take(100).collect();
        let looks: [(String, Vec<&str>); 4] = [
            (format!("`ps`, {} of {many} run", many.div_ceil(20)), vec!["ps"]),
            (format!("`ps --all`, {many}"), vec!["ps", "--all"]),
            (format!("`inspect` of one of {many}"), vec!["inspect", some[0]]),
            (format!("`inspect` of {} of {many}", some.len()), [&["inspect"], &some[..]].concat()),
        ];
        for (what, words) in looks {
            time(engine.command(&words))?;
            let taken = (0..options.iterations()).map(|_| time(engine.command(&words)));
            rows.extend(row(format!("`{name}`: {what}"), taken.collect::<Result<_>>()?));
        }
        engine.remove(&ids)?;
    }
    report.contest("looking at many containers", rows);
    Ok(())
}

/// Returns a container that has ended.
fn ended(engine: &dyn Engine) -> Result<String> {
    let id = answer(engine.command(&["create", "--network", "none", "busybox", "true"]))?;
    answer(engine.command(&["start", "--attach", &id]))?;
    Ok(id)
}

/// How many containers an engine is given: docker takes some 0.3 s for each of them.
fn peer_share(name: &str, many: usize) -> usize {
    if name == "docker" { many.div_ceil(10) } else { many }
}

/// What all running containers use: docker takes two looks as well, a second apart.
fn stats(options: &Options, engines: &Engines<'_>, report: &mut Report) -> Result<()> {
    let rounds = options.iterations().div_ceil(10);
    let mut rows = Vec::new();
    for &(name, engine) in engines {
        let many = peer_share(name, options.many());
        let ids = gather(MAKERS, many, |_| engine.sleeper())?;
        let taken = (0..rounds).map(|_| time(engine.command(&["stats", "--no-stream"])));
        rows.extend(row(format!("`{name}`: {many} running"), taken.collect::<Result<_>>()?));
        engine.remove(&ids)?;
    }
    report.contest("`stats --no-stream`", rows);
    Ok(())
}

/// Many callers who each end and remove a container of many, one after the other.
fn end(options: &Options, engines: &Engines<'_>, report: &mut Report) -> Result<()> {
    let (callers, many) = (16, options.many().div_ceil(10));
    for &(name, engine) in engines {
        let ids = gather(MAKERS, many, |_| obedient(engine))?;
        let left = std::sync::Mutex::new(ids);
        let race = Race::run(callers, many, || {
            let id = left.lock().expect("nobody panics").pop().expect("one for each");
            Ok(time(engine.command(&["stop", &id]))? + time(engine.command(&["rm", &id]))?)
        });
        race.report(&format!("`{name}`: `stop` and `rm` of {many} by {callers} callers"), report);
    }
    Ok(())
}

fn obedient(engine: &dyn Engine) -> Result<String> {
    answer(engine.command(&[&["run", "--detach", "--network", "none", "busybox"], OBEDIENT].concat()))
}

fn restart(options: &Options, engines: &Engines<'_>, report: &mut Report) -> Result<()> {
    let ids = engines.iter().map(|(_, engine)| obedient(*engine)).collect::<Result<Vec<_>>>()?;
    let mut contestants: Vec<(String, Once<'_>)> = Vec::new();
    for ((name, engine), id) in engines.iter().zip(&ids) {
        let once = move || time(engine.command(&["restart", id]));
        contestants.push((format!("`{name} restart`"), Box::new(once)));
    }
    let rows = take_turns(options.iterations(), &mut contestants)?;
    drop(contestants);
    report.contest("a container that ends when asked, started again", rows);
    for ((_, engine), id) in engines.iter().zip(ids) {
        engine.remove(&[id])?;
    }
    Ok(())
}

/// Each pause is followed by its end: two rows from one loop.
fn pause(options: &Options, engines: &Engines<'_>, report: &mut Report) -> Result<()> {
    let mut rows = Vec::new();
    for &(name, engine) in engines {
        let id = engine.sleeper()?;
        let (mut paused, mut resumed) = (Vec::new(), Vec::new());
        for _ in 0..options.iterations() {
            paused.push(time(engine.command(&["pause", &id]))?);
            resumed.push(time(engine.command(&["unpause", &id]))?);
        }
        engine.remove(&[id])?;
        rows.extend(row(format!("`{name} pause`"), paused));
        rows.extend(row(format!("`{name} unpause`"), resumed));
    }
    report.contest("a container that stands still, and goes on", rows);
    Ok(())
}

fn row(name: String, taken: Vec<Duration>) -> Option<(String, Sample)> {
    Some((name, Sample::new(taken)?))
}
