//! `bench build`: Dockerfiles, beside docker's classic builder, BuildKit in dockerd, and buildah.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};

use super::Options;
use super::contest::{Coracle, Docker, Engine, answer, complain, install, time};
use super::report::Report;
use super::sample::Sample;
use crate::images;

/// The parts of the bench, in their order; `--only` picks one.
const PARTS: &[&str] = &["nothing", "cached", "changed", "steps", "context", "stages"];

/// Docker's own client of Debian 12, which has a client of BuildKit in it; later ones want a plug-in.
const DEBIAN_DOCKER: &str = "/usr/bin/docker";
/// Files that are younger are read again by an engine that trusts no recent times.
const QUIET: Duration = Duration::from_secs(80);

/// Five steps: two of files, three of commands.
const FIVE: &str = "FROM busybox\nWORKDIR /here\nCOPY source /here/source\nRUN cat source > built\n\
                    RUN mkdir out && cp built out/\nRUN wc -c out/built > size\n";

/// Makes a command of flags and a context.
type Build<'a> = Box<dyn Fn(&[&str], &Path) -> Command + 'a>;

/// Whoever builds.
struct Builder<'a> {
    name: &'static str,
    build: Build<'a>,
}

/// Measures and returns the tables as Markdown.
pub(super) fn run(options: &Options) -> Result<String> {
    options.check(PARTS)?;
    let base = super::directory()?;
    let coracle = Coracle::prepare(base.path())?;
    let docker = match options.no_peers {
        true => None,
        false => {
            install(&[
                ("dockerd", "docker.io"),
                (DEBIAN_DOCKER, "docker.io"),
                ("runc", "runc"),
                ("buildah", "buildah"),
            ])?;
            Some(Docker::prepare(base.path())?)
        }
    };
    let buildah = Buildah(base.path().join("buildah"));
    if docker.is_some() {
        buildah.prepare()?;
    }
    let builders = builders(&coracle, docker.as_ref(), &buildah);
    let mut report = Report::new();
    for part in PARTS.iter().filter(|part| options.wants(part)) {
        complain(&format!("measuring: {part}"));
        let context = base.path().join(part);
        fs::create_dir_all(&context)?;
        let bench = Bench { options, builders: &builders, context };
        match *part {
            "nothing" => bench.nothing(&mut report)?,
            "cached" => bench.cached(&mut report)?,
            "changed" => bench.changed(&mut report)?,
            "steps" => bench.steps(&mut report)?,
            "context" => bench.many_files(&mut report)?,
            _ => bench.stages(&mut report)?,
        }
    }
    Ok(report.finish())
}

fn builders<'a>(coracle: &'a Coracle, docker: Option<&'a Docker>, buildah: &'a Buildah) -> Vec<Builder<'a>> {
    let own = |flags: &[&str], context: &Path| {
        let mut command = coracle.command(&["build", "--quiet", "--network", "none", "--tag", "bench"]);
        command.args(flags).arg(context);
        command
    };
    let mut builders = vec![Builder { name: "`coracle build`", build: Box::new(own) }];
    let Some(docker) = docker else { return builders };
    for (name, kind) in [("`docker build`, classic", "0"), ("`docker build`, BuildKit", "1")] {
        let build = move |flags: &[&str], context: &Path| {
            let mut command = docker.command_of(DEBIAN_DOCKER, &["build", "--quiet", "--network", "none"]);
            command.env("DOCKER_BUILDKIT", kind).args(["--tag", "bench"]).args(flags).arg(context);
            command
        };
        builders.push(Builder { name, build: Box::new(build) });
    }
    let build = |flags: &[&str], context: &Path| {
        let words = ["build", "--quiet", "--layers", "--pull=never", "--network", "none", "--tag", "bench"];
        let mut command = buildah.command(&words);
        command.args(flags).arg(context);
        command
    };
    builders.push(Builder { name: "`buildah build`", build: Box::new(build) });
    builders
}

/// A store of buildah's with the image that all begin with.
struct Buildah(PathBuf);

