//! Labels as arithmetic: options, levels and what may be relabelled.

use super::*;
use crate::request::{IpcMode, PidMode, Security};

const TARGETED: &str = "
# As container-selinux has it.
process = \"system_u:system_r:container_t:s0\"
content = \"system_u:object_r:virt_var_lib_t:s0\"
file = \"system_u:object_r:container_file_t:s0\"
ro_file=\"system_u:object_r:container_ro_file_t:s0\"
";

fn labels(options: &[&str]) -> Result<Labels> {
    let base = decide::read_base(TARGETED).unwrap();
    let options = options.iter().map(|option| (*option).to_owned()).collect();
    decide::labels(&Asked::Options(options), &base, || Ok("c7,c9".to_owned()))
}

#[test]
fn options_change_the_policy_s_own_labels() {
    let rows: [(&[&str], &str, &str); 7] = [
        (&[], "system_u:system_r:container_t:s0:c7,c9", "system_u:object_r:container_file_t:s0:c7,c9"),
        (&["type:net_t"], "system_u:system_r:net_t:s0:c7,c9", "system_u:object_r:container_file_t:s0:c7,c9"),
        (
            &["level:s0:c1,c2"],
            "system_u:system_r:container_t:s0:c1,c2",
            "system_u:object_r:container_file_t:s0:c1,c2",
        ),
        (&["user:me_u"], "me_u:system_r:container_t:s0:c7,c9", "me_u:object_r:container_file_t:s0:c7,c9"),
        (&["role:me_r"], "system_u:me_r:container_t:s0:c7,c9", "system_u:object_r:container_file_t:s0:c7,c9"),
        (&["filetype:mine_t"], "system_u:system_r:container_t:s0:c7,c9", "system_u:object_r:mine_t:s0:c7,c9"),
        // The later of two wins.
        (
            &["type:a_t", "type:b_t"],
            "system_u:system_r:b_t:s0:c7,c9",
            "system_u:object_r:container_file_t:s0:c7,c9",
        ),
    ];
    for (options, process, mount) in rows {
        let labels = labels(options).unwrap();
        assert_eq!((labels.process.as_str(), labels.mount.as_str()), (process, mount), "{options:?}");
    }
    for bad in ["type", "type:", "colour:red", "disabled"] {
        assert!(labels(&[bad]).unwrap_err().to_string().contains(bad));
    }
}

#[test]
fn a_level_is_claimed_where_it_is_needed_alone() {
    let refuse = || -> Result<String> { panic!("no level is needed") };
    let base = decide::read_base(TARGETED).unwrap();
    decide::labels(&Asked::Options(vec!["level:s0:c1,c2".into()]), &base, refuse).unwrap();
    let disabled = decide::labels(&Asked::Disabled, &base, refuse).unwrap();
    assert_eq!(disabled.process, "");
    assert_eq!(disabled.mount, "system_u:object_r:container_file_t:s0:c1022,c1023");
    let other = Labels {
        process: "a:b:c:s0:c1,c2".into(),
        mount: "a:b:d:s0:c1,c2".into(),
        claimed: Some("c1,c2".into()),
    };
    let like = decide::labels(&Asked::Like(other.clone()), &base, refuse).unwrap();
    // The pair stays the other's.
    assert_eq!(like, Labels { claimed: None, ..other });
    // A policy without levels.
    let base = decide::read_base("process = \"u:r:p_t\"\nfile = \"u:object_r:f_t\"\n").unwrap();
    let labels = decide::labels(&Asked::Options(Vec::new()), &base, refuse).unwrap();
    assert_eq!((labels.process.as_str(), labels.mount.as_str()), ("u:r:p_t", "u:object_r:f_t"));
    assert!(decide::read_base("process = \"u:r:p_t\"\n").is_err());
    assert!(decide::read_base("process = \"u:r\"\nfile = \"u:object_r:f_t\"\n").is_err());
}

#[test]
fn what_counts_as_disabled() {
    let with = |labels: &[&str], privileged| Security {
        labels: labels.iter().map(|label| (*label).to_owned()).collect(),
        privileged,
        ..Security::default()
    };
    let (pid, ipc) = (PidMode::Private, IpcMode::Private);
    let plain = with(&[], false);
    assert_eq!(asked(&plain, &pid, &ipc, None), Asked::Options(Vec::new()));
    assert_eq!(asked(&plain, &PidMode::Host, &ipc, None), Asked::Disabled);
    assert_eq!(asked(&plain, &pid, &IpcMode::Host, None), Asked::Disabled);
    assert_eq!(asked(&with(&[], true), &pid, &ipc, None), Asked::Disabled);
    assert_eq!(asked(&with(&["type:a_t", "disable"], false), &pid, &ipc, None), Asked::Disabled);
    let joined = Some(Labels::default());
    assert_eq!(asked(&plain, &pid, &ipc, joined.clone()), Asked::Like(Labels::default()));
    let typed = asked(&with(&["type:a_t"], false), &pid, &ipc, joined);
    assert_eq!(typed, Asked::Options(vec!["type:a_t".into()]));
}

