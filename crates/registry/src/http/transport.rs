//! Sends one request, follows where it leads, and comes again while that can help.
//!
//! Redirects are followed here and not by the library below: a credential stays with the origin it
//! was meant for, and nothing leads from HTTPS to HTTP.

use std::collections::HashMap;
use std::io::Read;
use std::sync::Mutex;
use std::time::Duration;

use ureq::http::{Method, Request as HttpRequest, Response};
use ureq::{Agent, Body, Proxy, SendBody};

use super::address::{Address, parse_address};
use super::answer::Answer;
use super::tls;
use crate::error::Cause;
use crate::{Error, Result, Settings};

const REDIRECTS_MAX: usize = 5;
const HEADER_BYTES_MAX: usize = 64 << 10;
/// How the standard library begins what the resolver says: it has no kind of its own.
const LOOKUP: &str = "failed to lookup address information: ";

/// What is asked, without credentials.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    pub(crate) method: Method,
    pub(crate) address: Address,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) payload: Payload<'a>,
    /// The registry's name and what is asked for, for errors.
    pub(crate) registry: &'a str,
    pub(crate) what: &'a str,
}

/// What goes with a request.
pub(crate) enum Payload<'a> {
    None,
    Bytes(&'a [u8]),
    /// A stream of this many bytes. It can be sent once.
    Stream(&'a mut (dyn Read + 'a), u64),
}

impl std::fmt::Debug for Payload<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::Bytes(bytes) => write!(f, "Bytes({})", bytes.len()),
            Self::Stream(_, size) => write!(f, "Stream({size})"),
        }
    }
}

impl<'a> Request<'a> {
    pub(crate) fn get(address: Address, registry: &'a str, what: &'a str) -> Self {
        let (headers, payload) = (Vec::new(), Payload::None);
        Self { method: Method::GET, address, headers, payload, registry, what }
    }

    /// Whether it may be sent again: a stream has been read.
    fn is_repeatable(&self) -> bool {
        !matches!(self.payload, Payload::Stream(..))
    }
}

/// Connections to all hosts, kept open between requests.
pub(crate) struct Transport {
    settings: Settings,
    /// Whether plain HTTP is spoken to whoever is named by it.
    any_http: bool,
    agents: Mutex<HashMap<String, Agent>>,
}

impl std::fmt::Debug for Transport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Transport").finish_non_exhaustive()
    }
}

impl Transport {
    pub(crate) fn new(settings: Settings) -> Self {
        Self { settings, any_http: false, agents: Mutex::default() }
    }

