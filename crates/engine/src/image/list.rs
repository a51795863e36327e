//! `images`, `image inspect`, `history`.

use image::{ImageRecord, Images};
use oci::reference::Reference;
use serde_json::{Value, json};

use crate::error::{Error, Result};
use crate::paths::Engine;
use crate::request::view::{HistoryRow, ImageRow};
use crate::request::{HistoryRequest, ImagesRequest};

/// Lists images: a row for each name, the newest first.
pub fn list(engine: &Engine, request: &ImagesRequest) -> Result<Vec<ImageRow>> {
    let images = super::open(engine)?;
    let added = |word: &Option<String>| -> Result<Option<i64>> {
        word.as_ref().map(|word| Ok(images.resolve(word)?.added)).transpose()
    };
    let (before, since) = (added(&request.before)?, added(&request.since)?);
    let hidden = if request.all { Default::default() } else { crate::build::cached_images(engine)? };
    let mut rows = Vec::new();
    for summary in images.list_images()? {
        let image = &summary.image;
        let labels = request.labels.iter().all(|label| label.is_among(&image.config.labels));
        let wanted = labels
            && before.is_none_or(|before| image.added < before)
            && since.is_none_or(|since| image.added > since)
            && request.until.is_none_or(|until| summary.created().is_some_and(|created| created < until));
        if !wanted {
            continue;
        }
        if summary.references.is_empty() {
            // Results of build steps are shown to those who want all.
            if hidden.contains(&image.id) {
                continue;
            }
            if request.dangling != Some(false) && request.references.is_empty() {
                rows.push(row(image, None, summary.created()));
            }
        } else if request.dangling != Some(true) {
            let names = summary.references.iter().zip(&summary.digests);
            let names = names.filter(|(name, _)| {
                // A name by digest is told by the tag of the same repository, where there is one.
                let mut tagged = summary.references.iter().filter(|other| other.tag().is_some());
                let told = name.tag().is_none() && tagged.any(|other| other.name() == name.name());
                !told && matches_pattern(name, &request.references)
            });
            rows.extend(names.map(|(name, digest)| ImageRow {
                digest: Some(digest.to_string()),
                ..row(image, Some(name), summary.created())
            }));
        }
    }
    Ok(rows)
}

fn row(image: &ImageRecord, name: Option<&Reference>, created: Option<i64>) -> ImageRow {
    ImageRow {
        id: image.id.to_string(),
        repository: name.map(Reference::familiar_name),
        tag: name.and_then(Reference::tag).map(str::to_owned),
        digest: Some(image.manifest.to_string()),
        created,
        size: image.size,
    }
}

/// Whether a name fits one of Docker's patterns, which are those of Go's `path.Match`.
fn matches_pattern(name: &Reference, patterns: &[String]) -> bool {
    let (full, bare) = (name.familiar(), name.familiar_name());
    patterns.is_empty()
        || patterns.iter().any(|pattern| {
            fits(pattern.as_bytes(), full.as_bytes()) || fits(pattern.as_bytes(), bare.as_bytes())
        })
}

/// `*` and `?` stand for anything but a slash, `[a-z]` and `[^a-z]` for a letter; a backslash takes a meaning away.
fn fits(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern.split_first(), text.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), _) => {
            fits(rest, text)
                || text.split_first().is_some_and(|(first, tail)| *first != b'/' && fits(pattern, tail))
        }
        (Some((b'?', rest)), Some((first, tail))) => *first != b'/' && fits(rest, tail),
        (Some((b'[', rest)), Some((first, tail))) => {
            class(rest, *first).is_some_and(|(fitting, rest)| fitting && *first != b'/' && fits(rest, tail))
        }
        (Some((b'\\', [wanted, rest @ ..])), Some((first, tail))) => wanted == first && fits(rest, tail),
        (Some((wanted, rest)), Some((first, tail))) => wanted == first && fits(rest, tail),
        _ => false,
    }
}

/// Whether a letter is in the class that the pattern begins with, and what follows the class; nothing where it has no end.
fn class(pattern: &[u8], letter: u8) -> Option<(bool, &[u8])> {
    let (negated, mut rest) = match pattern.strip_prefix(b"^") {
        Some(rest) => (true, rest),
        None => (false, pattern),
    };
    let mut found = false;
    loop {
        (found, rest) = match rest {
            [b']', rest @ ..] => return Some((found != negated, rest)),
            [low, b'-', high, rest @ ..] if *high != b']' => {
                (found || (*low..=*high).contains(&letter), rest)
            }
            [b'\\', one, rest @ ..] | [one, rest @ ..] => (found || *one == letter, rest),
            [] => return None,
        };
    }
}

/// Returns the document of an image, with Docker's field names.
pub fn inspect(engine: &Engine, word: &str) -> Result<Value> {
    let images: Images = super::open(engine)?;
    let document = images.inspect(word)?;
    let mut document = serde_json::to_value(document).map_err(|error| {
        Error::new(oci::class::Class::Internal, format!("cannot show image `{word}`")).caused_by(error)
    })?;
    if let Some(config) = document.get_mut("Config").and_then(Value::as_object_mut) {
        for (field, value) in unsaid() {
            config.entry(field).or_insert(value);
        }
    }
    Ok(document)
}

/// The fields that Docker shows of every configuration, also where the image says nothing: programs and templates
/// read them without asking whether they are there.
fn unsaid() -> [(&'static str, Value); 17] {
    [
        ("Hostname", json!("")),
        ("Domainname", json!("")),
        ("User", json!("")),
        ("AttachStdin", json!(false)),
        ("AttachStdout", json!(false)),
        ("AttachStderr", json!(false)),
        ("Tty", json!(false)),
        ("OpenStdin", json!(false)),
        ("StdinOnce", json!(false)),
        ("Env", json!([])),
        ("Cmd", Value::Null),
        ("Image", json!("")),
        ("Volumes", Value::Null),
        ("WorkingDir", json!("")),
        ("Entrypoint", Value::Null),
        ("OnBuild", Value::Null),
        ("Labels", Value::Null),
    ]
}

/// Tells how an image came to be, the latest step first.
pub fn history(engine: &Engine, request: &HistoryRequest) -> Result<Vec<HistoryRow>> {
    let entries = super::open(engine)?.history(&request.image)?;
    Ok(entries
        .into_iter()
        .map(|entry| HistoryRow {
            id: Some(entry.id).filter(|id| id != "<missing>"),
            created: Some(entry.created).filter(|created| *created != 0),
            created_by: entry.created_by,
            size: entry.size,
            comment: entry.comment,
            tags: entry.tags,
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn a_star_stops_at_a_slash() {
        for (pattern, text, expected) in [
            ("busy*", "busybox", true),
            ("*", "a/b", false),
            ("a/*:1?", "a/b:12", true),
            ("busybox", "busybox2", false),
            ("a[0-9]c", "a5c", true),
            ("a[^0-9]c", "a5c", false),
            ("a[xyz5]c", "a5c", true),
            ("a[b", "ab", false),
            ("a?b", "a/b", false),
            (r"a\*", "a*", true),
            (r"a\*", "ab", false),
        ] {
            assert_eq!(fits(pattern.as_bytes(), text.as_bytes()), expected, "{pattern} {text}");
        }
    }
}
