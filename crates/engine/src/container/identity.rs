//! Who the process is: `USER[:GROUP]` looked up in the container's own /etc/passwd and /etc/group.
//!
//! The files are read from the layers, topmost first, as data: nothing of the image is executed or
//! loaded (CVE-2019-14271), sizes are bounded (CVE-2024-9676), ids are checked numbers (CVE-2016-3697,
//! CVE-2024-40635).

use std::path::Path;

use sys::Dir;

use crate::error::{Error, Result};

/// The most that is read of a passwd or group file.
const FILE_MAX: usize = 1 << 20;
/// The largest id: -1 means "no change" to the kernel.
const ID_MAX: u32 = u32::MAX - 1;

/// The ids of a process and where it is at home.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) groups: Vec<u32>,
    pub(crate) home: String,
}

/// The two files of a container.
#[derive(Debug, Default)]
pub(crate) struct Accounts {
    passwd: String,
    group: String,
}

impl Accounts {
    /// Reads the files from the first of some directories that has each.
    pub(crate) fn read<'a>(roots: impl Iterator<Item = &'a Dir> + Clone) -> Self {
        let read = |path: &str| {
            for root in roots.clone() {
                match root.read_regular(Path::new(path), FILE_MAX) {
                    Ok(bytes) => return String::from_utf8_lossy(&bytes).into_owned(),
                    Err(error) if error.is_not_found() => {}
                    // Covered by something else, or deleted (a whiteout is a device): what lies below
                    // is not the container's any more.
                    Err(_) => break,
                }
            }
            String::new()
        };
        Self { passwd: read("/etc/passwd"), group: read("/etc/group") }
    }

    /// Resolves `USER[:GROUP]` and further groups.
    pub(crate) fn identity(&self, user: &str, further: &[String]) -> Result<Identity> {
        let (name, group) = match user.split_once(':') {
            Some((name, group)) => (name, Some(group)),
            None => (user, None),
        };
        let name = if name.is_empty() { "0" } else { name };
        let entry = self.user(name);
        let uid = match (&entry, number(name)?) {
            (Some(entry), _) => entry.uid,
            (None, Some(uid)) => uid,
            (None, None) => {
                return Err(Error::invalid(format!(
                    "unable to find user {name}: no matching entries in passwd file"
                ))
                .hint("use a user of the image, or a number"));
            }
        };
        let mut groups = Vec::new();
        let gid = match group.filter(|group| !group.is_empty()) {
            Some(group) => self.gid(group)?,
            None => {
                // Only a user by entry has the groups that list its name (as getgrouplist(3)).
                if let Some(entry) = &entry {
                    groups = self.groups_of(&entry.name);
                }
                entry.as_ref().map_or(0, |entry| entry.gid)
            }
        };
        for group in further {
            groups.push(self.gid(group)?);
        }
        // The own group as well: whoever runs a set-group-ID program would else step out of what is forbidden to that
        // group alone (CVE-2022-36109).
        groups.push(gid);
        groups.sort_unstable();
        groups.dedup();
        let home =
            entry.map(|entry| entry.home).filter(|home| !home.is_empty()).unwrap_or_else(|| "/".to_owned());
        Ok(Identity { uid, gid, groups, home })
    }

    fn user(&self, name: &str) -> Option<Passwd> {
        // `+1` parses as a number and is none (CVE-2026-30892).
        let wanted = number(name).ok().flatten();
        let entries = || self.passwd.lines().filter_map(parse_passwd);
        // A name that is all digits is a number before it is a name.
        match wanted {
            Some(uid) => entries().find(|entry| entry.uid == uid),
            None => entries().find(|entry| entry.name == name),
        }
    }

    fn gid(&self, group: &str) -> Result<u32> {
        if let Some(gid) = number(group)? {
            return Ok(gid);
        }
        self.group
            .lines()
            .filter_map(parse_group)
            .find(|(name, _, _)| *name == group)
            .map(|(_, gid, _)| gid)
            .ok_or_else(|| {
                Error::invalid(format!("unable to find group {group}: no matching entries in group file"))
                    .hint("use a group of the image, or a number")
            })
    }

    fn groups_of(&self, user: &str) -> Vec<u32> {
        self.group
            .lines()
            .filter_map(parse_group)
            .filter(|(_, _, members)| members.split(',').any(|member| member == user))
            .map(|(_, gid, _)| gid)
            .collect()
    }
}

struct Passwd {
    name: String,
    uid: u32,
    gid: u32,
    home: String,
}

