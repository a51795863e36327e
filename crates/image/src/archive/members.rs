//! The files of an archive, staged under names of our own choice.

use std::collections::HashMap;
use std::io::{BufReader, Read, Write};

use crate::content::StagedBlob;
use crate::hash::Sha256;
use crate::layer::decompress;
use crate::root::Workspace;
use crate::tar::{Kind, TarReader};
use crate::{Error, Result};

const MEMBERS_MAX: usize = 100_000;
const LINKS_MAX: usize = 16;

/// What the archive holds by name. The names are keys alone and never paths of ours.
#[derive(Debug, Default)]
pub(super) struct Members {
    files: HashMap<String, StagedBlob>,
    /// Symlinks (`../<id>/layer.tar`, how Docker wrote a layer twice) and hard links.
    links: HashMap<String, String>,
}

impl Members {
    /// Takes in the whole archive.
    pub(super) fn read(workspace: &Workspace, source: impl Read + Send) -> Result<Self> {
        let (_, source) = decompress(source)?;
        let mut reader = TarReader::new(BufReader::with_capacity(256 << 10, source));
        let mut members = Self::default();
        while let Some(entry) = reader.next()? {
            let Some(name) = std::str::from_utf8(&entry.path).ok().and_then(|path| resolve("", path)) else {
                return Err(Error::Archive(format!("bad name `{}`", String::from_utf8_lossy(&entry.path))));
            };
            if members.files.len() + members.links.len() >= MEMBERS_MAX {
                return Err(Error::Archive(format!("more than {MEMBERS_MAX} members")));
            }
            match entry.kind {
                Kind::Directory => {}
                Kind::File { sparse: None, .. } => {
                    let staged = stage_member(workspace, members.files.len(), &mut reader)?;
                    if members.files.insert(name.clone(), staged).is_some() {
                        // Which of the two is meant depends on the reader.
                        return Err(Error::Archive(format!("member `{name}` appears twice")));
                    }
                }
                Kind::Symlink(target) => members.link(name, parent(&entry.path), &target)?,
                Kind::Hardlink(target) => members.link(name, "", &target)?,
                _ => return Err(Error::Archive(format!("member `{name}` is neither file nor link"))),
            }
        }
        Ok(members)
    }

    fn link(&mut self, name: String, base: &str, target: &[u8]) -> Result<()> {
        let target = std::str::from_utf8(target).ok().and_then(|target| resolve(base, target));
        let target =
            target.ok_or_else(|| Error::Archive(format!("link `{name}` leads out of the archive")))?;
        self.links.insert(name, target);
        Ok(())
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.files.contains_key(name)
    }

    /// Finds a member, through links.
    pub(super) fn get(&self, name: &str) -> Result<&StagedBlob> {
        let mut at = resolve("", name).ok_or_else(|| Error::Archive(format!("bad name `{name}`")))?;
        for _ in 0..LINKS_MAX {
            if let Some(file) = self.files.get(&at) {
                return Ok(file);
            }
            at = match self.links.get(&at) {
                Some(target) => target.clone(),
                None => self.through_directory_link(&at).ok_or_else(|| missing(name))?,
            };
        }
        Err(missing(name))
    }

    /// Replaces the longest leading directory that is a link.
    fn through_directory_link(&self, name: &str) -> Option<String> {
        let mut end = name.len();
        while let Some(slash) = name[..end].rfind('/') {
            if let Some(target) = self.links.get(&name[..slash]) {
                return Some(format!("{target}{}", &name[slash..]));
            }
            end = slash;
        }
        None
    }
}

fn missing(name: &str) -> Error {
    Error::Archive(format!("member `{name}` is missing"))
}

/// Copies the data of the current entry into the workspace and hashes it.
fn stage_member<R: std::io::BufRead>(
    workspace: &Workspace,
    number: usize,
    reader: &mut TarReader<R>,
) -> Result<StagedBlob> {
    let name = format!("member-{number}");
    let mut file = workspace.create(&name)?;
    let mut sha256 = Sha256::default();
    let mut size = 0;
    reader.data(|piece| {
        sha256.update(piece);
        size += piece.len() as u64;
        file.write_all(piece)
            .map_err(|source| Error::Write { what: "member of the archive".to_owned(), source })
    })?;
    Ok(StagedBlob { name, digest: sha256.finish(), size })
}

fn parent(path: &[u8]) -> &str {
    let path = std::str::from_utf8(path).unwrap_or_default().trim_end_matches('/');
    path.rsplit_once('/').map_or("", |(parent, _)| parent)
}

/// Resolves a name within the archive without looking at links; `None` where it leads out.
fn resolve(base: &str, name: &str) -> Option<String> {
    let mut parts: Vec<&str> = Vec::new();
    let base = if name.starts_with('/') { "" } else { base };
    for part in base.split('/').chain(name.split('/')) {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::resolve;

    #[test]
    fn names_stay_in_the_archive() {
        assert_eq!(resolve("", "./a//b/").as_deref(), Some("a/b"));
        assert_eq!(resolve("one", "../two/layer.tar").as_deref(), Some("two/layer.tar"));
        assert_eq!(resolve("one", "/two").as_deref(), Some("two"));
        assert_eq!(resolve("one", "../../etc/passwd"), None);
        assert_eq!(resolve("", ".."), None);
    }
}
