//! Tests of the tar reader: the judges are the `tar` crate, GNU tar and rules of our own.

use proptest::prelude::*;

use super::{Kind, Sparse, TarError, TarReader, Time};
use crate::fixture::{Archive, Header, pax_record};

/// Reads an archive as a list of (path, what it is, data).
fn read(bytes: &[u8]) -> Result<Vec<(String, Kind, Vec<u8>)>, TarError> {
    let mut reader = TarReader::new(bytes);
    let mut entries = Vec::new();
    while let Some(entry) = reader.next()? {
        let mut data = Vec::new();
        reader.data(|piece| {
            data.extend_from_slice(piece);
            Ok::<(), TarError>(())
        })?;
        entries.push((String::from_utf8_lossy(&entry.path).into_owned(), entry.kind, data));
    }
    Ok(entries)
}

fn fault(bytes: &[u8]) -> String {
    let error = read(bytes).unwrap_err();
    let source = std::error::Error::source(&error).unwrap().to_string();
    format!("{error}: {source}")
}

#[test]
fn names_of_all_formats_are_joined() {
    let long = "d/".repeat(100) + "file";
    let archive = Archive::new()
        .entry(&Header { size: 205, ..Header::new(b'L', "././@LongLink") }, format!("{long}\0").as_bytes())
        .file("cut", "one")
        .entry(&Header::new(b'0', "short").pax("path", &long), b"two")
        .entry(&Header { size: 204, ..Header::new(b'K', "././@LongLink") }, long.as_bytes())
        .symlink("link", "cut")
        .finish();
    let entries = read(&archive).unwrap();
    assert_eq!((&*entries[0].0, &*entries[0].2), (&*long, &b"one"[..]));
    assert_eq!((&*entries[1].0, &*entries[1].2), (&*long, &b"two"[..]));
    assert_eq!(entries[2].1, Kind::Symlink(long.into_bytes()));
}

#[test]
fn pax_values_win_and_are_checked() {
    let header = Header::new(b'0', "f")
        .pax("uid", "70000")
        .pax("gid", "4294967294")
        .pax("mtime", "-1.25")
        .pax("atime", "3.000000001999")
        .xattr("user.bin", b"a\0\nb=c");
    let archive = Archive::new().entry(&header, b"").finish();
    let entry = TarReader::new(&*archive).next().unwrap().unwrap();
    assert_eq!((entry.uid, entry.gid), (70_000, 4_294_967_294));
    assert_eq!(entry.mtime, Time { seconds: -2, nanoseconds: 750_000_000 });
    assert_eq!(entry.atime, Some(Time { seconds: 3, nanoseconds: 1 }));
    assert_eq!(entry.xattrs, [(b"user.bin".to_vec(), b"a\0\nb=c".to_vec())]);
}

#[test]
fn cve_2024_40635_ids_out_of_range_are_refused() {
    for id in ["4294967295", "4294967296", "-1", "0x0", "1.5", "99999999999999999999"] {
        let archive = Archive::new().entry(&Header::new(b'0', "f").pax("uid", id), b"").finish();
        assert!(fault(&archive).ends_with("field `uid` is not a number in range"), "{id}");
    }
    let archive = Archive::new().entry(&Header::new(b'0', "f").owner(0, u64::from(u32::MAX)), b"").finish();
    assert!(fault(&archive).contains("gid"));
    let archive = Archive::new().entry(&Header::new(b'0', "f").owner(3_000_000_000, 0), b"").finish();
    assert_eq!(TarReader::new(&*archive).next().unwrap().unwrap().uid, 3_000_000_000);
}

#[test]
fn cve_2025_62518_contradicting_sizes_are_refused() {
    // A reader that believes the header takes the hidden archive for entries.
    let hidden = Archive::new().file("hidden", "x").open_ended();
    let header = Header { size: 512, ..Header::new(b'0', "f").pax("size", "1024") };
    assert!(fault(&Archive::new().entry(&header, &hidden).finish()).ends_with("sizes contradict each other"));
    // What does not fit the old field stands there as 0.
    let zero = Archive::new().raw(&{
        let records = pax_record(b"size", b"3");
        let pax = Header { size: records.len() as u64, ..Header::new(b'x', "x") };
        Archive::new().raw(&pax.block()).padded(&records).raw(&Header::new(b'0', "f").block()).open_ended()
    });
    assert_eq!(read(&zero.padded(b"abc").finish()).unwrap()[0].2, b"abc");
    for kind in [b'2', b'3', b'5', b'6'] {
        let header = Header { size: 512, ..Header::new(kind, "f").link("x") };
        assert!(fault(&Archive::new().entry(&header, &[0; 512]).finish()).contains("sizes contradict"));
    }
}

