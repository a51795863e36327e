//! Volumes that an image or a container would turn against the host: CVE-2021-30465, CVE-2022-23648,
//! CVE-2023-0778, CVE-2024-23651, CVE-2024-45310, CVE-2025-31133, CVE-2026-42306, CVE-2015-3630.

use std::fs;
use std::os::unix::fs::symlink;
use std::time::{Duration, Instant};

use tests::Engine;

use super::{Canary, core_pattern, tree};

/// How long a race is raced.
fn span() -> Duration {
    Duration::from_millis(tests::rounds(1500, 30_000) as u64)
}

/// Exchanges two names at the top of a volume as fast as the kernel can: renameat2(RENAME_EXCHANGE).
fn swapper(engine: &Engine, volume: &str, one: &str, other: &str) {
    let image = engine.image("debian");
    let swap = format!(
        r#"chdir "/v"; my ($a, $b) = ("{one}", "{other}"); for (;;) {{ for (1..1000) {{ syscall(316, -100, $a, -100, $b, 2) }} }}"#
    );
    let volume = format!("{volume}:/v");
    engine.run(&["run", "-d", "--name", "swapper", "-v", &volume, &image, "perl", "-e", &swap]).ok();
}

#[test]
fn what_an_image_calls_a_volume_stays_inside() {
    // CVE-2022-23648: VOLUME with `..`, and directories of the image that are links to the host.
    let engine = Engine::new();
    let canary = Canary::new(&engine);
    let tree = tree(&engine, "climbs");
    symlink(canary.text(), tree.join("absolute")).unwrap();
    symlink(format!("../../../../../../../..{}", canary.text()), tree.join("relative")).unwrap();
    let changes = [
        format!("VOLUME /../../../../../../..{}", canary.text()),
        "VOLUME /absolute".to_owned(),
        "VOLUME /relative".to_owned(),
        "VOLUME /absolute/etc".to_owned(),
    ];
    let changes: Vec<&str> = changes.iter().map(String::as_str).collect();
    tests::import_with(&engine, &tree, "climbs", &changes);
    let script = format!(
        "ls {} /absolute/ /relative/ /absolute/etc; echo pwned > /absolute/file; echo pwned > /absolute/etc/passwd; true",
        canary.text()
    );
    for flags in [&["--rm"][..], &["--rm", "--userns", "host"], &["--rm", "--privileged"]] {
        let output = engine.run(&[&["run"], flags, &["climbs", "sh", "-c", &script]].concat()).ok();
        assert!(!output.stdout.contains("passwd"), "content of the host was copied: {output}");
        canary.assert_unharmed();
    }
    engine.run(&["run", "--rm", "-v", "named:/absolute", "climbs", "true"]).ok();
    let copied = engine.root().join("volumes/named/_data");
    assert_eq!(fs::read_dir(copied).unwrap().count(), 0);
    // Nothing of it is left, and the host's own files were no volume's.
    engine.run(&["volume", "ls", "-q"]).ok().prints("named");
    canary.assert_unharmed();
}

#[test]
fn no_volume_fakes_procfs() {
    // CVE-2015-3630, CVE-2019-16884: programs believe what stands in /proc.
    let engine = Engine::new();
    let image = engine.image("busybox");
    for place in ["/proc", "/proc/sys", "/proc/self", "/proc/asound"] {
        engine
            .run(&["run", "--rm", "-v", &format!("fake:{place}"), &image, "true"])
            .fails_with(125)
            .error_names(&[place]);
        let anonymous = engine.run(&["run", "--rm", "-v", place, &image, "true"]);
        anonymous.fails_with(125).error_names(&[place]);
    }
    engine
        .run(&["run", "--rm", "--mount", "type=image,src=busybox,dst=/proc/sys", &image, "true"])
        .fails_with(125);
    engine.run(&["volume", "ls", "-q"]).ok().prints("fake");
    // What lxcfs covers may be covered, with a file of a volume too.
    engine.run(&["run", "--rm", "-v", "fake:/x", &image, "sh", "-c", "echo faked > /x/uptime"]).ok();
    let mount = "src=fake,dst=/proc/uptime,volume-subpath=uptime";
    engine.run(&["run", "--rm", "--mount", mount, &image, "cat", "/proc/uptime"]).ok().prints("faked");
}

#[test]
fn the_place_of_a_mount_in_a_shared_volume_is_swapped() {
    // CVE-2021-30465, CVE-2024-45310: the destination lies in a volume where another container swaps a directory
    // for a link while this one starts, with directories to be made below it.
    let engine = Engine::new();
    let canary = Canary::new(&engine);
    let image = engine.image("busybox");
    engine.run(&["volume", "create", "shared"]).ok();
    engine
        .run(&["run", "--rm", "-v", "data:/d", &image, "sh", "-c", "echo data > /d/mark; mkdir /d/sub"])
        .ok();
    let shared = engine.root().join("volumes/shared/_data");
    fs::create_dir(shared.join("place")).unwrap();
    symlink(canary.text(), shared.join("link")).unwrap();
    swapper(&engine, "shared", "place", "link");
    let words = [
        "run",
        "--rm",
        "-v",
        "shared:/v",
        "-v",
        "data:/v/place/new/deep",
        "--mount",
        "src=data,dst=/v/place/file,volume-subpath=mark",
        "--tmpfs",
        "/v/place/tmp",
        &image,
        "true",
    ];
    let (mut started, end) = (0, Instant::now() + span());
    while Instant::now() < end {
        started += usize::from(engine.run(&words).code == 0);
        fs::remove_dir_all(shared.join("place/new")).ok();
    }
    canary.assert_unharmed();
    assert!(started > 0, "not one container could start: the race was not raced");
}

