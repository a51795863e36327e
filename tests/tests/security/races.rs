//! Somebody swaps paths of a shared volume while another container starts on it: CVE-2021-30465,
//! CVE-2024-45310, CVE-2025-31133, CVE-2025-52565, CVE-2025-52881.

use std::fs;
use std::os::unix::fs::symlink;

use tests::Engine;

use super::{Canary, core_pattern};

/// Exchanges two names of the volume as fast as the kernel can: renameat2(RENAME_EXCHANGE).
fn swapper(engine: &Engine, volume: &str, one: &str, other: &str) {
    let image = engine.image("debian");
    let swap = format!(
        r#"chdir "/v"; my ($a, $b) = ("{one}", "{other}"); for (;;) {{ for (1..1000) {{ syscall(316, -100, $a, -100, $b, 2) }} }}"#
    );
    let bind = format!("{volume}:/v");
    engine.run(&["run", "-d", "--name", "swapper", "-v", &bind, &image, "perl", "-e", &swap]).ok();
}

#[test]
fn the_place_of_a_mount_is_swapped_for_a_link() {
    let engine = Engine::new();
    let canary = Canary::new(&engine);
    let image = engine.image("busybox");
    let volume = engine.base().join("volume");
    fs::create_dir_all(volume.join("place")).unwrap();
    symlink(canary.text(), volume.join("link")).unwrap();
    let (volume, data) = (volume.display().to_string(), engine.base().join("data"));
    fs::create_dir(&data).unwrap();
    fs::write(data.join("mark"), "data").unwrap();
    swapper(&engine, &volume, "place", "link");
    let flags = [
        format!("{volume}:/v"),
        // Made where they are missing, below the name that is swapped.
        format!("{}:/v/place/new/deep", data.display()),
        format!("{}/mark:/v/place/file", data.display()),
    ];
    let (mut started, rounds) = (0, tests::rounds(100, 20_000));
    for _ in 0..rounds {
        let binds = flags.iter().flat_map(|bind| ["-v", bind.as_str()]);
        let words: Vec<&str> =
            ["run", "--rm"].into_iter().chain(binds).chain([image.as_str(), "true"]).collect();
        started += usize::from(engine.run(&words).code == 0);
        fs::remove_dir_all(format!("{volume}/place/new")).ok();
    }
    canary.assert_unharmed();
    assert!(started > 0, "not one of {rounds} containers could start: the race was not raced");
}

#[test]
fn devices_of_a_shared_dev_are_swapped_for_links() {
    let engine = Engine::new();
    let canary = Canary::new(&engine);
    let pattern = core_pattern();
    let image = engine.image("busybox");
    let volume = engine.base().join("dev");
    fs::create_dir(&volume).unwrap();
    for name in ["null", "console"] {
        symlink("/proc/sys/kernel/core_pattern", volume.join(format!("{name}-link"))).unwrap();
        fs::write(volume.join(name), "").unwrap();
    }
    symlink(canary.text(), volume.join("pts-link")).unwrap();
    fs::create_dir(volume.join("pts")).unwrap();
    let volume = volume.display().to_string();
    for (one, other) in [("null", "null-link"), ("console", "console-link"), ("pts", "pts-link")] {
        swapper(&engine, &volume, one, other);
        let bind = format!("{volume}:/dev");
        for _ in 0..tests::rounds(25, 5000) {
            // Masked stays masked, read-only stays read-only, whatever the mask was made of.
            let probe = "cat /proc/interrupts /proc/keys; (echo pwned > /proc/sys/kernel/core_pattern) 2>&- && echo wrote; true";
            let output = engine.run(&["run", "--rm", "-t", "-v", &bind, &image, "sh", "-c", probe]);
            assert!(output.code == 125 || output.stdout.trim().is_empty(), "{output}");
        }
        engine.run(&["rm", "-f", "swapper"]).ok();
    }
    assert_eq!(core_pattern(), pattern);
    canary.assert_unharmed();
}
