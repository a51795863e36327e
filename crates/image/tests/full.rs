//! A full disk: what is there goes on, what is new is refused as a whole, and removing works.

#![allow(clippy::disallowed_methods, reason = "the disk is filled by plain paths")]

mod support;

use std::path::Path;

use image::{Force, Images};
use support::{TestImage, docker_archive};

/// Mounts a small file system where nobody else sees it. Each test is a process of its own.
fn small_disk(path: &Path) {
    sys::process::unshare(sys::process::NEWNS).unwrap();
    sys::mount::set_propagation_recursive(Path::new("/"), sys::mount::PRIVATE).unwrap();
    let parameters = [("size", "4m"), ("nr_inodes", "200")];
    let parameters: Vec<_> = parameters
        .iter()
        .map(|(name, value)| sys::mount::Parameter::Text(name, (*value).to_owned()))
        .collect();
    let mount = sys::mount::create("tmpfs", &parameters, sys::mount::Attr::empty()).unwrap();
    let target = sys::Dir::open(path).unwrap();
    sys::mount::attach(std::os::fd::AsFd::as_fd(&mount), std::os::fd::AsFd::as_fd(&target)).unwrap();
}

#[test]
fn a_full_disk_keeps_what_it_has_and_gives_it_back() {
    let temp = tempfile::tempdir().unwrap();
    small_disk(temp.path());
    let images = Images::open(temp.path().join("store")).unwrap();
    let kept = TestImage::with_layers(3, "kept");
    images.load(&*docker_archive(&[(&kept, &["kept:1"])]), None).unwrap();
    // Not one more name fits.
    let fill = temp.path().join("fill");
    std::fs::create_dir(&fill).unwrap();
    let mut number = 0;
    while std::fs::write(fill.join(number.to_string()), "").is_ok() {
        number += 1;
    }
    let new = TestImage::with_layers(2, "new");
    let error = images.load(&*docker_archive(&[(&new, &["new:1"])]), None).unwrap_err();
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    assert!(text.contains("No space left") || text.contains("no space left"), "{text}");
    // The half of it that was made is gone, and what was there is whole.
    assert!(images.audit().unwrap().is_clean(), "{:?}", images.audit());
    assert!(images.resolve("kept:1").is_ok() && images.resolve("new:1").is_err());
    let (removals, bytes) = images.remove_measured("kept:1", Force::No, &[]).unwrap();
    assert_eq!(removals.len(), 5, "{removals:?}");
    assert!(bytes > 0);
    assert!(images.audit().unwrap().is_clean());
    std::fs::remove_dir_all(&fill).unwrap();
    images.load(&*docker_archive(&[(&new, &["new:1"])]), None).unwrap();
}
