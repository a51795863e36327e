//! What is written, how it is rotated, and that it is read as it was meant.

#![allow(clippy::disallowed_methods, reason = "tests may read files")]

use std::path::Path;

use super::*;
use crate::job::{LogConfig, LogForm};

fn config(directory: &Path, bytes_max: u64, files_max: u32) -> LogConfig {
    LogConfig {
        path: directory.join("log"),
        form: LogForm::Cri,
        bytes_max,
        files_max,
        compress: false,
        attributes: BTreeMap::new(),
        client_bytes_max: None,
    }
}

/// Lists the plain files of a log, oldest first.
fn files(path: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> =
        (1..).map(|number| numbered(path, number)).take_while(|path| sys::fs::exists(path)).collect();
    found.reverse();
    found.extend(sys::fs::exists(path).then(|| path.to_owned()));
    found
}

fn writer(directory: &Path, bytes_max: u64, files_max: u32) -> Writer {
    Writer::new(config(directory, bytes_max, files_max))
}

fn texts(path: &Path) -> Vec<(bool, Vec<u8>)> {
    let bytes = sys::fs::read(path).unwrap();
    bytes
        .split(|b| *b == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| parse(line).map(|record| (record.complete, record.text.to_vec())).unwrap())
        .collect()
}

#[test]
fn unfinished_lines_are_parts() {
    let directory = tempfile::tempdir().unwrap();
    let mut log = writer(directory.path(), 1 << 20, 2);
    log.write(Stream::Stdout, b"one\ntw");
    log.write(Stream::Stdout, b"o\n\xff\n");
    assert_eq!(
        texts(&directory.path().join("log")),
        [(true, b"one".to_vec()), (false, b"tw".to_vec()), (true, b"o".to_vec()), (true, vec![0xff])]
    );
}

#[test]
fn files_stay_below_their_bound() {
    let directory = tempfile::tempdir().unwrap();
    let mut log = writer(directory.path(), 1000, 3);
    for number in 0..200 {
        log.write(Stream::Stderr, format!("line {number}\n").as_bytes());
    }
    let found = files(&directory.path().join("log"));
    assert_eq!(found.len(), 3);
    let total: usize = found.iter().map(|path| sys::fs::read(path).unwrap().len()).sum();
    assert!(total <= 3000, "{total}");
    let last = texts(&directory.path().join("log")).pop().unwrap();
    assert_eq!(last.1, b"line 199");
}

#[test]
fn many_short_lines_in_one_chunk_do_not_exceed_the_bound() {
    let directory = tempfile::tempdir().unwrap();
    let mut log = writer(directory.path(), 1000, 3);
    log.write(Stream::Stdout, b"x\n".repeat(500).as_slice());
    log.write(Stream::Stdout, b"last\n");
    let found = files(&directory.path().join("log"));
    assert_eq!(found.len(), 3);
    for path in &found {
        let size = sys::fs::read(path).unwrap().len();
        assert!(size <= 1000, "{} has {size} bytes", path.display());
    }
    assert_eq!(texts(&directory.path().join("log")).pop().unwrap().1, b"last");
}

#[test]
fn a_record_larger_than_the_bound_has_a_file_of_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let mut log = writer(directory.path(), 100, 3);
    log.write(Stream::Stdout, b"a\n");
    log.write(Stream::Stdout, &[b'x'; 300]);
    log.write(Stream::Stdout, b"b\n");
    let texts: Vec<_> = files(&directory.path().join("log")).iter().map(|path| texts(path).len()).collect();
    assert_eq!(texts, [1, 1, 1]);
}

#[test]
fn time_has_nine_digits() {
    assert_eq!(format_time(1_763_940_885_120_000_000), "2025-11-23T23:34:45.120000000Z");
}

