//! One repository, and where it can be asked for: its mirrors in their order, then its registry.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use oci::reference::Reference;
use ureq::http::Method;

use crate::auth::{Authorizer, Scope};
use crate::http::{Address, Answer, Payload, Request, Transport, address_of};
use crate::settings::Mirror;
use crate::{Error, Result, Settings};

/// The domain that stands in references, and the host that answers for it.
const DOCKER_IO: &str = "docker.io";
const DOCKER_IO_HOST: &str = "registry-1.docker.io";

/// What a repository is opened for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// Reading: mirrors are asked too.
    Pull,
    /// Writing, at the registry alone; blobs may be mounted from these repositories of it.
    Push { mount_from: Vec<String> },
}

/// A repository at its registry.
#[derive(Debug)]
pub struct Repository {
    pub(crate) transport: Transport,
    /// At least one; the registry itself is the last.
    places: Vec<Place>,
    /// The place that answered last, and is asked first.
    preferred: AtomicUsize,
    /// The registry's domain, for messages.
    pub(crate) domain: String,
    /// `library/busybox`
    pub(crate) path: String,
    scope: Scope,
}

/// One host that answers for the repository.
#[derive(Debug)]
pub(crate) struct Place {
    /// `HOST[:PORT]` and what comes before `/v2/`.
    authority: String,
    prefix: String,
    /// HTTP only where somebody wrote it down, or where HTTPS turned out not to be spoken.
    scheme: OnceLock<&'static str>,
    authorizer: Authorizer,
}

impl Repository {
    /// Prepares to ask; nothing is sent yet.
    pub fn open(settings: &Settings, reference: &Reference, access: &Access) -> Result<Self> {
        let (domain, path) = (reference.domain(), reference.path());
        let configured = settings.registries.get(domain);
        let mut places = Vec::new();
        if *access == Access::Pull {
            for mirror in configured.iter().flat_map(|registry| &registry.mirrors) {
                places.push(Place::mirror(settings, mirror)?);
            }
        }
        places.push(Place::registry(settings, domain)?);
        let scope = match access {
            Access::Pull => format!("repository:{path}:pull"),
            Access::Push { mount_from } => {
                let others = mount_from.iter().map(|other| format!(" repository:{other}:pull"));
                std::iter::once(format!("repository:{path}:pull,push")).chain(others).collect()
            }
        };
        Ok(Self {
            transport: Transport::new(settings.clone()),
            places,
            preferred: AtomicUsize::new(0),
            domain: domain.to_owned(),
            path: path.to_owned(),
            scope: Scope(scope),
        })
    }

    /// Returns the name in messages: `docker.io/library/busybox`.
    pub fn name(&self) -> String {
        format!("{}/{}", self.domain, self.path)
    }

    /// The registry itself: the only one that is written to.
    pub(crate) fn registry(&self) -> &Place {
        self.places.last().expect("the registry itself is always there")
    }

