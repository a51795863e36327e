//! `fork`: containers that go on from what another one is now.

use std::fs;

use tests::Engine;

fn original(engine: &Engine) {
    let image = engine.image("busybox");
    let mounts = ["-v", "named:/named", "-v", "/anonymous", "-p", "127.0.0.1:0:80"];
    let command = [&image, "sh", "-c", "echo $HOSTNAME started >> /runs; exec sleep 1000"];
    engine
        .run(
            &[&["run", "-d", "--name", "box", "-e", "A=1", "--label", "k=v"], &mounts[..], &command].concat(),
        )
        .ok();
    engine
        .run(&[
            "exec",
            "box",
            "sh",
            "-c",
            "echo own > /own; echo n > /named/file; echo a > /anonymous/file; rm /etc/passwd",
        ])
        .ok();
}

fn ask(engine: &Engine, container: &str, script: &str) -> String {
    engine.run(&["exec", container, "sh", "-c", script]).ok().text().to_owned()
}

#[test]
fn forks_have_what_the_original_had_and_none_sees_the_others_writes() {
    let engine = Engine::new();
    original(&engine);
    let forked = engine.run(&["fork", "--count", "3", "--name", "copy-{n}", "box"]).ok();
    forked.prints("copy-1\ncopy-2\ncopy-3");
    let all = ["box", "copy-1", "copy-2", "copy-3"];
    for name in &all[1..] {
        assert_eq!(
            ask(
                &engine,
                name,
                "cat /own /named/file /anonymous/file; test ! -e /etc/passwd && echo $A; wc -l < /runs"
            ),
            "own\nn\na\n1\n2",
            "{name}"
        );
        assert_eq!(engine.inspect(name, "{{.State.Status}} {{.Config.Labels.k}}"), "running v");
    }
    for name in all {
        ask(
            &engine,
            name,
            &format!("echo {name} > /own; echo {name} > /named/file; echo {name} > /anonymous/file"),
        );
    }
    for name in all {
        assert_eq!(ask(&engine, name, "cat /own /named/file /anonymous/file"), [name; 3].join("\n"));
    }
    assert_eq!(engine.inspect("box", "{{.State.Status}}"), "running");
    // Further ones take the next names; copies of volumes go with their container.
    engine.run(&["fork", "box"]).ok().prints("box-1");
    engine.run(&["fork", "--rm", "box"]).ok().prints("box-2");
    let volumes = || engine.run(&["volume", "ls", "-q"]).ok().stdout.lines().count();
    let before = volumes();
    engine.run(&["rm", "-f", "box-2"]).ok();
    engine.run(&["rm", "-fv", "box-1"]).ok();
    assert_eq!(volumes(), before - 4);
    engine.run(&["volume", "inspect", "named"]).ok();
    // With the last fork the frozen copy is nobody's: a pruning takes it.
    engine.run(&["rm", "-fv", "copy-1", "copy-2", "copy-3"]).ok();
    engine.run(&["image", "prune", "-f"]).ok().stdout_has("deleted: sha256:");
    engine.audit();
}

#[test]
fn forks_share_all_that_is_not_written() {
    let engine = Engine::new();
    let image = engine.image("busybox");
    engine.run(&["run", "-d", "--name", "box", &image, "sleep", "1000"]).ok();
    ask(&engine, "box", "head -c 20000000 /dev/urandom > /big");
    let du = || {
        let output =
            std::process::Command::new("du").args(["-s", "-B1"]).arg(engine.root()).output().unwrap();
        String::from_utf8(output.stdout).unwrap().split('\t').next().unwrap().parse::<u64>().unwrap()
    };
    let before = du();
    engine.run(&["fork", "--count", "5", "box"]).ok();
    let grown = du() - before;
    // One copy for all of them.
    assert!((20_000_000..21_500_000).contains(&grown), "{grown}");
    assert_eq!(ask(&engine, "box-5", "wc -c < /big"), "20000000");
}

#[test]
fn a_fork_that_cannot_be_leaves_nothing() {
    let engine = Engine::new();
    original(&engine);
    engine
        .run(&["fork", "--count", "2", "--name", "fixed", "box"])
        .fails_with(1)
        .error_names(&["fixed", "2 containers"]);
    engine.run(&["fork", "--count", "0", "box"]).fails_with(1);
    engine.run(&["fork", "nobody"]).fails_with(1).error_names(&["No such container: nobody"]);
    engine.run(&["fork", "--name", "box", "box"]).fails_with(1).error_names(&["box"]);
    assert_eq!(engine.containers().len(), 1);
    // A bind is the host's own directory for all.
    let bind = engine.base().join("bind");
    fs::create_dir(&bind).unwrap();
    let image = engine.image("busybox");
    engine
        .run(&["create", "--name", "bound", "-v", &format!("{}:/b", bind.display()), &image, "sleep", "1000"])
        .ok();
    engine.run(&["fork", "bound"]).ok().stderr_has("is the same directory for all of them");
    // Its bind gone, a fork cannot start: neither is there then.
    fs::remove_dir(&bind).unwrap();
    engine.run(&["fork", "-n", "2", "--name", "lost-{n}", "bound"]).fails_with(1);
    assert!(!engine.run(&["ps", "-a"]).ok().stdout.contains("lost-"));
    engine.run(&["rm", "-f", "bound-1"]).ok();
    engine.run(&["volume", "prune", "-f"]).ok();
    engine.run(&["image", "prune", "-f"]).ok();
    engine.audit();
}
