//! Ids and invented names.

use crate::error::{Error, Result};

/// Returns a new id: 32 random bytes in hexadecimal.
pub(crate) fn random_id() -> Result<String> {
    let mut bytes = [0u8; 32];
    fill_random(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn fill_random(bytes: &mut [u8]) -> Result<()> {
    rustix::rand::getrandom(bytes, rustix::rand::GetRandomFlags::empty())
        .map_err(|errno| Error::from(sys::Error::new("cannot get random numbers", errno)))?;
    Ok(())
}

/// Returns an invented name like `calm_heron`: an adjective and a water bird, 2,304 pairs; `salt` makes
/// further ones with a number.
pub(crate) fn invent_name(salt: u32) -> Result<String> {
    let mut bytes = [0u8; 4];
    fill_random(&mut bytes)?;
    let [a, b, c, d] = bytes;
    let name =
        format!("{}_{}", ADJECTIVES[usize::from(a) % ADJECTIVES.len()], BIRDS[usize::from(b) % BIRDS.len()]);
    Ok(if salt == 0 { name } else { format!("{name}{}", u16::from_le_bytes([c, d])) })
}

const ADJECTIVES: [&str; 48] = [
    "able", "agile", "amber", "bold", "brave", "bright", "brisk", "calm", "clever", "coastal", "crisp",
    "daring", "deft", "eager", "early", "fair", "fleet", "fond", "gentle", "glad", "grand", "happy", "hardy",
    "honest", "humble", "jolly", "keen", "kind", "light", "lively", "loyal", "lucid", "merry", "mild",
    "neat", "nimble", "noble", "patient", "placid", "proud", "quick", "quiet", "ready", "serene", "sleek",
    "steady", "swift", "tidy",
];

const BIRDS: [&str; 48] = [
    "albatross",
    "auk",
    "avocet",
    "bittern",
    "booby",
    "brant",
    "coot",
    "cormorant",
    "crane",
    "curlew",
    "dipper",
    "diver",
    "duck",
    "dunlin",
    "egret",
    "eider",
    "fulmar",
    "gadwall",
    "gannet",
    "garganey",
    "godwit",
    "goose",
    "grebe",
    "gull",
    "heron",
    "ibis",
    "kingfisher",
    "kittiwake",
    "knot",
    "loon",
    "mallard",
    "merganser",
    "noddy",
    "osprey",
    "pelican",
    "petrel",
    "pintail",
    "plover",
    "puffin",
    "rail",
    "sanderling",
    "scoter",
    "shoveler",
    "skua",
    "snipe",
    "spoonbill",
    "swan",
    "tern",
];

/// Checks a name against Docker's grammar: `[a-zA-Z0-9][a-zA-Z0-9_.-]+`.
pub(crate) fn check_name(name: &str) -> Result<()> {
    let mut bytes = name.bytes();
    let first = bytes.next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    let rest = bytes.all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte));
    if first && rest && (2..=200).contains(&name.len()) {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "Invalid container name ({name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_64_digits_and_differ() {
        let (a, b) = (random_id().unwrap(), random_id().unwrap());
        assert_eq!(a.len(), 64);
        assert_ne!(a, b);
    }

    #[test]
    fn names_follow_dockers_grammar() {
        for name in ["web", "a1", "A_b.c-d"] {
            assert!(check_name(name).is_ok(), "{name}");
        }
        for name in ["", "a", "-web", "we b", "../x", "é1"] {
            assert!(check_name(name).is_err(), "{name}");
        }
        assert!(check_name(&invent_name(1).unwrap()).is_ok());
    }
}
