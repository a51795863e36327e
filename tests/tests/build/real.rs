//! Dockerfiles as people write them (`tests/dockerfiles/`), on a Debian made offline: packages come from Debian, PyPI,
//! npm and crates.io, and what was built runs and serves.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tests::Engine;

/// Whatever a step fetches and compiles.
const LONG: Duration = Duration::from_mins(30);
/// What this machine trusts; the proxy of a company, or of a CI, answers for others by it.
const CERTIFICATES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Whether the long ones run too: they fetch a compiler or many packages (`make soak`).
fn has_time() -> bool {
    tests::rounds(0, 1) == 1
}

/// An engine with `debian:bookworm`.
fn debian() -> Engine {
    let engine = Engine::new();
    engine.image("debian");
    engine.run(&["tag", "debian:latest", "debian:bookworm"]).ok();
    engine
}

/// Builds a directory as `it`.
fn build(engine: &Engine, context: &Path, flags: &[&str]) {
    let secret = format!("id=certificates,src={CERTIFICATES}");
    let mut words = vec!["build", "--tag", "it"];
    if Path::new(CERTIFICATES).exists() {
        words.extend(["--secret", &secret]);
    }
    words.extend(flags);
    words.push(context.to_str().unwrap());
    engine.command(&words).timeout(LONG).run().ok();
}

fn dockerfile(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("dockerfiles").join(name)
}

/// Builds one of them and runs it; returns the address of the server.
fn serve(engine: &Engine, name: &str, flags: &[&str]) -> String {
    build(engine, &dockerfile(name), &[]);
    engine.run(&[&["run", "--detach", "--name", name], flags, &["it"]].concat()).ok();
    engine.address(name, "bridge")
}

/// What curl gets, once the server answers.
fn get(address: &str) -> String {
    let words = ["--silent", "--fail", "--retry", "60", "--retry-delay", "1", "--retry-all-errors", address];
    tests::Invocation::new("curl", &words).timeout(Duration::from_mins(2)).run().ok().text().to_owned()
}

#[test]
fn nginx_serves_and_logs() {
    let engine = debian();
    let address = serve(&engine, "nginx", &["--env", "NGINX_PORT=80"]);
    assert_eq!(get(&format!("http://{address}/")), "<h1>served from a heredoc, $untouched</h1>");
    assert_eq!(get(&format!("http://{address}/who")), "80");
    tests::eventually("nginx logs to the engine", || {
        engine.run(&["logs", "nginx"]).ok().stdout.contains("GET /who")
    });
    assert_eq!(engine.inspect("it", "{{.Config.StopSignal}}"), "SIGQUIT");
    engine.run(&["stop", "nginx"]).ok();
    assert_eq!(engine.inspect("nginx", "{{.State.ExitCode}}"), "0");
}

#[test]
fn redis_drops_its_privileges_and_keeps_its_data() {
    let engine = debian();
    serve(&engine, "redis", &["--volume", "kept:/data"]);
    let redis = |words: &[&str]| {
        let words = [&["exec", "redis", "redis-cli"], words].concat();
        engine.run(&words).stdout.trim().to_owned()
    };
    tests::eventually("redis answers", || redis(&["ping"]) == "PONG");
    assert_eq!(redis(&["set", "key", "value"]), "OK");
    let owner = engine.run(&["exec", "redis", "stat", "-c", "%u %U", "/proc/1"]).ok();
    assert_eq!(owner.text(), "999 redis");
    engine.run(&["stop", "redis"]).ok();
    engine.run(&["rm", "redis"]).ok();
    engine.run(&["run", "--detach", "--name", "redis", "--volume", "kept:/data", "it"]).ok();
    tests::eventually("redis has read its data", || redis(&["get", "key"]) == "value");
}

#[test]
fn postgres_makes_a_cluster_and_becomes_healthy() {
    if !has_time() {
        return;
    }
    let engine = debian();
    serve(&engine, "postgres", &["--env", "POSTGRES_PASSWORD=secret"]);
    tests::eventually("postgres is healthy", || {
        engine.inspect("postgres", "{{.State.Health.Status}}") == "healthy"
    });
    let query = ["--host", "127.0.0.1", "-Atc", "select name, current_setting('lc_ctype') from visitors"];
    let words =
        [&["exec", "--user", "postgres", "--env", "PGPASSWORD=secret", "postgres", "psql"], &query[..]]
            .concat();
    tests::eventually("postgres answers", || {
        engine.run(&words).stdout.trim() == "from the schema|en_US.utf8"
    });
    engine.run(&["stop", "postgres"]).ok();
    assert_eq!(engine.inspect("postgres", "{{.State.ExitCode}}"), "0");
}

#[test]
fn python_serves_what_pip_has_installed() {
    let engine = debian();
    let address = serve(&engine, "python", &[]);
    assert_eq!(get(&format!("http://{address}:8000/")), "python as 10001");
    engine.run(&["exec", "python", "test", "!", "-e", "/requirements.txt"]).ok();
}

#[test]
fn node_serves_what_npm_has_installed() {
    if !has_time() {
        return;
    }
    let engine = debian();
    let address = serve(&engine, "node", &[]);
    assert_eq!(get(&format!("http://{address}:3000/")), "node as 1000");
}

#[test]
fn rust_is_compiled_with_caches_and_nothing_of_them_stays() {
    if !has_time() {
        return;
    }
    let engine = debian();
    let address = serve(&engine, "rust", &[]);
    assert_eq!(get(&format!("http://{address}:8000/")), "rust");
    let caches = engine.run(&["build", "cache", "ls"]).ok();
    caches.stdout_has("cache mount /app/target").stdout_has("cache mount /var/cache/apt");
    engine.run(&["run", "--rm", "it", "sh", "-c", "! test -e /app && ! command -v cargo"]).ok();
}

/// The first release of a builder is the one that it has built itself.
#[test]
fn the_engine_builds_itself() {
    if !has_time() {
        return;
    }
    let engine = debian();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let dockerfile = source.join("examples/self/Dockerfile");
    let flags = ["--file", dockerfile.to_str().unwrap()];
    build(&engine, source, &flags);
    let version = tests::Invocation::new(engine.binary(), &["--version"]).run().ok();
    assert_eq!(engine.run(&["run", "--rm", "it"]).ok().text(), version.text());
    let again =
        engine.command(&[&["build", "--tag", "it"], &flags[..], &[source.to_str().unwrap()]].concat());
    assert_eq!(again.timeout(LONG).run().ok().stderr.matches("CACHED").count(), 6);
}