#[test]
fn malformed_pax_is_an_error_and_never_skipped() {
    for records in [
        &b"5 a=b\n"[..],
        b"7 a=b\n",
        b"6 ab\n\n",
        b"4 =b\n",
        b"x a=b\n",
        b" 6 a=b\n",
        b"-6 a=b\n",
        b"99999999999999999999 a=b\n",
        b"6 a=b\n7",
        b"6 a=bX",
        b"0 a=b\n",
    ] {
        let pax = Header { size: records.len() as u64, ..Header::new(b'x', "x") };
        let archive = Archive::new().raw(&pax.block()).padded(records).file("f", "").finish();
        assert!(fault(&archive).ends_with("malformed PAX record"), "{:?}", String::from_utf8_lossy(records));
    }
}

#[test]
fn global_headers_may_say_nothing_that_matters() {
    let global = |record: Vec<u8>| {
        let header = Header { size: record.len() as u64, ..Header::new(b'g', "g") };
        Archive::new().raw(&header.block()).padded(&record).file("f", "x").finish()
    };
    assert_eq!(read(&global(pax_record(b"comment", b"commit id"))).unwrap().len(), 1);
    for key in ["path", "linkpath", "size", "uid", "GNU.sparse.size"] {
        assert!(fault(&global(pax_record(key.as_bytes(), b"1"))).contains("global header"), "{key}");
    }
}

#[test]
fn header_bombs_are_bounded() {
    for kind in [b'x', b'g', b'L', b'K'] {
        let header = Header { size: 1 << 40, ..Header::new(kind, "x") };
        assert!(fault(&header.block()).contains("extension header of"), "{}", char::from(kind));
    }
    // A file may be as large as it says: nothing is reserved for it.
    let header = Header { size: 100 << 30, ..Header::new(b'0', "big") };
    assert!(fault(&header.block()).contains("it ends in the middle"));
}

#[test]
fn broken_archives_tell_where() {
    let good = Archive::new().file("a", "x").file("b", "y").finish();
    let mut damaged = good.clone();
    damaged[1024 + 10] ^= 1;
    assert_eq!(fault(&damaged), "invalid tar archive at byte 1536: the header's checksum does not match");
    assert!(fault(&good[..512]).contains("entry `a`: it ends in the middle"));
    assert!(
        fault(&[&good[..1024], &[0; 512][..], &good[1024..2048]].concat()).ends_with("a lone zero block")
    );
    assert_eq!(read(&good[..2048]).unwrap().len(), 2, "an archive may simply stop");
    let dangling = Archive::new().raw(&Header { size: 0, ..Header::new(b'x', "x") }.block()).finish();
    assert!(fault(&dangling).ends_with("extension header without an entry after it"));
    for kind in [b'M', b'D', b'X', b'A', 0xff] {
        assert!(fault(&Archive::new().entry(&Header::new(kind, "f"), b"").finish()).contains("entry type"));
    }
    for path in [&b""[..], b"a\0b"] {
        let archive = Archive::new().entry(&Header::new(b'0', "x").pax("path", path), b"").finish();
        // An empty value takes the record back.
        assert_eq!(read(&archive).is_ok(), path.is_empty());
    }
    assert!(read(&[]).unwrap().is_empty());
    assert!(read(&[0; 1024]).unwrap().is_empty());
    assert!(read(&[b'x'; 5000]).is_err());
}

#[test]
fn v7_directories_and_hard_links_with_a_size_are_read() {
    let archive = Archive::new()
        .entry(&Header::new(0, "old-dir/"), b"")
        .entry(&Header { size: 99, ..Header::new(b'1', "hard").link("f") }, b"")
        .file("f", "x")
        .finish();
    let entries = read(&archive).unwrap();
    assert_eq!(entries[0].1, Kind::Directory);
    assert_eq!(entries[1].1, Kind::Hardlink(b"f".to_vec()));
    assert_eq!(entries[2].2, b"x");
}