#[test]
fn a_subpath_is_swapped_for_a_link() {
    // CVE-2024-23651 and kin: the part of a volume that is to be mounted becomes a link to the host, or to the root
    // of all processes.
    let engine = Engine::new();
    let canary = Canary::new(&engine);
    let image = engine.image("busybox");
    engine.run(&["volume", "create", "shared"]).ok();
    let shared = engine.root().join("volumes/shared/_data");
    fs::create_dir_all(shared.join("part/sub")).unwrap();
    fs::write(shared.join("part/sub/mark"), "inside").unwrap();
    symlink(format!("../../../../../../../..{}", engine.base().display()), shared.join("link")).unwrap();
    fs::create_dir_all(engine.base().join("sub")).unwrap();
    fs::write(engine.base().join("sub/mark"), "outside").unwrap();
    swapper(&engine, "shared", "part", "link");
    let mount = "src=shared,dst=/x,volume-subpath=part/sub";
    let (mut started, end) = (0, Instant::now() + span());
    while Instant::now() < end {
        let output = engine.run(&["run", "--rm", "--mount", mount, &image, "cat", "/x/mark"]);
        assert!(!output.stdout.contains("outside"), "{output}");
        started += usize::from(output.code == 0 && output.text() == "inside");
    }
    assert!(started > 0, "not one container could start: the race was not raced");
    canary.assert_unharmed();
}

#[test]
fn masks_hold_over_a_volume_at_dev() {
    // CVE-2025-31133: a volume at /dev whose `null` is, or becomes, a link to what is masked.
    let engine = Engine::new();
    let canary = Canary::new(&engine);
    let pattern = core_pattern();
    let image = engine.image("busybox");
    engine.run(&["volume", "create", "devices"]).ok();
    let devices = engine.root().join("volumes/devices/_data");
    symlink("/proc/sys/kernel/core_pattern", devices.join("null-link")).unwrap();
    fs::write(devices.join("null"), "").unwrap();
    swapper(&engine, "devices", "null", "null-link");
    let probe = "cat /proc/interrupts /proc/keys; (echo pwned > /proc/sys/kernel/core_pattern) 2>&- && echo wrote; true";
    let end = Instant::now() + span() / 2;
    while Instant::now() < end {
        let output = engine.run(&["run", "--rm", "-v", "devices:/dev", &image, "sh", "-c", probe]);
        assert!(output.code == 125 || output.stdout.trim().is_empty(), "{output}");
    }
    assert_eq!(core_pattern(), pattern);
    canary.assert_unharmed();
}

#[test]
fn a_volume_full_of_traps_is_filled_over_and_removed_without_harm() {
    // CVE-2023-0778, CVE-2025-9566: what a container has left in a volume is data to whoever copies or deletes.
    let engine = Engine::new();
    let canary = Canary::new(&engine);
    let image = engine.image("busybox");
    let traps = format!(
        "cd /v; ln -s {canary} link; ln -s {canary} fill; ln -s /proc/self/root root; mkfifo fifo; mkdir -p a/b; ln -s ../../../../../..{canary} a/b/up; chmod 0 a; ln -s {canary} .coracle-fill",
        canary = canary.text()
    );
    engine.run(&["run", "--rm", "-v", "traps:/v", &image, "sh", "-c", &traps]).ok();
    // The volume's place for waiting content lies beside the data: a container cannot get there.
    engine.run(&["run", "--rm", "-v", "traps:/bin:rw", &image, "/v/none"]).fails_with(127);
    let host = engine.base().join("bound");
    fs::create_dir(&host).unwrap();
    symlink(canary.text(), host.join(".coracle-fill")).unwrap();
    symlink(canary.text(), host.join(".coracle-fill.new")).unwrap();
    let device = format!("device={}", host.display());
    engine.run(&["volume", "create", "-o", "type=none", "-o", "o=bind", "-o", &device, "bound"]).ok();
    let filled = engine.run(&["run", "--rm", "-v", "bound:/bin", &image, "true"]);
    assert!(filled.code == 125 || filled.code == 0 || filled.code == 127, "{filled}");
    canary.assert_unharmed();
    // Somebody swaps inside while it is removed: the volume is in use, so it takes a removed container's data.
    engine.run(&["volume", "rm", "traps", "bound"]).ok();
    engine.run(&["volume", "ls", "-q"]).ok().prints("");
    canary.assert_unharmed();
}
