//! The power goes at each step of what changes images: afterwards the old is there or the new, whole; and what was
//! acknowledged is there.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use tests::{Cut, Disk, Engine, Registry, counting, rounds};

/// With it the same command makes the same image each time.
const EPOCH: (&str, &str) = ("SOURCE_DATE_EPOCH", "1700000000");

/// One command on a disk that already holds something.
struct Case<'a> {
    name: &'static str,
    engine: &'a Engine,
    disk: Disk,
    command: &'a [&'a str],
    /// What the disk held before.
    start: PathBuf,
}

impl<'a> Case<'a> {
    fn new(name: &'static str, engine: &'a Engine, disk: Disk, command: &'a [&'a str]) -> Self {
        let start = engine.base().join("start");
        disk.save(&start);
        Self { name, engine, disk, command, start }
    }

    /// Every name with what it leads to.
    fn listed(&self) -> BTreeSet<String> {
        let words = ["images", "--all", "--no-trunc", "--format", "{{.Repository}}:{{.Tag}} {{.ID}}"];
        let listed = self.engine.run(&words).ok();
        // An image that nobody calls by a name is neither old nor new: `image prune` takes it.
        let named = listed.stdout.lines().filter(|line| !line.contains("<none>"));
        named.map(str::to_owned).collect()
    }

    /// Cuts the power before every step, or every few of them.
    fn run(mut self) {
        let binary = counting();
        let marker = self.engine.base().join("struck");
        let old = self.listed();
        self.again();
        let new = self.listed();
        let copies = [(Cut::Early, "early"), (Cut::Late, "late")];
        let copies = copies.map(|(cut, name)| (cut, self.engine.base().join(name)));
        for number in (1..).step_by(rounds(4, 1)) {
            let start = self.start.clone();
            self.disk.restore(&start);
            let _ = fs::remove_file(&marker);
            let wish = format!("command:{number}:{}", marker.display());
            let command = self.engine.command_as(&binary, self.command).env("CORACLE_FAILPOINT", wish);
            let output = command.env(EPOCH.0, EPOCH.1).run();
            let struck = marker.exists();
            assert_eq!(struck, output.code != 0, "{}: {output}", self.name);
            for (cut, copy) in &copies {
                self.disk.cut(*cut, copy);
            }
            for (cut, copy) in &copies {
                let what = format!("{}: power cut at step {number}, {cut:?}", self.name);
                let found = self.boot(copy, &what);
                assert!(found == new || struck && found == old, "{what}: {found:?}");
                self.again();
                assert_eq!(self.listed(), new, "{what}, and again");
            }
            if !struck {
                assert!(number > 4, "{}: {number} steps are too few to be all", self.name);
                return;
            }
        }
    }

    fn again(&self) {
        self.engine.command(self.command).env(EPOCH.0, EPOCH.1).run().ok();
    }

    /// Begins with what was on the disk when the power went; returns what is listed then, of which nothing is damaged.
    fn boot(&mut self, copy: &Path, what: &str) -> BTreeSet<String> {
        self.disk.restore(copy);
        // Its processes died with the machine.
        let _ = fs::remove_dir_all(self.engine.run_root());
        self.engine.mend();
        let checked = self.engine.run(&["system", "check"]);
        assert_eq!(checked.code, 0, "{what}: {checked}");
        let listed = self.listed();
        for line in &listed {
            let name = line.split(' ').next().unwrap_or_default();
            let saved = self.engine.run(&["save", "-o", "/dev/null", name]);
            assert_eq!(saved.code, 0, "{what}: {saved}");
        }
        listed
    }
}

/// Makes an image of two layers with a few small files, and saves it; returns the archive.
fn archive(maker: &Engine, text: &str) -> String {
    let tree = maker.base().join(text);
    fs::create_dir_all(tree.join("dir")).unwrap();
    fs::write(tree.join("dir/file"), text.repeat(5000)).unwrap();
    std::os::unix::fs::symlink("dir", tree.join("link")).unwrap();
    fs::hard_link(tree.join("dir/file"), tree.join("hard")).unwrap();
    tests::import(maker, &tree, text);
    maker.run(&["create", "--name", text, text, "x"]).ok();
    maker.run(&["cp", tree.join("dir").to_str().unwrap(), &format!("{text}:/second")]).ok();
    maker.run(&["commit", text, "it:1"]).ok();
    maker.run(&["rm", text]).ok();
    let path = maker.base().join(format!("{text}-saved.tar"));
    maker.run(&["save", "--output", path.to_str().unwrap(), "it:1"]).ok();
    path.to_str().unwrap().to_owned()
}

#[test]
fn load() {
    let maker = Engine::new();
    let archive = archive(&maker, "one");
    let engine = maker.beside();
    let disk = Disk::below(&engine);
    engine.run(&["images"]).ok();
    Case::new("load", &engine, disk, &["load", "--input", &archive]).run();
}

#[test]
fn load_of_what_takes_a_name_over() {
    let maker = Engine::new();
    let (one, two) = (archive(&maker, "one"), archive(&maker, "two"));
    let engine = maker.beside();
    let disk = Disk::below(&engine);
    engine.run(&["load", "--input", &one]).ok();
    Case::new("load", &engine, disk, &["load", "--input", &two]).run();
}

#[test]
fn tag() {
    let maker = Engine::new();
    let (one, two) = (archive(&maker, "one"), archive(&maker, "two"));
    let engine = maker.beside();
    let disk = Disk::below(&engine);
    engine.run(&["load", "--input", &one]).ok();
    engine.run(&["tag", "it:1", "moving:1"]).ok();
    engine.run(&["load", "--input", &two]).ok();
    Case::new("tag", &engine, disk, &["tag", "it:1", "moving:1"]).run();
}

#[test]
fn commit() {
    let maker = Engine::new();
    let archive = archive(&maker, "one");
    let engine = maker.beside();
    let disk = Disk::below(&engine);
    engine.run(&["load", "--input", &archive]).ok();
    engine.run(&["create", "--name", "box", "it:1", "x"]).ok();
    engine.run(&["cp", maker.base().join("one/dir").to_str().unwrap(), "box:/third"]).ok();
    Case::new("commit", &engine, disk, &["commit", "box", "made:1"]).run();
}

#[test]
fn remove() {
    let maker = Engine::new();
    let archive = archive(&maker, "one");
    let engine = maker.beside();
    let disk = Disk::below(&engine);
    engine.run(&["load", "--input", &archive]).ok();
    engine.run(&["tag", "it:1", "kept:1"]).ok();
    Case::new("rmi", &engine, disk, &["rmi", "--force", "it:1"]).run();
}

#[test]
fn pull() {
    let (maker, registry) = (Engine::new(), Registry::plain());
    archive(&maker, "one");
    let name = registry.name("it:1");
    maker.run(&["tag", "it:1", &name]).ok();
    maker.run(&["push", &name]).ok();
    let engine = maker.beside();
    let disk = Disk::below(&engine);
    engine.run(&["images"]).ok();
    Case::new("pull", &engine, disk, &["pull", &name]).run();
}
