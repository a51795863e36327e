//! Security modules of the kernel, where it has them; where it has not, what is said instead.

use std::fs;

use tests::{Engine, eventually};

/// As the engine asks the kernel.
fn has_apparmor() -> bool {
    fs::read_to_string("/sys/module/apparmor/parameters/enabled").is_ok_and(|text| text.starts_with('Y'))
        && fs::exists("/sys/kernel/security/apparmor").unwrap()
}

/// With a policy that has types for containers.
fn has_selinux() -> bool {
    fs::exists("/sys/fs/selinux/enforce").unwrap()
        && fs::read_to_string("/proc/self/attr/current").is_ok_and(|own| own != "kernel\0")
}

#[test]
fn a_label_that_cannot_be_applied_is_refused_and_leaves_no_container() {
    let engine = Engine::new();
    let image = engine.image("busybox");
    let profile = if has_apparmor() { "is not loaded" } else { "AppArmor is not in force" };
    let label = if has_selinux() { "the SELinux policy has no label" } else { "SELinux is not in force" };
    for (label, why) in [
        ("apparmor=no-such-profile", profile),
        ("label=type:no_such_t", label),
        ("label=colour:blue", "bad label option `colour:blue`"),
    ] {
        engine
            .run(&["run", "--rm", "--security-opt", label, &image, "true"])
            .fails_with(125)
            .error_names(&[why])
            .stderr_has("hint: ");
    }
    assert_eq!(engine.containers(), Vec::<String>::new());
    for none in ["apparmor=unconfined", "label=disable", "label:disable"] {
        engine.run(&["run", "--rm", "--security-opt", none, &image, "true"]).ok();
    }
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

#[test]
fn without_selinux_labels_of_mounts_do_nothing() {
    if has_selinux() {
        return;
    }
    let engine = Engine::new();
    let image = engine.image("busybox");
    let shared = engine.base().join("shared");
    fs::create_dir(&shared).unwrap();
    for option in ["z", "Z", "ro,z"] {
        let volume = format!("{}:/data:{option}", shared.display());
        engine.run(&["run", "--rm", "--volume", &volume, &image, "true"]).ok().quiet();
    }
    // Nothing of the host would be labelled, so nothing is refused either.
    engine.run(&["run", "--rm", "--volume", "/usr:/data:ro,z", &image, "true"]).ok();
    let id = engine.run(&["create", &image, "true"]).ok().text().to_owned();
    assert_eq!(engine.inspect(&id, "{{.ProcessLabel}}|{{.MountLabel}}"), "|");
    assert!(!engine.root().join("levels").exists());
}

/// Returns user, role and type of a label, and its level.
fn parts(label: &str) -> (String, String) {
    let label = label.trim_end_matches(['\0', '\n', ' ']);
    let at = label.match_indices(':').nth(2).unwrap().0;
    (label[..at].to_owned(), label[at + 1..].to_owned())
}

fn label_of(path: &std::path::Path) -> String {
    let mut buffer = vec![0; 256];
    let length = rustix::fs::lgetxattr(path, "security.selinux", &mut buffer[..]).unwrap();
    String::from_utf8_lossy(&buffer[..length]).trim_end_matches('\0').to_owned()
}

#[test]
fn each_container_has_a_label_of_its_own() {
    if !has_selinux() {
        return;
    }
    const LABEL: [&str; 2] = ["cat", "/proc/self/attr/current"];
    let engine = Engine::new();
    let image = engine.image("busybox");
    let start = || engine.run(&["run", "--detach", &image, "sleep", "1000"]).ok().text().to_owned();
    let (one, other) = (start(), start());
    let label = |id: &str| engine.inspect(id, "{{.ProcessLabel}}");
    assert_ne!(parts(&label(&one)).1, parts(&label(&other)).1);
    assert_eq!(parts(&label(&one)).0, "system_u:system_r:container_t");
    let pid = engine.inspect(&one, "{{.State.Pid}}");
    let of_init = fs::read_to_string(format!("/proc/{pid}/attr/current")).unwrap();
    assert_eq!(parts(&of_init), parts(&label(&one)));
    let exec = engine.run(&[&["exec", &one][..], &LABEL].concat()).ok();
    assert_eq!(parts(&exec.stdout), parts(&label(&one)));
    // All its files have the other label, whatever they lie on.
    let files = engine.inspect(&one, "{{.MountLabel}}");
    assert_eq!(parts(&files).1, parts(&label(&one)).1);
    let root = std::path::PathBuf::from(format!("/proc/{pid}/root"));
    for path in [
        "bin/busybox",
        "etc/hosts",
        "etc/hostname",
        "etc/resolv.conf",
        "dev",
        "dev/null",
        "dev/shm",
        "dev/mqueue",
        "dev/pts",
    ] {
        assert_eq!(label_of(&root.join(path)), files, "{path}");
    }
    let pipe = engine.run_root().join("containers").join(&one).join("stdout");
    assert_eq!(label_of(&pipe), files);
    // A restart changes nothing; what is removed gives its level back.
    engine.run(&["restart", "--timeout", "0", &one]).ok();
    assert_eq!(engine.inspect(&one, "{{.MountLabel}}"), files);
    let shares = ["run", "--rm", "--pid", &format!("container:{one}"), &image];
    assert_eq!(parts(&engine.run(&[&shares[..], &LABEL].concat()).ok().stdout), parts(&label(&one)));
    assert_eq!(fs::read_dir(engine.root().join("levels")).unwrap().count(), 2);
    engine.run(&["rm", "--force", &one, &other]).ok();
    engine.run(&["run", "--rm", &image, "true"]).ok();
    assert_eq!(fs::read_dir(engine.root().join("levels")).unwrap().count(), 0);
    let chosen = ["run", "--rm", "--security-opt", "label=level:s0:c1,c2", &image];
    assert_eq!(parts(&engine.run(&[&chosen[..], &LABEL].concat()).ok().stdout).1, "s0:c1,c2");
    let own = parts(&fs::read_to_string("/proc/self/attr/current").unwrap());
    for option in ["--privileged", "--security-opt=label=disable", "--pid=host"] {
        let output = engine.run(&[&["run", "--rm", option, &image][..], &LABEL].concat()).ok();
        assert_eq!(parts(&output.stdout), own, "{option}");
    }
}

#[test]
fn mounts_are_labelled_where_it_is_asked_for_and_the_host_is_left_alone() {
    if !has_selinux() {
        return;
    }
    let engine = Engine::new();
    let image = engine.image("busybox");
    let data = engine.base().join("data");
    fs::create_dir_all(data.join("below")).unwrap();
    fs::write(data.join("below/file"), "").unwrap();
    let outside = engine.base().join("outside");
    fs::write(&outside, "").unwrap();
    std::os::unix::fs::symlink(&outside, data.join("link")).unwrap();
    let before = label_of(&outside);
    let volume = |option: &str| format!("{}:/data{option}", data.display());
    let run = |option: &str| engine.run(&["run", "--rm", "--volume", &volume(option), &image, "true"]).ok();
    run("");
    assert_eq!(label_of(&data), before);
    run(":z");
    for path in ["", "below", "below/file", "link"] {
        assert_eq!(
            parts(&label_of(&data.join(path))),
            ("system_u:object_r:container_file_t".into(), "s0".into()),
            "{path}"
        );
    }
    let id = engine.run(&["create", "--volume", &volume(":Z"), &image, "true"]).ok().text().to_owned();
    engine.run(&["start", &id]).ok();
    assert_eq!(label_of(&data.join("below/file")), engine.inspect(&id, "{{.MountLabel}}"));
    assert_eq!(label_of(&outside), before);
    engine.run(&["run", "--rm", "--volume", "named:/data", &image, "true"]).ok();
    assert_eq!(parts(&label_of(&engine.root().join("volumes/named/_data"))).1, "s0");
    // By a link, too.
    let link = engine.base().join("usr");
    std::os::unix::fs::symlink("/usr", &link).unwrap();
    for source in ["/usr", "/etc", link.to_str().unwrap()] {
        engine
            .run(&["run", "--volume", &format!("{source}:/data:Z"), &image, "true"])
            .fails_with(125)
            .error_names(&["relabeling", "is not allowed"]);
    }
    assert_eq!(engine.containers().len(), 1);
}
