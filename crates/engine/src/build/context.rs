//! The build context: its files, its ignore file and its Dockerfile.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use ::build::Source;
use ::build::ignore::{Matcher, ignore_file_names};
use image::{Destination, Ids, Owner};
use sys::Dir;

use super::seen::Seen;
use super::work::Work;
use crate::error::{Doing, Error, Result};
use crate::paths::Engine;
use crate::request::{BuildRequest, ContextSource, DockerfileSource};

/// As many bytes as a Dockerfile may have.
const DOCKERFILE_BYTES_MAX: usize = 4 << 20;

/// A context that was found.
#[derive(Debug)]
pub(super) struct Context {
    pub(super) root: Dir,
    pub(super) ignore: Matcher,
    pub(super) dockerfile: Source,
    /// What is known of its files, where it is a directory that may come again.
    pub(super) seen: Option<Arc<Seen>>,
}

/// Finds context and Dockerfile.
pub(super) fn load(
    engine: &Engine,
    work: &Work,
    request: &BuildRequest,
    stdin: &mut (dyn Read + Send),
) -> Result<Context> {
    let from_stdin = request.context == ContextSource::Stdin;
    if from_stdin && request.dockerfile == DockerfileSource::Stdin {
        return Err(Error::invalid(
            "invalid argument: can't use stdin for both build context and dockerfile",
        ));
    }
    let path = match &request.context {
        ContextSource::Directory(path) => path.clone(),
        ContextSource::Stdin => {
            let mut head = vec![0; 512];
            let length = read_full(stdin, &mut head)?;
            head.truncate(length);
            let path = work.directory("context")?;
            if !is_archive(&head) {
                let text = read_text(std::io::Cursor::new(head).chain(&mut *stdin), "standard input")?;
                let root = Dir::open(&path)?;
                let dockerfile = Source::new("Dockerfile", text);
                return Ok(Context { root, ignore: Matcher::default(), dockerfile, seen: None });
            }
            let directory = Dir::open(&path)?;
            let target = Destination { directory: &directory, owner: Owner::Kept, ids: &Ids::SAME };
            image::read_archive(std::io::Cursor::new(head).chain(&mut *stdin), &target)
                .map_err(Error::from)
                .doing(|| "cannot read the build context from standard input".to_owned())?;
            path
        }
    };
    let root = open(&path)?;
    let (name, text) = match &request.dockerfile {
        DockerfileSource::Stdin => ("Dockerfile".to_owned(), read_text(stdin, "standard input")?),
        DockerfileSource::Default => ("Dockerfile".to_owned(), dockerfile_of(&root, &path)?),
        DockerfileSource::Path(name) if from_stdin => {
            let shown = name.display().to_string();
            let bytes = root.read_regular(name, DOCKERFILE_BYTES_MAX);
            (shown.clone(), text_of(bytes.doing(|| format!("cannot read Dockerfile `{shown}`"))?, &shown)?)
        }
        DockerfileSource::Path(name) => {
            let shown = name.display().to_string();
            let bytes = sys::fs::read(name).doing(|| "cannot read the Dockerfile".to_owned());
            let relative = "its path counts from the working directory, not from the context";
            (shown.clone(), text_of(bytes.map_err(|error| error.hint(relative))?, &shown)?)
        }
    };
    let ignore = ignore_file(&root, &request.dockerfile, from_stdin)?;
    let seen = match &request.context {
        ContextSource::Directory(path) => Some(Arc::new(Seen::load(engine, path)?)),
        ContextSource::Stdin => None,
    };
    Ok(Context { root, ignore, dockerfile: Source::new(name, text), seen })
}

/// Opens a directory of the host as the root of a context: links in it lead nowhere else.
pub(super) fn open(path: &Path) -> Result<Dir> {
    let directory = Dir::open(path).map_err(|error| {
        let missing = error.is_not_found();
        let error = Error::from(error);
        if missing { error.hint("the last argument is the directory of the build context") } else { error }
    });
    let directory = directory.doing(|| format!("cannot use build context `{}`", path.display()))?;
    Ok(Dir::from_fd(directory.into(), path))
}

