//! What networks carry: streams by iperf3, requests to nginx by wrk, transactions by pgbench.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::Options;
use super::contest::{Coracle, Docker, Engine, answer, engines};
use super::network::import_services;
use super::report::Report;
use crate::images;

/// How long one measurement goes on, and how often it is made.
fn effort(options: &Options) -> (u32, usize) {
    if options.quick { (1, 1) } else { (3, 5) }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

fn address(engine: &dyn Engine, name: &str) -> Result<String> {
    let format = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
    answer(engine.command(&["inspect", "--format", format, name]))
}

/// A command with these words behind its own.
fn with(mut command: Command, words: &[String]) -> Command {
    command.args(words);
    command
}

/// Runs an iperf3 client and returns gigabits a second, as received.
fn iperf(command: Command, target: &str, port: u16, seconds: u32) -> Result<f64> {
    let words = ["-c", target, "-p", &port.to_string(), "-t", &seconds.to_string(), "-J"].map(str::to_owned);
    let text = answer(with(command, &words))?;
    let result: Value = serde_json::from_str(&text).context("iperf3's answer")?;
    let bits = result["end"]["sum_received"]["bits_per_second"].as_f64().context("iperf3 counted nothing")?;
    Ok(bits / 1e9)
}

/// Streams between containers, from the host, and through a published port; beside a bare pair.
pub(super) fn throughput(
    options: &Options,
    coracle: &Coracle,
    docker: Option<&Docker>,
    report: &mut Report,
) -> Result<()> {
    const PATHS: [&str; 3] = ["container to container", "host to container", "through a published port"];
    let (seconds, rounds) = effort(options);
    let engines = engines(coracle, docker);
    let mut ready = Vec::new();
    for (index, (_, engine)) in engines.iter().enumerate() {
        import_services(*engine)?;
        let port = 31_000 + index as u16;
        let published = format!("{port}:5201");
        let server =
            ["run", "--detach", "--name", "server", "--publish", &published, "services", "iperf3", "-s"];
        answer(engine.command(&server))?;
        answer(engine.command(&["run", "--detach", "--name", "client", "services", "sleep", "100000"]))?;
        ready.push((*engine, address(*engine, "server")?, port));
    }
    let pair = Pair::make()?;
    thread::sleep(Duration::from_secs(1));
    let mut bare = Vec::new();
    let mut taken = vec![[const { Vec::new() }; PATHS.len()]; ready.len()];
    for _ in 0..rounds {
        bare.push(iperf(pair.client(), Pair::SERVER, 5201, seconds)?);
        for ((engine, server, port), taken) in ready.iter().zip(&mut taken) {
            let inside = || engine.command(&["exec", "client", "iperf3"]);
            taken[0].push(iperf(inside(), server, 5201, seconds)?);
            taken[1].push(iperf(Command::new("iperf3"), server, 5201, seconds)?);
            // The host's own address on the bridge; loopback would pay for masquerading on top.
            let gateway = answer(engine.command(&[
                "inspect",
                "--format",
                "{{range .NetworkSettings.Networks}}{{.Gateway}}{{end}}",
                "server",
            ]))?;
            taken[2].push(iperf(Command::new("iperf3"), &gateway, *port, seconds)?);
        }
    }
    let bare = median(bare);
    report.fact("a bare veth pair", format!("{bare:.1} Gbit/s"));
    for (path, name) in PATHS.iter().enumerate() {
        let medians: Vec<f64> = taken.iter().map(|taken| median(taken[path].clone())).collect();
        for ((engine, _), value) in engines.iter().zip(&medians) {
            let beside = match medians.get(1) {
                Some(docker) if *engine == "coracle" => format!(", {:.2} × docker", value / docker),
                _ => String::new(),
            };
            let text = format!("{value:.1} Gbit/s, {:.2} × the bare pair{beside}", value / bare);
            report.fact(&format!("`{engine}`: {name}"), text);
        }
    }
    for (engine, _, _) in &ready {
        engine.remove(&["server".to_owned(), "client".to_owned()])?;
    }
    Ok(())
}

/// Two network namespaces joined by a veth pair, with an iperf3 server in one.
struct Pair {
    server: Child,
}

impl Pair {
    const SERVER: &str = "10.253.253.1";
    const NAMES: [&str; 2] = ["crb-server", "crb-client"];

    fn make() -> Result<Self> {
        let ip = |words: &str| {
            answer(with(Command::new("ip"), &words.split(' ').map(str::to_owned).collect::<Vec<_>>()))
        };
        let [one, other] = Self::NAMES;
        for name in Self::NAMES {
            ip(&format!("netns add {name}"))?;
        }
        ip(&format!("link add pair netns {one} type veth peer name pair netns {other}"))?;
        for (name, address) in [(one, Self::SERVER), (other, "10.253.253.2")] {
            ip(&format!("-n {name} address add {address}/24 dev pair"))?;
            ip(&format!("-n {name} link set pair up"))?;
        }
        let server = Command::new("ip")
            .args(["netns", "exec", one, "iperf3", "-s"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()?;
        Ok(Self { server })
    }

    fn client(&self) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", Self::NAMES[1], "iperf3"]);
        command
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
        for name in Self::NAMES {
            let _ = Command::new("ip").args(["netns", "delete", name]).status();
        }
    }
}

/// Requests for a small page through a published port.
pub(super) fn http(
    options: &Options,
    coracle: &Coracle,
    docker: Option<&Docker>,
    report: &mut Report,
) -> Result<()> {
    let (seconds, rounds) = effort(options);
    let engines = engines(coracle, docker);
    let mut urls = Vec::new();
    for (index, (_, engine)) in engines.iter().enumerate() {
        import_services(*engine)?;
        let published = format!("{}:80", 31_100 + index);
        let words = ["run", "--detach", "--name", "web", "--publish", &published, "services"];
        let nginx = ["nginx", "-g", "daemon off;"];
        answer(engine.command(&[&words[..], &nginx].concat()))?;
        urls.push(format!("http://127.0.0.1:{}/", 31_100 + index));
    }
    for index in 0..engines.len() {
        until_it_listens(31_100 + index as u16)?;
    }
    let mut taken = vec![Vec::new(); engines.len()];
    for _ in 0..rounds {
        for (url, taken) in urls.iter().zip(&mut taken) {
            let words = ["-t1", "-c32", &format!("-d{seconds}s"), url].map(str::to_owned);
            let text = answer(with(Command::new("wrk"), &words))?;
            let rate = text.lines().find_map(|line| line.trim().strip_prefix("Requests/sec:"));
            taken.push(rate.and_then(|rate| rate.trim().parse().ok()).context("wrk's answer")?);
        }
    }
    let medians: Vec<f64> = taken.into_iter().map(median).collect();
    for ((name, engine), value) in engines.iter().zip(&medians) {
        let beside = match medians.get(1) {
            Some(docker) if *name == "coracle" => format!(", {:.2} × docker", value / docker),
            _ => String::new(),
        };
        report.fact(
            &format!("`{name}`: nginx behind a published port"),
            format!("{value:.0} requests/s{beside}"),
        );
        engine.remove(&["web".to_owned()])?;
    }
    Ok(())
}

fn until_it_listens(port: u16) -> Result<()> {
    let begin = Instant::now();
    // Docker's proxy takes connections before there is anybody to pass them on to.
    let asks = || {
        answer(with(
            Command::new("wrk"),
            &["-t1", "-c1", "-d1s", &format!("http://127.0.0.1:{port}/")].map(str::to_owned),
        ))
    };
    while asks().is_err() {
        ensure!(begin.elapsed() < Duration::from_secs(30), "nothing listens at port {port}");
        thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

/// Where PostgreSQL's programs lie in the image.
const PROGRAMS: &str = "/usr/lib/postgresql/15/bin";
const DATABASE: &str = "exec postgres -D /pg/data -c listen_addresses= -c unix_socket_directories=/tmp";

/// Makes a cluster and serves it.
fn serve_database() -> String {
    format!("export PATH={PROGRAMS}:$PATH; initdb --auth=trust -D /pg/data >/dev/null && {DATABASE}")
}

/// Prepares a command that is run where the database is.
type Within<'a> = Box<dyn Fn() -> Command + 'a>;

/// pgbench's own mix and its reading one, beside the same programs on the host.
pub(super) fn database(
    options: &Options,
    base: &Path,
    coracle: &Coracle,
    docker: Option<&Docker>,
    report: &mut Report,
) -> Result<()> {
    let (seconds, rounds) = effort(options);
    let host = HostDatabase::start(base)?;
    let engines = engines(coracle, docker);
    for (_, engine) in &engines {
        import_services(*engine)?;
        answer(engine.command(&["volume", "create", "bench-data"]))?;
        // Docker gives a new volume to root.
        let own = ["run", "--rm", "--volume", "bench-data:/pg", "services", "chown", "postgres", "/pg"];
        answer(engine.command(&own))?;
        let words = ["run", "--detach", "--name", "db", "--user", "postgres", "--volume", "bench-data:/pg"];
        answer(engine.command(&[&words[..], &["services", "sh", "-c", &serve_database()]].concat()))?;
    }
    let mut contestants: Vec<(&str, Within<'_>)> = vec![("on the host", Box::new(|| host.command()))];
    for (name, engine) in &engines {
        contestants.push((name, Box::new(|| engine.command(&["exec", "--user", "postgres", "db"]))));
    }
    for (_, command) in &contestants {
        until_it_answers(command)?;
        pgbench(command(), &["-i", "-s", "5", "-q"])?;
    }
    for (what, flags) in [("reading and writing", &[][..]), ("reading", &["-S"])] {
        let mut taken = vec![Vec::new(); contestants.len()];
        for _ in 0..rounds {
            for ((_, command), taken) in contestants.iter().zip(&mut taken) {
                let time = seconds.to_string();
                let text = pgbench(command(), &[&["-c", "4", "-j", "1", "-T", &time], flags].concat())?;
                let rate = text.lines().find_map(|line| line.strip_prefix("tps = ")?.split(' ').next());
                taken.push(rate.and_then(|rate| rate.parse().ok()).context("pgbench's answer")?);
            }
        }
        let medians: Vec<f64> = taken.into_iter().map(median).collect();
        for ((name, _), value) in contestants.iter().zip(&medians) {
            let text = format!("{value:.0} transactions/s, {:.2} × the host", value / medians[0]);
            report.fact(&format!("pgbench, {what}: {name}"), text);
        }
    }
    for (_, engine) in &engines {
        engine.remove(&["db".to_owned()])?;
        answer(engine.command(&["volume", "rm", "bench-data"]))?;
    }
    Ok(())
}

fn pgbench(mut command: Command, flags: &[&str]) -> Result<String> {
    command.arg(format!("{PROGRAMS}/pgbench")).args(["-h", "/tmp"]).args(flags).arg("postgres");
    answer(command)
}

fn until_it_answers(command: &dyn Fn() -> Command) -> Result<()> {
    let begin = Instant::now();
    loop {
        let mut asked = command();
        asked.arg(format!("{PROGRAMS}/pg_isready")).args(["-h", "/tmp"]);
        if answer(asked).is_ok() {
            return Ok(());
        }
        ensure!(begin.elapsed() < Duration::from_secs(60), "PostgreSQL does not answer");
        thread::sleep(Duration::from_millis(200));
    }
}

/// The image's own programs, run on the host from its files.
struct HostDatabase {
    tree: std::path::PathBuf,
    server: Child,
}

impl HostDatabase {
    fn start(base: &Path) -> Result<Self> {
        let tree = base.join("services");
        std::fs::create_dir_all(&tree)?;
        let mut tar = Command::new("tar");
        tar.arg("--numeric-owner").arg("-xpf").arg(images::ensure("services")?.join("services.tar"));
        tar.arg("-C").arg(&tree);
        answer(tar)?;
        let shared = tree.join("dev/shm");
        std::fs::create_dir_all(&shared)?;
        std::fs::create_dir_all(tree.join("pg"))?;
        answer(with(
            Command::new("chroot"),
            &[tree.display().to_string(), "chown".into(), "postgres".into(), "/pg".into()],
        ))?;
        let mut host = Command::new("chroot");
        host.arg("--userspec=postgres:postgres").arg(&tree).args(["sh", "-c", &serve_database()]);
        let server = host.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        Ok(Self { tree, server })
    }

    fn command(&self) -> Command {
        let mut command = Command::new("chroot");
        command.arg("--userspec=postgres:postgres").arg(&self.tree);
        command
    }
}

impl Drop for HostDatabase {
    fn drop(&mut self) {
        // A fast shutdown ends all its processes.
        let pid = rustix::process::Pid::from_child(&self.server);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::INT);
        let _ = self.server.wait();
    }
}
