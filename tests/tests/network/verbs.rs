//! The verbs of networks: what they print, list, refuse and take away.

use tests::Output;

use super::Site;

fn lines(output: &Output) -> Vec<&str> {
    output.stdout.lines().collect()
}

#[test]
fn networks_are_made_listed_looked_at_and_removed_as_dockers() {
    let site = Site::new();
    let engine = &site.engine;
    let created =
        engine.run(&["network", "create", "--label", "role=front", "--label", "plain", "front"]).ok();
    let id = created.text().to_owned();
    assert!(id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
    site.network("back", &["--internal", "--ipv6", "--subnet", "10.9.8.0/24", "--ip-range", "10.9.8.128/25"]);

    let listed = engine.run(&["network", "ls"]).ok();
    let rows: Vec<Vec<&str>> = lines(&listed).iter().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["NETWORK", "ID", "NAME", "DRIVER", "SCOPE"]);
    let named: Vec<[&str; 3]> = rows[1..].iter().map(|row| [row[1], row[2], row[3]]).collect();
    for expected in [
        ["back", "bridge", "local"],
        ["bridge", "bridge", "local"],
        ["front", "bridge", "local"],
        ["host", "host", "local"],
        ["none", "null", "local"],
    ] {
        assert!(named.contains(&expected), "{expected:?} in {listed}");
    }
    assert!(rows[1..].iter().any(|row| row[0] == &id[..12]));
    let names = |flags: &[&str]| {
        let format = ["network", "ls", "--format", "{{.Name}}"];
        lines(&engine.run(&[&format[..], flags].concat()).ok()).join(" ")
    };
    for (filter, expected) in [
        ("name=fro", "front"),
        ("name=^fr.nt$", "front"),
        ("label=role", "front"),
        ("label=role=front", "front"),
        ("label=role=back", ""),
        ("driver=null", "none"),
        ("driver=bridge", "back bridge front"),
        ("type=custom", "back front"),
        ("type=builtin", "bridge host none"),
        ("scope=swarm", ""),
        ("dangling=true", "back front"),
        (&format!("id={}", &id[..7]), "front"),
    ] {
        assert_eq!(names(&["--filter", filter]), expected, "{filter}");
    }
    let quiet = engine.run(&["network", "ls", "--quiet", "--no-trunc", "-f", "name=front"]).ok();
    quiet.prints(&id);

    let shown = engine.run(&["network", "inspect", "front", "back"]).ok().json();
    assert_eq!((&shown[0]["Name"], &shown[0]["Id"]), (&"front".into(), &id.as_str().into()));
    assert_eq!(shown[0]["Labels"], serde_json::json!({"role": "front", "plain": ""}));
    assert_eq!((&shown[1]["Internal"], &shown[1]["EnableIPv6"]), (&true.into(), &true.into()));
    let config = &shown[1]["IPAM"]["Config"];
    assert_eq!(
        config[0],
        serde_json::json!({"Subnet": "10.9.8.0/24", "IPRange": "10.9.8.128/25", "Gateway": "10.9.8.1"})
    );
    assert!(config[1]["Subnet"].as_str().is_some_and(|subnet| subnet.starts_with("fd")), "{config}");
    assert_eq!(engine.run(&["inspect", "front"]).ok().json()[0], shown[0]);
    assert_eq!(engine.run(&["inspect", "--type", "network", &id[..10]]).ok().json()[0], shown[0]);

    engine.run(&["network", "create", "front"]).fails_with(1).error_names(&["front", "already exists"]);
    for name in ["bridge", "host", "none", "a/b", "-x", ""] {
        assert_ne!(engine.run(&["network", "create", name]).code, 0, "`{name}`");
    }
    engine.run(&["network", "inspect", "gone"]).fails_with(1).error_names(&["gone", "not found"]);
    engine.run(&["network", "rm", "bridge"]).fails_with(1).error_names(&["bridge", "pre-defined"]);
    engine.run(&["network", "rm", "gone", "front"]).fails_with(1).stderr_has("gone").stdout_has("front");
    engine.run(&["network", "rm", "--force", "gone"]).ok();
    engine.run(&["network", "rm", "back"]).ok().prints("back");
    assert_eq!(names(&["-f", "type=custom"]), "");
}

#[test]
fn what_an_option_cannot_mean_is_refused_by_name() {
    let site = Site::new();
    for (flags, parts) in [
        (&["--driver", "overlay"][..], &["overlay"][..]),
        (&["--driver", "ipvlan"], &["ipvlan"]),
        (&["--attachable"], &["attachable"]),
        (&["--ingress"], &["ingress"]),
        (&["--config-only"], &["config-only"]),
        (&["--ipam-driver", "other"], &["ipam-driver"]),
        (&["--opt", "com.example=1"], &["com.example"]),
        (&["--subnet", "10.9.8.7/24"], &["10.9.8.0/24"]),
        (&["--subnet", "10.9.8.0"], &["10.9.8.0"]),
        (&["--subnet", "fd00:77::/64"], &["fd00:77::/64", "IPv6"]),
        (&["--subnet", "10.9.8.0/24", "--subnet", "10.9.9.0/24"], &["10.9.9.0/24"]),
        (&["--subnet", "10.9.8.0/24", "--gateway", "10.9.9.1"], &["10.9.9.1"]),
        (&["--subnet", "10.9.8.0/24", "--ip-range", "10.9.9.0/25"], &["10.9.9.0/25"]),
        (&["--subnet", "10.9.8.0/24", "--aux-address", "a=10.9.9.9"], &["10.9.9.9"]),
        (&["--driver", "macvlan"], &["parent"]),
    ] {
        let words = [&["network", "create"], flags, &["no"]].concat();
        let output = site.engine.run(&words);
        assert_ne!(output.code, 0, "{output}");
        output.error_names(parts);
    }
    let listed = site.engine.run(&["network", "ls", "-q", "-f", "type=custom"]).ok();
    listed.prints("");
}

