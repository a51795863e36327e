//! `--device HOST[:CONTAINER][:rwm]` and `--device-cgroup-rule 'c 1:3 rwm'`.

use std::path::PathBuf;

use engine::request::{DeviceAccess, DeviceKind, DeviceMapping, DeviceRule};

use super::{Invalid, Read};

/// Reads the value of `--device`.
pub(crate) fn parse(text: &str) -> Read<DeviceMapping> {
    if !text.starts_with('/') {
        if text.split_once('=').is_some_and(|(kind, _)| kind.contains('/')) {
            return Err(Invalid::new(format!(
                "device `{text}`: the container device interface is not supported yet"
            )));
        }
        return Err(Invalid::new(format!("{text} is not an absolute path")));
    }
    let parts: Vec<&str> = text.split(':').collect();
    let (host, container, access) = match parts.as_slice() {
        [host] => (*host, *host, "rwm"),
        [host, second] if parse_access(second).is_some() => (*host, *host, *second),
        [host, container] => (*host, *container, "rwm"),
        [host, container, access] => (*host, *container, *access),
        _ => return Err(Invalid::new(format!("invalid device specification: {text}"))),
    };
    let access =
        parse_access(access).ok_or_else(|| Invalid::new(format!("invalid device mode: {access}")))?;
    if !container.starts_with('/') {
        return Err(Invalid::new(format!("{container} is not an absolute path")));
    }
    Ok(DeviceMapping { host: PathBuf::from(host), container: PathBuf::from(container), access })
}

/// Reads the value of `--device-cgroup-rule`.
pub(crate) fn parse_rule(text: &str) -> Read<DeviceRule> {
    rule(text).ok_or_else(|| {
        Invalid::new(format!("invalid device cgroup format '{text}'"))
            .hint("write it like 'c 1:3 rwm' or 'b *:* r'")
    })
}

fn rule(text: &str) -> Option<DeviceRule> {
    let mut words = text.split(' ');
    let kind = match words.next()? {
        "a" => DeviceKind::All,
        "b" => DeviceKind::Block,
        "c" => DeviceKind::Char,
        _ => return None,
    };
    let (major, minor) = words.next()?.split_once(':')?;
    let number = |text: &str| if text == "*" { Some(None) } else { text.parse::<u32>().ok().map(Some) };
    let access = parse_access(words.next()?)?;
    let rule = DeviceRule { kind, major: number(major)?, minor: number(minor)?, access };
    words.next().is_none().then_some(rule)
}

/// Reads some of the letters `rwm`, each at most once.
fn parse_access(text: &str) -> Option<DeviceAccess> {
    let mut access = DeviceAccess { read: false, write: false, mknod: false };
    for letter in text.chars() {
        let flag = match letter {
            'r' => &mut access.read,
            'w' => &mut access.write,
            'm' => &mut access.mknod,
            _ => return None,
        };
        if std::mem::replace(flag, true) {
            return None;
        }
    }
    (!text.is_empty()).then_some(access)
}

#[cfg(test)]
mod tests {
    use super::super::check::table;
    use super::*;

    #[test]
    fn mappings() {
        let show = |text: &str| {
            parse(text).map(|d| format!("{}>{} {}", d.host.display(), d.container.display(), d.access))
        };
        let rows = [
            ("/dev/a", "\"/dev/a>/dev/a rwm\""),
            ("/dev/a:r", "\"/dev/a>/dev/a r\""),
            ("/dev/a:/dev/b", "\"/dev/a>/dev/b rwm\""),
            ("/dev/a:/dev/b:mr", "\"/dev/a>/dev/b rm\""),
            ("/dev/a:/dev/b:x", "!invalid device mode: x"),
            ("/dev/a:/dev/b:rr", "!invalid device mode: rr"),
            ("/dev/a:b", "!b is not an absolute path"),
            ("/dev/a:/dev/b:r:w", "!invalid device specification: /dev/a:/dev/b:r:w"),
            ("a", "!a is not an absolute path"),
            (
                "nvidia.com/gpu=0",
                "!device `nvidia.com/gpu=0`: the container device interface is not supported yet",
            ),
        ];
        table(show, &rows);
    }

    #[test]
    fn rules() {
        let show = |text: &str| {
            parse_rule(text).map(|r| format!("{} {:?} {:?} {}", r.kind.as_str(), r.major, r.minor, r.access))
        };
        let rows = [
            ("c 1:3 rwm", "\"c Some(1) Some(3) rwm\""),
            ("a *:* m", "\"a None None m\""),
            ("b 8:* r", "\"b Some(8) None r\""),
            ("c 1:3", "!invalid device cgroup format 'c 1:3'"),
            ("x 1:3 r", "!invalid device cgroup format 'x 1:3 r'"),
            ("c 1:3 r w", "!invalid device cgroup format 'c 1:3 r w'"),
            ("c 1 r", "!invalid device cgroup format 'c 1 r'"),
        ];
        table(show, &rows);
    }
}
