//! Security modules of the kernel, where it has them; where it has not, what is said instead.

use std::fs;

use tests::{Engine, eventually};

/// As the engine asks the kernel.
fn has_apparmor() -> bool {
    fs::read_to_string("/sys/module/apparmor/parameters/enabled").is_ok_and(|text| text.starts_with('Y'))
        && fs::exists("/sys/kernel/security/apparmor").unwrap()
}

#[test]
fn a_label_that_cannot_be_applied_is_refused_and_leaves_no_container() {
    let engine = Engine::new();
    let image = engine.image("busybox");
    let profile = if has_apparmor() { "is not loaded" } else { "AppArmor is not in force" };
    for (label, why) in
        [("apparmor=no-such-profile", profile), ("label=type:container_t", "not supported yet")]
    {
        engine
            .run(&["run", "--rm", "--security-opt", label, &image, "true"])
            .fails_with(125)
            .error_names(&[why])
            .stderr_has("hint: ");
    }
    assert_eq!(engine.containers(), Vec::<String>::new());
    engine.run(&["run", "--rm", "--security-opt", "apparmor=unconfined", &image, "true"]).ok();
}

#[test]
fn without_apparmor_nothing_is_said_of_it() {
    if has_apparmor() {
        return;
    }
    let engine = Engine::new();
    let image = engine.image("busybox");
    let id = engine.run(&["run", "--detach", &image, "sleep", "1000"]).ok().quiet().text().to_owned();
    assert_eq!(engine.inspect(&id, "{{.AppArmorProfile}}|{{.State.Warnings}}"), "|[]");
    engine.run(&["doctor"]).stdout_has("not in this kernel");
    let info = engine.run(&["info", "--format", "{{.SecurityOptions}}"]).ok();
    assert!(!info.stdout.contains("apparmor"), "{info}");
}

#[test]
fn processes_of_a_container_are_held_to_the_engine_s_profile() {
    if !has_apparmor() {
        return;
    }
    const HELD: &str = "coracle-default (enforce)";
    const LABEL: [&str; 2] = ["cat", "/proc/self/attr/apparmor/current"];
    let engine = Engine::new();
    let image = engine.image("busybox");
    let check = ["--health-cmd", "cat /proc/self/attr/apparmor/current", "--health-interval", "1s"];
    let words = [&["run", "--detach"], &check[..], &[&image, "sleep", "1000"]].concat();
    let id = engine.run(&words).ok().quiet().text().to_owned();
    assert_eq!(engine.inspect(&id, "{{.AppArmorProfile}}"), "coracle-default");
    for exec in [&["exec", &id][..], &["exec", "--privileged", &id], &["exec", "--user", "7", &id]] {
        engine.run(&[exec, &LABEL].concat()).ok().prints(HELD);
    }
    eventually("a health check", || engine.inspect(&id, "{{json .State.Health.Log}}").contains(HELD));
    let run = |options: &[&str], command: &[&str]| {
        engine.run(&[&["run", "--rm"], options, &[image.as_str()], command].concat())
    };
    run(&["--security-opt", "no-new-privileges"], &LABEL).ok().prints(HELD);
    run(&["--init"], &LABEL).ok().prints(HELD);
    for option in ["--privileged", "--security-opt=apparmor=unconfined"] {
        run(&[option], &LABEL).ok().prints("unconfined");
    }
    run(&["--privileged", "--security-opt", "apparmor=coracle-default"], &LABEL).ok().prints(HELD);
    // It is loaded again where somebody has removed it.
    fs::write("/sys/kernel/security/apparmor/.remove", "coracle-default").unwrap();
    run(&[], &LABEL).ok().prints(HELD);
}

#[test]
fn the_profile_keeps_closed_what_options_have_opened() {
    if !has_apparmor() {
        return;
    }
    let engine = Engine::new();
    let image = engine.image("busybox");
    let open = ["--userns", "host", "--cap-add", "ALL", "--security-opt", "systempaths=unconfined"];
    const WRITABLE: &str = "for file in \
        /proc/sysrq-trigger /proc/loadavg /proc/irq/default_smp_affinity /proc/sys/kernel/core_pattern \
        /proc/sys/kernel/hostname /proc/sys/kernel/shmmax /proc/sys/kernel/msgmax /proc/sys/kernel/sem \
        /proc/sys/net/core/somaxconn /proc/sys/vm/swappiness /proc/self/comm /sys/kernel/mm/ksm/run; \
        do (: >>$file) 2>/dev/null && echo $file; done; (: </proc/kcore) 2>/dev/null && echo /proc/kcore; \
        mount -t tmpfs none /tmp 2>/dev/null && echo mounted; sleep 9 & kill $! && echo killed";
    let run = |options: &[&str]| {
        engine.run(&[&["run", "--rm"], options, &[&image, "sh", "-c", WRITABLE]].concat()).ok().stdout
    };
    let expected =
        ["/proc/sys/kernel/shmmax", "/proc/sys/kernel/msgmax", "/proc/sys/kernel/sem", "/proc/self/comm"];
    let expected = [&expected[..], &["killed"]].concat();
    assert_eq!(run(&open).lines().collect::<Vec<_>>(), expected);
    // The same options without it, so that it is the profile that has denied.
    let free = run(&[&open[..], &["--security-opt", "apparmor=unconfined"]].concat());
    for opened in
        ["/proc/sys/vm/swappiness", "/proc/sys/kernel/core_pattern", "/proc/kcore", "mounted", "killed"]
    {
        assert!(free.lines().any(|line| line == opened), "{opened}: {free}");
    }
}
