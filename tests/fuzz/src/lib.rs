//! Parsers of foreign bytes, each as a function that takes any bytes: it must come back, without panic, within a second and
//! in little memory, and what it takes must keep its meaning when it is written and read again.
//!
//! `tests/replay.rs` gives them the corpus and what comes of it by small changes; `libfuzzer/` lets libFuzzer look for more
//! (`make fuzz`). What that finds is kept in the corpus under the name of what it broke.
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a broken promise is what is looked for")]

use build::ignore::Matcher;
use build::{Dockerfile, Source};
use oci::image::{Document, ImageConfig, parse_document};
use oci::reference::Reference;

/// A parser under trial.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// That of its corpus and of its program for libFuzzer.
    pub name: &'static str,
    pub run: fn(&[u8]),
}

/// All of them.
pub const TARGETS: &[Target] = &[
    Target { name: "archive", run: archive },
    Target { name: "config", run: config },
    Target { name: "document", run: document },
    Target { name: "dockerfile", run: dockerfile },
    Target { name: "ignore", run: ignore },
    Target { name: "layer", run: layer },
    Target { name: "reference", run: reference },
    Target { name: "seccomp", run: seccomp },
    Target { name: "spec", run: spec },
    Target { name: "tar", run: tar },
];

/// Finds a target by its name.
pub fn target(name: &str) -> Target {
    *TARGETS.iter().find(|target| target.name == name).unwrap_or_else(|| panic!("no target `{name}`"))
}

/// An error is one line, and says nothing to the terminal, whatever names it holds.
fn check_words(error: &(dyn std::error::Error + 'static)) {
    let mut next = Some(error);
    while let Some(error) = next {
        let text = error.to_string();
        assert!(!text.is_empty() && text.chars().all(|letter| !letter.is_control()), "{text:?}");
        next = error.source();
    }
}

/// A tar archive, compressed or not: entries come out in the order of their bytes, and never more data than is there.
fn tar(bytes: &[u8]) {
    let (entries, data) = match image::fuzzing::read(bytes) {
        Ok(read) => read,
        Err(error) => return check_words(&error),
    };
    // Deflate makes a thousand bytes of one, zstd far more: the reader looks at 16 MiB of what comes out.
    assert!(entries <= (16 << 20) / 512 && data <= 16 << 20, "{entries} entries, {data} bytes");
}

/// A layer is applied to an empty directory: nothing outside of it changes.
fn layer(bytes: &[u8]) {
    let scratch = tempfile::tempdir().unwrap();
    let (inside, outside) = (scratch.path().join("inside"), scratch.path().join("outside"));
    for directory in [&inside, &outside] {
        sys::fs::create_dir_all(directory).unwrap();
    }
    let target = sys::Dir::open(&inside).unwrap();
    // Sparse files and devices are made as told; the directory is thrown away.
    if let Err(error) = image::layer::apply(bytes, &target) {
        check_words(&error);
    }
    let left = sys::Dir::open(&outside).unwrap().list("").unwrap();
    assert!(left.is_empty(), "something came out: {left:?}");
    let beside = sys::Dir::open(scratch.path()).unwrap().list("").unwrap();
    assert_eq!(beside.len(), 2, "something came out: {beside:?}");
}

/// An archive of images is loaded, or refused and nothing stays.
fn archive(bytes: &[u8]) {
    let scratch = tempfile::tempdir().unwrap();
    let images = image::Images::open(scratch.path()).unwrap();
    match images.load(bytes, None) {
        Ok(loaded) => assert!(!loaded.is_empty(), "an archive of nothing was taken"),
        Err(error) => {
            check_words(&error);
            assert!(images.list_images().unwrap().is_empty(), "a part of it stays");
        }
    }
}

/// A manifest or an index.
fn document(bytes: &[u8]) {
    let document = match parse_document(bytes) {
        Ok(document) => document,
        Err(error) => return check_words(&error),
    };
    let text = match &document {
        Document::Manifest(manifest) => serde_json::to_vec(manifest),
        Document::Index(index) => serde_json::to_vec(index),
    };
    let again = parse_document(&text.unwrap()).expect("what was written reads");
    assert_eq!(format!("{again:?}"), format!("{document:?}"));
}

/// The configuration of an image.
fn config(bytes: &[u8]) {
    let config = match ImageConfig::parse(bytes) {
        Ok(config) => config,
        Err(error) => return check_words(&error),
    };
    let again = ImageConfig::parse(&serde_json::to_vec(&config).unwrap()).expect("what was written reads");
    assert_eq!(format!("{again:?}"), format!("{config:?}"));
}

/// A name of an image: it prints as what it reads as, also in its short form.
fn reference(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(reference) = Reference::parse(text) else { return };
    for shown in [reference.to_string(), reference.familiar()] {
        let again = Reference::parse(&shown).expect("what was printed reads");
        assert_eq!(again, reference, "{shown}");
    }
    assert!(!reference.to_string().contains(".."), "{reference}");
}

/// A Dockerfile: faults and warnings lie inside of it, at boundaries of letters.
fn dockerfile(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match Dockerfile::parse(Source::new("Dockerfile", text)) {
        Ok(dockerfile) => {
            for warning in &dockerfile.warnings {
                assert!(text.get(warning.span.start..warning.span.end).is_some(), "{warning:?}");
            }
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// An ignore file, asked of a few paths.
fn ignore(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(ignore) = Matcher::parse(&Source::new(".dockerignore", text)) else { return };
    for path in ["a", "a/b/c", "node_modules/x", "läßt/ß", "a/b/c/d/e/f/g/h/i/j/k/l.txt", &"x/".repeat(30)]
    {
        let _ = ignore.ignores(path);
    }
}

/// A seccomp profile, resolved and compiled.
fn seccomp(bytes: &[u8]) {
    let Ok(profile) = seccomp::Profile::parse(bytes) else { return };
    let kernel = seccomp::KernelVersion::parse_release("6.1.0").expect("a release");
    let capabilities = ["CAP_SYS_ADMIN".to_owned()];
    let conditions = seccomp::Conditions { arch: seccomp::Arch::X86_64, capabilities: &capabilities, kernel };
    let _ = seccomp::compile_for(seccomp::Arch::X86_64, &profile.resolve(&conditions));
}

/// A specification of a container.
fn spec(bytes: &[u8]) {
    let Ok(spec) = serde_json::from_slice::<oci::runtime::Spec>(bytes) else { return };
    let input = runtime::PlanInput {
        spec: &spec,
        rootfs: oci::rootfs::Rootfs::Directory("/srv/box".into()),
        seccomp: None,
        gate: false,
        create_cwd: false,
    };
    let _ = runtime::plan(input);
}