fn dockerfile_of(root: &Dir, path: &Path) -> Result<String> {
    for name in ["Dockerfile", "dockerfile"] {
        match root.read_regular(name, DOCKERFILE_BYTES_MAX) {
            Ok(bytes) => return text_of(bytes, name),
            Err(error) if error.is_not_found() => {}
            Err(error) => return Err(Error::from(error)),
        }
    }
    Err(Error::not_found(format!("there is no Dockerfile in `{}`", path.display()))
        .hint("name another file with --file"))
}

/// The ignore file of the Dockerfile's own name comes before that of the context.
fn ignore_file(root: &Dir, dockerfile: &DockerfileSource, in_archive: bool) -> Result<Matcher> {
    let beside = match dockerfile {
        DockerfileSource::Path(path) if !in_archive => {
            let [beside, _] = ignore_file_names(&path.display().to_string());
            match sys::fs::read(&beside) {
                Ok(bytes) => Some((beside, bytes)),
                Err(error) if error.is_not_found() => None,
                Err(error) => return Err(error.into()),
            }
        }
        DockerfileSource::Path(path) => from_context(root, &path.display().to_string())?,
        DockerfileSource::Default => from_context(root, "Dockerfile")?,
        DockerfileSource::Stdin => None,
    };
    let found = match beside {
        Some(found) => Some(found),
        None => read_optional(root, ".dockerignore")?,
    };
    let Some((name, bytes)) = found else { return Ok(Matcher::default()) };
    let source = Source::new(name.clone(), text_of(bytes, &name)?);
    Matcher::parse(&source).map_err(|fault| Error::invalid(fault.render(&source)))
}

fn from_context(root: &Dir, dockerfile: &str) -> Result<Option<(String, Vec<u8>)>> {
    let [beside, _] = ignore_file_names(dockerfile);
    read_optional(root, &beside)
}

fn read_optional(root: &Dir, name: &str) -> Result<Option<(String, Vec<u8>)>> {
    match root.read_regular(name, DOCKERFILE_BYTES_MAX) {
        Ok(bytes) => Ok(Some((name.to_owned(), bytes))),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn read_text(source: impl Read, what: &str) -> Result<String> {
    let mut bytes = Vec::new();
    let limit = DOCKERFILE_BYTES_MAX as u64 + 1;
    source.take(limit).read_to_end(&mut bytes).map_err(|error| read_error(what, error))?;
    if bytes.len() > DOCKERFILE_BYTES_MAX {
        return Err(Error::invalid(format!("{what} is larger than a Dockerfile may be")));
    }
    text_of(bytes, what)
}

fn text_of(bytes: Vec<u8>, what: &str) -> Result<String> {
    String::from_utf8(bytes).map_err(|error| {
        let line = error.as_bytes()[..error.utf8_error().valid_up_to()].iter().filter(|byte| **byte == b'\n');
        Error::invalid(format!("{what}: line {} is not UTF-8", line.count() + 1))
            .hint("convert it: iconv -f latin1 -t utf8")
    })
}

fn read_error(what: &str, error: std::io::Error) -> Error {
    Error::new(oci::class::Class::of_os_error(&error), format!("cannot read {what}")).caused_by(error)
}

fn read_full(source: &mut dyn Read, buffer: &mut [u8]) -> Result<usize> {
    let mut length = 0;
    while length < buffer.len() {
        match source.read(&mut buffer[length..]) {
            Ok(0) => break,
            Ok(more) => length += more,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(read_error("standard input", error)),
        }
    }
    Ok(length)
}

/// Whether bytes begin as an archive does, compressed or not.
pub(super) fn is_archive(head: &[u8]) -> bool {
    let magic: [&[u8]; 5] =
        [&[0x1f, 0x8b], &[0x28, 0xb5, 0x2f, 0xfd], b"BZh", &[0xfd, b'7', b'z', b'X', b'Z', 0], &[0x5d, 0, 0]];
    magic.iter().any(|magic| head.starts_with(magic)) || head.get(257..262) == Some(b"ustar")
}