    /// For addresses that somebody wrote down, and no registries.
    pub(crate) fn for_addresses(settings: Settings) -> Self {
        Self { any_http: true, ..Self::new(settings) }
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Sends a request; comes again while the other side is busy or breaks off. Any status is an answer.
    pub(crate) fn send(&self, request: &mut Request<'_>, authorization: Option<&str>) -> Result<Answer> {
        let patience = self.settings.patience;
        let mut attempt = 0;
        loop {
            attempt += 1;
            let last = attempt >= patience.attempts || !request.is_repeatable();
            let pause = patience.pause_before(attempt);
            let pause = match self.follow(request, authorization) {
                Ok(answer) if !matches!(answer.status(), 429 | 500 | 502..=504) => return Ok(answer),
                Ok(answer) => match answer.retry_after() {
                    Some(wanted) if wanted > patience.pause_max => {
                        return Err(limited(&answer, request, wanted));
                    }
                    _ if last => return Ok(answer),
                    wanted => wanted.unwrap_or(pause),
                },
                Err(error) if error.is_passing() && !last => pause,
                Err(error) => return Err(error),
            };
            std::thread::sleep(pause);
        }
    }

    /// Sends a request once and follows redirects.
    pub(crate) fn follow(&self, request: &mut Request<'_>, authorization: Option<&str>) -> Result<Answer> {
        let mut address = request.address.clone();
        for _ in 0..=REDIRECTS_MAX {
            self.check(&address)?;
            // A credential is for the origin that was asked, whoever sends us elsewhere.
            let authorization = authorization.filter(|_| address.same_origin(&request.address));
            let response = self.once(request, &address, authorization)?;
            let answer = Answer::new(response, address);
            let followed = matches!(request.method, Method::GET | Method::HEAD);
            if !matches!(answer.status(), 301 | 302 | 303 | 307 | 308) || !followed {
                return Ok(answer);
            }
            let next = answer.location()?;
            if next.is_plain() && !answer.address.is_plain() {
                return Err(redirect(&answer, &next, "from HTTPS to plain HTTP"));
            }
            if next.is_near() && !request.address.is_near() {
                return Err(redirect(&answer, &next, "to an address of this machine or its link"));
            }
            address = next;
        }
        Err(Error::Redirect {
            from: request.address.to_string(),
            to: address.to_string(),
            reason: "it has led elsewhere too often",
        })
    }

    /// Refuses plain HTTP to whom nobody has allowed it.
    fn check(&self, address: &Address) -> Result<()> {
        if address.is_plain() && !self.any_http && !self.settings.allows_http(address.authority()) {
            let address = format!("https://{}", address.authority());
            return Err(Error::PlainHttp { address });
        }
        Ok(())
    }

    fn once(
        &self,
        request: &mut Request<'_>,
        address: &Address,
        authorization: Option<&str>,
    ) -> Result<Response<Body>> {
        let agent = self.agent(address)?;
        let mut head = HttpRequest::builder().method(request.method.clone()).uri(address.uri().clone());
        for (name, value) in &request.headers {
            head = head.header(*name, value);
        }
        if let Some(value) = authorization {
            head = head.header("authorization", value);
        }
        let unfit = |error: ureq::http::Error| Error::Malformed {
            address: address.to_string(),
            reason: error.to_string(),
        };
        let sent = match &mut request.payload {
            Payload::None if matches!(request.method, Method::GET | Method::HEAD) => {
                agent.run(head.body(()).map_err(unfit)?)
            }
            Payload::None => agent.run(head.body(&[][..]).map_err(unfit)?),
            Payload::Bytes(bytes) => agent.run(head.body(*bytes).map_err(unfit)?),
            Payload::Stream(stream, size) => {
                let head = head.header("content-length", size.to_string());
                agent.run(head.body(SendBody::from_reader(stream)).map_err(unfit)?)
            }
        };
        sent.map_err(|error| self.fault(address, error))
    }

    /// Returns the connections to one host.
    fn agent(&self, address: &Address) -> Result<Agent> {
        let key = format!("{}:{}", address.is_plain(), address.authority());
        if let Some(agent) = self.agents.lock().expect("no holder panics").get(&key) {
            return Ok(agent.clone());
        }
        let patience = self.settings.patience;
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .max_response_header_size(HEADER_BYTES_MAX)
            .user_agent(concat!("coracle/", env!("CARGO_PKG_VERSION")))
            .timeout_connect(Some(patience.connect))
            // By read and write, never by total: a large layer on a slow line takes its time.
            .timeout_per_read(Some(patience.stall))
            .timeout_per_write(Some(patience.stall))
            .timeout_recv_response(Some(patience.stall * 4))
            .timeout_await_100(Some(Duration::ZERO))
            .proxy(self.proxy(address)?);
        if !address.is_plain() {
            config = config.tls_config(tls::configure(&self.settings, address.authority())?);
        }
        let agent = Agent::new_with_config(config.build());
        self.agents.lock().expect("no holder panics").insert(key, agent.clone());
        Ok(agent)
    }

    fn proxy(&self, address: &Address) -> Result<Option<Proxy>> {
        let proxies = &self.settings.proxies;
        let chosen = if address.is_plain() { &proxies.http } else { &proxies.https };
        let Some(text) = chosen.as_deref().filter(|text| !text.is_empty()) else { return Ok(None) };
        let wrong = || Error::Config {
            file: "HTTPS_PROXY".to_owned(),
            reason: "it is no address of a proxy".to_owned(),
        };
        let proxy = Proxy::new(text).map_err(|_| wrong())?;
        let direct = proxies.direct.as_deref().unwrap_or_default();
        // The library knows exceptions only of proxies that it has read from the environment.
        let host = address.uri().host().unwrap_or_default();
        Ok((!is_direct(host, direct)).then_some(proxy))
    }

    /// Tells from a failed handshake whether to try without TLS: the other side has not answered in TLS.
    pub(crate) fn may_be_plain(&self, address: &Address) -> bool {
        !address.is_plain() && tls::may_be_plain(&self.settings, address.authority())
    }

    fn fault(&self, address: &Address, error: ureq::Error) -> Error {
        use rustls::Error as Tls;
        let shown = address.to_string();
        let patience = self.settings.patience;
        let io = |error: &std::io::Error| {
            let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Tls>()).cloned();
            (inner, error.to_string(), error.kind())
        };
        let tls = |error: Tls| match error {
            // Something that is no TLS at all: a web server says `HTTP/1.1 400`.
            Tls::InvalidMessage(_) => {
                Error::PlainHttp { address: format!("https://{}", address.authority()) }
            }
            other => Error::Tls { address: shown.clone(), source: Cause(other.to_string()) },
        };
        match error {
            ureq::Error::Rustls(error) => tls(error),
            ureq::Error::Io(error) => match io(&error) {
                (Some(error), ..) => tls(error),
                (None, text, kind) if is_of_connecting(kind) || text.starts_with(LOOKUP) => {
                    let source = Cause(text.trim_start_matches(LOOKUP).to_owned());
                    Error::Unreachable { address: shown, source }
                }
                (None, text, _) => Error::Broken { address: shown, source: Cause(text) },
            },
            ureq::Error::Timeout(
                ureq::Timeout::PerRead | ureq::Timeout::PerWrite | ureq::Timeout::RecvResponse,
            ) => Error::Stalled {
                address: shown,
                bytes: patience.slowest_bytes,
                seconds: patience.stall.as_secs(),
            },
            error @ (ureq::Error::Timeout(_) | ureq::Error::HostNotFound | ureq::Error::ConnectionFailed) => {
                Error::Unreachable { address: shown, source: Cause(error.to_string()) }
            }
            error @ ureq::Error::Protocol(_) => {
                Error::Malformed { address: shown, reason: error.to_string() }
            }
            error => Error::Malformed { address: shown, reason: error.to_string() },
        }
    }
}

