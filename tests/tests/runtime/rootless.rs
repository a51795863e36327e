//! Containers of a user who does not own the machine: in a user namespace, as podman enters one for its user.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use tests::{Bundles, eventually};

/// Takes away what needs a cgroup of the user's own.
fn without_cgroup(spec: &mut Value) {
    spec["mounts"].as_array_mut().unwrap().retain(|mount| mount["destination"] != "/sys/fs/cgroup");
}

#[test]
fn root_of_a_user_namespace_makes_containers_with_the_host_s_devices() {
    let bundles = Bundles::new();
    // The container that stands for the user's session holds the runtime and a bundle.
    let inner = bundles.bundle(
        "inner",
        &["sh", "-c", "id -u; echo x >/dev/null; busybox head -c 3 /dev/zero | busybox wc -c; tty; exit 7"],
        |spec| {
            without_cgroup(spec);
            spec["root"]["path"] = json!("/inner/rootfs");
            spec["process"]["terminal"] = json!(true);
        },
    );
    for (path, mode) in [(&inner, 0o755), (&inner.join("config.json"), 0o644)] {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }
    let features: Value = serde_json::from_str(&bundles.run(&["features"]).ok().stdout).unwrap();
    let all = features["linux"]["capabilities"].clone();
    let script = "export XDG_RUNTIME_DIR=/tmp; /tmp/program runtime run -b /inner c; echo $?; test -d /tmp/coracle/runtime";
    let outer = bundles.bundle("outer", &["sh", "-c", script], |spec| {
        without_cgroup(spec);
        spec["linux"]["namespaces"].as_array_mut().unwrap().push(json!({ "type": "user" }));
        let map = json!([{ "containerID": 0, "hostID": 300_000, "size": 65_536 }]);
        (spec["linux"]["uidMappings"], spec["linux"]["gidMappings"]) = (map.clone(), map);
        // What is masked in the outer /proc would keep the inner one from being mounted.
        (spec["linux"]["maskedPaths"], spec["linux"]["readonlyPaths"]) = (json!([]), json!([]));
        spec["process"]["capabilities"] = json!({ "bounding": all, "effective": all, "permitted": all });
        let bind = |source: &str, destination: &str| {
            json!({ "destination": destination, "type": "bind", "source": source, "options": ["bind", "ro"] })
        };
        let binary = tests::Engine::new().binary().to_str().unwrap().to_owned();
        let mounts = spec["mounts"].as_array_mut().unwrap();
        mounts.push(json!({ "destination": "/tmp", "type": "tmpfs", "source": "t", "options": ["mode=1777"] }));
        mounts.push(bind(&binary, "/tmp/program"));
        mounts.push(json!({ "destination": "/inner", "type": "tmpfs", "source": "t" }));
        mounts.push(bind(inner.join("config.json").to_str().unwrap(), "/inner/config.json"));
        mounts.push(bind(bundles.rootfs().to_str().unwrap(), "/inner/rootfs"));
    });
    let id = bundles.id("outer");
    let output = bundles.run(&["run", "-b", outer.to_str().unwrap(), &id]).ok();
    let printed = output.stdout.replace('\r', "");
    assert!(printed.starts_with("0\n3\n/dev/pts/0\n7\n"), "{output}");
    bundles.assert_empty();
}

#[test]
fn who_may_not_mount_is_told_so() {
    let bundles = Bundles::new();
    let bundle = bundles.bundle("denied", &["true"], |_| ());
    let denied =
        bundles.run_without("sys_admin", &["run", "-b", bundle.to_str().unwrap(), &bundles.id("denied")]);
    denied.fails_with(1).error_names(&["CAP_SYS_ADMIN"]);
    bundles.assert_empty();
}

/// The hierarchy, where cgroup v2 is all there is.
const GROUPS: &str = "/sys/fs/cgroup";
/// Somebody who does not own the machine.
const USER: u32 = 1000;

/// A user's session as a service manager makes it: a subtree of the cgroups, and a shell in a user namespace with
/// ids as newuidmap(1) writes them.
struct Session {
    shell: Child,
    tree: PathBuf,
}

impl Session {
    /// Makes the subtree `name` and has the shell run a script in it.
    fn begin(name: &str, script: &str) -> Self {
        let tree = Path::new(GROUPS).join(name);
        let session = tree.join("session");
        fs::create_dir_all(&session).unwrap();
        for group in [&tree, &session] {
            give(group);
            let files = fs::read_to_string("/sys/kernel/cgroup/delegate").unwrap();
            files
                .lines()
                .map(|file| group.join(file))
                .filter(|file| file.exists())
                .for_each(|file| give(&file));
        }
        let mut shell = Command::new("setpriv")
            .args(["--reuid=1000", "--regid=1000", "--clear-groups", "unshare", "--user", "sh", "-c"])
            .arg(format!("read -r begin; exec 2>&1; {script}"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let proc = PathBuf::from(format!("/proc/{}", shell.id()));
        let host = fs::read_link("/proc/self/ns/user").unwrap();
        eventually("the shell has a user namespace", || {
            fs::read_link(proc.join("ns/user")).is_ok_and(|own| own != host)
        });
        for map in ["uid_map", "gid_map"] {
            fs::write(proc.join(map), format!("0 {USER} 1\n1 300000 65536\n")).unwrap();
        }
        fs::write(session.join("cgroup.procs"), shell.id().to_string()).unwrap();
        shell.stdin.take().unwrap().write_all(b"begin\n").unwrap();
        Self { shell, tree }
    }

    /// Returns what the script printed. The subtree must be empty but for the session itself.
    fn end(self) -> String {
        let output = self.shell.wait_with_output().unwrap();
        fs::remove_dir(self.tree.join("session")).unwrap();
        fs::remove_dir(self.tree).unwrap();
        String::from_utf8(output.stdout).unwrap()
    }
}

fn give(path: &Path) {
    std::os::unix::fs::chown(path, Some(USER), Some(USER)).unwrap();
}

#[test]
fn a_user_limits_containers_within_a_subtree_of_their_own() {
    if !Path::new(GROUPS).join("cgroup.controllers").exists() {
        return;
    }
    let bundles = Bundles::new();
    let name = format!("coracle-test-{}", std::process::id());
    let command = "cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/pids.max; cat /proc/self/cgroup; exit 7";
    let bundle = bundles.bundle("owned", &["sh", "-c", command], |spec| {
        without_cgroup(spec);
        let own = json!({ "destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": ["ro"] });
        spec["mounts"].as_array_mut().unwrap().push(own);
        spec["linux"]["cgroupsPath"] = json!(format!("/{name}/box"));
        spec["linux"]["resources"] = json!({ "memory": { "limit": 64 << 20 }, "pids": { "limit": 33 } });
    });
    for (path, mode) in [(bundles.base(), 0o755), (&bundle, 0o755), (&bundle.join("config.json"), 0o644)] {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }
    let (binary, runtime_dir) = (tests::Engine::new().binary().to_owned(), bundles.base().join("run"));
    fs::create_dir(&runtime_dir).unwrap();
    give(&runtime_dir);
    let (binary, bundle, run) = (binary.display(), bundle.display(), runtime_dir.display());
    let id = bundles.id("owned");
    let script = format!("export XDG_RUNTIME_DIR={run}; {binary} runtime run -b {bundle} {id}; echo $?");
    let printed = Session::begin(&name, &script).end();
    assert_eq!(printed, "67108864\n33\n0::/\n7\n");
    assert_eq!(fs::read_dir(runtime_dir.join("coracle/runtime")).unwrap().count(), 0);
    bundles.assert_empty();
}
