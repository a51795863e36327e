//! What layers did, what images cost, and getting it back.

use std::process::Command;

use serde_json::Value;
use tests::Engine;

use super::changed;

/// What du(1) says that the engine's root takes.
fn du(engine: &Engine) -> u64 {
    let output = Command::new("du").args(["-s", "-B1"]).arg(engine.root()).output().unwrap();
    String::from_utf8(output.stdout).unwrap().split('\t').next().unwrap().parse().unwrap()
}

/// An image of three layers: a file that comes, is changed and goes.
fn three_layers(engine: &Engine) -> String {
    let image = engine.image("busybox");
    let steps = [
        "head -c 3000000 /dev/urandom > /blob; mkdir /dir; head -c 1000 /dev/zero > /dir/inner; echo a > /kept",
        "head -c 2000000 /dev/urandom > /blob; echo more > /new; ln -s new /link",
        "rm -r /blob /dir; mkdir /dir; echo b > /dir/other",
    ];
    let mut below = image;
    for (number, step) in steps.into_iter().enumerate() {
        let (name, image) = (format!("step{number}"), format!("made:{number}"));
        engine.run(&["run", "--name", &name, &below, "sh", "-c", step]).ok();
        engine.run(&["commit", &name, &image]).ok();
        engine.run(&["rm", &name]).ok();
        below = image;
    }
    below
}

#[test]
fn layers_tell_what_they_did_and_what_of_it_is_wasted() {
    let engine = Engine::new();
    let image = three_layers(&engine);
    let listed = engine.run(&["image", "layers", "--format", "json", &image]).ok();
    let layers: Vec<Value> = listed.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |layer: &Value, fields: [&str; 4]| fields.map(|field| layer[field].as_u64().unwrap());
    let counts = ["Added", "Changed", "Deleted", "Wasted"];
    assert_eq!(layers.len(), 4);
    // The topmost first: /dir/other came; /blob and /dir/inner went.
    assert_eq!(of(&layers[0], counts), [1, 0, 2, 0]);
    assert_eq!(of(&layers[1], counts), [2, 1, 0, 2_000_000]);
    assert_eq!(of(&layers[2], counts), [3, 0, 0, 3_001_000]);
    assert_eq!(of(&layers[3], counts)[1..], [0, 0, 0]);
    assert!(layers[0]["CreatedBy"].as_str().unwrap().contains("rm -r /blob /dir"));
    let files = engine.run(&["image", "layers", "--files", &image]).ok();
    files
        .stdout_has("D          /blob\n")
        .stdout_has("C      2MB /blob  (wasted)\n")
        .stdout_has("A      3MB /blob  (wasted)\n");
    let files = engine.run(&["image", "layers", "--files", &image]).ok();
    files
        .stdout_has("A      1kB /dir/inner  (wasted)\n")
        .stdout_has("A       2B /kept\n")
        .stdout_has("5MB of ");
    engine.run(&["image", "layers", "nosuch"]).fails_with(1).error_names(&["nosuch"]);
}

#[test]
fn images_that_share_layers_are_a_tree_with_what_each_costs() {
    let engine = Engine::new();
    three_layers(&engine);
    let tree = engine.run(&["image", "tree"]).ok();
    let lines: Vec<&str> = tree.stdout.lines().collect();
    assert!(
        lines[1].ends_with("busybox:latest") && lines[2].starts_with("└─ ") && lines[2].ends_with("made:0"),
        "{tree}"
    );
    assert!(
        lines[3].starts_with("   └─ ") && lines[4].starts_with("      └─ ") && lines[4].ends_with("made:2"),
        "{tree}"
    );
    // What an image costs of its own is what is free without it.
    let usage = engine.run(&["system", "df", "-v"]).ok();
    let before = du(&engine);
    let line = usage.stdout.lines().find(|line| line.starts_with("made") && line.contains(" 2 ")).unwrap();
    assert!(line.contains("kB"), "{line}");
    engine.run(&["rmi", "made:2"]).ok();
    let freed = before - du(&engine);
    assert!((20_000..80_000).contains(&freed), "{freed}");
}