impl Buildah {
    fn prepare(&self) -> Result<()> {
        let tar = images::ensure("busybox")?.join("busybox.tar");
        fs::create_dir_all(&self.0)?;
        let container = answer(self.command(&["from", "scratch"]))?;
        answer(self.command(&["add", "--quiet", &container, tar.to_str().context("a path that is text")?]))?;
        answer(self.command(&["commit", "--quiet", &container, "docker.io/library/busybox:latest"]))?;
        answer(self.command(&["rm", &container])).map(drop)
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new("buildah");
        command.arg("--root").arg(self.0.join("root")).arg("--runroot").arg(self.0.join("run"));
        // crun refuses both versions of cgroups at once.
        command.args(["--storage-driver", "overlay"]).env("BUILDAH_RUNTIME", "runc").args(words);
        command
    }
}

/// One part: its context, and who builds it.
struct Bench<'a> {
    options: &'a Options,
    builders: &'a [Builder<'a>],
    context: PathBuf,
}

impl Bench<'_> {
    fn write(&self, name: &str, text: impl AsRef<[u8]>) -> Result<()> {
        let path = self.context.join(name);
        fs::write(&path, text).with_context(|| format!("cannot write `{}`", path.display()))
    }

    fn nothing(&self, report: &mut Report) -> Result<()> {
        self.write("Dockerfile", FIVE)?;
        self.write("source", "one\n")?;
        self.contest("five steps, nothing cached", report, 5, &["--no-cache"], || Ok(()))
    }

    fn cached(&self, report: &mut Report) -> Result<()> {
        self.write("Dockerfile", FIVE)?;
        self.write("source", "one\n")?;
        self.contest("five steps, all cached", report, 2, &[], || Ok(()))
    }

    fn changed(&self, report: &mut Report) -> Result<()> {
        self.write("Dockerfile", FIVE)?;
        // Nobody has seen any of these before.
        self.contest("five steps, one file changed", report, 5, &[], || {
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
            self.write("source", format!("{}\n", now.as_nanos()))
        })
    }

    fn steps(&self, report: &mut Report) -> Result<()> {
        let steps: String = (0..20).map(|number| format!("RUN echo {number} > /{number}\n")).collect();
        self.write("Dockerfile", format!("FROM busybox\n{steps}"))?;
        self.contest("20 short steps, nothing cached", report, 10, &["--no-cache"], || Ok(()))
    }

    fn many_files(&self, report: &mut Report) -> Result<()> {
        let files = if self.options.quick { 5_000 } else { 50_000 };
        for number in 0..files {
            let directory = self.context.join(format!("tree/{}", number / 100));
            if number % 100 == 0 {
                fs::create_dir_all(&directory)?;
            }
            fs::write(directory.join(number.to_string()), format!("file {number}\n").repeat(40))?;
        }
        self.write("Dockerfile", "FROM busybox\nCOPY tree /tree\n")?;
        complain(&format!("waiting {} s, so that the files are old", QUIET.as_secs()));
        thread::sleep(QUIET);
        self.contest(&format!("a context of {files} files, unchanged"), report, 10, &[], || Ok(()))
    }

    /// As long as the longest of them, or as all together.
    fn stages(&self, report: &mut Report) -> Result<()> {
        let stage = |name: char| format!("FROM busybox AS {name}\nRUN sleep 1 && echo {name} > /{name}\n");
        let copy = |name: char| format!("COPY --from={name} /{name} /{name}\n");
        let (stages, copies): (String, String) =
            ("abcd".chars().map(stage).collect(), "abcd".chars().map(copy).collect());
        self.write("Dockerfile", format!("{stages}FROM busybox\n{copies}"))?;
        self.contest("four stages that sleep for a second each", report, 10, &["--no-cache"], || Ok(()))
    }

    /// Lets builders take turns; one in so many of the usual rounds, and one before that is not counted.
    fn contest(
        &self,
        title: &str,
        report: &mut Report,
        share: usize,
        flags: &[&str],
        mut prepare: impl FnMut() -> Result<()>,
    ) -> Result<()> {
        let rounds = self.options.iterations().div_ceil(share).max(2);
        let mut taken: Vec<Vec<Duration>> = vec![Vec::new(); self.builders.len()];
        for round in 0..=rounds {
            for (builder, taken) in self.builders.iter().zip(&mut taken) {
                prepare()?;
                thread::sleep(Duration::from_millis(50));
                let took =
                    time((builder.build)(flags, &self.context)).with_context(|| builder.name.to_owned())?;
                if round > 0 {
                    taken.push(took);
                }
            }
        }
        let rows = self.builders.iter().zip(taken);
        let rows = rows.filter_map(|(builder, taken)| Some((builder.name.to_owned(), Sample::new(taken)?)));
        report.contest(title, rows.collect());
        Ok(())
    }
}