#[test]
fn who_is_on_a_network_is_shown_and_prune_takes_what_nobody_needs() {
    let site = Site::new();
    let engine = &site.engine;
    for name in ["used", "stopped", "idle", "kept"] {
        let label = if name == "kept" { "keep=yes" } else { "keep=no" };
        site.network(name, &["--label", label]);
    }
    site.run("box", &["--network", "used", "--network-alias", "db"]);
    engine.run(&["create", "--name", "later", "--network", "stopped", &site.image, "true"]).ok();
    let id = engine.inspect("box", "{{.Id}}");
    let shown = engine.run(&["network", "inspect", "used"]).ok().json();
    let member = &shown[0]["Containers"][&id];
    assert_eq!(member["Name"], "box");
    assert_eq!(member["IPv4Address"], format!("{}/24", engine.address("box", "used")));
    assert_eq!(member["MacAddress"], engine.inspect("box", "{{.NetworkSettings.Networks.used.MacAddress}}"));
    let known = engine.inspect("box", "{{json .NetworkSettings.Networks.used.DNSNames}}");
    for name in ["box", "db", &id[..12]] {
        assert!(known.contains(&format!("\"{name}\"")), "{name} in {known}");
    }
    assert_eq!(engine.inspect("box", "{{json .NetworkSettings.Networks.used.Aliases}}"), r#"["db"]"#);
    assert_eq!(engine.inspect("box", "{{.HostConfig.NetworkMode}}"), "used");
    engine
        .run(&["ps", "--filter", "network=used", "--format", "{{.Names}} {{.Networks}}"])
        .ok()
        .prints("box used");
    engine.run(&["ps", "--quiet", "--filter", "network=idle"]).ok().prints("");

    engine.command(&["network", "prune"]).stdin("n\n").run().fails_with(1);
    let pruned = engine.run(&["network", "prune", "--force", "--filter", "label!=keep=yes"]).ok();
    pruned.prints("Deleted Networks:\nidle");
    engine
        .run(&["network", "prune", "-f"])
        .ok()
        .stdout_has("kept")
        .stdout_lacks("used")
        .stdout_lacks("stopped");
    engine.run(&["start", "--attach", "later"]).ok();
    // A stopped container finds its network again, or says that it is gone.
    engine.run(&["network", "rm", "stopped"]).ok();
    engine.run(&["start", "later"]).fails_with(1).error_names(&["stopped"]);
    site.network("stopped", &[]);
    engine.run(&["start", "--attach", "later"]).ok();
}

#[test]
fn the_default_bridge_goes_with_prune_and_comes_back() {
    let site = Site::new();
    let bridge = site.bridge("bridge");
    assert!(bridge.starts_with("coracle"), "{bridge}");
    let there = || site.lan.host.interfaces().contains(&bridge);
    assert!(!there(), "nothing is made before it is needed");
    site.run("box", &[]);
    assert!(there());
    site.engine.run(&["network", "prune", "-f"]).ok();
    assert!(there(), "it is in use");
    site.engine.run(&["rm", "-f", "box"]).ok();
    site.engine.run(&["network", "prune", "-f"]).ok();
    assert!(!there());
    assert_eq!(site.lan.host.run("nft", &["list", "tables"]).ok().text(), "");
    site.run("again", &[]);
    assert!(there());
}

#[test]
fn disconnect_and_connect_refuse_what_cannot_be() {
    let site = Site::new();
    let engine = &site.engine;
    site.network("net", &["--subnet", "10.9.8.0/24"]);
    site.run("box", &[]);
    site.run("hosted", &["--network", "host"]);
    site.run("none", &["--network", "none"]);
    for (words, parts) in [
        (&["connect", "gone", "box"][..], &["gone"][..]),
        (&["connect", "net", "gone"], &["gone"]),
        (&["connect", "host", "box"], &["host"]),
        (&["connect", "net", "hosted"], &["network"]),
        (&["connect", "net", "none"], &["none"]),
        (&["connect", "--ip", "10.9.9.9", "net", "box"], &["10.9.9.9"]),
        (&["disconnect", "net", "box"], &["net", "box"]),
        (&["disconnect", "gone", "box"], &["gone"]),
    ] {
        engine.run(&[&["network"], words].concat()).fails_with(1).error_names(parts);
    }
    // A container may be left with no network at all, and be joined to one again.
    engine.run(&["network", "disconnect", "bridge", "box"]).ok();
    assert_eq!(engine.inside("box").interfaces(), ["lo"]);
    engine.run(&["network", "connect", "net", "box"]).ok();
    assert_eq!(engine.address("box", "net"), "10.9.8.2");
}