fn parse_passwd(line: &str) -> Option<Passwd> {
    let fields: Vec<&str> = line.trim_end().split(':').collect();
    let [name, _, uid, gid, _, home, ..] = fields.as_slice() else { return None };
    Some(Passwd {
        name: (*name).to_owned(),
        uid: uid.parse().ok().filter(|id| *id <= ID_MAX)?,
        gid: gid.parse().ok().filter(|id| *id <= ID_MAX)?,
        home: (*home).to_owned(),
    })
}

fn parse_group(line: &str) -> Option<(&str, u32, &str)> {
    let fields: Vec<&str> = line.trim_end().split(':').collect();
    let [name, _, gid, members, ..] = fields.as_slice() else { return None };
    Some((name, gid.parse().ok().filter(|id| *id <= ID_MAX)?, members))
}

/// Reads a number; text that is none is `None`, a number that is no id is an error.
fn number(text: &str) -> Result<Option<u32>> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(None);
    }
    match text.parse::<u32>().ok().filter(|id| *id <= ID_MAX) {
        Some(id) => Ok(Some(id)),
        None => Err(Error::invalid(format!("`{text}` is not a user or group id: ids are 0 to {ID_MAX}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accounts() -> Accounts {
        Accounts {
            passwd: "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1001::/home/app:\n1234:x:7:7::/:\nbad:x:4294967295:0::/:\n".into(),
            group: "root:x:0:\napp:x:1001:\nvideo:x:44:app,other\n".into(),
        }
    }

    #[test]
    fn users_and_groups_resolve_as_docker_does() {
        let table = [
            ("", 0, 0, vec![0], "/root"),
            ("root", 0, 0, vec![0], "/root"),
            ("app", 1000, 1001, vec![44, 1001], "/home/app"),
            ("1000", 1000, 1001, vec![44, 1001], "/home/app"),
            ("app:video", 1000, 44, vec![44], "/home/app"),
            ("1000:5", 1000, 5, vec![5], "/home/app"),
            ("5000", 5000, 0, vec![0], "/"),
            (":5", 0, 5, vec![5], "/root"),
            ("1000:", 1000, 1001, vec![44, 1001], "/home/app"),
            // CVE-2016-3697: digits are an id even where a user is called so.
            ("1234", 1234, 0, vec![0], "/"),
        ];
        for (user, uid, gid, groups, home) in table {
            let identity = accounts().identity(user, &[]).unwrap_or_else(|e| panic!("{user}: {e}"));
            assert_eq!(
                (identity.uid, identity.gid, identity.groups, identity.home.as_str()),
                (uid, gid, groups, home),
                "{user}"
            );
        }
    }

    #[test]
    fn cve_2024_40635_ids_out_of_range_are_refused() {
        for user in [
            "4294967295",
            "4294967296",
            "99999999999999999999",
            "-1",
            "0x0",
            "+1",
            "nobody2",
            "bad",
            "app:nogroup",
        ] {
            assert!(accounts().identity(user, &[]).is_err(), "{user}");
        }
    }

    #[test]
    fn further_groups_are_added() {
        let identity = accounts().identity("app", &["root".into(), "77".into()]).unwrap();
        assert_eq!(identity.groups, [0, 44, 77, 1001]);
    }

    #[test]
    fn malformed_lines_are_passed_over_and_missing_files_hold_nobody() {
        let hostile = Accounts {
            passwd: "\n:::\nshort:x:1\n#root:x:5:5::/:\nnew\0line:x:9:9::/:\napp:x:+8:8::/:\napp:x: 8:8::/:\napp:x:8:8:::extra:more\n".into(),
            group: "app:x:12\nvideo:x:-1:app\n:x:13:app\naudio:x:14:,app,,app\n".into(),
        };
        let identity = hostile.identity("app", &[]).unwrap();
        assert_eq!((identity.uid, identity.gid, identity.home.as_str()), (8, 8, "/"));
        assert_eq!(identity.groups, [8, 13, 14]);
        for user in ["short", "#", "video"] {
            assert!(hostile.identity(user, &[]).is_err(), "{user}");
        }
        let nobody = Accounts::default();
        assert_eq!(nobody.identity("", &[]).unwrap().uid, 0);
        assert_eq!(
            nobody.identity("root", &[]).unwrap_err().to_string(),
            "unable to find user root: no matching entries in passwd file",
        );
        assert_eq!(
            nobody.identity("5:wheel", &[]).unwrap_err().to_string(),
            "unable to find group wheel: no matching entries in group file",
        );
    }
}
