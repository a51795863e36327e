//! Tags that move: where they led, leading them back, and which containers run what.

use tests::Engine;

/// Makes images of one container and lets one tag lead to each in turn; returns their ids.
fn versions(engine: &Engine, count: usize) -> Vec<String> {
    let image = engine.image("busybox");
    let mut ids = Vec::new();
    for number in 0..count {
        let name = format!("maker{number}");
        engine.run(&["run", "--name", &name, &image, "sh", "-c", &format!("echo {number} > /version")]).ok();
        ids.push(engine.run(&["commit", &name, "app:latest"]).ok().text().to_owned());
        engine.run(&["rm", &name]).ok();
    }
    ids
}

#[test]
fn a_tag_is_led_back_to_where_it_led() {
    let engine = Engine::new();
    let ids = versions(&engine, 3);
    let version = || engine.run(&["run", "--rm", "app", "cat", "/version"]).ok().text().to_owned();
    let history = engine.run(&["image", "tag", "--history", "app"]).ok();
    let lines: Vec<&str> = history.stdout.lines().collect();
    assert_eq!(lines.len(), 4, "{history}");
    for (line, id) in lines[1..].iter().zip(ids.iter().rev()) {
        assert!(line.starts_with(&id[7..19]) && line.contains("sha256:"), "{history}");
    }
    assert!(lines[1].ends_with("current"), "{history}");
    engine.run(&["image", "rollback", "app"]).ok().prints(&ids[1]);
    assert_eq!(version(), "1");
    engine.run(&["image", "rollback", "--to", &ids[0][7..17], "app:latest"]).ok().prints(&ids[0]);
    assert_eq!(version(), "0");
    // What has gone is passed over, and named where it is asked for.
    engine.run(&["rmi", "-f", &ids[1]]).ok();
    engine.run(&["image", "rollback", "app"]).ok().prints(&ids[2]);
    engine.run(&["tag", "--history", "app"]).ok().stdout_has("removed");
    let failed = engine.run(&["image", "rollback", "--to", &ids[1], "app"]).fails_with(1);
    failed.error_names(&["app:latest", "has been removed"]).stderr_has("coracle image tag --history app");
    engine
        .run(&["image", "rollback", "--to", "ffff", "app"])
        .fails_with(1)
        .error_names(&["never led to `ffff`"]);
    engine.run(&["image", "rollback", "busybox"]).fails_with(1).error_names(&["never led to another image"]);
    engine.run(&["image", "rollback", "nosuch"]).fails_with(1).error_names(&["No such image: nosuch"]);
    engine.audit();
}

#[test]
fn containers_tell_which_image_they_run_and_whether_its_tag_has_moved() {
    let engine = Engine::new();
    let first = versions(&engine, 1).remove(0);
    engine.run(&["create", "--name", "old", "app:latest", "sleep", "1"]).ok();
    let shown = |name: &str| {
        let filter = format!("name=^{name}$");
        let format = "{{.Image}} {{.TagMoved}} {{.ImageID}} {{.ImageDigest}}";
        engine
            .run(&["ps", "-a", "--no-trunc", "--filter", &filter, "--format", format])
            .ok()
            .text()
            .to_owned()
    };
    let digest = engine.inspect(&first, "{{index .RepoDigests 0}}").replace("app@", "");
    assert_eq!(shown("old"), format!("app:latest false {first} {digest}"));
    assert_eq!(engine.inspect("old", "{{.TagMoved}} {{.ImageDigest}}"), format!("false {digest}"));
    // The tag moves on; the container does not.
    engine.run(&["tag", "busybox", "app:latest"]).ok();
    assert_eq!(shown("old"), format!("{first} true {first} {digest}"));
    assert_eq!(
        engine.inspect("old", "{{.TagMoved}} {{.Image}} {{.Config.Image}}"),
        format!("true {first} app:latest")
    );
    engine.run(&["ps", "-a"]).ok().stdout_has(&first[7..19]);
    // One that was made by an id has no name that could move.
    engine.run(&["create", "--name", "by-id", &first, "sleep", "1"]).ok();
    assert_eq!(engine.inspect("by-id", "{{.TagMoved}}"), "false");
    engine.run(&["image", "rollback", "app"]).ok();
    assert_eq!(engine.inspect("old", "{{.TagMoved}}"), "false");
}
