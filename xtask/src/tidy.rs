//! The rules of the house as checks. Each check takes text and returns faults, so that it is tested
//! with strings; only [`Workspace::load`] reads the disk. Run by an ordinary test.

mod arrows;
mod docs;
mod lexer;
mod modules;
mod size;
mod words;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

pub use arrows::{Package, check_arrows};
pub use docs::check_links;
pub use lexer::Source;
pub use modules::check_modules;
pub use size::{Exception, check_size};
pub use words::{check_source, check_words};

/// What the checks read: every file that is or could be committed, and what cargo knows.
pub struct Workspace {
    /// Text files with their paths relative to the root, with `/`.
    pub files: Vec<(String, String)>,
    pub packages: Vec<Package>,
    /// Root modules of all targets, relative to the root.
    pub crate_roots: Vec<String>,
}

/// The result of all checks.
#[derive(Default)]
pub struct Report {
    /// What breaks a rule.
    pub faults: Vec<String>,
    /// What is allowed and worth a second look.
    pub looks: Vec<String>,
}

/// Applies every check.
pub fn check(workspace: &Workspace) -> Result<Report> {
    let mut report = Report::default();
    let sources: Vec<Source> = workspace
        .files
        .iter()
        // What Dockerfiles of tests compile is somebody else's program.
        .filter(|(path, _)| path.ends_with(".rs") && !path.starts_with("tests/dockerfiles/"))
        .map(|(path, text)| Source::new(path, text))
        .collect();
    report.faults.extend(check_arrows(&workspace.packages));
    report.faults.extend(check_modules(&workspace.crate_roots, &sources));
    for source in &sources {
        report.faults.extend(check_source(source));
    }
    check_size(&sources, size::LONG_FILES, size::LONG_FUNCTIONS, &mut report);
    let paths: Vec<&str> = workspace.files.iter().map(|(path, _)| path.as_str()).collect();
    for (path, text) in &workspace.files {
        report.faults.extend(check_words(path, text));
        if path.ends_with(".md") {
            report.faults.extend(check_links(path, text, &paths));
        }
    }
    Ok(report)
}

impl Workspace {
    /// Reads the workspace that this program was built from.
    pub fn load() -> Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask lies in the workspace")?;
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let metadata = run(Command::new(cargo)
            .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
            .current_dir(root))?;
        let metadata: Value = serde_json::from_slice(&metadata).context("cannot read cargo's metadata")?;
        let mut packages = Vec::new();
        // A workspace of its own, which cargo does not tell of here.
        let mut crate_roots = vec!["tests/fuzz/libfuzzer/src/main.rs".to_owned()];
        for package in metadata["packages"].as_array().context("metadata without packages")? {
            packages.push(Package::from_metadata(package));
            for target in package["targets"].as_array().into_iter().flatten() {
                let path = PathBuf::from(target["src_path"].as_str().unwrap_or_default());
                let path = path.strip_prefix(root).unwrap_or(&path);
                crate_roots.push(path.to_string_lossy().into_owned());
            }
        }
        Ok(Self { files: read_files(root)?, packages, crate_roots })
    }
}

/// Reads what git has or would take: tracked files and new ones that are not ignored.
fn read_files(root: &Path) -> Result<Vec<(String, String)>> {
    let listed = run(Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root))?;
    let mut files = Vec::new();
    for path in listed.split(|&byte| byte == 0).filter(|path| !path.is_empty()) {
        let path = String::from_utf8(path.to_vec()).context("a file name that is not UTF-8")?;
        // Deleted but not yet committed, or not text: nothing to check.
        if let Ok(text) = fs::read_to_string(root.join(&path)) {
            files.push((path, text));
        }
    }
    ensure!(!files.is_empty(), "git lists no files below `{}`", root.display());
    Ok(files)
}

fn run(command: &mut Command) -> Result<Vec<u8>> {
    let program = command.get_program().to_owned();
    let output = command.output().with_context(|| format!("cannot run {program:?}"))?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{program:?} {}: {}", output.status, errors.trim());
    Ok(output.stdout)
}