fn is_of_connecting(kind: std::io::ErrorKind) -> bool {
    use std::io::ErrorKind::{AddrNotAvailable, ConnectionRefused, HostUnreachable, NetworkUnreachable};
    matches!(kind, ConnectionRefused | HostUnreachable | NetworkUnreachable | AddrNotAvailable)
}

/// Whether a host is reached without proxy: loopback, or a suffix that `NO_PROXY` lists.
fn is_direct(host: &str, direct: &str) -> bool {
    crate::settings::is_loopback(host)
        || direct.split(',').map(str::trim).filter(|rule| !rule.is_empty()).any(|rule| {
            let rule = rule.trim_start_matches("*.").trim_start_matches('.');
            rule == "*"
                || host.eq_ignore_ascii_case(rule)
                || host.len() > rule.len()
                    && host.is_char_boundary(host.len() - rule.len())
                    && host[host.len() - rule.len()..].eq_ignore_ascii_case(rule)
                    && host.as_bytes()[host.len() - rule.len() - 1] == b'.'
        })
}

fn limited(answer: &Answer, request: &Request<'_>, wanted: Duration) -> Error {
    let seconds = wanted.as_secs();
    match answer.status() {
        429 => Error::Limited { registry: request.registry.to_owned(), seconds },
        status => Error::Status {
            registry: request.registry.to_owned(),
            what: request.what.to_owned(),
            status,
            said: format!("it wants to be asked again in {seconds} s"),
        },
    }
}

fn redirect(answer: &Answer, next: &Address, reason: &'static str) -> Error {
    Error::Redirect { from: answer.address.to_string(), to: next.to_string(), reason }
}

/// Builds an address from parts of our own.
pub(crate) fn address_of(text: &str) -> Result<Address> {
    parse_address(text).ok_or_else(|| Error::Malformed {
        address: text.to_owned(),
        reason: "it is no address of a registry".to_owned(),
    })
}

#[cfg(test)]
#[test]
fn no_proxy_names_hosts_and_domains() {
    for (host, direct, expected) in [
        ("a.example.com", "example.com", true),
        ("example.com", ".example.com", true),
        ("badexample.com", "example.com", false),
        ("x", "*", true),
        ("x", "", false),
        ("127.0.0.1", "", true),
    ] {
        assert_eq!(is_direct(host, direct), expected, "{host} {direct}");
    }
}