#[test]
fn dockers_form() {
    let directory = tempfile::tempdir().unwrap();
    let attributes = [("label".to_owned(), "va\"lue".to_owned())].into();
    let config = LogConfig { form: LogForm::Json, attributes, ..config(directory.path(), 1 << 20, 1) };
    let mut log = Writer::new(config);
    log.write(Stream::Stdout, b"whole\nbe");
    log.write(Stream::Stderr, b"a\tb \xff <&> \"q\" \\ \x01 \xe2\x80\xa8\n");
    log.write(Stream::Stdout, b"gun\n");
    log.write(Stream::Stdout, &[b'x'; 20_000]);
    log.write(Stream::Stdout, b"\nrest");
    log.finish();
    let text = sys::fs::read_to_string(directory.path().join("log")).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert!(
        lines[0].starts_with(r#"{"log":"whole\n","stream":"stdout","attrs":{"label":"va\"lue"},"time":"2"#)
    );
    assert!(lines[0].ends_with("Z\"}"), "{}", lines[0]);
    assert!(
        lines[1]
            .contains(r#""log":"a\tb \ufffd \u003c\u0026\u003e \"q\" \\ \u0001 \u2028\n","stream":"stderr""#),
        "{}",
        lines[1]
    );
    let records: Vec<_> = lines.iter().map(|line| parse(line.as_bytes()).unwrap()).collect();
    let lengths: Vec<_> = records.iter().map(|record| (record.text.len(), record.complete)).collect();
    assert_eq!(lengths[2..], [(5, true), (16_384, false), (3616, true), (4, false)]);
    assert_eq!(records[1].text.as_ref(), "a\tb \u{fffd} <&> \"q\" \\ \u{1} \u{2028}".as_bytes());
    assert_eq!(records[2].attributes.get("label").map(String::as_str), Some("va\"lue"));
}

#[test]
fn older_files_are_compressed_and_known_by_their_originals() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    let mut log = Writer::new(LogConfig { compress: true, ..config(directory.path(), 1000, 4) });
    let mut last = None;
    for number in 0..100 {
        let newest = sys::fs::exists(&path).then(|| identity(&File::open(&path).unwrap()));
        log.write(Stream::Stdout, format!("line {number}\n").as_bytes());
        if newest != sys::fs::exists(&path).then(|| identity(&File::open(&path).unwrap())) {
            // It was rotated: let it be compressed before the next one is.
            last = newest.flatten();
            for _ in 0..500 {
                if sys::fs::exists(compressed(&numbered(&path, 1))) {
                    break;
                }
                std::thread::sleep(std::time::Duration::from_millis(2));
                log.write(Stream::Stderr, b"");
            }
        }
    }
    let first = compressed(&numbered(&path, 1));
    let mut archive = open_archive(File::open(first).unwrap()).unwrap();
    assert_eq!(archive.original, last);
    let mut text = String::new();
    std::io::Read::read_to_string(&mut archive, &mut text).unwrap();
    assert!(text.lines().all(|line| parse(line.as_bytes()).is_some()) && text.len() <= 1000, "{text}");
    log.finish();
    let left = std::fs::read_dir(directory.path()).unwrap().count();
    assert_eq!(left, 4, "the newest and three before it, each in one form");
}

#[test]
fn what_a_full_disk_does_not_take_is_counted_and_the_next_record_is_whole() {
    let directory = tempfile::tempdir().unwrap();
    // It takes nothing.
    let mut log =
        Writer::new(LogConfig { path: "/dev/full".into(), ..config(directory.path(), u64::MAX, 1) });
    log.write(Stream::Stdout, b"one\ntwo\n");
    log.write(Stream::Stdout, b"three\n");
    assert_eq!(log.dropped(), 3);
}

/// Puts a stream together again from its records.
fn read_back(path: &Path) -> Vec<u8> {
    let bytes = sys::fs::read(path).unwrap();
    let records = bytes.split_inclusive(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\n").unwrap());
    let whole =
        |record: Record<'_>| [record.text.as_ref(), if record.complete { &b"\n"[..] } else { b"" }].concat();
    records.flat_map(|line| whole(parse(line).unwrap())).collect()
}

proptest::proptest! {
    #[test]
    fn what_is_printed_is_read_back_however_it_comes(
        chunks in proptest::collection::vec(
            proptest::collection::vec(proptest::sample::select(b"a\n\"\\<\x01\xe2\x80\xa8\xff".to_vec()), 0..10), 0..8,
        ),
        repeat in proptest::prop_oneof![20 => proptest::strategy::Just(1), 1 => proptest::strategy::Just(800)],
    ) {
        let directory = tempfile::tempdir().unwrap();
        for form in [LogForm::Cri, LogForm::Json] {
            let path = directory.path().join(format!("{form:?}"));
            let config = LogConfig { form, path: path.clone(), ..config(directory.path(), u64::MAX, 1) };
            let mut log = Writer::new(config);
            let mut printed = Vec::new();
            for chunk in &chunks {
                // Short lines have more heads than fit into the buffer at once.
                let chunk = chunk.repeat(repeat);
                log.write(Stream::Stdout, &chunk);
                printed.extend(chunk);
            }
            log.finish();
            assert_eq!(log.dropped(), 0);
            if printed.is_empty() {
                continue;
            }
            let read = read_back(&path);
            match form {
                LogForm::Cri => assert_eq!(read, printed),
                // Docker's form holds text only; where a character is cut by the end of a chunk or record may differ.
                LogForm::Json => {
                    let plain = |bytes: &[u8]| -> Vec<u8> {
                        let text = String::from_utf8_lossy(bytes).into_owned();
                        text.bytes().filter(u8::is_ascii).collect()
                    };
                    assert_eq!(plain(&read), plain(&printed));
                }
            }
        }
    }
}
