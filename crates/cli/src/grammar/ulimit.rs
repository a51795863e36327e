//! `--ulimit NAME=SOFT[:HARD]`.

use engine::request::{Limit, Ulimit};

use super::{Invalid, Read};

const NAMES: [&str; 15] = [
    "core",
    "cpu",
    "data",
    "fsize",
    "locks",
    "memlock",
    "msgqueue",
    "nice",
    "nofile",
    "nproc",
    "rss",
    "rtprio",
    "rttime",
    "sigpending",
    "stack",
];

/// Reads the value of `--ulimit`.
pub(crate) fn parse(text: &str) -> Read<Ulimit> {
    let (name, limits) =
        text.split_once('=').ok_or_else(|| Invalid::new(format!("invalid ulimit argument: {text}")))?;
    if !NAMES.contains(&name) {
        return Err(Invalid::new(format!("invalid ulimit type: {name}"))
            .hint(format!("use one of {}", NAMES.join(", "))));
    }
    let number = |text: &str| -> Read<Limit> {
        match text.parse::<i64>() {
            Ok(-1) => Ok(Limit::Unlimited),
            Ok(value) => u64::try_from(value).map(Limit::Max).map_err(|_| value.to_string()),
            Err(_) => Err(text.to_owned()),
        }
        .map_err(|text| Invalid::new(format!("`{text}` is not a limit")).hint("-1 means unlimited"))
    };
    let parts: Vec<&str> = limits.split(':').collect();
    let (soft, hard) = match parts.as_slice() {
        [both] => (number(both)?, number(both)?),
        [soft, hard] => (number(soft)?, number(hard)?),
        _ => {
            let text =
                format!("too many limit value arguments - {limits}, can only have up to two, `soft[:hard]`");
            return Err(Invalid::new(text));
        }
    };
    if soft.as_rlimit() > hard.as_rlimit() {
        let (soft, hard) = (soft.as_i64(), hard.as_i64());
        let text = format!("ulimit soft limit must be less than or equal to hard limit: {soft} > {hard}");
        return Err(Invalid::new(text));
    }
    Ok(Ulimit { name: name.to_owned(), soft, hard })
}

#[cfg(test)]
#[test]
fn readings() {
    let show = |text: &str| parse(text).map(|u| format!("{} {:?} {:?}", u.spec_name(), u.soft, u.hard));
    let rows = [
        ("nofile=512", "\"RLIMIT_NOFILE Max(512) Max(512)\""),
        ("nofile=512:1024", "\"RLIMIT_NOFILE Max(512) Max(1024)\""),
        ("core=0:-1", "\"RLIMIT_CORE Max(0) Unlimited\""),
        ("memlock=-1", "\"RLIMIT_MEMLOCK Unlimited Unlimited\""),
        ("nofile", "!invalid ulimit argument: nofile"),
        ("foo=1", "!invalid ulimit type: foo"),
        ("nofile=1:2:3", "!too many limit value arguments - 1:2:3, can only have up to two, `soft[:hard]`"),
        ("nofile=5:3", "!ulimit soft limit must be less than or equal to hard limit: 5 > 3"),
        ("nofile=-1:3", "!ulimit soft limit must be less than or equal to hard limit: -1 > 3"),
        ("nofile=x", "!`x` is not a limit"),
        ("nofile=-2", "!`-2` is not a limit"),
    ];
    super::check::table(show, &rows);
}
