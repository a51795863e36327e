//! What a program finds: its namespaces, its files, its rights.

use std::fs;
use std::os::unix::fs::MetadataExt;

use oci::rootfs::{Overlay, Rootfs, Upper};
use serde_json::json;
use sys::process::ExitStatus;

use super::boxes::{Bundle, fill, merged, user_namespace};

pub(crate) fn a_container_over_a_directory() {
    let bundle = Bundle::new();
    let patch =
        json!({ "process": { "user": { "uid": 7, "gid": 8, "umask": 0o27, "additionalGids": [9] } } });
    let script = r#"
            alias b=/bin/busybox
            echo "$$ $(b hostname) $(b pwd) $(umask)"
            b id
            b grep -E '^(NoNewPrivs|Cap(Inh|Prm|Eff|Bnd|Amb)):' /proc/self/status | b tr -s '\t\n' '  '; echo
            b ip link show lo | b grep -o LOOPBACK,UP
            b ls /proc/self/fd | b tr '\n' ' '; echo
            b stat -c '%F %n' /dev/null /dev/fd /dev/pts/ptmx /proc/version /proc/tty
            b ls /proc/tty | b wc -l
            echo 1 > /proc/sys/kernel/printk || echo read-only
            b grep -c . /proc/self/mountinfo
            exit 5
        "#;
    let ended = bundle.script(&patch, script);
    let text = ended.output.replace("/proc/sys/kernel/printk", "printk");
    insta::assert_snapshot!("directory", text);
    assert_eq!(ended.status, ExitStatus::Code(5));
    assert_eq!(ended.warnings, Vec::<String>::new());
    // What was mounted on was made, and is all that is left of it.
    let root = bundle.path("root");
    assert_eq!(fs::read_dir(root.join("dev")).unwrap().count(), 0);
    assert_eq!(fs::read_dir(bundle.path("staging")).unwrap().count(), 0);
}

pub(crate) fn mounts_have_the_options_asked_for() {
    let bundle = Bundle::new();
    let source = bundle.path("source");
    fs::create_dir_all(source.join("below")).unwrap();
    fs::write(source.join("file"), "content").unwrap();
    let mounts = json!({ "root": { "readonly": true }, "mounts": [
            { "destination": "/a", "source": source, "options": ["bind", "ro", "noatime", "nosuid"] },
            { "destination": "/b", "source": source, "options": ["rbind", "strictatime", "nodev", "noexec"] },
            { "destination": "/c", "source": source, "options": ["rbind", "rro", "norelatime"] },
            { "destination": "/d/e/f", "source": source.join("file"), "options": ["bind", "ro"] },
            { "destination": "/t", "type": "tmpfs", "source": "tmpfs", "options": ["rro", "size=64k", "uid=3", "mode=1770"] },
            { "destination": "/u", "type": "tmpfs", "source": "tmpfs", "options": ["size=64k", "noatime"] }
        ] });
    let script = r#"
            alias b=/bin/busybox
            b awk '$5 ~ "^/([a-dtu](/.*)?)?$" { print $5, $6 }' /proc/self/mountinfo
            b cat /d/e/f; echo
            b stat -c '%u %a' /t
            for place in / /a /b /c /t /u; do b touch $place/x 2>/dev/null && echo "$place is writable"; done
        "#;
    insta::assert_snapshot!("mounts", bundle.script(&mounts, script).output);
}

/// Makes a store of many layers, each with a file of its own and one that all have.
fn layers(bundle: &Bundle, count: usize) -> Overlay {
    let store = bundle.path("store");
    fill(&store.join("layers/0"));
    for number in 0..count {
        let layer = store.join(format!("layers/{number}"));
        fs::create_dir_all(&layer).unwrap();
        fs::write(layer.join(format!("file{number}")), "x").unwrap();
        fs::write(layer.join("all"), number.to_string()).unwrap();
    }
    fs::create_dir_all(store.join("upper")).unwrap();
    fs::create_dir_all(store.join("work")).unwrap();
    Overlay {
        store,
        lowers: (0..count).rev().map(|number| format!("layers/{number}").into()).collect(),
        upper: Some(Upper { upper: "upper".into(), work: "work".into(), volatile: true }),
    }
}

