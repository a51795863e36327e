//! Keys of steps: equal where the result is, as far as anybody can say beforehand.
//!
//! In a key is what can change a result: the instruction with its variables in, the layers below, the files that are
//! copied or mounted, names and sharing of caches, the machine and the network. Not in it are times of files, places
//! of hosts, values of secrets, proxies that nobody declared, and instructions that only change the configuration.

use oci::digest::{ChainId, Digest};
use oci::image::Platform;
use sha2::{Digest as _, Sha256};

use crate::instruction::{MountKind, RunNetwork, Sharing};
use crate::plan::{Content, CopyStep, InlineFile, PlannedMount, RunStep, WorkdirStep};

/// Told apart from all keys of an engine that works otherwise: it grows when steps come to mean something else.
const VERSION: u64 = 1;

/// What every step of a build depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Surroundings {
    pub platform: Platform,
    /// What commands see of the network unless they say otherwise.
    pub network: String,
    /// `--add-host`, in order.
    pub hosts: Vec<String>,
}

/// Makes a key of parts; each is written with its length, so that none runs into the next.
#[derive(Debug)]
pub struct KeyBuilder(Sha256);

impl KeyBuilder {
    pub fn new(kind: &str) -> Self {
        let mut builder = Self(Sha256::new());
        builder.number(VERSION).text(kind);
        builder
    }

    pub fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.number(bytes.len() as u64);
        self.0.update(bytes);
        self
    }

    pub fn text(&mut self, text: &str) -> &mut Self {
        self.bytes(text.as_bytes())
    }

    pub fn number(&mut self, number: u64) -> &mut Self {
        self.0.update(number.to_le_bytes());
        self
    }

    pub fn flag(&mut self, flag: bool) -> &mut Self {
        self.number(u64::from(flag))
    }

    pub fn texts(&mut self, texts: &[String]) -> &mut Self {
        self.number(texts.len() as u64);
        for text in texts {
            self.text(text);
        }
        self
    }

    pub fn optional(&mut self, text: Option<&str>) -> &mut Self {
        self.flag(text.is_some());
        self.text(text.unwrap_or_default())
    }

    pub fn finish(&self) -> Digest {
        Digest::from_bytes(self.0.clone().finalize().into())
    }

    fn parent(&mut self, parent: Option<&ChainId>) -> &mut Self {
        self.optional(parent.map(ToString::to_string).as_deref())
    }

    fn inline(&mut self, file: &InlineFile) -> &mut Self {
        self.text(&file.name).text(&file.content)
    }
}

impl RunStep {
    /// The key over the layers below; `mounts` are the digests of what is bound, in the order of the mounts.
    pub fn key(
        &self,
        parent: Option<&ChainId>,
        mounts: &[Option<Digest>],
        surroundings: &Surroundings,
    ) -> Digest {
        let mut builder = KeyBuilder::new("run");
        builder.parent(parent).texts(&self.arguments).texts(&self.environment);
        builder.text(&self.working_directory).text(&self.user);
        builder.text(&surroundings.platform.to_string()).texts(&surroundings.hosts);
        builder.text(match self.network {
            RunNetwork::Default => &surroundings.network,
            RunNetwork::None => "none",
            RunNetwork::Host => "host",
        });
        builder.flag(self.script.is_some());
        if let Some(script) = &self.script {
            builder.inline(script);
        }
        builder.number(self.mounts.len() as u64);
        for (index, mount) in self.mounts.iter().enumerate() {
            mount.write(&mut builder, mounts.get(index).copied().flatten());
        }
        builder.finish()
    }
}

impl PlannedMount {
    fn write(&self, builder: &mut KeyBuilder, content: Option<Digest>) {
        builder.text(self.kind.name()).text(&self.target).flag(self.read_only);
        builder.flag(content.is_some());
        if let Some(content) = content {
            builder.bytes(content.as_bytes());
        }
        if self.kind == MountKind::Cache {
            builder.text(match self.sharing {
                Sharing::Shared => "shared",
                Sharing::Private => "private",
                Sharing::Locked => "locked",
            });
        }
        builder.text(&self.id).flag(self.required).optional(self.variable.as_deref());
        builder.number(self.size_bytes.unwrap_or_default());
        for number in [self.owned.mode, self.owned.uid, self.owned.gid] {
            builder.flag(number.is_some()).number(u64::from(number.unwrap_or_default()));
        }
    }
}

impl CopyStep {
    /// The key over the layers below; `contents` are the digests of what is copied, in order.
    pub fn key(&self, parent: Option<&ChainId>, contents: &[Digest]) -> Digest {
        let mut builder = KeyBuilder::new("copy");
        builder.parent(parent).text(&self.destination);
        builder.optional(self.owner.as_deref()).optional(self.mode.as_deref());
        builder.flag(self.parents).flag(self.unpack).texts(&self.exclude);
        builder.number(contents.len() as u64);
        for (content, digest) in self.contents.iter().zip(contents) {
            match content {
                // The name of a pattern does not matter, what it found does.
                Content::Path(path) => builder.text("path").optional(path.pivot.as_deref()),
                Content::Inline(file) => builder.text("inline").inline(file),
                Content::Url(url) => builder.text("url").text(url).flag(self.unpack_fetched),
            };
            builder.bytes(digest.as_bytes());
        }
        builder.finish()
    }
}

impl WorkdirStep {
    /// The key over the layers below.
    pub fn key(&self, parent: Option<&ChainId>) -> Digest {
        KeyBuilder::new("workdir").parent(parent).text(&self.path).text(&self.user).finish()
    }
}
