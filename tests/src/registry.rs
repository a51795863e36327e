//! A real registry, Debian's, with a directory of its own, on loopback.

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// Who may enter a registry that asks.
pub const USER: &str = "somebody";
pub const PASSWORD: &str = "a pass:word";
/// bcrypt of the password: the registry reads no other.
const HTPASSWD: &str = "somebody:$2y$05$0icvo4KR5Xg8DwVqBWSc2eVi9QAPFKqtu10bJhYgcFw71U9K2Qvca\n";

/// A registry that ends with the value.
#[derive(Debug)]
pub struct Registry {
    dir: TempDir,
    host: String,
    process: Child,
}

impl Registry {
    /// Starts one that speaks plain HTTP and asks nobody.
    pub fn plain() -> Self {
        Self::start("")
    }

    /// Starts one that speaks TLS, with the certificate of [`Registry::authority`], and asks for a password.
    pub fn secured() -> Self {
        let certificates = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/registry/tests/support/tls");
        let certificates = certificates.canonicalize().unwrap();
        Self::start(&format!(
            "  tls:\n    certificate: {0}/server.crt\n    key: {0}/server.key\nauth:\n  htpasswd:\n    realm: test\n    \
             path: DIR/htpasswd\n",
            certificates.display()
        ))
    }

    fn start(more: &str) -> Self {
        let dir = tempfile::Builder::new().prefix("crc-reg-").tempdir_in("/tmp").unwrap();
        std::fs::write(dir.path().join("htpasswd"), HTPASSWD).unwrap();
        // Whoever takes the port in between makes the registry fail, and the test with it.
        let host = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let config = dir.path().join("config.yml");
        let text = format!(
            "version: 0.1\nlog:\n  level: error\n  accesslog:\n    disabled: true\nstorage:\n  delete:\n    enabled: true\n  \
             filesystem:\n    rootdirectory: DIR/data\nhttp:\n  addr: {host}\n{more}"
        );
        std::fs::write(&config, text.replace("DIR", &dir.path().display().to_string())).unwrap();
        let log = std::fs::File::create(dir.path().join("log")).unwrap();
        let process = Command::new("docker-registry")
            .arg("serve")
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .expect("docker-registry: see xtask/prepare.sh");
        let registry = Self { dir, host, process };
        let deadline = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(&registry.host).is_err() {
            assert!(Instant::now() < deadline, "the registry does not listen: {}", registry.log());
            std::thread::sleep(Duration::from_millis(20));
        }
        registry
    }

    /// Returns `127.0.0.1:PORT`.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Returns the name of a repository of it.
    pub fn name(&self, rest: &str) -> String {
        format!("{}/{rest}", self.host)
    }

    /// Returns the certificate of the authority that secured ones are signed by.
    pub fn authority() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/registry/tests/support/tls/ca.crt")
    }

    /// Returns the stored bytes of a blob or manifest, by digest.
    pub fn stored(&self, digest: &str) -> Option<Vec<u8>> {
        let hex = digest.trim_start_matches("sha256:");
        let path = format!("data/docker/registry/v2/blobs/sha256/{}/{hex}/data", &hex[..2]);
        std::fs::read(self.dir.path().join(path)).ok()
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
