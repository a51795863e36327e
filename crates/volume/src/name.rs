//! Names of volumes.

use std::fmt::Write;

use sys::Context;

use crate::{Error, Result};

/// As long as a file name may be.
const LENGTH_MAX: usize = 255;

/// Checks Docker's rule: `[a-zA-Z0-9][a-zA-Z0-9_.-]*`, two characters at least.
pub fn check_name(name: &str) -> Result<()> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    let first = name.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric());
    let good = first && (2..=LENGTH_MAX).contains(&name.len()) && name.bytes().all(allowed);
    if good { Ok(()) } else { Err(Error::Name(name.to_owned())) }
}

/// Returns the name of an anonymous volume: 32 random bytes in hexadecimal.
pub fn random_name() -> Result<String> {
    let mut bytes = [0; 32];
    rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())
        .context(|| "cannot get random numbers".into())?;
    let mut name = String::with_capacity(64);
    for byte in bytes {
        let _ = write!(name, "{byte:02x}");
    }
    Ok(name)
}

#[cfg(test)]
#[test]
fn names_are_dockers() {
    let long = "a".repeat(256);
    for (name, good) in [
        ("db", true),
        ("0.a_b-C", true),
        ("a", false),
        ("", false),
        (".hidden", false),
        ("-x", false),
        ("a/b", false),
        ("..", false),
        ("a b", false),
        ("ä1", false),
        (&long[..255], true),
        (&long, false),
    ] {
        assert_eq!(check_name(name).is_ok(), good, "{name:?}");
    }
    let random = random_name().unwrap();
    assert!(random.len() == 64 && check_name(&random).is_ok() && random != random_name().unwrap());
}
