//! COPY and ADD.

use super::flags::{Flags, Kind};
use super::parse::list;
use crate::fault::Fault;
use crate::syntax::{Heredoc, Statement, Word, parse_marker};

/// Files brought into the image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copy {
    pub kind: CopyKind,
    /// A stage or an image; without it, the build context.
    pub from: Option<Word>,
    pub chown: Option<Word>,
    pub chmod: Option<Word>,
    /// What the file behind an address must be: `sha256:…`.
    pub checksum: Option<Word>,
    /// Whether it makes a layer that does not look at those below.
    pub link: bool,
    /// Whether the directories above each source are made too.
    pub parents: bool,
    /// Whether archives are unpacked, where the instruction says so itself.
    pub unpack: Option<bool>,
    /// Patterns of what is left out.
    pub exclude: Vec<Word>,
    pub sources: Vec<CopySource>,
    pub destination: Word,
}

/// Which of the two instructions it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CopyKind {
    Copy,
    Add,
}

/// What is copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CopySource {
    /// A path, a pattern of paths or, for ADD, an address.
    Path(Word),
    /// A file whose text stands in the Dockerfile.
    Inline(Heredoc),
}

impl CopyKind {
    pub fn name(self) -> &'static str {
        match self {
            Self::Copy => "COPY",
            Self::Add => "ADD",
        }
    }
}

pub(super) fn parse(statement: &Statement, kind: CopyKind) -> Result<Copy, Fault> {
    let own: &[(&'static str, Kind)] = match kind {
        CopyKind::Copy => &[("from", Kind::Text), ("parents", Kind::Switch)],
        CopyKind::Add => {
            &[("checksum", Kind::Text), ("keep-git-dir", Kind::Switch), ("unpack", Kind::Switch)]
        }
    };
    let shared =
        [("chown", Kind::Text), ("chmod", Kind::Text), ("link", Kind::Switch), ("exclude", Kind::Many)];
    let flags = Flags::parse(statement, &[own, &shared].concat())?;
    flags.refuse("keep-git-dir", "sources from git are not")?;
    let mut words = list(&statement.arguments)?;
    let destination = words.pop().filter(|_| !words.is_empty()).ok_or_else(|| {
        let name = kind.name();
        Fault::new(statement.span, format!("{name} requires at least two arguments: sources and destination"))
            .hint(format!("write `{name} source destination`; `.` is the working directory"))
    })?;
    if parse_marker(&destination.text).is_some() {
        let text = format!("{} cannot take a heredoc as its destination", kind.name());
        return Err(Fault::new(destination.span, text));
    }
    let from = flags.text("from");
    if let Some(word) = from.as_ref().filter(|word| word.text.contains('$')) {
        return Err(Fault::new(word.span, "variables are not supported in `--from`").hint(
            "give the image a name with `FROM … AS name`, where global arguments are known, and copy from that",
        ));
    }
    if let Some(word) = from.as_ref().filter(|word| word.text.is_empty()) {
        return Err(Fault::new(word.span, "flag `--from` needs a stage or an image"));
    }
    Ok(Copy {
        kind,
        from,
        chown: flags.text("chown"),
        chmod: flags.text("chmod"),
        checksum: flags.text("checksum"),
        link: flags.switch("link").unwrap_or(false),
        parents: flags.switch("parents").unwrap_or(false),
        unpack: flags.switch("unpack"),
        exclude: flags.many("exclude"),
        sources: words.into_iter().map(|word| source(word, statement)).collect(),
        destination,
    })
}

fn source(word: Word, statement: &Statement) -> CopySource {
    let marker = parse_marker(&word.text);
    let named = |marker: Heredoc| statement.heredocs.iter().find(|heredoc| heredoc.name == marker.name);
    match marker.and_then(named) {
        Some(heredoc) => CopySource::Inline(heredoc.clone()),
        None => CopySource::Path(word),
    }
}
