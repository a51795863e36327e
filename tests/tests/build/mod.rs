//! `build`: Dockerfiles of a few lines, and what becomes of them.

mod cache;
mod contexts;
mod copying;
mod escapes;
mod failing;
mod fetching;
mod keeping;
mod language;
mod progress;
mod real;
mod running;
mod verifying;

use std::fs;
use std::path::{Path, PathBuf};

use tests::{Engine, Invocation, Output};

/// An engine with busybox, and a directory to build in.
struct Site {
    engine: Engine,
    context: PathBuf,
}

impl Site {
    fn new() -> Self {
        let engine = Engine::new();
        assert_eq!(engine.image("busybox"), BUSYBOX, "the Dockerfiles of these tests begin with it");
        let context = engine.base().join("context");
        fs::create_dir_all(&context).unwrap();
        Self { engine, context }
    }

    /// Writes a file of the context.
    fn file(&self, path: &str, text: &str) -> &Self {
        let path = self.context.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    /// Builds `it` from the context, with a Dockerfile.
    fn build(&self, dockerfile: &str, flags: &[&str]) -> Output {
        self.file("Dockerfile", dockerfile);
        self.command(flags).run()
    }

    fn command(&self, flags: &[&str]) -> Invocation {
        let words = [&["build", "--tag", "it"], flags, &[self.context.to_str().unwrap()]].concat();
        self.engine.command(&words)
    }

    /// What a shell in the image that was built prints.
    fn inside(&self, script: &str) -> String {
        self.engine.run(&["run", "--rm", "--entrypoint", "sh", "it", "-c", script]).ok().text().to_owned()
    }

    /// The id of the image that was built.
    fn id(&self) -> String {
        self.engine.inspect("it", "{{.Id}}")
    }
}

const BUSYBOX: &str = "busybox:latest";

/// The files below a directory that hold a text.
fn holds(directory: &Path, text: &str) -> String {
    let words = [
        "--recursive",
        "--fixed-strings",
        "--text",
        "--files-with-matches",
        text,
        directory.to_str().unwrap(),
    ];
    Invocation::new("grep", &words).run().stdout
}