#[test]
fn pairs_are_ordered_different_and_not_that_of_the_unconfined() {
    assert_eq!(level::pair([9, 7]).as_deref(), Some("c7,c9"));
    assert_eq!(level::pair([1024 + 9, 7]).as_deref(), Some("c7,c9"));
    assert_eq!(level::pair([7, 7]), None);
    assert_eq!(level::pair([7, 1024 + 7]), None);
    assert_eq!(level::pair([1023, 1022]), None);
    assert_eq!(level::of_categories("c7,c9"), "s0:c7,c9");
}

#[test]
fn no_two_containers_have_one_level() {
    let directory = tempfile::tempdir().unwrap();
    let (root, run_root) = (directory.path().join("root"), directory.path().join("run"));
    let engine = Engine::open(crate::EngineConfig {
        root,
        run_root,
        firewall: Default::default(),
        build: Default::default(),
    })
    .unwrap();
    let mut pairs = std::collections::BTreeSet::new();
    for number in 0..500 {
        let pair = level::claim(&engine, &format!("id{number}"), Durability::Volatile).unwrap();
        assert!(pairs.insert(pair.clone()), "{pair}");
    }
    let claims = store::claims(sys::Dir::open(engine.levels()).unwrap()).unwrap();
    assert_eq!(claims.len(), 500);
    let first = pairs.first().unwrap().clone();
    let owner = claims.iter().find(|claim| claim.name == first).unwrap().owner.clone();
    release(&engine, &Labels { claimed: Some(first), ..Labels::default() }, &owner);
    assert_eq!(store::claims(sys::Dir::open(engine.levels()).unwrap()).unwrap().len(), 499);
}

#[test]
fn what_the_host_needs_is_not_relabelled() {
    for refused in ["/", "/usr", "/etc", "/home", "/home/me", "/var/lib", "/tmp", "/root"] {
        let error = check_source(Path::new(refused)).unwrap_err();
        assert!(error.to_string().contains(refused) && error.remedy().is_some(), "{error}");
    }
    for allowed in ["/srv/data", "/home/me/project", "/var/lib/coracle/volumes/v/_data", "/tmp/x"] {
        check_source(Path::new(allowed)).unwrap();
    }
}

/// Whoever may write beside a tree may put another in its place once its name was looked at.
#[test]
fn what_was_checked_is_labelled_and_not_what_is_put_in_its_place() {
    let scratch = tempfile::tempdir().unwrap();
    let path = |name: &str| scratch.path().join(name);
    for tree in ["tree", "host"] {
        sys::fs::create_dir_all(path(tree).join("below")).unwrap();
        std::fs::File::create(path(tree).join("below/file")).unwrap();
    }
    std::os::unix::fs::symlink(path("host"), path("tree/link")).unwrap();
    let pinned = sys::Dir::open(path("tree")).unwrap();
    std::fs::rename(path("tree"), path("moved")).unwrap();
    std::os::unix::fs::symlink(path("host"), path("tree")).unwrap();
    relabel_tree(pinned, "u:r:t:s0").unwrap();
    let label = |name: &str| {
        let mut buffer = [0u8; 64];
        let length = rustix::fs::lgetxattr(path(name), "security.selinux", &mut buffer[..]).ok()?;
        Some(String::from_utf8_lossy(&buffer[..length]).trim_end_matches('\0').to_owned())
    };
    for mine in ["moved", "moved/below", "moved/below/file", "moved/link"] {
        assert_eq!(label(mine).as_deref(), Some("u:r:t:s0"), "{mine}");
    }
    for other in ["host", "host/below", "host/below/file"] {
        assert_ne!(label(other).as_deref(), Some("u:r:t:s0"), "{other}");
    }
    let file = rustix::fs::open(
        path("host/below/file"),
        rustix::fs::OFlags::PATH | rustix::fs::OFlags::CLOEXEC,
        rustix::fs::Mode::empty(),
    );
    relabel_tree(sys::Dir::from_fd(file.unwrap(), path("host/below/file")), "u:r:f:s0").unwrap();
    assert_eq!(label("host/below/file").as_deref(), Some("u:r:f:s0"));
}

#[test]
fn shared_files_have_a_level_without_categories() {
    let shared = |label: &str| shared_label(label).unwrap();
    assert_eq!(shared("u:object_r:f_t:s0:c1,c2"), "u:object_r:f_t:s0");
    assert_eq!(shared("u:object_r:f_t"), "u:object_r:f_t");
    assert!(shared_label("f_t").is_err());
}

#[test]
fn settings_of_a_policy() {
    let text = "# SELINUXTYPE=old\nSELINUX=enforcing\n SELINUXTYPE = \"mls\"\n";
    assert_eq!(setting(text, "SELINUXTYPE"), Some("mls"));
    assert_eq!(setting(text, "SELINUX"), Some("enforcing"));
    assert_eq!(setting(text, "OTHER"), None);
}
