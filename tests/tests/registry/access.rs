//! Who is believed, who is let in, and who is asked.

use std::fs;
use std::path::Path;

use tests::{Engine, PASSWORD, Registry, USER};

use super::seed;

#[test]
fn a_registry_with_tls_and_password_lets_in_who_has_both() {
    let (engine, registry) = (Engine::new(), Registry::secured());
    let image = engine.image("busybox");
    let name = registry.name("private:1");
    engine.run(&["tag", &image, &name]).ok();
    let config = engine.base().join("docker");
    let with = |arguments: &[&str]| engine.command(arguments).env("DOCKER_CONFIG", &config);
    // Nobody vouches for it.
    with(&["push", &name]).run().fails_with(1).error_names(&["no secure connection", "certs.d"]);
    let insecure = engine.base().join("config.toml");
    fs::write(&insecure, format!("insecure-registries = [\"{}\"]\n", registry.host())).unwrap();
    let with = |arguments: &[&str]| with(arguments).env("CORACLE_CONFIG", &insecure);
    with(&["push", &name]).run().fails_with(1).error_names(&["denies access", "coracle login"]);
    let login = ["login", "--username", USER, "--password-stdin", registry.host()];
    let refused = with(&login).stdin("wrong\n").run().fails_with(1);
    assert!(!refused.stderr.contains("wrong"), "{refused}");
    with(&login).stdin(format!("{PASSWORD}\n")).run().ok().prints("Login Succeeded");
    with(&["push", &name]).run().ok();
    engine.run(&["rmi", &name]).ok();
    with(&["run", "--rm", "--quiet", &name, "echo", "let in"]).run().ok().prints("let in");
    let file = config.join("config.json");
    let text = fs::read_to_string(&file).unwrap();
    assert!(!text.contains(PASSWORD), "in the clear");
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    with(&["logout", registry.host()])
        .run()
        .ok()
        .prints(&format!("Removing login credentials for {}", registry.host()));
    with(&["pull", &name]).run().fails_with(1).error_names(&["denies access"]);
}

#[test]
fn an_authority_in_certs_d_vouches_for_its_registry() {
    let (engine, registry) = (Engine::new(), Registry::secured());
    // Over the machine's /etc lies another one, which this command alone sees.
    let script = "set -e; mkdir \"$BASE/etc\"; mount -t tmpfs none \"$BASE/etc\"; cd \"$BASE/etc\"; mkdir upper work
                  mount -t overlay -o lowerdir=/etc,upperdir=upper,workdir=work none /etc
                  mkdir -p \"/etc/coracle/certs.d/$HOST\"; cp \"$AUTHORITY\" \"/etc/coracle/certs.d/$HOST/ca.crt\"
                  exec \"$BINARY\" manifest inspect \"$HOST/x\"";
    let command = engine.command_as(Path::new("unshare"), &["--mount", "sh", "-c", script]);
    let command = command.env("BASE", engine.base()).env("BINARY", engine.binary());
    let command = command.env("HOST", registry.host()).env("AUTHORITY", Registry::authority());
    // It is believed, and now asks for a password.
    command.run().fails_with(1).error_names(&["denies access"]);
}

#[test]
fn a_mirror_is_asked_instead_of_the_registry() {
    let (engine, mirror) = (Engine::new(), Registry::plain());
    seed(&mirror, "library/busybox:from-mirror", "busybox-docker.tar", &[]);
    let config = engine.base().join("config.toml");
    fs::write(&config, format!("registry-mirrors = [\"http://{}\"]\n", mirror.host())).unwrap();
    let pulled = engine.command(&["pull", "busybox:from-mirror"]).env("CORACLE_CONFIG", &config).run().ok();
    assert!(pulled.stdout.contains("from-mirror: Pulling from library/busybox\n"), "{pulled}");
    assert!(pulled.stdout.ends_with("docker.io/library/busybox:from-mirror\n"), "{pulled}");
    engine.run(&["run", "--rm", "busybox:from-mirror", "echo", "short"]).ok().prints("short");
}
