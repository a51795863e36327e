//! `--platform OS[/ARCH[/VARIANT]]`.

use engine::request::Platform;

use super::{Invalid, Read};

const SYSTEMS: [&str; 5] = ["linux", "windows", "darwin", "freebsd", "wasip1"];

/// Reads a platform; a single word may be an operating system or an architecture.
pub(crate) fn parse(text: &str) -> Read<Platform> {
    let lower = text.to_ascii_lowercase();
    let parts: Vec<&str> = lower.split('/').collect();
    let word = |part: &&str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
    };
    let bad = || {
        Invalid::new(format!("error parsing specified platform: \"{text}\": cannot parse platform specifier"))
    };
    if !parts.iter().all(word) {
        return Err(bad());
    }
    let (os, architecture, variant) = match parts.as_slice() {
        [os] if SYSTEMS.contains(os) => (*os, None, None),
        [architecture] => ("linux", Some(*architecture), None),
        [os, architecture] => (*os, Some(*architecture), None),
        [os, architecture, variant] => (*os, Some(*architecture), Some((*variant).to_owned())),
        _ => return Err(bad()),
    };
    let (architecture, implied) = match architecture {
        Some("x86_64" | "x86-64") => (Some("amd64"), None),
        Some("aarch64") => (Some("arm64"), None),
        Some("armhf") => (Some("arm"), Some("v7")),
        Some("armel") => (Some("arm"), Some("v6")),
        other => (other, None),
    };
    let variant = variant.or_else(|| implied.map(str::to_owned));
    Ok(Platform { os: os.to_owned(), architecture: architecture.map(str::to_owned), variant })
}

#[cfg(test)]
#[test]
fn platforms() {
    let show = |text: &str| {
        parse(text).map(|p| {
            [Some(p.os), p.architecture, p.variant].into_iter().flatten().collect::<Vec<_>>().join("/")
        })
    };
    let bad =
        |text| format!("!error parsing specified platform: \"{text}\": cannot parse platform specifier");
    let rows = [
        ("linux", "\"linux\""),
        ("arm64", "\"linux/arm64\""),
        ("linux/aarch64/v8", "\"linux/arm64/v8\""),
        ("Linux/X86_64", "\"linux/amd64\""),
        ("linux/armhf", "\"linux/arm/v7\""),
    ];
    super::check::table(show, &rows);
    super::check::table(show, &[("a/b/c/d", &bad("a/b/c/d")), ("linux//", &bad("linux//")), ("", &bad(""))]);
}