#[test]
fn df_is_what_du_says() {
    let engine = Engine::new();
    three_layers(&engine);
    engine.image("layers");
    changed(&engine, "box");
    engine
        .run(&[
            "run",
            "--name",
            "ended",
            "-v",
            "data:/data",
            "busybox",
            "sh",
            "-c",
            "head -c 700000 /dev/urandom > /data/x; head -c 90000 /dev/urandom > /y; seq 10000",
        ])
        .ok();
    engine.run(&["stop", "-t", "0", "box"]).ok();
    let dockerfile = "FROM busybox AS a\nRUN --mount=type=cache,target=/c head -c 300000 /dev/urandom | tee /c/x > /y\n\
                      FROM busybox\nCOPY --from=a /bin/true /t\nRUN head -c 200000 /dev/urandom > /z";
    engine.command(&["build", "--tag", "built", "-"]).stdin(dockerfile).run().ok();
    let df = || {
        let rows = engine
            .run(&[
                "system",
                "df",
                "--format",
                "{{.Type}}|{{.TotalCount}}|{{.Active}}|{{.Size}}|{{.Reclaimable}}",
            ])
            .ok();
        rows.stdout
            .lines()
            .map(|line| line.split('|').map(str::to_owned).collect::<Vec<_>>())
            .collect::<Vec<_>>()
    };
    let bytes = |text: &str| {
        let digits: String = text.chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
        let unit = text[digits.len()..].split(' ').next().unwrap();
        let factor = match unit {
            "B" => 1.0,
            "kB" => 1e3,
            "MB" => 1e6,
            other => panic!("{other}"),
        };
        digits.parse::<f64>().unwrap() * factor
    };
    let rows = df();
    let sum: f64 = rows.iter().map(|row| bytes(&row[3])).sum();
    let du = du(&engine) as f64;
    assert!((sum - du).abs() < du * 0.001, "{sum} and {du}: {rows:?}");
    assert_eq!(rows[0][..3], ["Images", "6", "1"]);
    assert_eq!(rows[1][..3], ["Containers", "2", "0"]);
    assert_eq!(rows[2][..3], ["Local Volumes", "1", "1"]);
    // The steps of the image's last stage are its layers too.
    assert_eq!(rows[3][..3], ["Build Cache", "4", "2"]);
    // What is told to be reclaimable is free after a pruning.
    let before = bytes(&rows[0][4]) + bytes(&rows[1][4]);
    let pruned = engine.run(&["system", "prune", "--force", "--all"]).ok();
    pruned
        .stdout_has("Deleted Containers:\n")
        .stdout_has("untagged: made:2\n")
        .stdout_has("deleted: sha256:")
        .stdout_has("Total reclaimed space: ");
    let rows = df();
    assert_eq!(rows[0][..3], ["Images", "0", "0"]);
    assert_eq!(rows[1][1], "0");
    let freed = du - self::du(&engine) as f64;
    assert!(freed > before * 0.98, "{freed} of {before}");
    engine.run(&["volume", "inspect", "data"]).ok();
    engine.audit();
}

#[test]
fn pruning_spares_what_is_used_and_what_has_a_name() {
    let engine = Engine::new();
    let image = engine.image("busybox");
    engine.run(&["run", "--name", "box", &image, "touch", "/x"]).ok();
    let commit = |label: &str| {
        engine.run(&["commit", "-c", &format!("LABEL a={label}"), "box"]).ok().text().to_owned()
    };
    let (one, two, used) = (commit("1"), commit("2"), commit("3"));
    engine.run(&["create", "--name", "user", &used]).ok();
    engine
        .run(&["image", "prune", "--force", "--filter", "label=a=1"])
        .ok()
        .stdout_has(&format!("deleted: {one}"));
    let asked = engine.command(&["image", "prune"]).stdin("n\n").run().fails_with(1);
    asked.stderr_has("WARNING! This will remove all dangling images.");
    engine.run(&["image", "inspect", &two]).ok();
    engine.run(&["image", "prune", "--force"]).ok().stdout_has(&format!("deleted: {two}"));
    engine.run(&["image", "inspect", &used]).ok();
    engine.run(&["image", "prune", "--force", "--all"]).ok().prints("Total reclaimed space: 0B");
    // A container of a pruned image's twin still runs: the layers are shared.
    engine.run(&["start", "user"]).ok();
    engine
        .run(&["system", "prune", "--force", "--volumes", "--filter", "until=1h"])
        .fails_with(1)
        .error_names(&["until"]);
    engine.audit();
}
