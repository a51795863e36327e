//! Many at once: starts, further processes and ends by many callers, while others look on. In `make soak` a thousand of
//! each, all at the same time; how long they take and how fast `ps` answers meanwhile is told there and asserted nowhere.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tests::{Engine, rounds};

/// Longer than a thousand commands take that share two processors.
const PATIENCE: Duration = Duration::from_secs(600);

/// Commands that are given at the same time.
struct Crowd<'a> {
    engine: &'a Engine,
    count: usize,
}

#[expect(clippy::print_stderr, reason = "how long it took is told")]
impl Crowd<'_> {
    /// Has everybody act at once, and somebody look on; tells how it went. `name` is that of a container of its own.
    fn act(&self, what: &str, words: impl Fn(&str) -> Vec<String> + Sync) {
        let begin = Instant::now();
        let done = AtomicBool::new(false);
        let act = |number: usize| {
            let words = words(&format!("box-{number}"));
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            self.engine.command(&words).timeout(PATIENCE).run().ok().quiet();
        };
        let mut looks = thread::scope(|scope| {
            let looks = scope.spawn(|| self.look_on(&done));
            let act = &act;
            let actors: Vec<_> = (0..self.count).map(|number| scope.spawn(move || act(number))).collect();
            let outcomes: Vec<_> = actors.into_iter().map(|actor| actor.join().is_ok()).collect();
            done.store(true, Ordering::Relaxed);
            assert!(outcomes.iter().all(|fine| *fine), "{what}: {outcomes:?}");
            looks.join().expect("whoever looks on is answered")
        });
        looks.sort_unstable();
        let at = |part: f64| looks[((looks.len() - 1) as f64 * part) as usize].as_millis();
        eprintln!(
            "{} × {what}: {:.1} s; `ps` meanwhile: {} ms, nine of ten within {} ms, {} looks",
            self.count,
            begin.elapsed().as_secs_f64(),
            at(0.5),
            at(0.9),
            looks.len()
        );
    }

    /// Lists again and again until all is done: whatever is going on, each answer is whole.
    fn look_on(&self, done: &AtomicBool) -> Vec<Duration> {
        let mut looks = Vec::new();
        while looks.is_empty() || !done.load(Ordering::Relaxed) {
            let begin = Instant::now();
            let listed = self.engine.command(&["ps", "-a", "--format", "{{.Names}} {{.State}}"]);
            let listed = listed.timeout(PATIENCE).run().ok().quiet();
            looks.push(begin.elapsed());
            let names: BTreeSet<&str> =
                listed.stdout.lines().filter_map(|line| line.split(' ').next()).collect();
            assert_eq!(names.len(), listed.stdout.lines().count(), "each once: {listed}");
            thread::sleep(Duration::from_millis(20));
        }
        looks
    }
}

#[test]
fn many_are_started_entered_stopped_and_removed_at_once_while_others_look_on() {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).unwrap();
    let engine = Engine::new();
    let image = engine.image("busybox");
    let crowd = Crowd { engine: &engine, count: rounds(40, 1000) };
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let script = "trap 'exit 3' TERM; sleep 6000 & wait";
    crowd.act("create", |name| words(&["create", "--name", name, &image, "sh", "-c", script]));
    crowd.act("start", |name| words(&["start", name]));
    assert_eq!(engine.run(&["ps", "-q"]).ok().stdout.lines().count(), crowd.count, "all of them run");
    crowd.act("exec", |name| words(&["exec", name, "true"]));
    crowd.act("stop", |name| words(&["stop", name]));
    let ends = engine.run(&["ps", "-a", "--filter", "exited=3", "-q"]).ok().stdout;
    assert_eq!(ends.lines().count(), crowd.count, "each has heard of its end");
    crowd.act("rm", |name| words(&["rm", name]));
    assert_eq!(engine.containers(), [""; 0]);
    crowd.act("run --rm", |name| words(&["run", "--rm", "--name", name, &image, "true"]));
    engine.audit();
}
