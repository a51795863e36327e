//! `import --change 'CMD ["sh"]'`: the Dockerfile instructions that only touch the configuration.

use engine::request::ImportChange;

use super::{Invalid, Read};

const INSTRUCTIONS: [&str; 12] = [
    "CMD",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "HEALTHCHECK",
    "LABEL",
    "ONBUILD",
    "SHELL",
    "STOPSIGNAL",
    "USER",
    "VOLUME",
    "WORKDIR",
];

/// Reads the value of `--change`.
pub(crate) fn parse(text: &str) -> Read<ImportChange> {
    let text = text.trim();
    let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    let instruction = word.to_ascii_uppercase();
    if !INSTRUCTIONS.contains(&instruction.as_str()) {
        return Err(Invalid::new(format!("{word} is not a valid change command"))
            .hint(format!("use one of {}", INSTRUCTIONS.join(", "))));
    }
    let arguments = rest.trim();
    if arguments.is_empty() {
        return Err(Invalid::new(format!("{instruction} needs an argument")));
    }
    Ok(ImportChange { instruction, arguments: arguments.to_owned() })
}

#[cfg(test)]
#[test]
fn readings() {
    let show = |text: &str| parse(text).map(|c| format!("{}|{}", c.instruction, c.arguments));
    let rows = [
        ("CMD [\"sh\"]", "\"CMD|[\\\"sh\\\"]\""),
        ("env  A=b", "\"ENV|A=b\""),
        ("RUN x", "!RUN is not a valid change command"),
        ("CMD", "!CMD needs an argument"),
        ("", "! is not a valid change command"),
    ];
    super::check::table(show, &rows);
}
