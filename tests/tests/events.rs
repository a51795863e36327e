//! `events`: what is told of containers, images, networks and volumes, and to whom.

use std::fs;

use rustix::process::Signal;
use tests::Engine;

/// Returns what was told so far, by a template.
#[track_caller]
fn told(engine: &Engine, template: &str, filters: &[&str]) -> String {
    let mut arguments = vec!["events", "--since", "1", "--until", "0s", "--format", template];
    filters.iter().for_each(|filter| arguments.extend(["--filter", filter]));
    engine.run(&arguments).ok().stdout
}

const ACTION: &str = "{{.Type}} {{.Action}}";

#[test]
fn the_life_of_a_container_is_told() {
    let engine = Engine::new();
    let image = engine.image("busybox");
    engine
        .run(&["run", "--name", "box", "--network", "none", "--label", "a=b", &image, "sh", "-c", "exit 3"])
        .fails_with(3);
    let id = engine.inspect("box", "{{.Id}}");
    assert_eq!(told(&engine, "{{.Action}}", &["container=box"]), "create\nattach\nstart\ndie\n");
    let die = told(&engine, "{{.Actor.ID}} {{json .Actor.Attributes}}", &["event=die"]);
    assert_eq!(
        die,
        format!(
            "{id} {{\"a\":\"b\",\"execDuration\":\"0\",\"exitCode\":\"3\",\"image\":\"{image}\",\"name\":\"box\"}}\n"
        )
    );

    engine.run(&["start", "box"]).ok();
    engine.run(&["wait", "box"]).ok();
    engine.run(&["rename", "box", "crate"]).ok();
    engine.run(&["rm", "crate"]).ok();
    let after = told(
        &engine,
        "{{.Action}} {{.Actor.Attributes.name}} {{.Actor.Attributes.oldName}}",
        &["container=crate"],
    );
    assert_eq!(after, "rename crate /box\ndestroy crate <no value>\n");
    assert_eq!(
        told(&engine, "{{.Action}}", &[&format!("container={}", &id[..12]), "event=start"]),
        "start\nstart\n"
    );
}

#[test]
fn what_verbs_do_is_told_in_order() {
    let engine = Engine::new();
    let image = engine.image("busybox");
    engine
        .run(&[
            "run",
            "-d",
            "--rm",
            "--name",
            "box",
            "--network",
            "none",
            "-v",
            "data:/data",
            &image,
            "sleep",
            "600",
        ])
        .ok();
    engine.run(&["exec", "box", "sh", "-c", "exit 4"]).fails_with(4);
    engine.run(&["pause", "box"]).ok();
    engine.run(&["unpause", "box"]).ok();
    engine.run(&["kill", "-s", "CONT", "box"]).ok();
    engine.run(&["stop", "-t", "0", "box"]).ok();
    engine.run(&["volume", "rm", "data"]).ok();
    engine.run(&["network", "create", "lan"]).ok();
    engine.run(&["network", "rm", "lan"]).ok();
    engine.run(&["tag", &image, "other:1"]).ok();
    engine.run(&["rmi", "other:1"]).ok();
    // An attribute that most events lack.
    let signal = |line: &str| line.replace(" <no value>", "");
    let lines = told(
        &engine,
        &format!("{ACTION} {{{{.Actor.Attributes.signal}}}} {{{{.Actor.Attributes.exitCode}}}}"),
        &[],
    );
    let lines: Vec<String> = lines.lines().map(signal).collect();
    let expected = [
        "image import",
        "image tag",
        "volume create",
        "container create",
        "volume mount",
        "container start",
        "container exec_create: sh -c exit 4",
        "container exec_start: sh -c exit 4",
        "container exec_die 4",
        "container pause",
        "container unpause",
        "container kill 18",
        "container kill 15",
        "container kill 9",
        "container die 137",
        "volume unmount",
        "container destroy",
        "container stop",
        "volume destroy",
        "network create",
        "network destroy",
        "image tag",
        "image untag",
    ];
    assert_eq!(lines, expected);
    assert_eq!(told(&engine, ACTION, &["type=network"]), "network create\nnetwork destroy\n");
    assert_eq!(told(&engine, ACTION, &["volume=data", "event=mount"]), "volume mount\n");
    assert_eq!(told(&engine, ACTION, &["event=exec_create"]).lines().count(), 1);
    assert_eq!(told(&engine, ACTION, &["image=other"]), "image tag\n");
}

#[test]
fn who_follows_is_told_as_it_happens_also_over_rotations() {
    let engine = Engine::new();
    engine.image("busybox");
    let format = "{{.Action}} {{.Actor.ID}}";
    let following =
        engine.command(&["events", "--since", "1", "--filter", "type=volume", "--format", format]).spawn();
    engine.run(&["volume", "create", "before"]).ok();
    following.wait_for("create before");
    // As if there were a megabyte already: the next to append rotates.
    let journal = engine.run_root().join("events");
    let padding = format!("{}\n", "x".repeat(1 << 20));
    fs::OpenOptions::new()
        .append(true)
        .open(&journal)
        .and_then(|mut file| std::io::Write::write_all(&mut file, padding.as_bytes()))
        .unwrap();
    engine.run(&["volume", "create", "after"]).ok();
    following.wait_for("create after");
    assert!(engine.run_root().join("events.1").exists());
    assert!(fs::metadata(&journal).unwrap().len() < 1000);
    engine.run(&["volume", "rm", "after"]).ok();
    following.wait_for("destroy after");
    // What was before the rotation is still there for those who ask.
    assert!(told(&engine, ACTION, &["type=image"]).contains("image import"));
    following.signal(Signal::TERM);
    following.wait().fails_with(143);
}

#[test]
fn times_are_those_of_docker() {
    let engine = Engine::new();
    engine.run(&["volume", "create", "one"]).ok();
    let at = told(&engine, "{{.TimeNano}}", &[]);
    let (seconds, nanos) = at.trim().split_at(at.trim().len() - 9);
    let upto = format!("{seconds}.{nanos}");
    engine.run(&["volume", "create", "two"]).ok();
    let until = engine.run(&["events", "--until", &upto, "--format", "{{.Actor.ID}}"]).ok().stdout;
    assert_eq!(until, "one\n");
    let since =
        engine.run(&["events", "--since", &upto, "--until", "0s", "--format", "{{.Actor.ID}}"]).ok().stdout;
    assert_eq!(since, "one\ntwo\n");
    let none = engine.run(&["events", "--since", "0s", "--until", "0s"]).ok().stdout;
    assert_eq!(none, "");
    let json =
        engine.run(&["system", "events", "--since", &upto, "--until", &upto, "--format", "json"]).ok().stdout;
    assert!(json.contains("\"Type\":\"volume\"") && json.contains("\"scope\":\"local\""), "{json}");
    // As with Docker, what there is none of here shows nothing.
    let none = engine.run(&["events", "--filter", "node=x", "--since", &upto, "--until", "0s"]).ok().stdout;
    assert_eq!(none, "");
    engine.run(&["events", "--filter", "nod=x"]).fails_with(1).error_names(&["invalid filter 'nod'"]);
    engine.run(&["events", "--since", "x"]).fails_with(1).error_names(&["invalid value for \"since\""]);
}