    /// Asks one place after the other until one has an answer; tells of the last failure, the registry's own.
    pub(crate) fn any_place<T>(&self, mut ask: impl FnMut(&Place) -> Result<T>) -> Result<T> {
        let first = self.preferred.load(Ordering::Relaxed).min(self.places.len() - 1);
        // The preferred one, and then all others in their order.
        let order = std::iter::once(first).chain((0..self.places.len()).filter(|index| *index != first));
        let mut failure = None;
        for index in order {
            match ask(&self.places[index]) {
                Ok(answer) => {
                    self.preferred.store(index, Ordering::Relaxed);
                    return Ok(answer);
                }
                Err(error) if error.is_of_one_place() => {
                    if index + 1 == self.places.len() || failure.is_none() {
                        failure = Some(error);
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Err(failure.expect("there is at least one place"))
    }

    /// Asks one place for something below the repository: `blobs/sha256:…`.
    pub(crate) fn ask<'a>(
        &'a self,
        place: &Place,
        method: Method,
        rest: &str,
        headers: Vec<(&'static str, String)>,
        what: &'a str,
    ) -> Result<Answer> {
        let address = self.address(place, rest)?;
        let payload = Payload::None;
        let mut request = Request { method, address, headers, payload, registry: &self.domain, what };
        self.send(place, &mut request)
    }

    /// Sends a request as whoever we are to that place; as nobody where an upload has been led to another host.
    pub(crate) fn send(&self, place: &Place, request: &mut Request<'_>) -> Result<Answer> {
        let base = address_of(&place.base(&self.transport)?)?;
        match request.address.same_origin(&base) {
            true => place.authorizer.send(&self.transport, request, &self.scope),
            false => self.transport.send(request, None),
        }
    }

    /// Returns the address of something below the repository.
    pub(crate) fn address(&self, place: &Place, rest: &str) -> Result<Address> {
        let base = place.base(&self.transport)?;
        address_of(&format!("{base}/v2/{}/{rest}", self.path))
    }
}

impl Place {
    /// The host of a registry, by the domain of references.
    pub(crate) fn registry(settings: &Settings, domain: &str) -> Result<Self> {
        let authority = if domain == DOCKER_IO { DOCKER_IO_HOST } else { domain };
        let scheme = OnceLock::new();
        if !settings.allows_http(authority) {
            let _ = scheme.set("https");
        }
        let authorizer = Authorizer::new(domain, settings.keychain.find(domain)?);
        Ok(Self { authority: authority.to_owned(), prefix: String::new(), scheme, authorizer })
    }

    fn mirror(settings: &Settings, mirror: &Mirror) -> Result<Self> {
        // Its own credential: that of the registry it stands in for is none of its business.
        let authorizer = Authorizer::new(&mirror.authority, settings.keychain.find(&mirror.authority)?);
        Ok(Self {
            authority: mirror.authority.clone(),
            prefix: mirror.prefix.clone(),
            scheme: OnceLock::from(mirror.scheme),
            authorizer,
        })
    }

    /// Returns `scheme://host/prefix`; finds out the scheme where that is open.
    pub(crate) fn base(&self, transport: &Transport) -> Result<String> {
        let scheme = match self.scheme.get() {
            Some(scheme) => scheme,
            None => {
                let found = self.find_scheme(transport)?;
                self.scheme.get_or_init(|| found)
            }
        };
        Ok(format!("{scheme}://{}{}", self.authority, self.prefix))
    }

    /// HTTPS unless the other side does not speak it, and may do without.
    fn find_scheme(&self, transport: &Transport) -> Result<&'static str> {
        let address = address_of(&format!("https://{}{}/v2/", self.authority, self.prefix))?;
        let mut request = Request::get(address.clone(), &self.authority, "its version");
        match transport.follow(&mut request, None) {
            Ok(_) => Ok("https"),
            Err(Error::PlainHttp { .. } | Error::Broken { .. } | Error::Unreachable { .. })
                if transport.may_be_plain(&address) =>
            {
                Ok("http")
            }
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Access, Repository};
    use crate::settings::{Mirror, RegistrySettings, Settings};

    fn places(settings: &Settings, name: &str, access: &Access) -> Vec<String> {
        let repository = Repository::open(settings, &name.parse().unwrap(), access).unwrap();
        repository.places.iter().map(|place| format!("{}{}", place.authority, place.prefix)).collect()
    }

    #[test]
    fn short_names_are_dockers_and_mirrors_come_first_for_reading_alone() {
        let mut settings = Settings::default();
        let mirrors = ["https://one.example/hub", "http://two.example"];
        let mirrors = mirrors.iter().filter_map(|text| Mirror::parse(text)).collect();
        let docker = RegistrySettings { mirrors, insecure: false };
        settings.registries.insert("docker.io".to_owned(), docker);
        let push = Access::Push { mount_from: Vec::new() };
        let hub = "registry-1.docker.io";
        assert_eq!(places(&settings, "busybox", &Access::Pull), ["one.example/hub", "two.example", hub]);
        assert_eq!(places(&settings, "busybox", &push), [hub]);
        assert_eq!(places(&settings, "quay.io/a/b", &Access::Pull), ["quay.io"]);
    }

    #[test]
    fn plain_http_is_for_loopback_and_for_what_is_written_down() {
        let mut settings = Settings::default();
        let insecure = RegistrySettings { insecure: true, ..RegistrySettings::default() };
        settings.registries.insert("lab.example:5000".to_owned(), insecure);
        for (name, is_open) in
            [("lab.example:5000/x", true), ("localhost:5000/x", true), ("quay.io/x", false)]
        {
            let repository = Repository::open(&settings, &name.parse().unwrap(), &Access::Pull).unwrap();
            assert_eq!(repository.registry().scheme.get().is_none(), is_open, "{name}");
        }
    }
}
