//! The smallest useful root file system: Debian's busybox-static with a link for every applet.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::json;

use super::archive::{Compression, Image};
use super::entry::{Entry, LongNames, write_tar};

const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\n\
    daemon:x:1:1:daemon:/usr/sbin:/bin/false\n\
    www-data:x:33:33:www-data:/var/www:/bin/false\n\
    operator:x:1000:1000:an ordinary person:/home/operator:/bin/sh\n\
    nobody:x:65534:65534:nobody:/home:/bin/false\n";

const GROUP: &str = "root:x:0:\n\
    daemon:x:1:\n\
    adm:x:4:operator\n\
    tty:x:5:\n\
    www-data:x:33:\n\
    users:x:100:operator\n\
    operator:x:1000:\n\
    nogroup:x:65534:\n";

/// Writes `busybox.tar` (a root file system) and three archives of the image made of it.
pub(super) fn make(dir: &Path) -> Result<()> {
    let layer = layer(dir)?;
    let image = Image {
        tag: "busybox:latest",
        layers: vec![layer.clone()],
        config: json!({"Cmd": ["sh"], "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]}),
    };
    let write = |name: &str, content: Vec<u8>| std::fs::write(dir.join(name), content);
    write("busybox.tar", layer)?;
    write("busybox-docker.tar", image.docker_archive()?)?;
    write("busybox-oci.tar.gz", Compression::Gzip.apply(&image.oci_archive(Compression::Gzip)?)?)?;
    write("busybox-oci.tar.zst", Compression::Zstd.apply(&image.oci_archive(Compression::Zstd)?)?)?;
    Ok(())
}

/// Returns the root file system as a tar archive; `scratch` is a directory to work in.
pub(super) fn layer(scratch: &Path) -> Result<Vec<u8>> {
    let package = tempfile::tempdir_in(scratch)?;
    let busybox = find_busybox(package.path())?;
    let applets = output(Command::new(&busybox).arg("--list"))?;
    write_tar(&root(std::fs::read(&busybox)?, applets.lines()), LongNames::Gnu)
}

fn root<'a>(program: Vec<u8>, applets: impl Iterator<Item = &'a str>) -> Vec<Entry> {
    let mut entries: Vec<Entry> =
        ["bin", "dev", "etc", "home", "proc", "sys", "usr", "usr/bin", "usr/sbin", "var", "var/www"]
            .map(|path| Entry::dir(&format!("{path}/")))
            .into();
    entries.push(Entry::dir("home/operator/").owner(1000, 1000));
    entries.push(Entry::dir("root/").mode(0o700));
    entries.push(Entry::dir("tmp/").mode(0o1777));
    entries.push(Entry::file("bin/busybox", program).mode(0o755));
    // Links both ways, as found in images: most hard, the shell's soft.
    for applet in applets.filter(|name| *name != "busybox") {
        let path = format!("bin/{applet}");
        entries.push(match applet {
            "sh" | "ash" => Entry::symlink(&path, "busybox"),
            _ => Entry::hardlink(&path, "bin/busybox"),
        });
    }
    entries.push(Entry::symlink("usr/bin/env", "/bin/env"));
    entries.push(Entry::file("etc/passwd", PASSWD));
    entries.push(Entry::file("etc/group", GROUP));
    entries.push(Entry::file("etc/os-release", "ID=busybox\nPRETTY_NAME=\"busybox test image\"\n"));
    entries
}

/// Finds the program of Debian's package: installed, or fetched and unpacked in `package`.
///
/// The package `busybox` puts a dynamic program at the same path, so the path alone says nothing.
fn find_busybox(package: &Path) -> Result<PathBuf> {
    let installed = Path::new("/usr/share/doc/busybox-static");
    if installed.exists() {
        return Ok("/bin/busybox".into());
    }
    let fetch = || output(Command::new("apt-get").args(["download", "busybox-static"]).current_dir(package));
    if fetch().is_err() {
        output(Command::new("apt-get").args(["update", "-qq"]))?;
        fetch()?;
    }
    let deb = std::fs::read_dir(package)?.next().context("apt-get downloaded nothing")??.path();
    output(Command::new("dpkg-deb").arg("-x").arg(deb).arg(package))?;
    let usr = package.join("usr/bin/busybox");
    Ok(if usr.exists() { usr } else { package.join("bin/busybox") })
}

/// Runs a program and returns what it wrote.
fn output(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("cannot run {:?}", command.get_program()))?;
    ensure!(
        output.status.success(),
        "{:?} {}: {}",
        command.get_program(),
        output.status,
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(String::from_utf8(output.stdout)?)
}
