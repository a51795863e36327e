//! `commit`: an image of what a container has become.

use engine::request::{CommitRequest, ImportChange};

use super::Command;
use crate::caller::Caller;
use crate::grammar::{Invalid, Read, boolean, change};
use crate::parse::{Arguments, Words};

/// Arguments of `commit`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// Author (e.g., "John Hannibal Smith <hannibal@a-team.com>")
    #[arg(short, long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    author: String,
    /// Apply Dockerfile instruction to the created image
    #[arg(short, long, value_name = "INSTRUCTION", value_parser = change::parse)]
    change: Vec<ImportChange>,
    /// Commit message
    #[arg(short, long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    message: String,
    /// Do not pause the container during commit
    #[arg(long)]
    no_pause: bool,
    /// Pause the container during commit (default true)
    #[arg(short, long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL", value_parser = boolean::parse)]
    pause: Option<bool>,
}

impl Arguments for Args {
    const WORDS: Words = Words::Between(1, 2);

    fn command(self, words: Vec<String>, caller: &dyn Caller) -> Read<Command> {
        let mut words = words.into_iter();
        let container = words.next().unwrap_or_default();
        let reference = words.next().filter(|reference| !reference.is_empty());
        Ok(Command::Commit(CommitRequest {
            container,
            reference,
            author: self.author,
            message: self.message,
            changes: self.change,
            pause: self.pause.unwrap_or(true) && !self.no_pause,
            epoch: epoch(caller)?,
        }))
    }
}

/// The moment that counts as now for whoever wants the same bytes again (<https://reproducible-builds.org/specs/source-date-epoch/>).
pub(crate) fn epoch(caller: &dyn Caller) -> Read<Option<i64>> {
    let Some(text) = caller.var("SOURCE_DATE_EPOCH").filter(|text| !text.is_empty()) else { return Ok(None) };
    let seconds = text.parse::<i64>().ok().filter(|seconds| *seconds >= 0);
    let invalid = || {
        Invalid::new(format!("SOURCE_DATE_EPOCH is `{text}`"))
            .hint("give seconds since 1970, or take the variable away")
    };
    seconds.map(Some).ok_or_else(invalid)
}
