//! Processes that enter a container give nothing of the host away: CVE-2016-9962, CVE-2019-5736,
//! CVE-2022-29162, CVE-2022-27650, CVE-2025-27612, CVE-2016-8867.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use tests::Engine;

use super::{Canary, tree};

/// Opens the executable and the descriptors of every process it can see that is not its own, and prints
/// what it got hold of.
const SPY: &str = r#"perl -e '
    $| = 1; print "ready\n"; my %own = map { $_ => 1 } glob "/proc/[0-9]*/exe"; my $until = time + 60;
    while (time < $until && ! -e "/stop") {
        for my $exe (glob "/proc/[0-9]*/exe") {
            next if $own{$exe};
            my $name = readlink $exe; next if !defined $name || $name =~ m{^/usr/|^/bin/};
            print "saw $name\n";
            print "opened $name for writing\n" if open my $file, "+<", $exe;
            (my $proc = $exe) =~ s/exe$//;
            for my $fd (glob "$proc/fd/*") { my $target = readlink $fd; print "saw fd $target\n" if defined $target && $target =~ /canary/ }
        }
    }'"#;

#[test]
fn nobody_inside_gets_hold_of_the_engines_program() {
    let engine = Engine::new();
    let canary = Canary::new(&engine);
    let image = engine.image("debian");
    // A copy, so that a success would harm nobody else.
    let program = engine.base().join("coracle");
    fs::copy(engine.binary(), &program).unwrap();
    let before = fs::read(&program).unwrap();
    let run = |arguments: &[&str]| engine.command_as(&program, arguments).current_dir(&canary.path).run();
    // The host's own root is the strongest that a container may be; ptrace is not refused to it by the filter.
    for (name, flags) in [("own", &[][..]), ("host", &["--userns", "host", "--cap-add", "SYS_PTRACE"])] {
        run(&[&["run", "-d", "--name", name], flags, &[&image, "sh", "-c", SPY]].concat()).ok();
        for _ in 0..tests::rounds(15, 2000) {
            run(&["exec", name, "true"]).ok();
        }
        if name == "own" {
            // Under a user namespace of its own not even the name is told.
            run(&["logs", name]).ok().prints("ready");
        }
        // The program as interpreter of a script of the container (CVE-2019-5736).
        let script = "printf '#!/proc/self/exe\\n' > /evil && chmod 755 /evil";
        run(&["exec", name, "sh", "-c", script]).ok();
        for _ in 0..5 {
            assert_ne!(run(&["exec", name, "/evil"]).code, 0);
        }
        // It may be killed with all others before it has ended: the container goes when the file comes.
        let _ = run(&["exec", name, "touch", "/stop"]);
        run(&["wait", name]).ok();
        let seen = run(&["logs", name]).ok();
        assert!(!seen.stdout.contains("for writing") && !seen.stdout.contains("canary"), "{name}: {seen}");
    }
    assert!(fs::read(&program).unwrap() == before, "the engine's program was overwritten");
    canary.assert_unharmed();
}

#[test]
fn an_entry_point_that_is_the_engine_itself_gets_no_further() {
    let engine = Engine::new();
    let tree = tree(&engine, "evil");
    fs::write(tree.join("evil"), "#!/proc/self/exe run --privileged\n").unwrap();
    fs::set_permissions(tree.join("evil"), fs::Permissions::from_mode(0o755)).unwrap();
    tests::import_with(&engine, &tree, "evil", &[r#"ENTRYPOINT ["/evil"]"#]);
    let program = engine.base().join("coracle");
    fs::copy(engine.binary(), &program).unwrap();
    let before = fs::read(&program).unwrap();
    for flags in [&[][..], &["--userns", "host"]] {
        let output = engine.command_as(&program, &[&["run", "--rm"], flags, &["evil"]].concat()).run();
        assert_ne!(output.code, 0, "{output}");
    }
    assert!(fs::read(&program).unwrap() == before);
    assert!(engine.containers().is_empty());
}

#[test]
fn entering_gives_the_capabilities_of_the_container_and_none_inheritable() {
    let engine = Engine::new();
    let image = engine.image("busybox");
    let dropped = ["--cap-drop", "ALL", "--cap-add", "CHOWN", "--security-opt", "no-new-privileges"];
    engine.run(&[&["run", "-d", "--name", "idle"], &dropped[..], &[&image, "sleep", "1000"]].concat()).ok();
    let status = "grep -E '^(Cap|NoNewPrivs|Seccomp:)' /proc/self/status | cut -f 2 | xargs";
    let (none, one) = ("0000000000000000", "0000000000000001");
    let expected = |active: &str| format!("{none} {active} {active} {one} {none} 1 2");
    engine.run(&["exec", "idle", "sh", "-c", status]).ok().prints(&expected(one));
    engine.run(&["exec", "-u", "1000", "idle", "sh", "-c", status]).ok().prints(&expected(none));
    engine.run(&["exec", "idle", "chown", "5", "/etc/hostname"]).ok();
    engine.run(&["exec", "idle", "mount", "-t", "tmpfs", "t", "/mnt"]).fails_with(1);
    // The caller's own inheritable set stays outside.
    let exec = format!("exec {} exec idle sh -c \"{status}\"", engine.binary().display());
    engine
        .command_as("/usr/bin/setpriv".as_ref(), &["--inh-caps=+chown,+net_admin", "sh", "-c", &exec])
        .run()
        .ok()
        .prints(&expected(one));
}
