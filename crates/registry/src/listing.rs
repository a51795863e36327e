//! Lists: the tags of a repository, and what refers to a manifest.

use oci::digest::Digest;
use oci::image::{Document, parse_document};
use serde::Deserialize;
use ureq::http::Method;

use crate::http::{Address, Answer, Request};
use crate::manifest::{DOCUMENT_BYTES_MAX, Selector};
use crate::repository::{Place, Repository};
use crate::{Error, Result};

/// What a registry without the list would answer.
const NO_REFERRERS: &[u8] =
    br#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#;
const PAGE: usize = 1000;
/// A registry that has more than these is not listed but searched.
const PAGES_MAX: usize = 1000;

impl Repository {
    /// Lists all tags, page by page.
    pub fn tags(&self) -> Result<Vec<String>> {
        self.any_place(|place| self.tags_at(place))
    }

    fn tags_at(&self, place: &Place) -> Result<Vec<String>> {
        #[derive(Deserialize)]
        struct Page {
            #[serde(default)]
            tags: Option<Vec<String>>,
        }
        let what = format!("list of tags of `{}`", self.path);
        let mut tags = Vec::new();
        let mut next = Some(self.address(place, &format!("tags/list?n={PAGE}"))?);
        for _ in 0..PAGES_MAX {
            let Some(address) = next.take() else { return Ok(tags) };
            let mut request = Request::get(address, &self.domain, &what);
            let answer = self.send(place, &mut request)?;
            if answer.status() != 200 {
                return Err(answer.into_error(&self.domain, &what));
            }
            next = next_page(&answer, &request.address)?;
            let address = answer.address.to_string();
            let bytes = answer.into_bytes(&what, DOCUMENT_BYTES_MAX)?;
            let page: Page = serde_json::from_slice(&bytes)
                .map_err(|_| Error::Malformed { address, reason: "it is no list of tags".to_owned() })?;
            tags.extend(page.tags.unwrap_or_default());
        }
        Err(Error::TooLarge { what, limit: (PAGE * PAGES_MAX) as u64 })
    }

    /// Lists what refers to a manifest: signatures, provenance, bills of materials. Where the registry knows
    /// no such list, the tag that stands in for it is read (distribution 1.1, "Referrers tag schema").
    ///
    /// Returns the index as it is sent.
    pub fn referrers(&self, digest: &Digest) -> Result<Vec<u8>> {
        let what = format!("referrers of `{}@{digest}`", self.path);
        let index = |bytes, document| match document {
            Document::Index(_) => Ok(bytes),
            Document::Manifest(_) => {
                Err(Error::MediaType { name: what.clone(), sent: "an index".to_owned(), found: "a manifest" })
            }
        };
        let place = self.registry();
        let answer = self.ask(place, Method::GET, &format!("referrers/{digest}"), Vec::new(), &what)?;
        match answer.status() {
            200 => {
                let bytes = answer.into_bytes(&what, DOCUMENT_BYTES_MAX)?;
                let parsed = parse_document(&bytes);
                let document = parsed.map_err(|source| Error::Document { name: what.clone(), source })?;
                index(bytes, document)
            }
            404 => match self.manifest(Selector::Tag(&digest.to_string().replace(':', "-"))) {
                Ok(fetched) => index(fetched.bytes, fetched.document),
                Err(Error::NotFound { .. }) => Ok(NO_REFERRERS.to_vec()),
                Err(error) => Err(error),
            },
            _ => Err(answer.into_error(&self.domain, &what)),
        }
    }
}

/// `Link: <…>; rel="next"`, of the same origin: the credential goes there.
fn next_page(answer: &Answer, asked: &Address) -> Result<Option<Address>> {
    let Some(link) = answer.header("link") else { return Ok(None) };
    let Some(target) = link.strip_prefix('<').and_then(|rest| rest.split('>').next()) else {
        return Ok(None);
    };
    match asked.locate(target) {
        Some(address) if address.same_origin(asked) => Ok(Some(address)),
        _ => Err(Error::Malformed {
            address: asked.to_string(),
            reason: "its next page lies elsewhere".to_owned(),
        }),
    }
}
