//! The registry protocol (OCI distribution 1.1, Docker registry v2): resolve, fetch, push, list, log in.
//!
//! Reading order: [`Settings`] say what is configured, [`Repository`] is one repository at its
//! registry and its mirrors, and all that is asked of it is one file each:
//!
//! ```text
//! repository.rs    a reference → the places to ask, in order
//! manifest.rs      documents by tag or digest, bounded, verified
//! blob.rs          layers as a stream that resumes
//! upload.rs        blobs to a registry: known there? mounted? sent in pieces
//! listing.rs       tags and referrers
//! download.rs      files at addresses, for builds
//! login.rs         whether a credential is taken
//! auth/            challenges, tokens
//! credentials/     Docker's config.json and its helper programs
//! http/            one request: TLS, redirects, patience
//! ```
//!
//! Nothing here knows of images, layers as trees or the store. A credential is sent to the registry it
//! was stored for and to the token service that this registry names, and to nobody else.

mod auth;
mod blob;
pub mod credentials;
mod download;
mod error;
mod http;
mod listing;
mod login;
mod manifest;
mod repository;
mod settings;
mod upload;

pub use blob::{BlobReader, Retry};
pub use credentials::{Credential, Keychain};
pub use download::{Download, Known, RemoteFile, download};
pub use error::{Error, Result};
pub use login::{Login, log_in};
pub use manifest::{DOCUMENT_BYTES_MAX, Fetched, Selector};
pub use repository::{Access, Repository};
pub use settings::{Mirror, Patience, Proxies, RegistrySettings, Settings, registry_key};
pub use upload::{Sent, Source};