#[test]
fn sparse_maps_are_checked() {
    for map in ["0,1,0,1", "5,1,2,1", "0,200", "0", "0,x", "18446744073709551615,1", "0,1", ""] {
        let header = Header::new(b'0', "f")
            .pax("GNU.sparse.size", "100")
            .pax("GNU.sparse.map", map)
            .pax("GNU.sparse.name", "s");
        let archive = Archive::new().entry(&header, b"ab").finish();
        assert!(fault(&archive).contains("sparse map is malformed"), "{map}");
    }
    let version = Header::new(b'0', "f").pax("GNU.sparse.major", "2").pax("GNU.sparse.minor", "0");
    assert!(fault(&Archive::new().entry(&version, b"").finish()).contains("sparse format 2.0"));
    let header = Header::new(b'0', "f").pax("GNU.sparse.major", "1").pax("GNU.sparse.minor", "0");
    let header = header.pax("GNU.sparse.realsize", "100").pax("GNU.sparse.name", "s");
    let endless = Archive::new().entry(&header, &b"99999999\n".repeat(57)[..512]).finish();
    assert!(read(&endless).is_err());
}

/// GNU tar writes all four sparse formats; the map must lead to the same file.
#[test]
#[expect(clippy::disallowed_methods, reason = "GNU tar is the judge here")]
fn sparse_files_of_gnu_tar_are_read() {
    use std::os::unix::fs::FileExt;
    let temp = tempfile::tempdir().unwrap();
    let file = std::fs::File::create(temp.path().join("sparse")).unwrap();
    for n in 0..40_u64 {
        file.write_all_at(&[b'a'; 4096], n * (1 << 20)).unwrap();
    }
    file.set_len(64 << 20).unwrap();
    file.sync_all().unwrap();
    for format in [
        &["--format=gnu"][..],
        &["--format=posix", "--sparse-version=0.0"],
        &["--format=posix", "--sparse-version=0.1"],
        &["--format=posix", "--sparse-version=1.0"],
    ] {
        let mut command = std::process::Command::new("tar");
        let output =
            command.args(["-S", "-cf", "-", "-C"]).arg(temp.path()).args(format).arg("sparse").output();
        let Ok(output) = output else { return };
        assert!(output.stdout.len() < 4 << 20, "{format:?}");
        let entries = read(&output.stdout).unwrap();
        assert_eq!(entries[0].0, "sparse", "{format:?}");
        let Kind::File { sparse: Some(Sparse { size, segments }), .. } = &entries[0].1 else {
            panic!("{format:?}")
        };
        assert_eq!((*size, segments.len()), (64 << 20, 40), "{format:?}");
        assert!(segments.iter().enumerate().all(|(n, segment)| *segment == ((n as u64) << 20, 4096)));
        assert_eq!(entries[0].2, vec![b'a'; 40 * 4096], "{format:?}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..2048)) {
        let _ = read(&bytes);
    }

    #[test]
    fn damaged_archives_are_answered(at in 0_usize..4096, byte: u8) {
        let mut bytes = Archive::new()
            .entry(&Header::new(b'0', "f").pax("mtime", "1.5").xattr("user.x", "y"), b"data")
            .symlink("l", "f")
            .dir("d")
            .finish();
        let at = at % bytes.len();
        bytes[at] = byte;
        let _ = read(&bytes);
    }

    /// What we read as entries, the `tar` crate reads as well.
    #[test]
    fn the_tar_crate_sees_the_same(names in proptest::collection::vec("[a-z]{1,120}", 0..8), size in 0_usize..2000) {
        let mut builder = ::tar::Builder::new(Vec::new());
        for name in &names {
            let mut header = ::tar::Header::new_gnu();
            header.set_size(size as u64);
            builder.append_data(&mut header, name, &vec![b'x'; size][..]).unwrap();
        }
        let bytes = builder.into_inner().unwrap();
        let ours: Vec<_> = read(&bytes).unwrap().into_iter().map(|(path, _, data)| (path, data.len())).collect();
        let theirs: Vec<_> = names.iter().map(|name| (name.clone(), size)).collect();
        prop_assert_eq!(ours, theirs);
    }
}