pub(crate) fn a_container_over_many_layers_of_foreign_ids() {
    let mut bundle = Bundle::new();
    let overlay = layers(&bundle, 120);
    bundle.root = Rootfs::Overlay(overlay.clone());
    let script = r#"
            alias b=/bin/busybox
            echo "$(b cat /all) $(b ls / | b grep -c file) $(b id -u) $(b stat -c %u /all)"
            echo new > /all; echo more > /more; b rm /file7
            b cat /proc/self/uid_map | b tr -s ' '
        "#;
    let base = 1_879_048_192;
    let ended = bundle.script(&user_namespace(base), script);
    assert_eq!(ended.output, format!("119 120 0 0\n 0 {base} 65536\n"));
    let upper = overlay.store.join("upper");
    assert_eq!(fs::read_to_string(upper.join("all")).unwrap(), "new\n");
    // On disk are the ids inside: any other container may have the layer at other ids.
    assert_eq!(fs::metadata(upper.join("more")).unwrap().uid(), 0);
    assert_eq!(fs::metadata(upper.join("file7")).unwrap().rdev(), 0);
    assert_eq!(fs::read_to_string(overlay.store.join("layers/119/all")).unwrap(), "119");

    // A view has no writable part.
    bundle.root = Rootfs::Overlay(Overlay { upper: None, ..overlay });
    for name in ["proc", "dev"] {
        fs::create_dir_all(bundle.path("store/layers/3").join(name)).unwrap();
    }
    let view = merged(user_namespace(base), &json!({ "process": { "cwd": "/bin" } }));
    let ended = bundle.script(&view, "/bin/busybox cat /all; echo x > /all");
    assert!(ended.output.starts_with("119") && ended.output.contains("Read-only file system"), "{ended:?}");
}

pub(crate) fn a_console_is_the_controlling_terminal() {
    use std::os::fd::AsFd;
    let bundle = Bundle::new();
    let script =
        "/bin/busybox tty; test -c /dev/console && echo console > /dev/tty; /bin/busybox ls /dev/pts";
    let args = json!(["/bin/busybox", "sh", "-c", script]);
    let patch =
        merged(user_namespace(1_879_048_192), &json!({ "process": { "terminal": true, "args": args } }));
    let plan = bundle.plan(&patch).unwrap();
    let console = runtime::Console::new(&plan).unwrap();
    let null = fs::File::open("/dev/null").unwrap();
    let created = runtime::create(&runtime::CreateInput {
        plan: &plan,
        staging: &bundle.path("staging"),
        stdio: [null.as_fd(), null.as_fd(), null.as_fd()],
        console: Some(&console),
        group: None,
        pids_limit: None,
        parent: runtime::Parent::Caller,
        gate: &runtime::Gate::Open,
        preserve_fds: 0,
        state: None,
        network: None,
    });
    let created = created.unwrap_or_else(|error| panic!("{}", super::boxes::chain(&error)));
    assert_eq!(sys::process::wait(created.pid).unwrap(), ExitStatus::Code(0));
    // Our own copy keeps what was said from going away with the program.
    let mut said = [0; 200];
    let count = rustix::io::read(&console.pty.master, &mut said).unwrap();
    let text = String::from_utf8_lossy(&said[..count]).replace('\r', "");
    assert_eq!(text.split_whitespace().collect::<Vec<_>>(), ["/dev/pts/0", "console", "0", "ptmx"]);
}

/// A capability that is not inheritable cannot be ambient (capabilities(7)); it is left out.
pub(crate) fn ambient_capabilities_the_kernel_refuses_are_left_out() {
    let bundle = Bundle::new();
    let capabilities = |inheritable: &[&str]| {
        let capabilities = json!({ "ambient": ["CAP_CHOWN"], "inheritable": inheritable });
        let process = json!({ "capabilities": capabilities, "user": { "uid": 7 } });
        let script =
            "/bin/busybox grep -E '^Cap(Amb|Eff)' /proc/self/status | /bin/busybox tr -s '\t\n' '  '";
        bundle.script(&json!({ "process": process }), script).output
    };
    assert_eq!(capabilities(&["CAP_CHOWN"]), "CapEff: 0000000000000001 CapAmb: 0000000000000001 ");
    assert_eq!(capabilities(&[]), "CapEff: 0000000000000000 CapAmb: 0000000000000000 ");
}
